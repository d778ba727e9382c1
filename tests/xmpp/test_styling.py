"""XEP-0393, read and written: the examples of the XEP, and that nothing a user typed becomes markup."""

from __future__ import annotations

import re

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.xmpp.styling import GUARD, STYLING
from nextbridge.markup import (
    PLAIN,
    Block,
    Bold,
    Code,
    CodeBlock,
    Emoji,
    Heading,
    Inline,
    Italic,
    LineBreak,
    Link,
    ListBlock,
    Mention,
    MentionKind,
    Paragraph,
    Quote,
    RichText,
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
)
from tests.markup.strategies import any_text, blocks, marked_up, visible

P = Paragraph


def read(text: str) -> tuple[Inline, ...]:
    (block,) = STYLING.read(text).blocks
    assert isinstance(block, Paragraph)
    return block.children


@pytest.mark.parametrize(
    ("text", "children"),
    [
        ("*strong*", (Bold((Text("strong"),)),)),
        ("plain *strong* plain", (Text("plain "), Bold((Text("strong"),)), Text(" plain"))),
        ("*strong* plain *strong*", (Bold((Text("strong"),)), Text(" plain "), Bold((Text("strong"),)))),
        ("*strong*plain*", (Bold((Text("strong"),)), Text("plain*"))),
        ("* plain *strong*", (Text("* plain "), Bold((Text("strong"),)))),
        ("not strong*", (Text("not strong*"),)),
        ("*not strong", (Text("*not strong"),)),
        ("*not *strong", (Text("*not *strong"),)),
        ("**", (Text("**"),)),
        ("*this is *not* strong", (Bold((Text("this is *not"),)), Text(" strong"))),
        ("_*both*_", (Italic((Bold((Text("both"),)),)),)),
        ("~gone~ and `c*o*de`", (Strike((Text("gone"),)), Text(" and "), Code("c*o*de"))),
        ("a_b_c 2*3*4", (Text("a_b_c 2*3*4"),)),
        ("one *two\nthree* four", (Text("one *two"), LineBreak(), Text("three* four"))),
        (f"{GUARD}*not*", (Text("*not*"),)),
        (
            "see https://a.example/_x_y now",
            (Text("see "), Link("https://a.example/_x_y", (Text("https://a.example/_x_y"),)), Text(" now")),
        ),
    ],
)
def test_spans_are_read(text: str, children: tuple[Inline, ...]) -> None:
    """A sign begins something only after a space or another sign, and ends it only after what is no space."""
    assert read(text) == children


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("```py\nif x:\n  *y*\n```\nafter", (CodeBlock("if x:\n  *y*", "py"), P((Text("after"),)))),
        ("```\nopen to the end", (CodeBlock("open to the end"),)),
        (
            "> one\n>two\n> > three",
            (Quote((P((Text("one"), LineBreak(), Text("two"))), Quote((P((Text("three"),)),)))),),
        ),
        ("> ```\n> code\n> ```", (Quote((CodeBlock("code"),)),)),
        ("a\n> b\nc", (P((Text("a"),)), Quote((P((Text("b"),)),)), P((Text("c"),)))),
    ],
)
def test_blocks_are_read(text: str, tree: tuple[Block, ...]) -> None:
    """Fences and quotes begin at the beginning of a line, and nest in quotes."""
    assert STYLING.read(text).blocks == tree


@pytest.mark.parametrize(
    ("tree", "written"),
    [
        ((P((Bold((Text("b"), Text(" "), Italic((Text("i"),)))), Text(" t"))),), "*b _i_* t"),
        ((P((Text("mid"), Bold((Text("word"),)))),), "midword"),
        ((P((Bold((Text("a*b"),)),)),), "a*b"),
        ((P((Bold((Text("a"), LineBreak(), Text("b"))),)),), "*a*\n*b*"),
        ((P((Underline((Text("u"),)), Text(" "), Strike((Text("s"),)))),), "u ~s~"),
        ((P((Text("u "), Spoiler((Bold((Text("s"),)), Text(" t"))))),), "u ||s t||"),
        ((P((Code("x*y"), Text(" "), Code("x`y"))),), "`x*y` x`y"),
        ((CodeBlock("if x:\n\ty\n```", "py"),), f"```py\nif x:\n    y\n{GUARD}```\n```"),
        ((Quote((P((Text("a"), LineBreak(), Text("b"))),)),), "> a\n> b"),
        ((ListBlock(((P((Text("a"),)),), (CodeBlock("c"),)), 3),), "3. a\n4.\n```\nc\n```"),
        ((Heading(1, (Text("h"),)), ThematicBreak()), "*h*\n―――"),
        ((P((Link("http://x", (Text("label"),)),)),), "label (http://x)"),
        ((P((Link("http://x", (Text("http://x"),)),)),), "http://x"),
        ((P((Mention("anna"), Text(" "), Mention("all", MentionKind.CHANNEL))),), "anna @all"),
        ((P((Emoji("smile"), Emoji("our_parrot"))),), "😄:our_parrot:"),
        ((P((Text("*x* a* b_c"), LineBreak(), Text("> q"))),), f"{GUARD}*x* a* b_c\n{GUARD}> q"),
        ((P((Text("a\0\x1b[31mb"),)),), "a[31mb"),
    ],
)
def test_blocks_are_written(tree: tuple[Block, ...], written: str) -> None:
    """What the notation has room for is written in it; what it has not keeps its text."""
    assert STYLING.write(tree) == written


_OPENS = re.compile(r"(?:^|(?<=\s))([*_~`])(?=\S)(?=.*(?<=\S)\1)")


@given(st.lists(any_text, min_size=1, max_size=3))
@settings(max_examples=60)
def test_nothing_that_somebody_typed_becomes_markup(lines: list[str]) -> None:
    """Read again it is the text alone; by the letter of the XEP nothing in it begins a span, a fence or a quote."""
    text = "\n".join(lines).replace(GUARD, "")
    written = STYLING.write(RichText.plain(text).blocks)
    assert [line for line in written.split("\n") if line.startswith((">", "```")) or _OPENS.search(line)] == []
    kinds = {type(node) for block in STYLING.read(written).blocks for node in block.children}  # type: ignore[union-attr]
    assert kinds <= {Text, LineBreak, Link}
    assert "".join(PLAIN.write(STYLING.read(written).blocks).split()) == "".join(text.split())


@given(blocks(underline=False, links=False))
@settings(max_examples=60)
def test_no_visible_character_is_lost_by_writing(tree: tuple[Block, ...]) -> None:
    """Whatever formatting has to be left out, each character of each leaf stands in what is written, in order."""
    rest = iter("".join(STYLING.write(tree).split()))
    wanted = visible(tree).replace(GUARD, "").replace("@", "")  # people are called without it
    assert [char for char in wanted if char not in rest] == []


@given(marked_up)
@settings(max_examples=60)
def test_what_was_read_reads_the_same_when_it_is_written(text: str) -> None:
    """Between two rooms the same characters are seen, and the second writing is as the first."""
    tree = STYLING.read(text).blocks
    written = STYLING.write(tree)
    assert STYLING.write(STYLING.read(written).blocks) == written


@pytest.mark.parametrize("text", ["*a " * 3000, "_*~`" * 2500, "> " * 5000, "`" * 9000, "* a*" * 2500])
def test_reading_takes_time_in_proportion(text: str) -> None:
    """What is made to be slow is read and written within the blink of an eye, and is all there."""
    assert "".join(STYLING.write(STYLING.read(text).blocks).replace(GUARD, "").split())
