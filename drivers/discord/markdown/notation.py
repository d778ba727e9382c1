"""The signs of Discord's notation that its reader and its writer must agree on.

What Discord's clients take for markup is in no reference; it is seen in them, and in part in the help pages "Markdown
Text 101" and in "Reference: Message Formatting" of the public documentation (mentions, emoji, timestamps).
"""

from __future__ import annotations

import re

__all__ = [
    "ADDRESS",
    "CUSTOM_EMOJI_NAME",
    "FENCE",
    "GUARD",
    "HEADING",
    "ITEM",
    "MARKUP",
    "SMALL",
    "SNOWFLAKE",
    "is_safe_address",
    "unguarded",
]

GUARD = "\u200b"
"""A zero-width space, put between signs that would be taken together. It shows nothing, and the reader drops it."""
FENCE = "```"
SNOWFLAKE = re.compile(r"[0-9]{1,20}")
CUSTOM_EMOJI_NAME = re.compile(r"[A-Za-z0-9_]{2,32}")
HEADING = re.compile(r"(#{1,3})[ \t]+(?=\S)")
ITEM = re.compile(r"( *)([-*]|([0-9]{1,9})\.)[ \t]+(?=\S)")
SMALL = re.compile(r"-#[ \t]+(?=\S)")
"""A line in small letters, which other platforms have not."""
ADDRESS = re.compile(r"https?://[^\s<>\u200b]*[^\s<>.,:;\"'\])\u200b]", re.IGNORECASE)
"""A bare address; punctuation at its end belongs to the sentence."""
MARKUP = re.compile(
    r"[\\`*_~|<\[\]\u200b]|@(?:everyone|here)|:[A-Za-z0-9_+-]+:|https?:|^\s*(?:[#>*+-]|[0-9]+\.)",
    re.MULTILINE | re.IGNORECASE,
)
"""Where markup can be; a text without any is plain."""

_ADDRESS_ALONE = re.compile(r"https?://[^\s<>/?#]+\S*", re.IGNORECASE)


def is_safe_address(url: str) -> bool:
    """Whether Discord makes a link of it: the web alone."""
    return _ADDRESS_ALONE.fullmatch(url) is not None


def unguarded(text: str) -> str:
    """Without the guards."""
    return text.replace(GUARD, "")
