"""What each method of the Web API is given: the workspace, who asks, and what for."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import TypeAlias

from msgspec import Struct

from nextbridge.sandbox.slack.parameters import Parameters
from nextbridge.sandbox.slack.records import App, Channel, Json, Message
from nextbridge.sandbox.slack.refusals import Refusal
from nextbridge.sandbox.slack.workspace import Workspace

__all__ = ["Call", "Method"]


class Call(Struct, frozen=True):
    """One call."""

    workspace: Workspace
    app: App
    parameters: Parameters
    address: str
    """Where the caller reaches the server, without a final slash."""

    @property
    def me(self) -> str:
        return self.app.user.id

    def needs(self, *scopes: str) -> None:
        """Raises Refusal where the app has none of these scopes."""
        if not self.app.scopes & {*scopes}:
            raise Refusal("missing_scope", needed=",".join(scopes), provided=",".join(sorted(self.app.scopes)))

    def channel(self, name: str = "channel") -> Channel:
        """The channel that is asked about, where the app may know of it. Raises Refusal."""
        channel = self.workspace.channels.get(self.parameters.text(name))
        if channel is None or ((channel.is_private or channel.is_im) and self.me not in channel.members):
            raise Refusal("channel_not_found")
        return channel

    def channel_to_write(self, name: str = "channel") -> Channel:
        """Likewise, where the app may post. Raises Refusal."""
        channel = self.channel(name)
        if channel.is_archived:
            raise Refusal("is_archived")
        if self.me not in channel.members:
            raise Refusal("not_in_channel")
        return channel

    def channel_to_read(self) -> Channel:
        channel = self.channel()
        if self.me not in channel.members:
            raise Refusal("not_in_channel")
        return channel

    def message(self, channel: Channel, name: str = "ts") -> Message:
        """Raises Refusal."""
        message = channel.messages.get(self.parameters.text(name))
        if message is None or message.subtype == "tombstone":
            raise Refusal("message_not_found")
        return message


Method: TypeAlias = Callable[[Call], Awaitable[Json]]
