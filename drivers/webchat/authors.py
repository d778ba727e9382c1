"""Who a browser is from one connection to the next: an author id, and the signed session that proves it."""

from __future__ import annotations

import hashlib
import hmac
import secrets

from nextbridge.driver import Store

__all__ = ["Authors"]

_STORED = "session_key"


class Authors:
    """Gives out author ids and recognises their owners. The signing key is made once and kept in the store."""

    def __init__(self, key: bytes) -> None:
        self._key = key

    @classmethod
    async def load(cls, store: Store) -> Authors:
        """Those of this instance, as they were signed ever since."""
        kept = await store.get(_STORED)
        if kept is None:
            kept = secrets.token_hex(32)
            await store.set(_STORED, kept)
        return cls(bytes.fromhex(kept))

    def new(self) -> str:
        """An author id that nobody has."""
        return secrets.token_hex(12)

    def session(self, author: str) -> str:
        """What the author's browser keeps: nobody else can make it."""
        return f"{author}.{hmac.new(self._key, author.encode(), hashlib.sha256).hexdigest()}"

    def recognise(self, session: str | None) -> str | None:
        """The author whose session this is, or None where it is nobody's."""
        if session is None or not session.isascii():
            return None
        author = session.partition(".")[0]
        return author if author and hmac.compare_digest(session, self.session(author)) else None
