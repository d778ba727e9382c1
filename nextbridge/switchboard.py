"""What the instances see of the core: it hands what they say to the part that it is for."""

from __future__ import annotations

from collections.abc import Awaitable, Mapping

from nextbridge.channels import ChannelDirectory
from nextbridge.delivery import Deliveries
from nextbridge.driver import Cursor
from nextbridge.envelope import Channel, ChannelKey, Event, InstanceId, UserId
from nextbridge.identities import OwnIdentities
from nextbridge.relay import Relay
from nextbridge.tally import Tally

__all__ = ["Switchboard"]


class Switchboard:
    """Implements `nextbridge.instance.Core`."""

    def __init__(
        self,
        relay: Relay,
        deliveries: Deliveries,
        channels: ChannelDirectory,
        identities: OwnIdentities,
        tally: Tally,
        *,
        platforms: Mapping[InstanceId, str],
    ) -> None:
        self._relay = relay
        self._deliveries = deliveries
        self._channels = channels
        self._identities = identities
        self._tally = tally
        self._platforms = platforms

    async def accept(self, event: Event, cursor: Cursor | None) -> Awaitable[object]:
        return await self._relay.accept(event, cursor)

    def skipped(self, instance: InstanceId, reason: str) -> None:
        self._tally.skipped(instance, reason)

    async def identified(self, instance: InstanceId, realm: str, me: UserId) -> None:
        await self._identities.learn(instance, self._platforms[instance], realm, me)

    async def resolved(self, configured: Channel, key: ChannelKey, name: str) -> None:
        await self._channels.resolve(configured, key, name)

    def wake(self, instance: InstanceId, channel: ChannelKey | None) -> None:
        self._deliveries.wake(instance, channel)
