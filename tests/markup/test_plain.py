"""The plain dialect: text as people type it where there is no formatting."""

from __future__ import annotations

import pytest
from hypothesis import given

from nextbridge.markup import (
    PLAIN,
    Block,
    Bold,
    Code,
    CodeBlock,
    Emoji,
    Heading,
    Italic,
    LineBreak,
    Link,
    ListBlock,
    Mention,
    Paragraph,
    Quote,
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
)
from tests.markup.strategies import any_text


def p(text: str) -> Paragraph:
    return Paragraph((Text(text),))


@given(any_text)
def test_every_character_means_itself(text: str) -> None:
    """What is read is written again as it was, whatever it looks like."""
    assert PLAIN.write(PLAIN.read(text).blocks) == text


@pytest.mark.parametrize(
    ("block", "written"),
    [
        (Paragraph((Bold((Text("a"),)), Italic((Underline((Strike((Text("b"),)),)),)))), "ab"),
        (Paragraph((Text("a "), Spoiler((Bold((Text("b"),)), LineBreak(), Text("c"))))), "a ||b\nc||"),
        (Paragraph((Text("a"), LineBreak(), Text("b"))), "a\nb"),
        (
            Paragraph((Mention("ann"), Text(" "), Emoji("smile"), Emoji("our_parrot"), Code("x"))),
            "@ann 😄:our_parrot:x",
        ),
        (Paragraph((Link("https://e.org", (Text("https://e.org"),)),)), "https://e.org"),
        (Paragraph((Link("http://www.e.org", (Text("www.e.org"),)),)), "www.e.org"),
        (Paragraph((Link("https://e.org", (Bold((Text("here"),)),)),)), "here (https://e.org)"),
        (Paragraph((Link("https://e.org", ()),)), "https://e.org"),
        (Heading(2, (Text("Title"),)), "Title"),
        (CodeBlock("a\n  b", "py"), "a\n  b"),
        (Quote((p("a"), Quote((p("b"),)))), "> a\n> > b"),
        (ListBlock(((p("a"),), (p("b"), ListBlock(((p("c"),),))))), "• a\n• b\n  • c"),
        (ListBlock(((p("a"),), (p("b"), p("c"))), 9), "9. a\n10. b\n    \n    c"),
        (ThematicBreak(), "―――"),
    ],
)
def test_a_shape_is_kept_as_people_type_it(block: Block, written: str) -> None:
    """Lists and quotes keep their signs; formatting has none; a link says where it goes."""
    assert PLAIN.write((block,)) == written


def test_a_blank_line_stands_only_where_two_blocks_would_look_like_one() -> None:
    """Two paragraphs, or two quotes, are told apart; a heading and its text need no blank line."""
    blocks = (Heading(1, (Text("h"),)), p("a"), p("b"), Quote((p("c"),)), Quote((p("d"),)), CodeBlock("e"))
    assert PLAIN.write(blocks) == "h\na\n\nb\n> c\n\n> d\ne"
