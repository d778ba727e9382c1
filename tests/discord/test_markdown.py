"""Discord's Markdown, read and written."""

from __future__ import annotations

import re
import time
import unicodedata

import pytest
from hypothesis import assume, example, given, settings
from hypothesis import strategies as st

from drivers.discord.markdown import MARKDOWN
from nextbridge.markup import (
    PLAIN,
    Block,
    Bold,
    Code,
    CodeBlock,
    Emoji,
    Heading,
    Italic,
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
    Underline,
)
from tests.discord.client import Shown
from tests.markup.strategies import any_text, blocks, marked_up, visible

_ALONE = settings(max_examples=100, deadline=None)


def _paragraph(*children: object) -> tuple[Block, ...]:
    return (Paragraph(children),)  # type: ignore[arg-type]


_LINK = Link("https://x.org/a_b", (Text("https://x.org/a_b"),))
_PAIRS: list[tuple[str, tuple[Block, ...]]] = [
    ("**bold** *it* __under__ ~~gone~~", _paragraph(
        Bold((Text("bold"),)), Text(" "), Italic((Text("it"),)), Text(" "), Underline((Text("under"),)), Text(" "),
        Strike((Text("gone"),)))),
    ("a ||hidden **bold**|| b", _paragraph(
        Text("a "), Spoiler((Text("hidden "), Bold((Text("bold"),)))), Text(" b"))),
    ("`a*b` and ``a`b``", _paragraph(Code("a*b"), Text(" and "), Code("a`b"))),
    ("see https://x.org/a_b now", _paragraph(Text("see "), _LINK, Text(" now"))),
    ("[words](https://x.org/a)", _paragraph(Link("https://x.org/a", (Text("words"),)))),
    ("<@123> hello", _paragraph(Mention("123", user="123"), Text(" hello"))),
    ("```py\nx = 1\n\ny\n```", (CodeBlock("x = 1\n\ny", "py"),)),
    ("> quoted\n> more\nnot", (Quote(_paragraph(Text("quoted")) and (RichText.plain("quoted\nmore").blocks)),
                              Paragraph((Text("not"),)))),
    ("# head\ntext", (Heading(1, (Text("head"),)), Paragraph((Text("text"),)))),
    ("- one\n- two\n  - deep", (ListBlock((
        _paragraph(Text("one")), (Paragraph((Text("two"),)), ListBlock((_paragraph(Text("deep")),))))),)),
    ("3. three\n4. four", (ListBlock((_paragraph(Text("three")), _paragraph(Text("four"))), 3),)),
    ("\\*not\\* a\\_b", _paragraph(Text("*not* a_b"))),
]  # fmt: skip


@pytest.mark.parametrize(("text", "tree"), _PAIRS)
def test_what_is_common_is_read_and_written_alike(text: str, tree: tuple[Block, ...]) -> None:
    """Formatting, code, addresses, mentions, quotes, headings and lists, as people write them."""
    assert MARKDOWN.read(text).blocks == tree
    assert MARKDOWN.write(tree) == text


@pytest.mark.parametrize(
    ("text", "plain"),
    [
        ("_it_ and ***both***", "it and both"),
        ("snake_case_name", "snake_case_name"),
        ("2 * 3 * 4", "2 * 3 * 4"),
        ("||the end||", "||the end||"),
        ("<:party:12> <a:dance:13> :smile:", ":party: :dance: 😄"),
        ("<@&5> <#6> </imagine:7>", "@role #channel /imagine"),
        ("<t:0:R>", "1970-01-01 00:00 UTC"),
        ("<https://x.org>", "https://x.org"),
        ("-# small", "small"),
        (">>> all\nof it", "> all\n> of it"),
        ("text ```code``` more", "text\ncode\nmore"),
        ("```", "```"),
        ("**open", "**open"),
        ("[a](javascript:x)", "[a](javascript:x)"),
        ("¯\\_(ツ)_/¯", "¯_(ツ)_/¯"),
    ],
)
def test_what_discord_alone_has_is_read_as_what_it_says(text: str, plain: str) -> None:
    """Custom emoji by name, channels and roles, times in universal time, spoilers by their bars; nothing is lost."""
    assert PLAIN.write(MARKDOWN.read(text).blocks) == plain


def test_everybody_is_called_only_where_the_core_permits_it() -> None:
    """`@everyone` that somebody typed elsewhere calls nobody; read here it is a mention."""
    assert MARKDOWN.read("@everyone").blocks == _paragraph(Mention("everyone", MentionKind.CHANNEL))
    assert MARKDOWN.read("a @here b").blocks == _paragraph(Text("a "), Mention("here", MentionKind.HERE), Text(" b"))
    assert MARKDOWN.write(_paragraph(Mention("all", MentionKind.CHANNEL))) == "@all"
    assert MARKDOWN.write(_paragraph(Mention("everyone", MentionKind.CHANNEL))) == "\\@everyone"
    assert MARKDOWN.write(_paragraph(Mention("all", MentionKind.CHANNEL, permitted=True))) == "@everyone"
    assert MARKDOWN.write(_paragraph(Mention("x", MentionKind.HERE, permitted=True))) == "@here"


def test_who_is_called_is_called_by_an_id_of_discord_alone() -> None:
    """The id of another platform's person is no mention."""
    assert MARKDOWN.write(_paragraph(Mention("bob", user="123"))) == "<@123>"
    assert MARKDOWN.write(_paragraph(Mention("bob", user="u><@1>"))) == "@bob"


