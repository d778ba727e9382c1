"""Regular expressions take time that grows with the text alone, whatever the text is."""

from __future__ import annotations

import time
from contextlib import suppress

import pytest
from hypothesis import given
from hypothesis import strategies as st

from nextbridge.expression import Budget, Expression, ExpressionError, Replacement, TooMuch

EVIL = ["(a+)+$", "(a|aa)+$", "(.*)*x", "(a*)*b", "(x+x+)+y", "[ab]*a[ab]{200}c", "(.|a)*(b|.)*c$", "(?i)(a|b|ab)*c"]
"""Each takes for ever, in an engine that backtracks, on some text of a hundred characters."""
SECONDS = 2.0
"""For 100 kB, on a machine that does other things too."""


@pytest.mark.parametrize("pattern", EVIL)
@pytest.mark.parametrize("unit", ["a", "ab", "x", "é", "a\n"])
def test_no_text_makes_a_search_slow(pattern: str, unit: str) -> None:
    """100 kB of what a pattern backtracks on elsewhere."""
    expression = Expression(pattern)
    text = (unit * 100_000)[:100_000] + "!"
    begun = time.thread_time()
    expression.is_in(text)
    assert time.thread_time() - begun < SECONDS


@pytest.mark.parametrize("pattern", [*EVIL, "a", "[^!]", "a.*b|a", "x.*y|x", "(a).*(b)|a"])
@pytest.mark.parametrize("unit", ["a", "x", "é"])
def test_no_text_makes_replacing_slow(pattern: str, unit: str) -> None:
    """As many matches as characters, each of which looks to the end: it is given up, not waited for."""
    replacement = Replacement(pattern, r"<\0>")
    begun = time.thread_time()
    with suppress(TooMuch):
        replacement.made((unit * 100_000) + "!", Budget())
    assert time.thread_time() - begun < SECONDS


def test_replacing_does_not_make_much_of_little() -> None:
    """A user's thousand letters do not become a million words."""
    with pytest.raises(TooMuch):
        Replacement("a", "x" * 1000).made("a" * 2000, Budget())
    assert len(Replacement("a", "x" * 1000).made("a" * 500, Budget())) == 500_000


@given(st.text(), st.sampled_from([*EVIL, r"\w+", r"\pL", "^", r"\b", "(?:)", r"\C"]))
def test_nothing_that_is_text_makes_it_fail(text: str, pattern: str) -> None:
    """Halves of surrogate pairs, too, which a driver may pass on from a server."""
    for each in (text, f"{text}\ud800", f"\udfff{text}"):
        Expression(pattern).is_in(each)
        Replacement(pattern, r"\0").made(each, Budget())


@given(st.text(st.characters(codec="utf-8")))
def test_what_is_found_can_be_put_back(text: str) -> None:
    """Replacing all by itself changes nothing, whatever the characters."""
    assert Replacement("(?s).", r"\0").made(text, Budget()) == text
    assert Replacement("(a)(b)?", r"\1\2").made(text, Budget()) == text


def test_groups_and_backslashes() -> None:
    r"""`\1` is what a group found, nothing where it found nothing, `\0` is all of it, `\\` a backslash."""
    assert Replacement("(k)(ü)?-([0-9]+)", r"[\3|\2|\1|\0|\\1]").made("ä k-12 kü-3", Budget()) == (
        r"ä [12||k|k-12|\1] [3|ü|k|kü-3|\1]"
    )
    assert Replacement(r"\bö|x", "").made("axo x", Budget()) == "ao "


def test_where_nothing_is_found_it_is_the_same_text() -> None:
    """Whoever replaces can tell that nothing was; a match of nothing is none."""
    text = "hello"
    assert Replacement("z", "y").made(text, Budget()) is text
    assert Replacement("^|$|z*", "y").made(text, Budget()) is text


def test_patterns_of_the_same_words_differ_by_their_options() -> None:
    """One that captures and one that does not are compiled apart."""
    assert Expression("(a)").groups == 0
    assert Expression("(a)", captures=True).groups == 1


@pytest.mark.parametrize(
    ("pattern", "words", "offset"),
    [("ab(?<=c)", "look-behind", 2), (r"(a)\1", "references back", 3), ("a[b", "missing ]", 1), ("\ud800", "none", 0)],
)
def test_what_cannot_be_matched_says_why_and_where(pattern: str, words: str, offset: int) -> None:
    """The operator is told what to leave out."""
    with pytest.raises(ExpressionError, match=words.replace("]", r"\]")) as caught:
        Expression(pattern)
    assert caught.value.offset == offset
