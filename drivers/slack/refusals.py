"""What a refusal of Slack's means for the core: for this act alone, or for all of the channel."""

from __future__ import annotations

from drivers.slack.api import Refusal
from drivers.slack.channels import Channels, to_be_invited
from drivers.slack.events import Me
from nextbridge.envelope import ChannelKey
from nextbridge.errors import Gone, Paused, Rejected

__all__ = ["Refusals"]

_NO_MESSAGE = {"bad_timestamp", "message_not_found", "no_item_specified", "thread_not_found", "invalid_thread_ts"}
_NOT_OURS = {"cant_delete_message", "cant_update_message"}


class Refusals:
    """Translates for one app."""

    def __init__(self, me: Me, channels: Channels) -> None:
        self._me = me
        self._channels = channels

    def of_message(self, channel: ChannelKey, refusal: Refusal, *, answers: bool) -> Paused | Rejected | Gone:
        """Of a new message, which may answer another."""
        if answers and (refusal.error in _NO_MESSAGE or refusal.error == "cannot_reply_to_message"):
            return Gone("the message that it answers is not there any more, or cannot be answered")
        if refusal.error == "missing_scope":
            reason = f"the app has no right to post: add the scope {refusal.needed} and install it again"
            return Paused(reason, scope="instance")
        return self._closed(channel, refusal) or Rejected(f"Slack refuses it: {refusal}")

    def of_change(self, channel: ChannelKey, refusal: Refusal, what: str) -> Paused | Rejected | Gone:
        """Of an act upon a message, or upon the channel: without the right to `what`, messages go on."""
        if refusal.error in _NO_MESSAGE:
            return Gone("the message is not there any more")
        if refusal.error in _NOT_OURS:
            return Rejected("the message is somebody else's")
        if refusal.error == "missing_scope":
            return Rejected(f"the app has no right to {what}: add the scope {refusal.needed} and install it again")
        return self._closed(channel, refusal) or Rejected(f"Slack refuses to {what}: {refusal}")

    def _closed(self, channel: ChannelKey, refusal: Refusal) -> Paused | None:
        name = self._channels.name(channel)
        match refusal.error:
            case "channel_not_found" | "not_in_channel":
                reason = to_be_invited(name, self._me)
            case "is_archived" | "channel_is_archived":
                reason = f"channel {name} is archived; take it out of the archive, or out of the rules"
            case str(error) if error.startswith(("restricted_action", "posting_to_")):
                reason = f"not everybody may post in channel {name}; let the app, in the channel's settings"
            case _:
                return None
        self._channels.paused(channel)
        return Paused(reason, scope="channel")
