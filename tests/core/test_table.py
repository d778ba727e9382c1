"""What commands print: columns, ages, and what a terminal makes of names that chat users chose."""

from __future__ import annotations

import pytest

from nextbridge.control.table import age, aligned, clock, harmless, one_line


def test_columns_stand_below_each_other() -> None:
    """Words begin and numbers end in one column, also after characters that take two columns or none."""
    shown = aligned(
        ("NAME", "DEPTH", "WHY"), [("a", "1", "x"), ("漢字", "1000", "y"), ("e\u0301", "20", "")], numbers="DEPTH"
    )
    assert shown.split("\n") == [
        "NAME  DEPTH  WHY",
        "a         1  x",
        "漢字   1000  y",
        "e\u0301        20",
    ]


@pytest.mark.parametrize(
    ("seconds", "shown"),
    [(-5, "0 s"), (0, "0 s"), (59.4, "59 s"), (60, "1 min"), (185, "3 min"), (7200, "2 h"), (86_400 * 40, "40 d")],
)
def test_an_age_has_one_unit(seconds: float, shown: str) -> None:
    """The largest that fits."""
    assert age(seconds) == shown


@pytest.mark.parametrize("hostile", ["\x1b[2J", "\r", "\x07", "\x9b31m", "\u202e", "\u2066", "\ud800", "\x00", "\x7f"])
def test_no_character_is_obeyed(hostile: str) -> None:
    """What would move, colour, clear, ring or turn round is shown as its escape."""
    shown = harmless(f"a{hostile}b")
    assert shown.isprintable()
    assert shown.startswith("a\\")


def test_what_people_write_stays() -> None:
    """Other scripts, emoji of several parts and lines are as they were; a wide blank is a blank."""
    text = "Grüße, 漢字 👩\u200d🚀\n  second line"
    assert harmless(text) == text
    assert harmless("a\u00a0b\tc") == "a b c"


def test_a_cell_is_one_line_and_not_endless() -> None:
    """Lines are joined, and a long value is cut with a sign of it."""
    assert one_line("a\n  b\u2028c") == "a b c"
    assert len(one_line("x" * 10_000)) == 120
    assert one_line("x" * 10_000).endswith("…")


@pytest.mark.parametrize("nonsense", [10**30, -(10**30)])
def test_a_time_that_no_clock_shows_is_shown_as_the_number(nonsense: int) -> None:
    """A platform's times are not to be believed."""
    assert clock(nonsense) == str(nonsense)
