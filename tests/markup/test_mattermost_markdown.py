"""Mattermost's Markdown, read and written."""

from __future__ import annotations

import subprocess
import sys

import msgspec
import pytest
from hypothesis import example, given, settings

from drivers.mattermost.markdown import MARKDOWN
from drivers.mattermost.markdown.notation import CALLS_EVERYBODY, GUARD, MARKUP, has_markup, is_bare_address
from drivers.mattermost.markdown.reader import is_too_much
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
    RichText,
    Source,
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
)
from nextbridge.markup.normal import normalise
from nextbridge.markup.rewrite import barred
from tests.markup.strategies import any_text, blocks, marked_up, visible


def p(*children: Inline) -> Paragraph:
    return Paragraph(children)


def t(text: str) -> Paragraph:
    return Paragraph((Text(text),))


def read(text: str) -> tuple[Block, ...]:
    return MARKDOWN.read(text).blocks


def write(text: str) -> str:
    """What a user's plain text becomes."""
    return MARKDOWN.write(RichText.plain(text).blocks)


def like_text(tree: tuple[Block, ...]) -> tuple[Block, ...]:
    """The normal form of `tree`, a bare address being the text that it looks like."""
    return normalise(tuple(_without_bare_links(block) for block in normalise(barred(tree), underline=False)))


def _without_bare_links(block: Block) -> Block:
    match block:
        case Paragraph(children) | Heading(children=children):
            return msgspec.structs.replace(block, children=tuple(_unlinked(child) for child in children))
        case Quote(children):
            return Quote(tuple(_without_bare_links(child) for child in children))
        case ListBlock(items, start):
            return ListBlock(tuple(tuple(_without_bare_links(child) for child in item) for item in items), start)
        case _:
            return block


def _unlinked(node: Inline) -> Inline:
    match node:
        case Link(url, children) if is_bare_address(url, children):
            return children[0]
        case Bold(children) | Italic(children) | Strike(children):
            return msgspec.structs.replace(node, children=tuple(_unlinked(child) for child in children))
        case _:
            return node


# --- both ways ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=300)
@given(any_text)
@example("@all @CHANNEL. x.@here joe@all.com &#64;all @all-hands")
@example("\\\\server\\share ¯\\_(ツ)_/¯ \\* \\\\* \\")
@example("a_b_c __init__ _x_ 2*3*4 ~5 ~~6~~ C# #tag # a-b --- 1.5 1. (c)")
@example(f":smile: :{GUARD}smile: @{GUARD}bob {GUARD}{GUARD} === ={GUARD}=")
@example("[x](http://a) ![y](z) [z]: http://b [12:30] <http://c> <b> `` ` ```")
@example(f"{GUARD}")
@example(f"{GUARD}===")
@example("====")
def test_a_users_text_comes_back_as_text(text: str) -> None:
    """Whatever a line holds (control characters and white space at its ends aside), it is never markup."""
    tree = (t(text),)
    assert like_text(read(MARKDOWN.write(tree))) == like_text(tree)


@settings(deadline=None, max_examples=80)
@given(blocks(underline=False))
@example((p(Text("0"), Strike((Text("~"),))),))
@example((p(Italic((Text("\\"),))),))
@example((p(Spoiler((Text("---"), LineBreak(), Text("-"))), Text(" x")),))
@example((p(Text("`"), Code("0")),))
@example((p(Text("0"), Bold((Italic((Text("0"),)), Text("0"), Italic((Text("0"),))))),))
def test_what_is_written_is_read_back_as_the_same_tree(tree: tuple[Block, ...]) -> None:
    """Formatting, code, quotes and lists, nested and next to each other; spoilers between their bars."""
    assert like_text(read(MARKDOWN.write(tree))) == like_text(tree)


@settings(deadline=None, max_examples=150)
@given(marked_up)
def test_reading_never_fails_and_loses_no_word(text: str) -> None:
    """Letters and digits outside of what is only an address or a code block's language are all there."""
    rich = MARKDOWN.read(text)
    shown = visible(rich.blocks)
    for word in ("word", "two"):
        assert shown.count(word) >= text.count(word) - text.count("```") - text.count("](")
    assert rich.source is None or rich.source == Source("mattermost", rich.source.text)


@settings(deadline=None, max_examples=200)
@given(marked_up)
@example("@all")
@example("&#64;all")
@example("x.@Here")
@example("`@all`")
def test_nothing_that_goes_out_calls_everybody(text: str) -> None:
    """Neither what is written of a tree nor a source, which goes out as it is; code calls nobody."""
    rich = MARKDOWN.read(text)
    code_aside = tuple(block for block in rich.blocks if isinstance(block, Paragraph) and not _holds_code(block))
    assert not _calls(MARKDOWN.write(code_aside))
    assert rich.source is None or not _calls(rich.source.text)


