"""What is done to a message that stands behind it in its lane: it was a dead letter, and is tried again at the end.

An edit, a deletion or a reaction then goes to the end as well.
"""

from __future__ import annotations

from nextbridge.delivery.errand import Errand
from nextbridge.journal import Fate

__all__ = ["BEHIND", "go_behind", "is_behind"]

BEHIND = "behind_its_message"
"""The reason of a delivery that was put at the end of its lane again."""


def is_behind(fate: Fate, errand: Errand) -> bool:
    """Whether the message stands behind its change: it was a dead letter, and is tried again.

    What stands before us in the lane has had its turn, whatever the journal says; else we would wait for it for ever.
    """
    return fate.waiting is not None and fate.waiting > errand.delivery.id


async def go_behind(errand: Errand) -> str:
    """Put the change at the end of its lane, where its message is now."""
    await errand.around.journal.requeue(errand.delivery.id)
    return BEHIND
