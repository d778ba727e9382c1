"""What a refusal of the server means for the core: for this act alone, or for all of the channel.

The server's status alone does not tell (an unknown channel is 403, 404 or 400, an archived one 400, by its version; a
post that is gone is refused as one that is somebody else's), so the channel and the post are looked at.
"""

from __future__ import annotations

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal
from drivers.mattermost.channels import Channels, to_be_added
from nextbridge.envelope import ChannelKey, MessageId
from nextbridge.errors import Gone, Paused, Rejected

__all__ = ["Refusals"]


class Refusals:
    """Translates for one account."""

    def __init__(self, api: Api, me: wire.User, channels: Channels) -> None:
        self._api = api
        self._me = me
        self._channels = channels

    async def of_post(self, channel: ChannelKey, refusal: Refusal, root: MessageId | None) -> Paused | Rejected | Gone:
        """Of a new post, which answers `root`. Raises as a look-up."""
        if root is not None and await self._post(root) is None:
            return Gone("the post that it answers is not there any more")
        paused = await self._closed(channel)
        if paused is None and refusal.about_rights:
            reason = f"@{self._me.username} may not do this in channel {self._channels.name(channel)}"
            fix = "Give it the right to post and to upload files there"
            paused = Paused(f"{reason}: {refusal.message} {fix}", scope="channel")
        if paused is None:
            return Rejected(f"the server refuses it ({refusal.status}): {refusal.message}")
        self._channels.paused(channel)
        return paused

    async def of_change(
        self, channel: ChannelKey, post: MessageId, refusal: Refusal, right: str, *, ours: bool
    ) -> Paused | Rejected | Gone:
        """Of a change of a post; `right` names what it takes, and `ours` is whether it takes that the post is ours."""
        found = await self._post(post)
        if found is None:
            return Gone("the post is not there any more")
        if ours and found.user_id != self._me.id:
            return Rejected("the post is somebody else's")
        return await self.of_right(channel, refusal, right)

    async def of_right(self, channel: ChannelKey, refusal: Refusal, right: str) -> Paused | Rejected:
        """Of an act that takes a right of its own: without it, messages go on."""
        paused = await self._closed(channel)
        if paused is not None:
            self._channels.paused(channel)
            return paused
        if refusal.about_rights:
            name = self._channels.name(channel)
            return Rejected(f"@{self._me.username} has no right to {right} in channel {name}: {refusal.message}")
        return Rejected(f"the server refuses it ({refusal.status}): {refusal.message}")

    async def _post(self, post: MessageId) -> wire.Post | None:
        try:
            found = await self._api.post(post)
        except Refusal as refusal:
            if refusal.status in {400, 404}:
                return None
            # there, perhaps, and not for us
            return wire.Post(id=post, create_at=0, user_id=self._me.id, channel_id="")
        return None if found.delete_at else found

    async def _closed(self, channel: ChannelKey) -> Paused | None:
        """Why nothing passes in the channel for now; None where it is open."""
        name = self._channels.name(channel)
        try:
            found = await self._api.channel(channel)
            if found.delete_at:
                return Paused(f"channel {found.display_name or name} is archived; restore it", scope="channel")
            await self._api.membership(channel)
        except Refusal:
            return Paused(to_be_added(name, self._me.username), scope="channel")
        return None
