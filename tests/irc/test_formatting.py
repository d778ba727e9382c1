"""Formatting on IRC, read and written."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.irc.formatting import IRC, without_codes
from nextbridge.markup import (
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
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
    plain_text,
)


def read(text: str) -> tuple[Inline, ...]:
    (block,) = IRC.read(text).blocks
    assert isinstance(block, Paragraph)
    return block.children


@pytest.mark.parametrize(
    ("text", "children"),
    [
        ("a \x02b\x02 c", (Text("a "), Bold((Text("b"),)), Text(" c"))),
        ("\x02a\x1db\x02c", (Bold((Text("a"), Italic((Text("b"),)))), Italic((Text("c"),)))),
        ("\x1fa\x0fb\x1ec", (Underline((Text("a"),)), Text("b"), Strike((Text("c"),)))),
        ("\x11a*b\x11", (Code("a*b"),)),
        ("\x02\x11x\x11\x02", (Bold((Code("x"),)),)),
        ("\x0304,12red\x03 \x0401ff00green\x04 \x16back\x16 \x0399,", (Text("red green back ,"),)),
        ("\x033three \x03,4", (Text("three ,4"),)),
        ("a\tb\x07\x01c", (Text("a bc"),)),
        (
            "see http://a.example/x(1), or (https://b.example/).",
            (
                Text("see "),
                Link("http://a.example/x(1)", (Text("http://a.example/x(1)"),)),
                Text(", or ("),
                Link("https://b.example/", (Text("https://b.example/"),)),
                Text(")."),
            ),
        ),
        ("*not* _markup_ <b>", (Text("*not* _markup_ <b>"),)),
    ],
)
def test_codes_are_read(text: str, children: tuple[Inline, ...]) -> None:
    """Each code toggles, reset ends all, colours leave their text, addresses are links, and nothing else is markup."""
    assert read(text) == children


def test_colours_survive_between_two_irc_channels() -> None:
    """The source keeps what the tree has no word for, closed and without what could end a line or frame a CTCP."""
    text = IRC.read("\x0304r\x01e\rd")
    assert text.source is not None
    assert text.source.dialect == "irc"
    assert text.source.text == "\x0304red\x0f"
    assert IRC.read("\x02bold\x02").source is None


@pytest.mark.parametrize(
    ("blocks", "written"),
    [
        ((Paragraph((Bold((Text("b"), Italic((Text("i"),)))), Text("t"))),), "\x02b\x1di\x1d\x02t"),
        ((Paragraph((Bold((Text("a"), Bold((Text("b"),)))),)),), "\x02ab\x02"),
        ((Paragraph((Bold((Text("a"), LineBreak(), Text("b"))),)),), "\x02a\x02\n\x02b\x02"),
        ((Paragraph((Strike((Text("s"),)), Underline((Text("u"),)))),), "\x1es\x1e\x1fu\x1f"),
        ((Paragraph((Spoiler((Bold((Text("s"),)),)),)),), "||\x02s\x02||"),
        ((Paragraph((Code("c\x11d"),)),), "\x11cd\x11"),
        ((CodeBlock("if x:\n\ty\n\nz", "py"),), "\x11if x:\x11\n\x11 y\x11\n\n\x11z\x11"),
        ((Quote((Paragraph((Text("a"), LineBreak(), Text("b"))),)),), "> a\n> b"),
        ((ListBlock(((Paragraph((Text("a"),)),), (Paragraph((Text("b"),)),))),), "• a\n• b"),
        ((ListBlock(((Paragraph((Text("a"),)),),), 3),), "3. a"),
        ((Heading(1, (Text("h"),)), ThematicBreak()), "\x02h\x02\n―――"),
        ((Paragraph((Link("http://x", (Text("label"),)),)),), "label (http://x)"),
        ((Paragraph((Link("http://x", (Text("http://x"),)),)),), "http://x"),
        ((Paragraph((Mention("anna"), Text(" "), Mention("all", MentionKind.CHANNEL))),), "anna @all"),
        ((Paragraph((Emoji("smile"), Emoji("our_parrot"))),), "😄:our_parrot:"),
        ((Paragraph((Text("a\r\nQUIT\0\x02\x0304x\u2028y"),)),), "a  QUIT04x y"),
    ],
)
def test_blocks_are_written(blocks: tuple[Block, ...], written: str) -> None:
    """Each line stands alone: what is open at its end is closed and opened again; nobody's text makes a code."""
    assert IRC.write(blocks) == written


inlines = st.recursive(
    st.builds(Text, st.text()) | st.builds(Code, st.text()) | st.just(LineBreak()) | st.builds(Mention, st.text()),
    lambda inner: st.one_of(
        *(st.builds(kind, st.lists(inner, max_size=4).map(tuple)) for kind in (Bold, Italic, Underline, Strike)),
        st.builds(Link, st.text(), st.lists(inner, max_size=2).map(tuple)),
    ),
    max_leaves=12,
)


@given(st.lists(inlines, max_size=5).map(tuple))
def test_every_written_line_closes_what_it_opens(children: tuple[Inline, ...]) -> None:
    """Whatever people wrote, no line leaves a code open, and none holds a character that could end or frame it."""
    for line in IRC.write((Paragraph(children),)).split("\n"):
        assert all(line.count(code) % 2 == 0 for code in "\x02\x1d\x1f\x1e\x11")
        assert not set(line) & set("\r\0\x01\x03\x04\x0f\x16")


@given(st.text(alphabet=st.sampled_from("ab 1,\x02\x1d\x1f\x1e\x11\x03\x04\x16\x0f:/.") | st.characters()))
def test_reading_loses_no_visible_character(text: str) -> None:
    """What a reader on IRC sees is in the tree."""
    line = text.replace("\n", " ")
    blocks = IRC.read(line).blocks
    seen = "".join(plain_text(block.children) for block in blocks if isinstance(block, Paragraph))
    visible = without_codes(line.replace("\t", " "))
    assert seen == visible
