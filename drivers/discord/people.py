"""Who people are: as authors of events, remembered for a while, and asked for where only an id is told."""

from __future__ import annotations

from collections import OrderedDict

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from nextbridge.envelope import Author, UserId
from nextbridge.errors import DriverError

__all__ = ["People", "author_of", "is_named"]

_KEPT = 10_000
_CDN = "https://cdn.discordapp.com"


def author_of(user: wire.User, member: wire.Member | None = None, guild: str = "") -> Author:
    """Somebody, by the name that people in the guild see."""
    nick = member.nick if member is not None else None
    return Author(
        id=UserId(user.id),
        username=user.username,
        name=nick or user.name,
        avatar=_picture(user, member, guild),
        bot=user.bot,
    )


def _picture(user: wire.User, member: wire.Member | None, guild: str) -> str:
    """An address that anybody can fetch (API Reference, "CDN Endpoints"); that of a member of the guild goes first."""
    if member is not None and member.avatar and guild:
        return f"{_CDN}/guilds/{guild}/users/{user.id}/avatars/{member.avatar}.png"
    if user.avatar:
        return f"{_CDN}/avatars/{user.id}/{user.avatar}.png"
    number = (int(user.id) >> 22) % 6 if user.id.isdecimal() else 0
    return f"{_CDN}/embed/avatars/{number}.png"


def is_named(author: Author, name: str) -> bool:
    """Whether that is their whole handle or shown name, in whatever letters."""
    return name.casefold() in {author.username.casefold(), author.name.casefold()}


class People:
    """Everybody who was heard of lately, by guild."""

    def __init__(self) -> None:
        self._known: OrderedDict[tuple[str, str], Author] = OrderedDict()
        self._authors: OrderedDict[str, Author] = OrderedDict()
        """By message: who said it, since a deletion does not tell."""

    def met(self, user: wire.User, member: wire.Member | None, guild: str) -> Author:
        """Remember somebody as they are now."""
        author = author_of(user, member, guild)
        self._known[guild, user.id] = author
        self._known.move_to_end((guild, user.id))
        if len(self._known) > _KEPT:
            self._known.popitem(last=False)
        return author

    def said(self, message: str, author: Author) -> None:
        """Remember who said something."""
        self._authors[message] = author
        self._authors.move_to_end(message)
        if len(self._authors) > _KEPT:
            self._authors.popitem(last=False)

    def author(self, message: str) -> Author | None:
        return self._authors.get(message)

    def name(self, guild: str, user: str) -> str | None:
        known = self._known.get((guild, user))
        return None if known is None else known.name

    async def person(self, guild: str, user: str, api: Api) -> Author:
        """Somebody by their id; by that alone where they are nowhere to be found."""
        if (known := self._known.get((guild, user))) is not None:
            return known
        try:
            member = await api.member(guild, user)
            if member.user is not None:
                return self.met(member.user, member, guild)
        except (Refused, DriverError):
            pass
        return Author(UserId(user), user, user)

    async def named(self, guild: str, name: str, api: Api) -> Author | None:
        """The one in the guild of that whole name; None where it is nobody, or several. Raises as a call."""
        found = {author.id: author for (place, _), author in self._known.items() if place == guild}
        for member in await api.search_members(guild, name):
            if member.user is not None:
                found[UserId(member.user.id)] = self.met(member.user, member, guild)
        named = [author for author in found.values() if is_named(author, name)]
        return named[0] if len(named) == 1 else None
