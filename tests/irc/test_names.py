"""Names on IRC."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.irc.names import alternatives, display_name


@pytest.mark.parametrize("name", ["anna", "Anna", "ab", "Ünal", "anna smith"])
def test_a_shown_name_calls_nobody(name: str) -> None:
    """A client that looks for its own nick as a word finds none in the name of a remote author."""
    assert not re.search(rf"\b{re.escape(name)}\b", display_name(name))
    assert display_name(name).replace("\u200b", "") == name.replace(" ", "_")


def test_a_letter_keeps_its_accent() -> None:
    """The break comes after what looks like one character, not inside it."""
    assert display_name("e\u0301mile") == "e\u0301\u200bmile"
    assert display_name("👩\u200d💻dev") == "👩\u200d💻\u200bdev"


@given(st.text())
def test_a_shown_name_is_one_plain_word(name: str) -> None:
    """Whatever somebody calls themselves, it holds no space, line break, formatting or direction override."""
    shown = display_name(name)
    assert not re.search(r"[\s\x00-\x1f\x7f-\x9f\u202a-\u202e\u2066-\u2069]", shown)
    assert display_name("bob\u202e\x02\x0304>\r\n eve") == "b\u200bob04>_eve"


def test_a_nick_in_use_has_others_that_fit() -> None:
    """The nicks that stand in are near the wanted one, all different, and the last fit the strictest servers."""
    others = list(alternatives("nextbridge"))
    assert others[0] == "nextbridge_"
    assert len(set(others)) == len(others)
    assert all(len(nick) <= 9 for nick in others[2:])