def _holds_code(block: Paragraph) -> bool:
    return "code" in msgspec.json.encode(block).decode()


def _calls(text: str) -> bool:
    """As the server does: words end at anything but letters, digits and `@._-:`; a call is no part of a word."""
    return any(not text[: found.start()][-1:].isalnum() for found in CALLS_EVERYBODY.finditer(text))


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "children"),
    [
        ("a **b** c", (Text("a "), Bold((Text("b"),)), Text(" c"))),
        ("*a* _b_ ~~c~~", (Italic((Text("a"),)), Text(" "), Italic((Text("b"),)), Text(" "), Strike((Text("c"),)))),
        ("***a***", (Bold((Italic((Text("a"),)),)),)),
        ("snake_case_name 2 * 3 * 4", (Text("snake_case_name 2 * 3 * 4"),)),
        ('x**"y"**z', (Text("x"), Bold((Text('"y"'),)), Text("z"))),
        ("a\n*b*", (Text("a"), LineBreak(), Italic((Text("b"),)))),
        ("`a *b* @c :d:`", (Code("a *b* @c :d:"),)),
        ("``a`b``", (Code("a`b"),)),
        ('[a **b**](https://e.org "title")', (Link("https://e.org", (Text("a "), Bold((Text("b"),)))),)),
        ("![cat](https://e.org/c.png)", (Link("https://e.org/c.png", (Text("cat"),)),)),
        ("![](https://e.org/c.png)", (Link("https://e.org/c.png", (Text("https://e.org/c.png"),)),)),
        ("[a](javascript:alert)", (Text("[a](javascript:alert)"),)),
        ("https://e.org/a_b_(c).", (Link("https://e.org/a_b_(c)", (Text("https://e.org/a_b_(c)"),)), Text("."))),
        ("(www.e.org)", (Text("("), Link("http://www.e.org", (Text("www.e.org"),)), Text(")"))),
        ("@ann, @bob.b. x@y.z", (Mention("ann"), Text(", "), Mention("bob.b"), Text(". x@y.z"))),
        ("@all", (Mention("all", MentionKind.CHANNEL),)),
        ("@Channel", (Mention("Channel", MentionKind.CHANNEL),)),
        ("@here", (Mention("here", MentionKind.HERE),)),
        (":smile::+1: 10:30:45 a::b::c", (Emoji("smile"), Emoji("+1"), Text(" 10:30:45 a::b::c"))),
        ("_@ann_ _:smile:_", (Italic((Mention("ann"),)), Text(" "), Italic((Emoji("smile"),)))),
        ("<b>x</b> &amp; #tag [a] *", (Text("<b>x</b> &amp; #tag [a] *"),)),
        (r"\*a\* \\server\x C:\y", (Text(r"*a* \\server\x C:\y"),)),
        ("[a]: https://e.org", (Text("[a]: "), Link("https://e.org", (Text("https://e.org"),)))),
        ("1) a *b*", (Text("1) a "), Italic((Text("b"),)))),
    ],
)
def test_a_line_is_read_as_mattermost_shows_it(text: str, children: tuple[Inline, ...]) -> None:
    """Each row is a line and what stands in it."""
    assert read(text) == (Paragraph(children),)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("# a #\n## *b*\nc", (Heading(1, (Text("a"),)), Heading(2, (Italic((Text("b"),)),)), t("c"))),
        ("a\n---\nb", (Heading(2, (Text("a"),)), t("b"))),
        ("> a\n> > b\n\nc", (Quote((t("a"), Quote((t("b"),)))), t("c"))),
        ("- a\n  - b\n- c", (ListBlock(((t("a"), ListBlock(((t("b"),),))), (t("c"),))),)),
        ("3. a\n4. b", (ListBlock(((t("a"),), (t("b"),)), 3),)),
        ("```py x\na\n\n b\n```", (CodeBlock("a\n\n b", "py"),)),
        ("    a\n      b", (CodeBlock("a\n  b"),)),
        ("```latex\nx^2\n```", (CodeBlock("x^2", "latex"),)),
        ("a\n\n***\n\nb", (t("a"), ThematicBreak(), t("b"))),
        ("| a | b |\n|---|---|\n| *1* | 2 |", (CodeBlock("| a | b |\n|---|---|\n| *1* | 2 |"),)),
        ("*a*\n\nb", (p(Italic((Text("a"),))), t("b"))),
        (" \n ", ()),
        ("", ()),
    ],
)
def test_blocks_are_read_as_mattermost_shows_them(text: str, tree: tuple[Block, ...]) -> None:
    """Headings, quotes, lists, code and lines; a table keeps its lines, and with them its columns."""
    assert read(text) == tree


