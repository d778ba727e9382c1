"""Who we are, on every platform: what any of our instances posts must never come back as somebody's message."""

from __future__ import annotations

import msgspec
from msgspec import Struct

from nextbridge.envelope import Channel, InstanceId, UserId
from nextbridge.journal import Journal

__all__ = ["Home", "OwnIdentities"]

_NAMESPACE = "core/own-identities"


class Home(Struct, frozen=True, gc=False):
    """The server or network that user ids belong to; two instances on one server share it."""

    platform: str
    realm: str


class _Identity(Struct, frozen=True):
    platform: str
    realm: str
    user: UserId


class OwnIdentities:
    """Our user id of each instance and the realm it belongs to; kept in the journal over restarts.

    An id belongs to a realm (a server, a network), so that two instances on one server know each other's posts and
    equal nicks on two networks are two people.
    """

    def __init__(self, journal: Journal) -> None:
        self._journal = journal
        self._by_instance: dict[InstanceId, _Identity] = {}
        self._ours: frozenset[_Identity] = frozenset()

    async def load(self) -> None:
        """Remember what earlier runs learnt. Before the first instance is started."""
        for instance, text in (await self._journal.read_all(_NAMESPACE)).items():
            self._by_instance[InstanceId(instance)] = msgspec.json.decode(text, type=_Identity)
        self._ours = frozenset(self._by_instance.values())

    async def learn(self, instance: InstanceId, platform: str, realm: str, user: UserId) -> None:
        """`instance` is `user` in `realm` from now on. Returns once that is on disk."""
        identity = _Identity(platform, realm, user)
        if self._by_instance.get(instance) == identity:
            return
        self._by_instance[instance] = identity
        self._ours = frozenset(self._by_instance.values())
        await self._journal.write(_NAMESPACE, instance, msgspec.json.encode(identity).decode())

    def address(self, channel: Channel) -> str:
        """The channel's address, which is the same to every daemon: `platform:realm/channel`.

        Until its instance has once connected it is only known by the instance's own name.
        """
        seen_by = self._by_instance.get(channel.instance)
        return f"{seen_by.platform}:{seen_by.realm}/{channel.key}" if seen_by else str(channel)

    def home(self, instance: InstanceId) -> Home | None:
        """Where the user ids belong that `instance` sees; None until it has once connected."""
        seen_by = self._by_instance.get(instance)
        return None if seen_by is None else Home(seen_by.platform, seen_by.realm)

    def instances(self) -> frozenset[InstanceId]:
        """The instances, of this run or an earlier one, that have once connected."""
        return frozenset(self._by_instance)

    def instances_at(self, home: Home) -> list[InstanceId]:
        """The instances, of this run or an earlier one, that see the user ids of `home`."""
        return [
            instance
            for instance, seen_by in self._by_instance.items()
            if (seen_by.platform, seen_by.realm) == (home.platform, home.realm)
        ]

    def is_ours(self, instance: InstanceId, user: UserId) -> bool:
        """Whether `user`, as seen by `instance`, is one of our own accounts."""
        seen_by = self._by_instance.get(instance)
        return seen_by is not None and _Identity(seen_by.platform, seen_by.realm, user) in self._ours
