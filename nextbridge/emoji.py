"""What is one emoji, however it is written."""

from __future__ import annotations

from emoji import demojize, emojize, is_emoji

__all__ = ["LONGEST_EMOJI", "read_emoji"]

LONGEST_EMOJI = 40
"""Characters of an emoji; a family with everybody's tone of skin has ten or so."""


def read_emoji(text: str) -> str | None:
    """The one emoji that `text` is, in the form that all its ways of being written share; None for anything else."""
    if len(text) > LONGEST_EMOJI or not is_emoji(text):
        return None
    return emojize(demojize(text))
