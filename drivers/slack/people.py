"""Who people are and what channels are called: looked up when a message first names them, kept for a while."""

from __future__ import annotations

import asyncio
import time
from collections import OrderedDict
from collections.abc import Iterable
from typing import Generic, TypeVar

from structlog.typing import FilteringBoundLogger

from drivers.slack import wire
from drivers.slack.api import Api, Refusal
from drivers.slack.mrkdwn import Names
from nextbridge.envelope import Author, UserId
from nextbridge.errors import Retry

__all__ = ["People", "as_author"]

V = TypeVar("V")

_KNOWN_AT_ONCE = 10_000
_MOST_NAMED = 20
"""People and channels that are looked up for one message; whoever else is named in it stays an id."""
_DIRECTORY_SECONDS = 600.0
_DIRECTORY_PAGES = 10
_PAGE = "1000"


class _Kept(Generic[V]):
    """A bounded cache; what was not asked for longest is forgotten first."""

    def __init__(self) -> None:
        self._values: OrderedDict[str, V] = OrderedDict()

    def get(self, key: str) -> V | None:
        found = self._values.get(key)
        if found is not None:
            self._values.move_to_end(key)
        return found

    def keep(self, key: str, value: V) -> None:
        self._values[key] = value
        self._values.move_to_end(key)
        if len(self._values) > _KNOWN_AT_ONCE:
            self._values.popitem(last=False)

    def forget_all(self) -> None:
        self._values.clear()


class People:
    """A workspace's, as far as they were met."""

    def __init__(self, log: FilteringBoundLogger) -> None:
        self._log = log
        self._users: _Kept[wire.User] = _Kept()
        self._channels: _Kept[str] = _Kept()
        self._directory: tuple[float, dict[str, list[wire.User]]] | None = None
        self._reading = asyncio.Lock()

    def forget_all(self) -> None:
        """What changed while there was no connection is unknown."""
        self._users.forget_all()
        self._channels.forget_all()
        self._directory = None

    def updated(self, user: wire.User) -> None:
        """Slack says that somebody has changed."""
        if self._users.get(user.id) is not None:
            self._users.keep(user.id, user)

    def channel_called(self, channel: str, name: str) -> None:
        """Slack says what a channel is called."""
        self._channels.keep(channel, name)

    async def user(self, api: Api, user_id: str) -> wire.User | None:
        """The user, or None where the look-up fails; then it is tried again the next time. Raises Paused."""
        known = self._users.get(user_id)
        if known is not None:
            return known
        try:
            found = (await api.look_up("users.info", wire.UserAnswer, user=user_id)).user
        except (Refusal, Retry) as error:
            self._log.warning("name_unknown", user=user_id, reason=str(error))
            return None
        self._users.keep(user_id, found)
        return found

    async def author(self, api: Api, user_id: str) -> Author:
        """Somebody by their id, under it where nothing else is known. Raises Paused."""
        user = await self.user(api, user_id)
        return Author(UserId(user_id), user_id, user_id) if user is None else as_author(user)

    async def names(self, api: Api, people: Iterable[str], channels: Iterable[str]) -> Names:
        """What the people and channels that a message names are called. Raises Paused."""
        named: dict[str, str] = {}
        for each in sorted(people)[:_MOST_NAMED]:
            if (user := await self.user(api, each)) is not None:
                named[each] = user.shown
        called: dict[str, str] = {}
        for each in sorted(channels)[:_MOST_NAMED]:
            if name := await self._channel(api, each):
                called[each] = name
        return Names(named, called)

    async def _channel(self, api: Api, channel: str) -> str:
        known = self._channels.get(channel)
        if known is None:
            try:
                known = (await api.look_up("conversations.info", wire.Opened, channel=channel)).channel.name
            except Refusal:  # a private one that we are not in
                known = ""
            except Retry:
                return ""
            self._channels.keep(channel, known)
        return known

    async def called(self, api: Api, name: str) -> list[wire.User]:
        """Those in the workspace whose handle or shown name is `name`, in whatever letters. Raises as a call.

        Of a workspace with more than 10,000 people, the first 10,000.
        """
        async with self._reading:
            if self._directory is None or self._directory[0] < time.monotonic():
                self._directory = time.monotonic() + _DIRECTORY_SECONDS, await self._read(api)
        return self._directory[1].get(name.casefold(), [])

    async def _read(self, api: Api) -> dict[str, list[wire.User]]:
        found: dict[str, list[wire.User]] = {}
        cursor = ""
        for _ in range(_DIRECTORY_PAGES):
            page = await api.call("users.list", wire.UserList, limit=_PAGE, **({"cursor": cursor} if cursor else {}))
            for user in page.members:
                if not user.deleted:
                    for name in {user.name.casefold(), user.shown.casefold()} - {""}:
                        found.setdefault(name, []).append(user)
            cursor = page.response_metadata.next_cursor if page.response_metadata else ""
            if not cursor:
                break
        return found


def as_author(user: wire.User) -> Author:
    """Somebody as the core knows people. Their picture has an address that anybody can fetch."""
    image = (user.profile or wire.Profile()).image_192
    return Author(
        id=UserId(user.id),
        username=user.name or user.id,
        name=user.shown or user.id,
        avatar=image if image.startswith("https://") else None,
        bot=user.is_bot,
    )