@pytest.mark.parametrize(
    "text", ["hello **world** :smile: ünïcode 🎉", "I am a bot too", "@relay and @alice", "line\nbreak", "a-b C# 1.5"]
)
def test_what_the_blocks_say_in_full_needs_no_source(text: str) -> None:
    """It would be written back as it was."""
    rich = MARKDOWN.read(text)
    assert rich.source is None
    assert MARKDOWN.write(rich.blocks) == text


def test_what_the_blocks_do_not_say_is_kept_as_the_source() -> None:
    """A table, another sign for the same thing: between two Mattermosts it passes as typed."""
    for text in ("|a|b|\n|-|-|", "_a_", "* a\n* b", '[a](https://e.org "t")'):
        assert MARKDOWN.read(text).source == Source("mattermost", text)


@pytest.mark.parametrize(
    ("mention", "written"),
    [
        (Mention("all", MentionKind.CHANNEL, permitted=True), "oh @all!"),
        (Mention("Channel", MentionKind.CHANNEL, permitted=True), "oh @channel!"),
        (Mention("everyone", MentionKind.CHANNEL, permitted=True), "oh @channel!"),
        (Mention("HERE", MentionKind.HERE, permitted=True), "oh @here!"),
        (Mention("room\n@all", MentionKind.HERE, permitted=True), "oh @here!"),
        (Mention("all", MentionKind.CHANNEL), f"oh @{GUARD}all!"),
        (Mention("all", permitted=True), f"oh @{GUARD}all!"),
    ],
)
def test_everybody_is_called_by_what_the_server_knows_where_that_is_permitted(mention: Mention, written: str) -> None:
    """In the server's own words, whatever the other platform calls it; and never by a name."""
    assert MARKDOWN.write((p(Text("oh "), mention, Text("!")),)) == written


def test_a_permitted_call_is_still_a_word_of_its_own() -> None:
    """Behind a letter it is text, and what follows does not go on with it."""
    mention = Mention("all", MentionKind.CHANNEL, permitted=True)
    assert MARKDOWN.write((p(Text("x"), mention),)) == f"x@{GUARD}all"
    assert MARKDOWN.write((p(mention, Text("y")),)) == f"@all{GUARD}y"


def test_a_source_never_holds_a_call_of_everybody() -> None:
    """Nor one that only the server sees, behind a character reference."""
    for text in ("*a* @all", "*a* @Channel-x", "*a* &#64;all", "| `@here` |\n|-|"):
        assert MARKDOWN.read(text).source is None


def test_plain_text_is_read_without_the_parser() -> None:
    """It is not even imported for that: every relayed message passes here."""
    code = "import sys; from drivers.mattermost.markdown import MARKDOWN; MARKDOWN.read('Hi there, 10:30 ok?\\nC# a_b')"
    check = "; assert 'markdown_it' not in sys.modules; MARKDOWN.read('*a*'); assert 'markdown_it' in sys.modules"
    subprocess.run([sys.executable, "-c", code + check], check=True, timeout=60)


@pytest.mark.parametrize(
    "sign", ["[", "![", "*a ", "> a\n", "- a\n", "`a", "@a ", ":a: ", "http://a ", "_a ", "|a\n", "# a\n"]
)
def test_too_much_markup_is_taken_as_plain_text(sign: str) -> None:
    """What could take the parser long is not given to it; every character is still there."""
    text = sign * (100_000 // len(sign))
    assert is_too_much(text)
    assert visible(read(text)) == "".join(text.split())
    assert not is_too_much(sign * 100)


@pytest.mark.parametrize(
    "text", ["> " * 50 + "deep", "- " * 50 + "deep", "".join("  " * n + "- x\n" for n in range(50)) + "deep"]
)
def test_what_nests_too_deep_is_taken_as_plain_text(text: str) -> None:
    """The parser would leave it out."""
    assert visible(read(text)).endswith("deep")


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "text",
    [
        "snake_case 1.5 a-b C# 50% <b> (x) x@y.org 10:30 a|b #tag -5 +1 [12:30] it's, ok!",
        "https://e.org/a_b*c?d=e#f",
        "C:\\dir",
    ],
)
def test_what_is_harmless_stays_readable(text: str) -> None:
    """No backslash is put where none is needed."""
    assert write(text) == text


