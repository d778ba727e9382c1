"""What the instances see of the core: it hands what they say to the part that it is for."""

from __future__ import annotations

from collections.abc import Awaitable

from nextbridge.backfill import Backfill
from nextbridge.channels import ChannelDirectory
from nextbridge.delivery import Deliveries
from nextbridge.driver import Cursor, Position
from nextbridge.envelope import Author, Channel, ChannelKey, Event, InstanceId, MessageId, UserId
from nextbridge.identities import OwnIdentities
from nextbridge.skips import Skips
from nextbridge.tally import Tally
from nextbridge.typing_signs import TypingSigns

__all__ = ["Switchboard"]


class Switchboard:
    """Implements `nextbridge.instance.Core`."""

    def __init__(
        self,
        backfill: Backfill,
        deliveries: Deliveries,
        channels: ChannelDirectory,
        identities: OwnIdentities,
        tally: Tally,
        typing: TypingSigns,
        skips: Skips,
    ) -> None:
        self._backfill = backfill
        self._deliveries = deliveries
        self._channels = channels
        self._identities = identities
        self._tally = tally
        self._typing = typing
        self._skips = skips

    async def accept(self, event: Event, cursor: Cursor | None) -> Awaitable[object]:
        return await self._backfill.accept(event, cursor)

    def skipped(
        self, instance: InstanceId, reason: str, cursor: Cursor | None, message: tuple[ChannelKey, MessageId] | None
    ) -> None:
        self._tally.skipped(instance, reason)
        if message is not None:
            self._skips.passed_over(reason, Channel(instance, message[0]), message[1])
        if cursor is not None:
            self._backfill.passed(instance, cursor)

    def typing(self, channel: Channel, author: Author) -> None:
        self._typing.show(channel, author)

    def gap(self, channel: Channel, newest: Position | None, *, forget: bool) -> None:
        self._backfill.gap(channel, newest, forget=forget)

    async def identified(self, instance: InstanceId, platform: str, realm: str, me: UserId) -> None:
        await self._identities.learn(instance, platform, realm, me)

    async def resolved(self, configured: Channel, key: ChannelKey, name: str) -> None:
        await self._channels.resolve(configured, key, name)

    def wake(self, instance: InstanceId, channel: ChannelKey | None) -> None:
        self._deliveries.wake(instance, channel)
