"""Addresses that stand bare in a text, as people write them: found as links, without the sentence's punctuation."""

from __future__ import annotations

import re
from typing import Final

from nextbridge.markup.tree import Inline, Link, Text

__all__ = ["linked"]

_URL: Final = re.compile(r"https?://[^\s<>\"\x00-\x1f\x7f]+", re.IGNORECASE)


def linked(text: str) -> list[Inline]:
    """`text` with each bare address in it as a link."""
    nodes: list[Inline] = []
    end = 0
    for found in _URL.finditer(text):
        url = _address(found.group())
        if found.start() > end:
            nodes.append(Text(text[end : found.start()]))
        nodes.append(Link(url, (Text(url),)))
        end = found.start() + len(url)
    if end < len(text):
        nodes.append(Text(text[end:]))
    return nodes


def _address(found: str) -> str:
    """The address in `found`, without the punctuation of the sentence that it stands in."""
    url = found.rstrip(".,;:!?'*_~")
    while url.endswith((")", "]", "}")):
        closing = url[-1]
        opening = {")": "(", "]": "[", "}": "{"}[closing]
        surplus = url.count(closing) - url.count(opening)
        if surplus <= 0:
            break
        bare = url.rstrip(closing)
        url = url[: max(len(bare), len(url) - surplus)].rstrip(".,;:!?'*_~")
    return url if len(url) > len("https://") else found
