"""Who is in a chat, as far as we have heard of them: the Bot API tells nobody's members.

https://core.telegram.org/bots/api#available-methods has the administrators and the number of members, and no list. So
whoever has said or done something is known, for as long as the daemon runs.
"""

from __future__ import annotations

from collections import OrderedDict

from drivers.telegram import wire
from nextbridge.envelope import Author, UserId

__all__ = ["People", "author_of_chat", "author_of_user"]

_CHATS = 500
_PEOPLE = 1000
"""In a chat; who has been silent for longest is forgotten first."""


class People:
    """Bounded."""

    def __init__(self) -> None:
        self._chats: OrderedDict[int, OrderedDict[int, wire.User]] = OrderedDict()

    def seen(self, chat: int, user: wire.User) -> None:
        """Somebody is in a chat."""
        people = self._chats.setdefault(chat, OrderedDict())
        people[user.id] = user
        people.move_to_end(user.id)
        if len(people) > _PEOPLE:
            people.popitem(last=False)
        self._chats.move_to_end(chat)
        if len(self._chats) > _CHATS:
            self._chats.popitem(last=False)

    def left(self, chat: int, user: wire.User) -> None:
        """Somebody is in a chat no more."""
        self._chats.get(chat, OrderedDict()).pop(user.id, None)

    def name(self, chat: int, user: int) -> str | None:
        """What somebody is called in a chat; None where they are not known."""
        known = self._chats.get(chat, OrderedDict()).get(user)
        return None if known is None else known.name

    def find(self, chat: int, name: str) -> wire.User | None:
        """The one whose whole handle or shown name that is, in whatever letters; None for nobody and for several."""
        wanted = name.casefold()
        if not wanted:
            return None
        people = self._chats.get(chat, OrderedDict()).values()
        by_handle = [each for each in people if each.username.casefold() == wanted or str(each.id) == wanted]
        found = by_handle or [each for each in people if each.name.casefold() == wanted]
        return found[0] if len(found) == 1 else None


def author_of_user(user: wire.User, portrait: str = "") -> Author:
    """A person or bot. Who has no @name is called by their number, which nobody else can take."""
    return Author(UserId(str(user.id)), user.username or str(user.id), user.name, bot=user.is_bot, portrait=portrait)


def author_of_chat(chat: wire.Chat, signature: str = "", portrait: str = "") -> Author:
    """A channel, or a group whose administrator speaks in its name."""
    name = f"{chat.name} ({signature})" if signature else chat.name
    return Author(UserId(str(chat.id)), chat.username or str(chat.id), name, portrait=portrait)
