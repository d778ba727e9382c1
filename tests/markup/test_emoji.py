"""Emoji have the names that chat servers know them by."""

from __future__ import annotations

import pytest

from nextbridge.markup.emoji import character, load, shortcode


@pytest.mark.parametrize(
    ("name", "char"),
    [
        ("smile", "😄"),
        ("slightly_smiling_face", "🙂"),
        ("+1", "👍"),
        ("thumbsup", "👍"),
        ("-1", "👎"),
        ("100", "💯"),
        ("heart", "❤️"),
        ("email", "✉️"),
        ("satellite", "🛰️"),
        ("de", "🇩🇪"),
        ("flag-de", "🇩🇪"),
        ("flag-ad", "🇦🇩"),
        ("pirate_flag", "🏴‍☠️"),
        ("man-shrugging", "🤷‍♂️"),
        ("rofl", "🤣"),
        ("thinking", "🤔"),
        ("hugs", "🤗"),
        ("man_facepalming", "🤦‍♂️"),
        ("wave_dark_skin_tone", "👋🏿"),
        ("thumbsup_light_skin_tone", "👍🏻"),
        ("fist_raised_medium_skin_tone", "✊🏽"),
        ("female-technologist_medium_skin_tone", "👩🏽‍💻"),
        ("our_parrot", None),
        ("", None),
        ("x" * 10_000, None),
    ],
)
def test_a_name_is_a_character(name: str, char: str | None) -> None:
    """The names of Mattermost and of GitHub, flags and skin tones among them; a custom emoji's is none."""
    assert character(name) == char


@pytest.mark.parametrize(
    ("char", "name"),
    [
        ("👍", "+1"),
        ("❤️", "heart"),
        ("❤", "heart"),
        ("🇩🇪", "de"),
        ("👩‍💻", "female-technologist"),
        ("👋🏽", "wave_medium_skin_tone"),
        ("x", None),
        ("1", None),
        ("", None),
        ("👍👍", None),
        ("\ufe0f", None),
        ("👍" * 10_000, None),
    ],
)
def test_a_character_has_a_name(char: str, name: str | None) -> None:
    """The one that Mattermost shows it by, whether or not it asks for colours; what is no emoji has none."""
    assert shortcode(char) == name


def test_every_name_of_an_emoji_leads_back_to_it() -> None:
    """Whatever character is written by its name is read as that character again."""
    names = load()
    lost = [name for char, name in names.shortcodes.items() if names.characters[name].replace("\ufe0f", "") != char]
    assert lost == []
