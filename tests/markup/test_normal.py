"""The normal form of rich text."""

from __future__ import annotations

from hypothesis import given, settings

from nextbridge.markup import (
    Block,
    Bold,
    Code,
    Heading,
    Italic,
    LineBreak,
    Link,
    ListBlock,
    Paragraph,
    Quote,
    Spoiler,
    Text,
    Underline,
)
from nextbridge.markup.normal import normalise
from tests.markup.strategies import blocks, visible


@settings(deadline=None, max_examples=40)
@given(blocks())
def test_the_normal_form_is_its_own_normal_form(tree: tuple[Block, ...]) -> None:
    """Normalising twice gives what normalising once gives."""
    once = normalise(tree)
    assert normalise(once) == once


@settings(deadline=None, max_examples=40)
@given(blocks())
def test_it_loses_no_character_that_a_reader_sees(tree: tuple[Block, ...]) -> None:
    """Only white space goes."""
    assert visible(normalise(tree)) == visible(tree)


def test_formatting_lets_go_of_white_space_and_nests_in_one_order() -> None:
    """An Italic around a Bold is a Bold around an Italic, and a space at its edge is outside."""
    tree = Paragraph((Text("a"), Italic((Text(" "), Bold((Text("b"),)), Text(" "))), Text("c")))
    assert normalise((tree,)) == (Paragraph((Text("a "), Bold((Italic((Text("b"),)),)), Text(" c"))),)


def test_what_stands_side_by_side_grows_together() -> None:
    """Two Texts are one, and so are two Codes and two Bolds."""
    tree = Paragraph((Text("a"), Text("b"), Code("c"), Code("d"), Bold((Text("e"),)), Bold((Text("f"),))))
    assert normalise((tree,)) == (Paragraph((Text("ab"), Code("cd"), Bold((Text("ef"),)))),)


def test_a_blank_line_parts_paragraphs_and_formatting_ends_with_the_line() -> None:
    """A Bold over a blank line is two Bolds in two paragraphs."""
    tree = Paragraph((Bold((Text("a"), LineBreak(), LineBreak(), Text("b"), LineBreak(), Text("c"))),))
    bold_b, bold_c = Bold((Text("b"),)), Bold((Text("c"),))
    assert normalise((tree,)) == (Paragraph((Bold((Text("a"),)),)), Paragraph((bold_b, LineBreak(), bold_c)))


def test_nothing_is_empty_but_an_item() -> None:
    """Paragraphs, quotes and headings without anything visible are left out; items keep the numbers right."""
    empty = Paragraph((Bold(()), Text(" ")))
    tree = (empty, Quote((empty,)), Heading(1, (Text(""),)), ListBlock(((empty,), (empty,)), 3))
    assert normalise(tree) == (ListBlock(((), ()), 3),)


def test_a_link_without_words_reads_as_its_address() -> None:
    """So it can be seen and followed."""
    tree = Paragraph((Link("https://e.org", ()),))
    assert normalise((tree,)) == (Paragraph((Link("https://e.org", (Text("https://e.org"),)),)),)


def test_a_spoiler_is_outermost_so_that_it_is_one() -> None:
    """Around links and formatting, cut at the end of a line, and without white space at its edges."""
    link = Link("https://e.org", (Text("b"),))
    tree = Paragraph((Bold((Text("a"), Spoiler((Text(" x"), LineBreak(), Text("y"))))), Spoiler((Text("z "), link))))
    assert normalise((tree,)) == (
        Paragraph(
            (
                Bold((Text("a"),)),
                Text(" "),
                Spoiler((Bold((Text("x"),)),)),
                LineBreak(),
                Spoiler((Bold((Text("y"),)), Text("z "), link)),
            )
        ),
    )


def test_underlining_can_be_taken_away() -> None:
    """A notation without a sign for it asks for that."""
    tree = Paragraph((Text("a"), Underline((Text("b"),))))
    assert normalise((tree,), underline=False) == (Paragraph((Text("ab"),)),)
