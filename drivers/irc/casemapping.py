"""When two names are one: a server's CASEMAPPING.

Sources: RFC 1459 section 2.2 (braces, bar and caret are the lower case of brackets, backslash and tilde), and
https://modern.ircdocs.horse/#casemapping-parameter for the names of the mappings.
"""

from __future__ import annotations

from typing import Final

__all__ = ["ASCII", "RFC1459", "CaseMapping"]

_UPPER: Final = "ABCDEFGHIJKLMNOPQRSTUVWXYZ"


class CaseMapping:
    """One way to fold names. Stateless."""

    def __init__(self, name: str, extra: tuple[str, str] = ("", "")) -> None:
        self.name = name
        self._table = str.maketrans(_UPPER + extra[0], _UPPER.lower() + extra[1])

    def fold(self, name: str) -> str:
        """The one spelling that all spellings of a name share."""
        return name.translate(self._table)

    @classmethod
    def named(cls, name: str) -> CaseMapping:
        """The mapping that a server announces; one that is not known folds as ASCII, which confuses no two names."""
        return _KNOWN.get(name.lower(), ASCII)


ASCII: Final = CaseMapping("ascii")
RFC1459: Final = CaseMapping("rfc1459", ("[]\\~", "{}|^"))
"""What holds where a server says nothing."""
_STRICT: Final = CaseMapping("strict-rfc1459", ("[]\\", "{}|"))
_KNOWN: Final = {mapping.name: mapping for mapping in (ASCII, RFC1459, _STRICT)}
