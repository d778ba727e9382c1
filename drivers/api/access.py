"""Which program a request comes from, by its token, and what that one may do in which room."""

from __future__ import annotations

import hashlib
import hmac
from collections.abc import Collection, Sequence

from aiohttp import web
from msgspec import Struct

from drivers.api.refusals import Refused
from drivers.api.settings import TokenSettings

__all__ = ["Caller", "Gate"]


class Caller(Struct, frozen=True):
    """A program that has shown its token."""

    name: str
    reads: bool
    writes: bool
    rooms: frozenset[str] | None
    """The keys of its rooms; None: all."""

    def sees(self, room: str) -> bool:
        """Whether the room is there for it."""
        return self.rooms is None or room in self.rooms

    def must_read(self) -> None:
        """Raises Refused where it may not."""
        if not self.reads:
            raise Refused(403, "This token may only write.")

    def must_write(self) -> None:
        """Raises Refused where it may not."""
        if not self.writes:
            raise Refused(403, "This token may only read.")


class Gate:
    """Knows the tokens of one instance."""

    def __init__(self, tokens: Sequence[TokenSettings]) -> None:
        self._known = [(_digest(each.token.reveal().encode()), caller_of(each)) for each in tokens]

    @property
    def callers(self) -> Collection[Caller]:
        """All of them."""
        return [caller for _, caller in self._known]

    def caller(self, request: web.Request) -> Caller:
        """Who asks. Raises Refused. Takes the same time whatever is wrong with a token, and whosever it is."""
        scheme, _, token = request.headers.get("Authorization", "").partition(" ")
        shown = _digest(token.strip().encode("utf-8", "surrogateescape"))
        found: Caller | None = None
        for digest, caller in self._known:
            if hmac.compare_digest(digest, shown):
                found = caller
        if scheme.casefold() != "bearer" or found is None:
            raise Refused(401, "This needs a token: Authorization: Bearer.", {"WWW-Authenticate": "Bearer"})
        return found


def caller_of(token: TokenSettings) -> Caller:
    """What a token's block of the file says."""
    return Caller(
        token.name,
        reads=token.rights != "write",
        writes=token.rights != "read",
        rooms=None if token.rooms is None else frozenset(each.lower() for each in token.rooms),
    )


def _digest(token: bytes) -> bytes:
    return hashlib.sha256(token).digest()
