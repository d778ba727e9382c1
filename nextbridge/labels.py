"""What stands for a file that a target does not show itself: `[Image: cat.png]`, with a link to it where there is one.

What a chat user wrote (the file's name) is data here as everywhere: the label is a piece of rich text, which the
target's dialect writes.
"""

from __future__ import annotations

from msgspec import Struct

from nextbridge.envelope import Attachment
from nextbridge.markup import Dialect, Inline, Link, Text
from nextbridge.markup.plain import one_line

__all__ = ["Missing", "in_words", "label", "label_in"]

_LONGEST_NAME = 80
_LONGEST_LIMIT = 80
"""Characters, so that no label can push a message out of its limits."""


class Missing(Struct, frozen=True, omit_defaults=True):
    """An attachment that is shown by its label: why, and what the label says."""

    reason: str
    """For the operator."""
    limit: str = ""
    """For the reader: the limit that it met, `over the 50 MB that are relayed`; empty where it met none."""
    link: str | None = None
    """Where the reader can open it."""
    media_type: str | None = None
    """By its content, where that is known."""
    size: int | None = None
    """Bytes, likewise."""


def label(attachment: Attachment, missing: Missing | None = None) -> str:
    """The label without its link."""
    return f"[{_words(attachment, missing)}]"


def label_in(dialect: Dialect, attachment: Attachment, missing: Missing) -> tuple[Inline, ...]:
    """The label with its link, as people write one on a platform with this dialect."""
    link = missing.link
    if link is None:
        return (Text(label(attachment, missing)),)
    if dialect.names_links:
        return (Link(link, (Text(_words(attachment, missing)),)),)
    return (Text(f"{label(attachment, missing)} "), Link(link, (Text(link),)))


def in_words(size: int) -> str:
    """A number of bytes for people: `50 MB`."""
    if size == 1:
        return "1 byte"
    amount = float(size)
    for unit in ("bytes", "KB", "MB"):
        if amount < 1024:
            return f"{amount:.4g} {unit}"
        amount /= 1024
    return f"{amount:.4g} GB"


def _words(attachment: Attachment, missing: Missing | None) -> str:
    media_type, size, limit = attachment.media_type, attachment.size, ""
    if missing is not None:
        media_type, limit = missing.media_type or media_type, one_line(missing.limit, _LONGEST_LIMIT)
        size = size if missing.size is None else missing.size
    kind = {"image": "Image", "video": "Video", "audio": "Audio"}.get(media_type.partition("/")[0], "File")
    words = f"{kind}: {one_line(attachment.name, _LONGEST_NAME) or 'unnamed'}"
    if limit:
        words += f" ({limit})" if size is None else f" ({in_words(size)}, {limit})"
    return words