@pytest.mark.parametrize(
    ("text", "written"),
    [
        ("*a* _b_ ~~c~~ `d`", r"\*a\* \_b\_ \~\~c\~\~ \`d\`"),
        ("# a", r"\# a"),
        ("> a", r"\> a"),
        ("- a\n+ b\n12. c", "\\- a\n\\+ b\n12\\. c"),
        ("a\n---\nb\n===", f"a\n\\---\nb\n{GUARD}==="),
        ("|a|b\n|-|-", "|a|b\n|\\-|-"),
        ("    a", "a"),
        ("[a](https://e.org)", r"\[a\](https://e.org)"),
        ("@bob :smile:", f"@{GUARD}bob :{GUARD}smile:"),
        ("@all x.@here", f"@{GUARD}all x.@{GUARD}here"),
        ("&#64;all", f"&{GUARD}#64;all"),
        ("https://e.org/@all", f"https://e.org/@{GUARD}all"),
        (r"\* \\a", r"\\\* \\a"),
    ],
)
def test_signs_in_a_users_text_are_escaped(text: str, written: str) -> None:
    """With a backslash where Mattermost knows one, with a zero-width space where it does not."""
    assert write(text) == written


@pytest.mark.parametrize(
    ("node", "written"),
    [
        (Mention("bob"), "@bob"),
        (Mention("all", MentionKind.CHANNEL), f"@{GUARD}all"),
        (Mention("here", MentionKind.HERE), f"@{GUARD}here"),
        (Mention("channel"), f"@{GUARD}channel"),
        (Mention("all-hands"), f"@{GUARD}all-hands"),
        (Mention("a b*"), f"@{GUARD}a b\\*"),
        (Emoji("+1"), ":+1:"),
        (Emoji("not one"), ":not one:"),
        (Code("a`b"), "``a`b``"),
        (Code("`"), "`` ` ``"),
        (Bold((Text(" a "),)), "**a**"),
        (Bold((Italic((Text("a"),)),)), "**_a_**"),
        (Italic((Text("a*b"),)), r"_a\*b_"),
        (Underline((Text("a"),)), "a"),
        (Link("https://e.org", (Text("https://e.org"),)), "https://e.org"),
        (Link("https://e.org/(a", (Text("b"),)), "[b](https://e.org/%28a)"),
        (Link("https://e.org/a b\n", (Text("b"),)), "[b](https://e.org/a%20b%0A)"),
        (Link("https://e.org", (Text("a [b]"),)), r"[a \[b\]](https://e.org)"),
        (Link("https://e.org", (Text("a]b"),)), r"a\]b (https://e.org)"),
        (Link("javascript:alert(1)", (Text("a"),)), "a (javascript:alert(1))"),
        (Link("https://e.org/@all", (Text("a"),)), "[a](https://e.org/%40all)"),
    ],
)
def test_a_node_is_written_so_that_it_does_no_harm(node: Inline, written: str) -> None:
    """Mentions call one user or nobody, links go to safe addresses."""
    assert MARKDOWN.write((p(node),)) == written


@pytest.mark.parametrize(
    ("tree", "written"),
    [
        ((CodeBlock("```\na", "c++"),), "````c++\n```\na\n````"),
        ((CodeBlock("a", "x y`"),), "```\na\n```"),
        ((ListBlock(((t("a"), ListBlock(((t("b"),),))), (t("c"),)), 9),), "9. a\n   - b\n10. c"),
        ((Quote((t("a"), CodeBlock("b"))), t("c")), "> a\n> \n> ```\n> b\n> ```\n\nc"),
        ((ListBlock(((t("a"),),)), ListBlock(((t("b"),),))), f"- a\n\n{GUARD}\n\n- b"),
        ((Heading(2, (Text("a #"),)), t("b")), "## a \\#\n\nb"),
        ((ThematicBreak(),), "***"),
        ((p(Text("x"), Italic((Text("y"),)), Text(" "), Italic((Text("z"),))),), "x*y* *z*"),
    ],
)
def test_blocks_are_written_apart(tree: tuple[Block, ...], written: str) -> None:
    """Fences are longer than what they hold, lists are indented, and nothing grows together."""
    assert MARKDOWN.write(tree) == written


@given(marked_up)
@example("\u0661. a list with digits of another script")
@example("one\nWww.example.org")
@example("a\n   \tcode")
def test_a_text_without_a_sign_is_found_to_be_plain_faster(text: str) -> None:
    """What is looked at first overlooks no markup."""
    assert has_markup(text) == (MARKUP.search(text) is not None)
