"""The most that is relayed of a file: what is said of one that is larger, and the watch on one that arrives."""

from __future__ import annotations

from collections.abc import AsyncIterator

from nextbridge.errors import Rejected
from nextbridge.labels import in_words

__all__ = ["bounded", "over", "too_large"]


def over(largest: int) -> str:
    """What a file of more than `largest` bytes is, for its reader: `over the 50 MB that are relayed`."""
    return f"over the {in_words(largest)} that are relayed"


def too_large(largest: int) -> Rejected:
    """What a driver raises for one that it is to fetch."""
    return Rejected(f"it is {over(largest)}")


async def bounded(chunks: AsyncIterator[bytes], largest: int) -> AsyncIterator[bytes]:
    """`chunks` as they come. Raises `too_large` before the chunk that goes over `largest` bytes."""
    total = 0
    async for chunk in chunks:
        total += len(chunk)
        if total > largest:
            raise too_large(largest)
        yield chunk
