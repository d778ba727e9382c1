"""mrkdwn and rich text blocks: what is written is read again as it was, and what people type is what was read."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.slack.blocks import ids_in, read_attachments, read_blocks, written
from drivers.slack.mrkdwn import MRKDWN, Names, read
from nextbridge.markup import (
    PLAIN,
    Block,
    Bold,
    Code,
    CodeBlock,
    Emoji,
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
)
from nextbridge.markup.normal import normalise
from nextbridge.markup.rewrite import barred
from tests.markup.strategies import any_text, inlines, marked_up, visible
from tests.markup.strategies import blocks as any_blocks

NAMES = Names({"U0ALICE": "Ally"}, {"C0TOWN": "town"})


def said(*children: Inline) -> tuple[Block, ...]:
    return (Paragraph(children),)


READ: dict[str, tuple[Block, ...]] = {
    "*bold* _italic_ ~gone~ `code`": said(
        Bold((Text("bold"),)), Text(" "), Italic((Text("italic"),)), Text(" "), Strike((Text("gone"),)), Text(" "),
        Code("code"),
    ),
    "*_both_*": said(Bold((Italic((Text("both"),)),))),
    "a*b*c 2 * 3 * 4 *no": said(Text("a*b*c 2 * 3 * 4 *no")),
    "(*in brackets*), *x*!": said(Text("("), Bold((Text("in brackets"),)), Text("), "), Bold((Text("x"),)), Text("!")),
    "1 &lt; 2 &amp;&amp; 3 &gt; 2 &amp;lt;": said(Text("1 < 2 && 3 > 2 &lt;")),
    "one\ntwo": said(Text("one"), LineBreak(), Text("two")),
    "one\n\ntwo": (*said(Text("one")), *said(Text("two"))),
    "&gt; quoted\n&gt; more\nnot": (Quote(said(Text("quoted"), LineBreak(), Text("more"))), *said(Text("not"))),
    "x\n&gt;&gt;&gt; all\nof it": (*said(Text("x")), Quote(said(Text("all"), LineBreak(), Text("of it")))),
    "```\na *b*\n &lt;c&gt;\n```": (CodeBlock("a *b*\n <c>"),),
    "see ```x``` there": (*said(Text("see")), CodeBlock("x"), *said(Text("there"))),
    "```never closed": said(Text("```never closed")),
    "<https://e.org/a?b=1&amp;c=2|words>": said(Link("https://e.org/a?b=1&c=2", (Text("words"),))),
    "<https://e.org>": said(Link("https://e.org", (Text("https://e.org"),))),
    "<mailto:a@e.org|a@e.org>": said(Link("mailto:a@e.org", (Text("a@e.org"),))),
    "<javascript:x|y>": said(Text("<javascript:x|y>")),
    "<@U0ALICE> <@U0BOB|bob> <@U0EVE>": said(
        Mention("Ally", user="U0ALICE"), Text(" "), Mention("bob", user="U0BOB"), Text(" "),
        Mention("U0EVE", user="U0EVE"),
    ),
    "<#C0TOWN> <#C0DEV|dev> <#C0GONE>": said(Text("#town #dev #C0GONE")),
    "<!here> <!channel> <!everyone>": said(
        Mention("here", MentionKind.HERE), Text(" "), Mention("channel", MentionKind.CHANNEL), Text(" "),
        Mention("everyone", MentionKind.CHANNEL),
    ),
    "<!subteam^S01|@ops> <!date^1392734382^{date}|a day>": said(Text("@ops a day")),
    ":tada: :wave::skin-tone-4: :partyparrot: 12:30": said(Text("🎉 👋🏽 "), Emoji("partyparrot"), Text(" 12:30")),
    "\u2060*plain\u2060* \u2060&gt; x": said(Text("*plain* > x")),
}  # fmt: skip


@pytest.mark.parametrize("text", READ)
def test_what_slack_means_is_read(text: str) -> None:
    """Formatting, quotes, code, links, people, channels and emoji, as the documentation says."""
    assert read(text, NAMES) == READ[text]


def spelled(nodes: tuple[Any, ...]) -> tuple[Any, ...]:
    """With calls of nobody as the text that they are shown as."""
    found: list[Any] = []
    for node in nodes:
        match node:
            case Mention(name):
                found.append(Text(f"@{name}"))
            case Text() | Code() | CodeBlock() | LineBreak() | Emoji():
                found.append(node)
            case Link(url, label):
                found.append(Link(url, spelled(label)))
            case _:
                found.append(type(node)(spelled(node.children)))
    return tuple(found)


_code = st.lists(any_text, max_size=3).map("\n".join).map(CodeBlock)
_lines = inlines(underline=False).map(Paragraph)
exact = st.lists(
    st.one_of(_lines, _code, st.lists(_lines, min_size=1, max_size=2).map(lambda each: Quote(tuple(each)))), max_size=4
).map(tuple)
"""What mrkdwn has a notation for."""


@settings(max_examples=100)
@given(exact)
def test_what_is_written_is_read_again(tree: tuple[Block, ...]) -> None:
    """Text, formatting, code, quotes and links are the same tree, whatever signs stand in them."""
    assert MRKDWN.read(MRKDWN.write(tree)).blocks == normalise(spelled(normalise(barred(tree))), underline=False)


@pytest.mark.parametrize(
    "typed",
    [
        "<!channel>",
        "<!here|x>",
        "<!subteam^S0123456>",
        "<@U0123456>",
        "<#C0123456|x>",
        "<http://e.org|good.org>",
        "&lt;",
    ],
)
def test_slacks_own_notation_that_somebody_typed_is_text(typed: str) -> None:
    """Nobody is called, no channel is named and no address is hidden by whoever knows how Slack writes that."""
    written = MRKDWN.write(RichText.plain(typed).blocks)
    assert "<" not in written
    assert PLAIN.write(MRKDWN.read(written).blocks) == typed


def test_a_spoiler_stands_between_its_bars() -> None:
    """Slack hides nothing: its readers are warned, as people who type it are."""
    tree = (Paragraph((Text("end: "), Spoiler((Text("he "), Bold((Text("lives"),)))))),)
    assert PLAIN.write(MRKDWN.read(MRKDWN.write(tree)).blocks) == "end: ||he lives||"


@settings(max_examples=40)
@given(any_blocks())
def test_no_character_is_lost_in_writing(tree: tuple[Block, ...]) -> None:
    """Lists and headings are written as people type them: each of their characters is there, in order."""
    shown = iter(visible(MRKDWN.read(MRKDWN.write(tree)).blocks))
    assert all(char in shown for char in visible(normalise(tree)))


@settings(max_examples=100)
@given(exact)
def test_rich_text_says_what_the_tree_says(tree: tuple[Block, ...]) -> None:
    """A block that we send shows each character with the formatting that it has."""
    meant = MRKDWN.read(MRKDWN.write(tree)).blocks
    shown = read_blocks(written(meant), NAMES) or ()
    assert visible(shown) == visible(meant)
    assert _styled(shown) == _styled(meant)


def _styled(nodes: tuple[Any, ...], styles: frozenset[str] = frozenset()) -> list[tuple[str, frozenset[str]]]:
    found: list[tuple[str, frozenset[str]]] = []
    for node in nodes:
        match node:
            case Text(text) | Code(text) | CodeBlock(text):
                own = set() if isinstance(node, Text) else {"Code"}
                found += [(char, styles | own) for char in text if not char.isspace()]
            case Emoji(name):
                found += [(char, styles) for char in f":{name}:"]
            case LineBreak() | Mention():
                pass
            case Link(_, label):
                found += _styled(label, styles)
            case Paragraph(children):
                found += _styled(children, styles)
            case _:
                found += _styled(node.children, styles | {type(node).__name__})
    return found


@settings(max_examples=100)
@given(marked_up)
def test_any_text_can_be_read(text: str) -> None:
    """Nothing is raised, and what is no notation stays."""
    kept = visible(read(text, NAMES))
    text = re.sub(r"(?<=:)[a-z0-9_+-]+(?=:)", "", text)  # the name of an emoji
    hidden = set("*_~`<>|!@#:\u200b\u2060&;")
    for char in text:
        if not char.isspace() and char not in hidden and char.isalpha() and char not in "ampltg":
            assert char in kept or f":{char}" in text or "|" in text


@settings(max_examples=100)
@given(any_text)
def test_typed_text_stays_text(text: str) -> None:
    """What somebody typed elsewhere is formatted by nothing in it and calls nobody."""
    tree = MRKDWN.read(MRKDWN.write(RichText.plain(text).blocks)).blocks
    assert tree == normalise(RichText.plain(text).blocks)
    for element in _leaves(written(tree)):
        assert element["type"] in {"text", "link"}
        assert "style" not in element


def _leaves(blocks: Any) -> list[Any]:
    found = []
    for each in blocks:
        inside = each.get("elements")
        found += [each] if inside is None else _leaves(inside)
    return found


@pytest.mark.parametrize(
    "piece", ["*a ", "*_~a ", "`a", "```", "<a", ":a", "&gt;", "&gt;&gt;&gt; a\n", "\u2060", "[a]*"]
)
def test_reading_takes_linear_time(piece: str) -> None:
    """Forty thousand characters of the same beginning of something are read in a moment."""
    text = piece * (40_000 // len(piece))
    started = time.process_time()
    read(text, NAMES)
    assert time.process_time() - started < 3


RICH = [
    {
        "type": "rich_text",
        "elements": [
            {
                "type": "rich_text_section",
                "elements": [
                    {"type": "text", "text": "Hello "},
                    {"type": "user", "user_id": "U0ALICE"},
                    {"type": "text", "text": ", "},
                    {"type": "text", "text": "look", "style": {"bold": True, "italic": True}},
                    {"type": "text", "text": " at "},
                    {"type": "link", "url": "https://e.org", "text": "this"},
                    {"type": "text", "text": "\nin "},
                    {"type": "channel", "channel_id": "C0TOWN"},
                    {"type": "emoji", "name": "wave", "skin_tone": 4, "unicode": "1f44b-1f3fd"},
                    {"type": "broadcast", "range": "here"},
                ],
            },
            {
                "type": "rich_text_list",
                "style": "ordered",
                "offset": 1,
                "indent": 0,
                "elements": [{"type": "rich_text_section", "elements": [{"type": "text", "text": "second"}]}],
            },
            {"type": "rich_text_quote", "elements": [{"type": "text", "text": "said"}]},
            {"type": "rich_text_preformatted", "elements": [{"type": "text", "text": "code *x*"}]},
        ],
    }
]


def test_what_people_type_is_read_out_of_their_blocks() -> None:
    """Formatting, people, channels, lists, quotes and code of a rich text block."""
    assert read_blocks(RICH, NAMES) == (
        Paragraph(
            (
                Text("Hello "),
                Mention("Ally", user="U0ALICE"),
                Text(", "),
                Bold((Italic((Text("look"),)),)),
                Text(" at "),
                Link("https://e.org", (Text("this"),)),
                LineBreak(),
                Text("in #town👋🏽"),
                Mention("here", MentionKind.HERE),
            )
        ),
        ListBlock(((Paragraph((Text("second"),)),),), 2),
        Quote((Paragraph((Text("said"),)),)),
        CodeBlock("code *x*"),
    )


def test_what_apps_post_is_read_as_words() -> None:
    """Sections, headers, contexts and the older attachments; a preview of a link is none of the message."""
    blocks = [
        {"type": "header", "text": {"type": "plain_text", "text": "Build *1*"}},
        {"type": "section", "text": {"type": "mrkdwn", "text": "*passed* by <@U0ALICE>"}},
        {"type": "divider"},
        {"type": "context", "elements": [{"type": "mrkdwn", "text": "took 3 s"}]},
        {"type": "actions", "elements": [{"type": "button"}]},
    ]
    assert PLAIN.write(read_blocks(blocks, NAMES) or ()) == "Build *1*\npassed by @Ally\n―――\ntook 3 s"
    attachments = [
        {
            "title": "Ticket 7",
            "title_link": "https://e.org/7",
            "text": "it *broke*",
            "fields": [{"title": "P", "value": "1"}],
        },
        {"fallback": "only this"},
        {"from_url": "https://e.org", "title": "A page"},
    ]
    lines = [line for line in PLAIN.write(read_attachments(attachments, NAMES)).split("\n") if line]
    assert lines == ["Ticket 7 (https://e.org/7)", "it broke", "P: 1", "only this"]


@settings(max_examples=100)
@given(
    st.recursive(
        st.one_of(st.none(), st.booleans(), st.integers(), any_text, st.sampled_from(["rich_text", "section", "text"])),
        lambda inner: st.one_of(
            st.lists(inner, max_size=3),
            st.dictionaries(
                st.sampled_from(["type", "elements", "text", "style", "user_id", "unicode", "fields", "indent"]), inner
            ),
        ),
        max_leaves=20,
    )
)
def test_blocks_of_any_shape_can_be_read(blocks: object) -> None:
    """An app may send anything: it costs at most itself."""
    read_blocks(blocks, NAMES)
    read_blocks([{"type": "rich_text", "elements": blocks}], NAMES)
    read_attachments(blocks, NAMES)
    ids_in("", blocks)


def test_the_people_and_channels_of_a_message_are_found() -> None:
    """Those whose names it does not say, in its text and in its blocks."""
    assert ids_in("<@U0BOB> <@U0EVE|eve> <#C0DEV>", RICH) == ({"U0BOB", "U0ALICE"}, {"C0DEV", "C0TOWN"})


def test_addresses_in_text_are_links_in_a_block() -> None:
    """Slack makes none of them there; the full stop of a sentence is no part of one."""
    (block,) = written(MRKDWN.read("see https://e.org/a_b, or *https://e.org*.").blocks)
    assert _leaves([block]) == [
        {"type": "text", "text": "see "},
        {"type": "link", "url": "https://e.org/a_b"},
        {"type": "text", "text": ", or "},
        {"type": "link", "url": "https://e.org", "style": {"bold": True}},
        {"type": "text", "text": "."},
    ]
