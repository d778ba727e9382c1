"""The channels of the file: the stable id behind a configured name."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

import structlog

from nextbridge.envelope import Channel, ChannelKey, InstanceId
from nextbridge.journal import Journal
from nextbridge.rules import RuleTable

__all__ = ["ChannelDirectory"]

_NAMESPACE = "core/channels"
_SEPARATOR = "\x1f"


class ChannelDirectory:
    """Resolves a configured channel to its stable id, in the rules and in the journal; remembers it over restarts.

    A driver tells it what the server says. A channel that is configured by its id needs no remembering.
    """

    def __init__(
        self, journal: Journal, rules: RuleTable, rekey_lane: Callable[[Channel, Channel], Awaitable[None]]
    ) -> None:
        """`rekey_lane` moves what waits for a channel to its new key."""
        self._journal = journal
        self._rules = rules
        self._rekey_lane = rekey_lane
        self._moves: set[asyncio.Task[None]] = set()
        self._names: dict[Channel, str] = {}
        self._log = structlog.get_logger()

    async def load(self) -> None:
        """Take up what earlier runs learnt. Before the first lane starts."""
        for place, key in (await self._journal.read_all(_NAMESPACE)).items():
            instance, _, configured = place.partition(_SEPARATOR)
            self._rules.resolve(
                Channel(InstanceId(instance), ChannelKey(configured)), Channel(InstanceId(instance), ChannelKey(key))
            )

    def name(self, channel: Channel) -> str:
        """What people call a channel, as its server said last; its key where that has said nothing since the start."""
        return self._names.get(channel, channel.key)

    async def resolve(self, configured: Channel, key: ChannelKey, name: str) -> None:
        """The server says: `configured` is the channel `key`, called `name`."""
        channel = Channel(configured.instance, key)
        self._names[channel] = name
        before = self._rules.present(configured)
        if before == channel:
            return
        # whoever gives up waiting for it, it is done whole
        move = asyncio.create_task(self._move(configured, before, channel, name))
        self._moves.add(move)
        move.add_done_callback(self._moves.discard)
        await asyncio.shield(move)

    async def _move(self, configured: Channel, before: Channel, channel: Channel, name: str) -> None:
        log = self._log.bind(instance=channel.instance, channel=channel.key, name=name)
        for twice in self._rules.resolve(configured, channel):
            log.error(
                "channel_twice_in_rule",
                rule=twice.rule,
                reason="two of the rule's channels are this one; it is treated as listed once",
            )
        if before == configured:
            # nothing is awaited since the rules know the new key: what they send there waits behind what is on disk
            await self._rekey_lane(configured, channel)
        else:
            log.warning("channel_repointed", before=before.key, reason="the configured name is another channel's now")
        await self._journal.write(_NAMESPACE, f"{configured.instance}{_SEPARATOR}{configured.key}", channel.key)
