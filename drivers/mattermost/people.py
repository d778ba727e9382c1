"""Who people are: looked up by id when they first speak, kept for a while, refreshed when the server says so."""

from __future__ import annotations

from collections import OrderedDict

from structlog.typing import FilteringBoundLogger

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal
from nextbridge.errors import Retry

__all__ = ["People"]

_KNOWN_AT_ONCE = 10_000


class People:
    """A bounded cache of users; the one who has been silent for longest is forgotten first."""

    def __init__(self, log: FilteringBoundLogger, *, size: int = _KNOWN_AT_ONCE) -> None:
        self._log = log
        self._size = size
        self._known: OrderedDict[str, wire.User] = OrderedDict()

    async def user(self, api: Api, user_id: str) -> wire.User | None:
        """The user, or None where the look-up fails; then it is tried again the next time.

        Raises Paused where the token is refused.
        """
        known = self._known.get(user_id)
        if known is not None:
            self._known.move_to_end(user_id)
            return known
        try:
            found = await api.user(user_id)
        except (Refusal, Retry) as error:
            self._log.warning("name_unknown", user=user_id, reason=str(error))
            return None
        self._known[user_id] = found
        if len(self._known) > self._size:
            self._known.popitem(last=False)
        return found

    def updated(self, user: wire.User) -> None:
        """The server says that somebody has changed."""
        if user.id in self._known:
            self._known[user.id] = user

    def forget_all(self) -> None:
        """What changed while there was no connection is unknown."""
        self._known.clear()
