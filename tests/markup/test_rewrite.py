"""A tree is reworded or made plain without becoming another one."""

from __future__ import annotations

from collections.abc import Iterator

from hypothesis import given
from hypothesis import strategies as st

from drivers.mattermost.markdown import MARKDOWN
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
    MentionKind,
    Paragraph,
    Quote,
    Spoiler,
    Text,
    ThematicBreak,
)
from nextbridge.markup.rewrite import barred, reworded, unformatted
from tests.markup.strategies import blocks, marked_up


def read(text: str) -> tuple[Block, ...]:
    return MARKDOWN.read(text).blocks


def write(tree: tuple[Block, ...]) -> str:
    return MARKDOWN.write(tree)


def test_words_are_replaced_where_they_stand() -> None:
    """In formatting, code, links, headings, lists and quotes; mentions and named emoji stay."""
    tree = read("# x a\n\n**x** `x` [x](http://x.org/x) @x :x:\n\n> x\n\n- x\n- y\n\n```\nx\n```")
    told = write(reworded(tree, lambda text: text.replace("x", "zz")))
    assert told == ("# zz a\n\n**zz** `zz` [zz](http://zz.org/zz) @x :x:\n\n> zz\n\n- zz\n- y\n\n```\nzz\n```")


def test_what_becomes_empty_is_left_out_with_what_held_it() -> None:
    """No empty bold, no quote of nothing, no code block without a line; a list keeps the places of its items."""
    tree = (
        Paragraph((Bold((Italic((Text("x"),)),)), LineBreak(), Code("x"))),
        Quote((Paragraph((Text("x"),)),)),
        CodeBlock("x"),
        Heading(1, (Link("x", (Text("x"),)),)),
        ListBlock(((Paragraph((Text("x"),)),), (Paragraph((Text("y"),)),))),
        Paragraph((Link("x", (Text("words"),)),)),
    )
    assert reworded(tree, lambda text: text.replace("x", "")) == (
        ListBlock(((), (Paragraph((Text("y"),)),))),
        Paragraph((Text("words"),)),
    )


def test_a_line_break_that_is_put_in_is_one() -> None:
    """In text; in code and addresses, which have a single line, it is none."""
    tree = (Paragraph((Text("a-b"), Code("a-b"), Link("a-b", (Text("l"),)))),)
    assert reworded(tree, lambda text: text.replace("-", "\n")) == (
        Paragraph((Text("a"), LineBreak(), Text("b"), Code("a b"), Link("ab", (Text("l"),)))),
    )


@given(blocks())
def test_where_nothing_changes_it_is_the_same_tree(tree: tuple[Block, ...]) -> None:
    """The same object: what is written from it can stay as it was."""
    assert reworded(tree, lambda text: text) is tree


@given(blocks())
def test_every_character_that_means_itself_is_given_away(tree: tuple[Block, ...]) -> None:
    """Where nothing is put in its place, only mentions, named emoji and lines are left."""
    left = reworded(tree, lambda _text: "")
    assert not any(getattr(node, "text", "") or getattr(node, "url", "") for node in nodes(left))
    assert [node for node in nodes(left) if isinstance(node, Mention | Emoji)] == [
        node for node in nodes(tree) if isinstance(node, Mention | Emoji)
    ]


def nodes(tree: tuple[object, ...]) -> Iterator[object]:
    for node in tree:
        yield node
        yield from nodes(getattr(node, "children", ()))
        yield from nodes(tuple(each for item in getattr(node, "items", ()) for each in item))


def test_formatting_is_taken_away_and_what_says_something_stays() -> None:
    """Words, links, spoilers, mentions, quotes and lists stay; a word that was bold in part is one again."""
    tree = (
        Heading(2, (Text("T"), Bold((Text("itle"),)))),
        Paragraph((Text("f"), Bold((Text("oo "), Italic((Mention("all", MentionKind.CHANNEL),)))), Code("c"))),
        ThematicBreak(),
        Quote((Paragraph((Link("u", (Bold((Text("l"),)),)), Spoiler((Bold((Text("s"),)),)))),)),
        ListBlock(((Paragraph((Bold((Text("i"),)),)),),), 3),
        CodeBlock("1\n2", "py"),
    )
    assert unformatted(tree) == (
        Paragraph((Text("Title"),)),
        Paragraph((Text("foo "), Mention("all", MentionKind.CHANNEL), Text("c"))),
        Quote((Paragraph((Link("u", (Text("l"),)), Spoiler((Text("s"),)))),)),
        ListBlock(((Paragraph((Text("i"),)),),), 3),
        Paragraph((Text("1"), LineBreak(), Text("2"))),
    )


@given(st.one_of(blocks(), marked_up.map(read)))
def test_nothing_is_formatted_afterwards_and_no_word_is_lost(tree: tuple[Block, ...]) -> None:
    """Once is enough, too."""
    plain = unformatted(tree)
    assert unformatted(plain) is plain
    lined = tuple(each for each in tree if not isinstance(each, ThematicBreak))
    if not any(isinstance(each, Quote | ListBlock) for each in lined):
        squeezed = ["".join(PLAIN.write(each).split()) for each in (lined, plain)]
        assert squeezed[0] == squeezed[1]


@given(blocks())
def test_what_is_hidden_stands_between_bars_where_nothing_can_be_hidden(tree: tuple[Block, ...]) -> None:
    """No spoiler is left, and in plain text it is what it was; a tree without any is the same object."""
    shown = barred(tree)
    assert not any(isinstance(node, Spoiler) for node in nodes(shown))
    assert PLAIN.write(shown) == PLAIN.write(tree)
    assert (shown is tree) == (not any(isinstance(node, Spoiler) for node in nodes(tree)))
