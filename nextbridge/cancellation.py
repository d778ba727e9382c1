"""Whether a CancelledError is meant for us, or was raised by something inside a driver that was cancelled."""

from __future__ import annotations

import asyncio

__all__ = ["is_ours_to_end"]


def is_ours_to_end() -> bool:
    """Whether the task that asks is itself to end. To be asked where a CancelledError was caught."""
    task = asyncio.current_task()
    return task is not None and task.cancelling() > 0