def test_a_link_whose_words_are_another_address_shows_where_it_goes() -> None:
    """Discord shows no such link, since it could lead astray."""
    node = Link("https://evil.org/x", (Text("https://good.org"),))
    assert MARKDOWN.write(_paragraph(node)) == "https://good.org (<https://evil.org/x>)"


@_ALONE
@given(st.lists(any_text, max_size=4).map("\n".join))
def test_what_a_user_typed_is_text(text: str) -> None:
    """In a client it looks as it was typed, is formatted by nothing in it, calls nobody, and hides no address."""
    content = MARKDOWN.write(RichText.plain(text).blocks)
    shown = Shown(content, everyone=True)
    assert shown.notation <= {"an address", "a bracketed address"}
    assert _bare(shown.text) == _bare(text)
    assert [each for each in _nodes(MARKDOWN.read(content)) if not isinstance(each, Text | Link)] == []


@_ALONE
@given(st.lists(st.one_of(any_text, st.text("|\\~ a", max_size=6)), min_size=1, max_size=3))
@example(["a|"])
@example(["|a|", "||", "\\|"])
def test_nothing_that_is_hidden_ends_its_spoiler(pieces: list[str]) -> None:
    """Whatever bars stand in it, as text or as code: a client shows nothing of it beside the spoiler."""
    inside = tuple(Text(piece) if number % 2 == 0 else Code(piece) for number, piece in enumerate(pieces))
    content = MARKDOWN.write(_paragraph(Text("seen "), Spoiler((Text("x"), *inside))))
    assert _bare(re.sub(r"\|\|((?:.|\n)+?)\|\|", "", content)) == "seen"


@_ALONE
@given(blocks())
def test_what_is_written_is_read_the_same(tree: tuple[Block, ...]) -> None:
    """No word is lost or moved, whatever the tree; and a second time nothing changes any more.

    Discord has no quote within a list's item: its signs are words there, and so are the numbers of a list in it.
    """
    assume(not _has_numbers_as_words(tree))
    written = MARKDOWN.write(tree)
    once = MARKDOWN.read(written)
    assert _letters(visible(once.blocks)) == _letters(visible(tree))
    assert MARKDOWN.read(MARKDOWN.write(once.blocks)) == once


@_ALONE
@given(marked_up)
def test_reading_loses_no_letter(text: str) -> None:
    """Whatever looks like markup: each letter and digit that stands in it is read, but for ids and languages."""
    kept = re.sub(r"```[A-Za-z0-9_+\-.#]+\n", "```", text)
    kept = re.sub(r"\]\([^)]*\)|<[^<>]*>", "", kept)
    have = _letters(PLAIN.write(MARKDOWN.read(text).blocks))
    position = 0
    for letter in _letters(re.sub(r"(?<=:)[a-z_+-]+(?=:)|[0-9]+\.?", "", kept)):
        position = have.find(letter, position)
        assert position >= 0, (text, have)
        position += 1


@pytest.mark.parametrize(
    "sign", ["*", "**", "_", "`", "``", "~~", "||", "[", "[a](", "<", "> ", "- ", "```", "\\", "*a ", ":a", "https://"]
)
def test_reading_and_writing_take_time_linear_in_the_text(sign: str) -> None:
    """A message of the longest kind, of nothing but signs of markup, takes a small part of a second."""
    text = (sign * 4000)[:4000]
    for made in (text, text.replace(sign, f"{sign}\n")):
        began = time.process_time()
        MARKDOWN.write(MARKDOWN.read(made).blocks)
        MARKDOWN.write(RichText.plain(made).blocks)
        assert time.process_time() - began < 1.0


def test_an_emoji_of_another_platform_is_its_character_or_a_name() -> None:
    """A custom one bears the number 0, which the driver puts the guild's own in the place of."""
    assert MARKDOWN.write(_paragraph(Emoji("smile"))) == "😄"
    assert MARKDOWN.write(_paragraph(Emoji("party"))) == "<:party:0>"
    assert MARKDOWN.write(_paragraph(Emoji("x y"))) == ":x y:"


def _nodes(text: RichText) -> list[object]:
    found: list[object] = []
    waiting: list[object] = list(text.blocks)
    while waiting:
        node = waiting.pop()
        inner = getattr(node, "children", ())
        if not isinstance(node, Paragraph):
            found.append(node)
        waiting += () if isinstance(node, Link) else inner
    return [each for each in found if type(each).__name__ != "LineBreak"]


def _bare(text: str) -> str:
    """Without what shows nothing, and without white space."""
    return "".join(char for char in text if not char.isspace() and unicodedata.category(char) not in {"Cf", "Cc"})


def _has_numbers_as_words(tree: tuple[Block, ...], *, item: bool = False, quote: bool = False) -> bool:
    """Whether a numbered list stands in a quote that stands in an item."""
    for node in tree:
        match node:
            case ListBlock(items, start):
                if quote and start is not None:
                    return True
                if any(_has_numbers_as_words(each, item=True, quote=quote) for each in items):
                    return True
            case Quote(children):
                if _has_numbers_as_words(children, item=item, quote=quote or item):
                    return True
    return False


def _letters(text: str) -> str:
    return "".join(char for char in text if char.isalnum())
