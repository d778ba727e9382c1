"""Names in a room: nobody can look like somebody else."""

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.webchat.names import LONGEST_NAME, NameRefused, read_name, same_name


@pytest.mark.parametrize(
    ("typed", "name"),
    [
        ("  Ada  ", "Ada"),
        ("Ada\t Lovelace", "Ada Lovelace"),
        ("Ada\u00a0Lovelace", "Ada Lovelace"),
        ("Zoe\u0308", "Zoë"),
        ("愛田", "愛田"),
        ("<b>Bobby</b>", "<b>Bobby</b>"),
        ("🦊", "🦊"),
    ],
)
def test_a_name_keeps_what_people_see(typed: str, name: str) -> None:
    """A name is what was typed, with its spaces put right."""
    assert read_name(typed) == name


@pytest.mark.parametrize(
    "typed",
    [
        "",
        "   ",
        "A" * (LONGEST_NAME + 1),
        "Ada\u200b",
        "\u202eadA",
        "Ada\u2066",
        "A\x00da",
        "A\x1bda",
        "\u3164",
        "\u2800",
        "Ada\ufe0f",
        "Ada\U000e0041",
        "\u0301",
        "Z" + "\u0353" * 8,
        "Ada\ue000",
    ],
)
def test_a_name_that_hides_something_is_refused(typed: str) -> None:
    """Invisible characters, text direction, piles of accents, nothing at all, or too much: no name."""
    with pytest.raises(NameRefused):
        read_name(typed)


@pytest.mark.parametrize("other", ["ada lovelace", "ADA LOVELACE", "Ada  Lovelace", "AdaLovelace", "Ａda Ｌovelace"])
def test_names_that_look_alike_are_one(other: str) -> None:
    """Case, spaces and width do not make another name."""
    assert same_name(other) == same_name("Ada Lovelace")


def test_different_people_have_different_names() -> None:
    """Two names that people tell apart are two."""
    assert len({same_name(each) for each in ("Ada", "Ida", "Ada2", "Äda")}) == 4


@given(st.text(max_size=60))
def test_a_name_that_was_read_stays_as_it_is(typed: str) -> None:
    """Whatever is typed, a name that is taken is taken unchanged the next time, and is never blank or too long."""
    try:
        name = read_name(typed)
    except NameRefused:
        return
    assert read_name(name) == name
    assert name.strip() == name
    assert 1 <= len(name) <= LONGEST_NAME
    assert same_name(name)
