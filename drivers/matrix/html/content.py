"""What the content of an `m.room.message` holds of a text in our HTML: its body, its HTML, and whom it calls."""

from __future__ import annotations

import html
from typing import Any

from msgspec import Struct

from drivers.matrix.html.parser import parse
from drivers.matrix.html.writer import write
from nextbridge.markup import PLAIN

__all__ = ["Content", "content"]

_LONGEST_BODY = 16_000
"""Bytes. The plain text of nested quotes can be many times as long as they are in HTML."""


class Content(Struct, frozen=True):
    """The text of an event."""

    body: str
    """As plain text."""
    formatted: str | None
    """As HTML, with what clients are to show alone; None where it says no more than the body."""
    users: tuple[str, ...] = ()
    """The ids of those whom it mentions."""
    everybody: bool = False
    """Whether it calls everybody in the room."""

    def fields(self) -> dict[str, Any]:
        """The keys of the event's content, the type of message aside.

        `m.mentions` is always among them: without it servers look for people's names in the body.
        """
        mentions: dict[str, Any] = {}
        if self.users:
            mentions["user_ids"] = list(self.users)
        if self.everybody:
            mentions["room"] = True
        fields: dict[str, Any] = {"body": self.body, "m.mentions": mentions}
        if self.formatted is not None:
            fields |= {"format": "org.matrix.custom.html", "formatted_body": self.formatted}
        return fields


def content(text: str) -> Content:
    """The content of a text in the dialect `HTML`, as the core made it. Never raises."""
    parsed = parse(text, breaks=True)
    body = _cut(PLAIN.write(parsed.blocks))
    formatted = parsed.permitted if parsed.says_more else write(parsed.blocks)
    plain = not parsed.users and html.escape(body).replace("\n", "<br>") == formatted
    return Content(body, None if plain else formatted, parsed.users, parsed.everybody)


def _cut(body: str) -> str:
    data = body.encode("utf-8", "replace")
    return body if len(data) <= _LONGEST_BODY else data[: _LONGEST_BODY - 3].decode("utf-8", "ignore") + "…"
