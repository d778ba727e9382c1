"""The webhooks by which messages bear their authors' names: one in each channel, found or made when it is needed."""

from __future__ import annotations

import asyncio
import re

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from drivers.discord.places import Home, Places
from drivers.discord.rights import Right
from nextbridge.driver import Host

__all__ = ["Webhooks", "username"]

_NAME = "NextBridge"
_LONGEST_NAME = 80
_FORBIDDEN = re.compile(r"(c)(lyde)|(d)(iscord)", re.IGNORECASE)
_ALIKE = {"c": "с", "C": "С", "d": "ԁ", "D": "Ꭰ"}
"""A letter of another script that looks the same: Discord refuses a name with these words in it."""


class Webhooks:
    """One bot's."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._known: dict[str, wire.Webhook] = {}
        """By channel."""
        self._own: dict[str, wire.Webhook] = {}
        """By id, of this run of the daemon: what they said is ours."""
        self._making: dict[str, asyncio.Lock] = {}

    @property
    def ids(self) -> set[str]:
        return set(self._own)

    def own(self, webhook: str | None) -> wire.Webhook | None:
        """One of ours by its id."""
        return self._own.get(webhook or "")

    def may(self, home: Home) -> bool:
        """Whether a channel can have one; a thread has its channel's."""
        return Right.MANAGE_WEBHOOKS in home.rights

    async def find_all(self, places: Places, me: wire.User, api: Api) -> None:
        """Know those that there are, so that what they said before is known to be ours."""
        for home in places.homes:
            if self.may(home):
                await self._find(home, me, api)

    async def of(self, home: Home, me: wire.User, api: Api) -> wire.Webhook | None:
        """The webhook of a channel, made where there is none; None where that cannot be. Raises as a call."""
        channel = _owner(home)
        if channel in self._known:
            return self._known[channel]
        if not self.may(home):
            return None
        async with self._making.setdefault(channel, asyncio.Lock()):
            if channel not in self._known and not await self._find(home, me, api):
                try:
                    self._know(channel, await api.create_webhook(channel, _NAME))
                except Refused as refused:
                    self._host.log.warning("webhook_not_made", channel=home.name, reason=refused.message)
                    return None
            return self._known.get(channel)

    def forget(self, channel: str) -> None:
        """That of a channel was deleted, or may have been."""
        self._known.pop(channel, None)

    def lost(self, home: Home) -> None:
        """The one that a message was to go out by is not there any more."""
        self.forget(_owner(home))

    async def _find(self, home: Home, me: wire.User, api: Api) -> bool:
        try:
            found = await api.webhooks(_owner(home))
        except Refused:
            return False
        for webhook in found:
            if webhook.application_id == me.id and webhook.type == 1 and webhook.token:
                self._know(_owner(home), webhook)
                return True
        return False

    def _know(self, channel: str, webhook: wire.Webhook) -> None:
        self._known[channel] = webhook
        self._own[webhook.id] = webhook


def _owner(home: Home) -> str:
    """The channel whose webhook it is."""
    return (home.channel.parent_id or home.channel.id) if home.channel.is_thread else home.channel.id


def username(name: str) -> str:
    """A name as a webhook may bear it (Webhook Resource, "Create Webhook")."""
    line = " ".join(wire.storable(name).split())

    def alike(found: re.Match[str]) -> str:
        first, rest = (found[1], found[2]) if found[1] else (found[3], found[4])
        return _ALIKE[first] + rest

    line = _FORBIDDEN.sub(alike, line)[:_LONGEST_NAME].strip()
    if line.casefold() in {"everyone", "here", ""}:
        line = f"{line} ·".strip()
    return line
