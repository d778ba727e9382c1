"""Long messages in parts, and messages in lines."""

from __future__ import annotations

import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from drivers.mattermost.markdown import MARKDOWN
from nextbridge.driver import Unit
from nextbridge.markup import (
    PLAIN,
    Block,
    Bold,
    Code,
    CodeBlock,
    Dialect,
    Heading,
    LineBreak,
    Link,
    ListBlock,
    Mention,
    Paragraph,
    Quote,
    RichText,
    Text,
    ThematicBreak,
)
from nextbridge.markup.split import lines, split
from tests.markup.strategies import blocks, visible


def p(text: str) -> Paragraph:
    return Paragraph((Text(text),))


def written(
    tree: tuple[Block, ...], limit: int, dialect: Dialect = MARKDOWN, unit: Unit = Unit.CHARACTERS
) -> list[str]:
    return [dialect.write(part) for part in split(tree, write=dialect.write, size=unit.measure, limit=limit)]


@settings(deadline=None, max_examples=40)
@given(blocks(links=False), st.integers(1, 150), st.sampled_from([MARKDOWN, PLAIN]))
@example((Paragraph((Mention("n0"),)),), 1, MARKDOWN)
def test_nothing_is_lost_or_repeated(tree: tuple[Block, ...], limit: int, dialect: Dialect) -> None:
    """The parts together show what the whole shows, even where the limit is smaller than any part."""
    parts = split(tree, write=dialect.write, size=len, limit=limit)
    assert visible(tuple(block for part in parts for block in part)) == visible(tree)


@settings(deadline=None, max_examples=40)
@given(blocks(), st.integers(60, 200), st.sampled_from([MARKDOWN, PLAIN]), st.sampled_from(list(Unit)))
def test_each_part_fits(tree: tuple[Block, ...], limit: int, dialect: Dialect, unit: Unit) -> None:
    """In whatever unit the limit is given."""
    assert all(unit.measure(part) <= limit for part in written(tree, limit, dialect, unit))


def test_what_fits_stays_whole() -> None:
    """One part, the very blocks; and none for nothing."""
    tree = (p("a"), Quote((p("b"),)))
    assert split(tree, write=PLAIN.write, size=len, limit=100) == [tree]
    assert split((), write=PLAIN.write, size=len, limit=100) == []


def test_it_is_cut_between_blocks_first() -> None:
    """A block that fits in the next part is not begun in this one."""
    assert written((p("one two"), p("three four"), p("five")), 16) == ["one two", "three four\n\nfive"]


def test_lists_and_quotes_are_cut_between_what_they_hold() -> None:
    """Numbers go on, and each part of a quote is a quote."""
    numbered = ListBlock(((p("one"),), (p("two"),), (p("three"),)), 7)
    assert written((numbered,), 16) == ["7. one\n8. two", "9. three"]
    assert written((Quote((p("one"), p("two two"))),), 10) == ["> one", "> two two"]


def test_only_an_items_beginning_bears_its_bullet() -> None:
    """The rest of a long item goes on without one."""
    assert written((ListBlock(((p("one two three"),), (p("b"),))),), 9) == ["- one two", "three", "- b"]


def test_a_paragraph_is_cut_at_line_ends_then_at_word_ends() -> None:
    """And the white space at the cut is gone."""
    tree = (Paragraph((Text("one two"), LineBreak(), Text("three four five"))),)
    assert written(tree, 12) == ["one two", "three four", "five"]


def test_formatting_is_closed_and_opened_again() -> None:
    """A Bold over the cut is bold on both sides, and nests as before."""
    tree = (Paragraph((Text("a "), Bold((Text("bold words "), Code("and code"), Text(" here"))))),)
    assert written(tree, 20) == ["a **bold words**", "**`and code` here**"]


def test_code_is_cut_at_line_ends_and_fenced_again() -> None:
    """With the language it had."""
    tree = (CodeBlock("a = 1\n\nb = 22222", "py"),)
    assert written(tree, 19) == ["```py\na = 1\n```", "```py\nb = 22222\n```"]


def test_a_bare_address_stays_whole_where_it_can() -> None:
    """It goes to the next part; one longer than a part is cut as text."""
    address = "https://example.org/page"
    link = Link(address, (Text(address),))
    assert written((Paragraph((Text("see there: "), link)),), 30) == ["see there:", address]
    assert "".join(written((Paragraph((link,)),), 10, PLAIN)) == address


def test_a_links_words_stay_links_on_both_sides() -> None:
    """Each part carries the address; where that fits in no part, it stands behind the words."""
    link = Link("http://e.org", (Text("one two three"),))
    assert written((Paragraph((link,)),), 24) == ["[one two](http://e.org)", "[three](http://e.org)"]
    assert visible(split((Paragraph((link,)),), write=PLAIN.write, size=len, limit=8)[0]) == "one"


@pytest.mark.parametrize("character", ["e\u0301\u0323", "👩\u200d👩\u200d👧", "👍🏽", "❤\ufe0f", "🇩🇪"])
def test_what_people_see_as_one_character_stays_together(character: str) -> None:
    """A mark stays with its base, a flag with both its letters, an emoji with what it is joined to."""
    parts = written((p(character * 40),), 25, PLAIN)
    assert "".join(parts) == character * 40
    assert all(len(part) % len(character) == 0 for part in parts)


def test_a_character_larger_than_the_limit_is_cut_between_code_points() -> None:
    """Rather that than no progress."""
    assert written((p("e" + "\u0301" * 5),), 2, PLAIN) == ["e\u0301", "\u0301\u0301", "\u0301\u0301"]


def test_a_part_is_measured_a_few_times_only() -> None:
    """The work grows with the text, not with its square."""
    measured = 0

    def size(text: str) -> int:
        nonlocal measured
        measured += len(text)
        return len(text)

    tree = RichText.plain("some words " * 5_000).blocks
    parts = split(tree, write=PLAIN.write, size=size, limit=400)
    assert len(parts) > 100
    assert measured < 20 * len("some words " * 5_000)


# --- lines --------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=40)
@given(blocks())
def test_lines_hold_no_line_break_and_lose_nothing(tree: tuple[Block, ...]) -> None:
    """Each is one line in plain text, and together they show what the whole shows."""
    cut = lines(tree)
    assert all("\n" not in PLAIN.write(line) for line in cut)
    assert visible(tuple(block for line in cut for block in line)) == visible(tree)


def test_a_line_keeps_its_shape() -> None:
    """A quote's line is a quote, code's is code with its indentation, an item's first bears the bullet."""
    tree = (
        Heading(1, (Text("h"),)),
        Paragraph((Text("a"), LineBreak(), LineBreak(), Bold((Text("b"), LineBreak(), Text("c"))))),
        Quote((Paragraph((Text("d"), LineBreak(), Text("e"))),)),
        CodeBlock("f\n\n  g", "py"),
        ListBlock(((Paragraph((Text("i"), LineBreak(), Text("j"))),), (p("k"),)), 3),
        ThematicBreak(),
    )
    assert lines(tree) == [
        (Heading(1, (Text("h"),)),),
        (p("a"),),
        (Paragraph((Bold((Text("b"),)),)),),
        (Paragraph((Bold((Text("c"),)),)),),
        (Quote((p("d"),)),),
        (Quote((p("e"),)),),
        (Paragraph((Code("f"),)),),
        (Paragraph((Code("  g"),)),),
        (ListBlock(((p("i"),),), 3),),
        (p("j"),),
        (ListBlock(((p("k"),),), 4),),
        (ThematicBreak(),),
    ]
