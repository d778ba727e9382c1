"""Matrix's HTML, read and written."""

from __future__ import annotations

import subprocess
import sys
import time
from collections.abc import Iterator

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st
from lxml import etree  # type: ignore[import-untyped]

from drivers.matrix.html import HTML, content
from drivers.matrix.html.notation import PERMITTED
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
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
)
from nextbridge.markup.normal import normalise
from tests.markup.strategies import any_text, blocks, visible

ALICE = "@alice:example.org"
PILL = f'<a href="https://matrix.to/#/{ALICE}">'


def p(*children: Inline) -> Paragraph:
    return Paragraph(children)


def t(text: str) -> Paragraph:
    return Paragraph((Text(text),))


def read(text: str) -> tuple[Block, ...]:
    return HTML.read(text).blocks


def shown(tree: tuple[Block, ...]) -> tuple[Block, ...]:
    """The normal form of `tree`, where what has no sign in HTML (an emoji's name, a name alone) is its text."""
    return normalise(_plain(block) for block in tree)


def _plain(node: Block) -> Block:
    match node:
        case Paragraph(children) | Heading(children=children):
            return msgspec.structs.replace(node, children=tuple(_plain_inline(child) for child in node.children))
        case Quote(children):
            return Quote(tuple(_plain(child) for child in children))
        case ListBlock(items, start):
            return ListBlock(tuple(tuple(_plain(child) for child in item) for item in items), start)
        case _:
            return node


def _plain_inline(node: Inline) -> Inline:
    match node:
        case Mention(name, user=None):
            return Text(f"@{name}")
        case Emoji():
            return Text(node.shown)
        case Text(text):
            return Text(text.replace("\xa0", " "))
        case Bold() | Italic() | Underline() | Strike() | Spoiler() | Link():
            return msgspec.structs.replace(node, children=tuple(_plain_inline(child) for child in node.children))
        case _:
            return node


class Tags:
    """Every tag and attribute of a document, as a browser's parser sees them."""

    def __init__(self) -> None:
        self.seen: list[tuple[str, dict[str, str]]] = []

    def start(self, tag: str, attributes: dict[str, str]) -> None:
        self.seen.append((tag, dict(attributes)))

    def close(self) -> list[tuple[str, dict[str, str]]]:
        return [each for each in self.seen if each[0] not in {"html", "body"}]


def tags(document: str) -> list[tuple[str, dict[str, str]]]:
    parser = etree.HTMLParser(target=Tags(), encoding="utf-8")
    parser.feed(b"<body><div>" + document.encode())
    found: list[tuple[str, dict[str, str]]] = parser.close()
    return found[1:]


_PIECES = [
    *("<b>", "</b>", "<i", "</i>", "<p>", "</p>", "<ul>", "<ol start=3>", "<li>", "</ul>", "<blockquote>", "<pre>"),
    *("</pre>", "<code class=language-py>", "</code>", "<br>", "<hr/>", "<table><tr><td>", "</table>", "<td>", "<h2>"),
    *("<mx-reply>", "</mx-reply>", "<script>", "</script>", "<!--", "-->", "<![CDATA[", "<?x", "<!doctype", "&#64;"),
    *("&lt;", "&nbsp;", "<a href='javascript:x'>", "<a href='https://e.org'>", PILL, "</a>", "<span data-mx-spoiler>"),
    *(
        "<img src=x onerror=y>",
        "<img src=mxc://e.org/a alt=':cat:' data-mx-emoticon>",
        "</span>",
        "<font color=#ff0000>",
    ),
    *("<b onclick=x style=y>", "<svg>", "<iframe src=x>", "<mx-room>", "<style>", "\n", "word", "two words", '"', "'"),
]
marked_up = st.lists(st.one_of(st.sampled_from(_PIECES), any_text), max_size=25).map("".join)
"""What looks like HTML, well formed or not."""


# --- both ways ------------------------------------------------------------------------------------------------------


@settings(deadline=None, max_examples=100)
@given(st.text(st.one_of(st.sampled_from("<>&\"'/ ;#=\n\t\xa0ab@:"), st.characters()), max_size=60))
@example("<b>x</b> &amp; &lt; a  b   c </p> <!-- @room")
@example("a\ud800b\0c\x85d\x1b")
def test_a_users_text_is_never_markup(text: str) -> None:
    """Whatever somebody typed, no tag but a line break comes of it, and its words come back."""
    written = HTML.write(RichText.plain(text).blocks)
    assert {tag for tag, _ in tags(written.encode("utf-8", "replace").decode())} <= {"br", "p"}
    legible = "".join(
        char for char in text.encode("utf-8", "replace").decode() if ord(char) > 159 or char.isprintable()
    )
    assert visible(read(written)) == "".join(legible.split())


@settings(deadline=None, max_examples=100)
@given(blocks())
@example((p(Text("a  b"), Bold((Text("c   d"),))), CodeBlock("\n x\n\n", "py"), CodeBlock("")))
@example((ListBlock(((), (t("a"), Quote((t("b"),)))), 3), t("x"), t("y")))
@example((p(Mention("ann", user=ALICE), Text(" & "), Mention("x", user="@b/c:e.org")),))
@example((p(Link('https://e.org/?a="b"&c=<d>', (Bold((Text("x"),)),))),))
def test_what_is_written_is_read_back_as_the_same_tree(tree: tuple[Block, ...]) -> None:
    """Formatting, code, links, quotes and lists, nested and next to each other."""
    assert shown(read(HTML.write(tree))) == shown(normalise(tree))


@settings(deadline=None, max_examples=100)
@given(marked_up)
def test_only_what_clients_are_to_show_goes_out(text: str) -> None:
    """Neither what is written of a tree nor a source, which goes out as it is, has another tag or attribute."""
    rich = HTML.read(text)
    documents = [HTML.write(rich.blocks), content(text).formatted or ""]
    if rich.source is not None:
        documents += [rich.source.text, content(rich.source.text).formatted or ""]
    for document in documents:
        for tag, attributes in tags(document.replace("<mx-room>", "").replace("</mx-room>", "")):
            assert tag in PERMITTED.values()
            for name, value in attributes.items():
                assert _is_permitted(tag, name, value), (tag, name, value)


def _is_permitted(tag: str, name: str, value: str) -> bool:
    match tag, name:
        case "a", "href":
            return value.startswith(("https://", "http://", "ftp://", "mailto:", "magnet:"))
        case "img", "src":
            return value.startswith("mxc://")
        case "code", "class":
            return value.startswith("language-")
        case ("img", "alt" | "title" | "width" | "height" | "data-mx-emoticon") | ("ol", "start"):
            return True
        case "span" | "div", _:
            return name in {"data-mx-spoiler", "data-mx-color", "data-mx-bg-color", "data-mx-maths"}
    return False


@settings(deadline=None, max_examples=100)
@given(st.text(max_size=200))
@example("\x80 &#1;&#27;&#x85;")
@example("\ud800<\ud800 \ud800=\ud800>")
def test_no_text_is_too_odd_to_be_read(text: str) -> None:
    """Not even half of a pair of surrogates, in a name, a tag or a text."""
    rich = HTML.read(text)
    assert msgspec.msgpack.decode(msgspec.msgpack.encode(rich), type=RichText) == rich
    assert HTML.read(HTML.write(rich.blocks)).blocks == rich.blocks or rich.source is not None


def _documents() -> Iterator[str]:
    size = 65_000
    pieces = ["<a ", "<", "<!", "<!--", "</", '<a "', '<a x="', "<![", "&", "<b>", "<p><b>", "<ul><li>", "<blockquote>"]
    pieces += [
        "<table><tr><td>",
        "</b></i>",
        "<a href='https://e.org'>",
        "<pre>",
        "<mx-reply>",
        "<sup>",
        " \n",
        "&nbsp;",
    ]
    pieces += ["<span data-mx-spoiler>", PILL, "<br>", "<h1>", "<li>x</li>", "<p>x</p>"]
    for piece in pieces:
        yield piece * (size // len(piece))
    yield "".join(f"<b a={number}><p>" for number in range(size // 12))
    yield "<blockquote>" * 2000 + "<br>x" * 8000


def test_no_event_takes_long_or_becomes_large() -> None:
    """The largest events of the kinds that slow parsers down, or of which parsers make huge trees.

    The documents that come of them have no more than a few times their length.
    """
    for document in _documents():
        started = time.process_time()
        rich = HTML.read(document)
        written = HTML.write(rich.blocks)
        parsed = content(rich.source.text if rich.source is not None else written)
        assert time.process_time() - started < 5, document[:20]
        assert len(written) <= 8 * len(document)
        assert len(parsed.body.encode()) <= 16_000


# --- reading --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "children"),
    [
        ("a <b>b</b> <em>c</em>", (Text("a "), Bold((Text("b"),)), Text(" "), Italic((Text("c"),)))),
        ("<u>a</u><del>b</del><strike>c</strike>", (Underline((Text("a"),)), Strike((Text("bc"),)))),
        ("<b>a<i>b</b>c", (Bold((Text("a"), Italic((Text("b"),)))), Text("c"))),
        ("a<br/>b", (Text("a"), LineBreak(), Text("b"))),
        (" a\n  b ", (Text("a b"),)),
        ("a &lt;b&gt; &amp;amp; &#64;all", (Text("a <b> &amp; @all"),)),
        ("<code>a  &lt;b&gt;</code>", (Code("a  <b>"),)),
        (
            '<a href="https://e.org/?a=1&amp;b">x <b>y</b></a>',
            (Link("https://e.org/?a=1&b", (Text("x "), Bold((Text("y"),)))),),
        ),
        ('<a href="javascript:alert(1)">x</a>', (Text("x"),)),
        ('<a href=" java\nscript:alert(1)">x</a><a href="/y">z</a>', (Text("xz"),)),
        (f"{PILL}Alice</a>: hi", (Mention("Alice", user=ALICE), Text(": hi"))),
        (f"{PILL}@Alice <b>B</b></a>", (Mention("Alice B", user=ALICE),)),
        (f"{PILL}{ALICE}</a>{PILL}</a>", (Mention("alice", user=ALICE), Mention("alice", user=ALICE))),
        ('<a href="https://matrix.to/#/%40alice%3Aexample.org?via=e.org">A</a>', (Mention("A", user=ALICE),)),
        ('<a href="matrix:u/alice:example.org">A</a>', (Mention("A", user=ALICE),)),
        (
            '<a href="https://matrix.to/#/#room:e.org">#room:e.org</a>',
            (Link("https://matrix.to/#/#room:e.org", (Text("#room:e.org"),)),),
        ),
        ("<mx-reply><blockquote>old</blockquote></mx-reply>new", (Text("new"),)),
        ("<script>x</script><style>y</style><!-- z -->a<title>b</title>", (Text("a"),)),
        ('<span data-mx-color="#ff0000">red</span> <font color="blue">blue</font>', (Text("red blue"),)),
        ("<span data-mx-spoiler>who</span>", (Spoiler((Text("who"),)),)),
        ('<span data-mx-spoiler="film">who</span>', (Text("(film) "), Spoiler((Text("who"),)))),
        ("<img data-mx-emoticon src=mxc://e.org/a alt=':cat:'>", (Emoji("cat"),)),
        ("<img src='https://e.org/spy.png' alt='a cat'> <img>", (Text("a cat [image]"),)),
        ("e = mc<sup>2</sup>, H<sub>2</sub>O", (Text("e = mc^2, H2O"),)),
        (
            "<table><thead><tr><th>a</th><th>b</th></tr></thead><tr><td><p>1</p></td><td><b>2</b></td></tr></table>",
            (Text("a | b"), LineBreak(), Text("1 | "), Bold((Text("2"),))),
        ),
    ],
)
def test_a_line_is_read_as_clients_show_it(text: str, children: tuple[Inline, ...]) -> None:
    """Each row is a message and what stands in it."""
    assert read(text) == (Paragraph(children),)


@pytest.mark.parametrize(
    ("text", "tree"),
    [
        ("<p>a</p>\n<p>b</p>", (t("a"), t("b"))),
        ("a<br><br>b", (t("a"), t("b"))),
        ("<h1>a<br>b</h1>c", (Heading(1, (Text("a b"),)), t("c"))),
        ("<blockquote><p>a</p><blockquote>b</blockquote></blockquote>c", (Quote((t("a"), Quote((t("b"),)))), t("c"))),
        (
            "<ul>\n<li>a<ul><li>b</li></ul></li>\n<li>c</ul>",
            (ListBlock(((t("a"), ListBlock(((t("b"),),))), (t("c"),))),),
        ),
        ('<ol start="3"><li><p>a</p></li><li>b</li></ol>', (ListBlock(((t("a"),), (t("b"),)), 3),)),
        ("<ul>a<li>b</ul>", (ListBlock(((t("a"),), (t("b"),))),)),
        ("<li>a<li>b", (t("a"), t("b"))),
        ('<pre><code class="language-py">\n a\n\nb  c\n</code></pre>', (CodeBlock("\n a\n\nb  c", "py"),)),
        ("<pre>\na<br>b<b>c</b></pre>", (CodeBlock("a\nbc"),)),
        ("a<hr>b", (t("a"), ThematicBreak(), t("b"))),
        ("<details><summary>a</summary>b</details>", (t("a"), t("b"))),
        ("<p> </p><ul></ul><blockquote></blockquote>", ()),
        ("<mx-reply>everything", ()),
        (" \n ", ()),
    ],
)
def test_blocks_are_read_as_clients_show_them(text: str, tree: tuple[Block, ...]) -> None:
    """Headings, quotes, lists, code and lines."""
    assert read(text) == tree


def test_what_the_tree_has_no_word_for_is_kept_for_other_rooms() -> None:
    """A table, a reason to hide, a colour: without what clients are not to show, closed, without a copy of a reply."""
    text = (
        "<mx-reply>x</mx-reply><font color='#00ff00' size=9>a</font><span data-mx-spoiler='w'>b"
        "<table onclick=x><tr><td style=y>c</table><img src='https://e.org/spy'><a href='javascript:x' id=z>d</a>"
    )
    source = HTML.read(text).source
    assert source is not None
    assert source.dialect == "matrix"
    assert source.text == (
        '<span data-mx-color="#00ff00">a</span><span data-mx-spoiler="w">b<table><tr><td>c</td></tr></table>'
        "<img><a>d</a></span>"
    )
    assert HTML.read("<b>bold</b> <code>x</code><p>y</p><span data-mx-spoiler>z</span>").source is None


# --- writing --------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("node", "written"),
    [
        (Text("a <b> & \"c\" 'd'"), "a &lt;b&gt; &amp; &quot;c&quot; &#x27;d&#x27;"),
        (Text("a   b\x00\x1b\x85"), "a &nbsp;&nbsp;b"),
        (Bold((Italic((Strike((Text("a"),)),)),)), "<strong><em><del>a</del></em></strong>"),
        (Underline((Text("a"),)), "<u>a</u>"),
        (Spoiler((Text("a "), Bold((Text("b"),)))), "<span data-mx-spoiler>a <strong>b</strong></span>"),
        (Code("<x>"), "<code>&lt;x&gt;</code>"),
        (Link("https://e.org/?a&b", (Text("c"),)), '<a href="https://e.org/?a&amp;b">c</a>'),
        (Link('https://e.org/" onclick="x', (Text("c"),)), '<a href="https://e.org/&quot;%20onclick=&quot;x">c</a>'),
        (Link("javascript:alert(1)", (Text("a"),)), "a (javascript:alert(1))"),
        (Link("/relative", (Text("/relative"),)), "/relative"),
        (Link(f"https://matrix.to/#/{ALICE}", (Text("free"),)), f"free (https://matrix.to/#/{ALICE})"),
        (Mention("Ann", user=ALICE), f"{PILL}Ann</a>"),
        (Mention("<b>", user='@a"b:e.org'), '<a href="https://matrix.to/#/@a%22b:e.org">&lt;b&gt;</a>'),
        (Mention("ann", user="U123"), "@ann"),
        (Mention("room", MentionKind.CHANNEL), "@room"),
        (Mention("all", MentionKind.HERE, permitted=True), "<mx-room>@room</mx-room>"),
        (Emoji("smile"), "😄"),
        (Emoji("our_parrot"), ":our_parrot:"),
    ],
)
def test_a_node_is_written_so_that_it_does_no_harm(node: Inline, written: str) -> None:
    """Mentions call one user or nobody, links go to safe addresses, and only the core calls people."""
    assert HTML.write((p(node),)) == written


@pytest.mark.parametrize(
    ("tree", "written"),
    [
        ((t("a"), t("b")), "a<p>b</p>"),
        ((p(Text("a"), LineBreak(), Text("b")),), "a<br>b"),
        ((Heading(2, (Text("a"),)), ThematicBreak()), "<h2>a</h2><hr>"),
        ((CodeBlock("a\n<b>", "c++"),), '<pre><code class="language-c++">a\n&lt;b&gt;\n</code></pre>'),
        ((CodeBlock("a", 'x" y'),), "<pre><code>a\n</code></pre>"),
        ((Quote((t("a"), ListBlock(((t("b"),), ())))),), "<blockquote>a<ul><li>b</li><li></li></ul></blockquote>"),
        ((ListBlock(((t("a"),),), 1), ListBlock(((t("b"),),), 7)), '<ol><li>a</li></ol><ol start="7"><li>b</li></ol>'),
    ],
)
def test_blocks_are_written(tree: tuple[Block, ...], written: str) -> None:
    """The first paragraph has no tags of its own, so that it can stand behind a name."""
    assert HTML.write(tree) == written


# --- an event's content ---------------------------------------------------------------------------------------------


def test_a_plain_text_needs_no_html() -> None:
    """What has no formatting is a body alone; names in it call nobody, since the event says so."""
    assert content("bob: 1 &lt; 2<br>@room").fields() == {"body": "bob: 1 < 2\n@room", "m.mentions": {}}


def test_a_formatted_text_has_both_forms_and_names_whom_it_calls() -> None:
    """The body is what clients show that know no HTML."""
    text = HTML.write((p(Mention("Ann", user=ALICE), Text(" "), Mention("all", MentionKind.CHANNEL, permitted=True)),))
    assert content(f"<b>bob</b>: {text}").fields() == {
        "body": "bob: @Ann @room",
        "format": "org.matrix.custom.html",
        "formatted_body": f"<strong>bob</strong>: {PILL}Ann</a> @room",
        "m.mentions": {"user_ids": [ALICE], "room": True},
    }


def test_line_breaks_of_the_core_are_seen() -> None:
    """It joins a header, a text and labels with them; inside of code they are what they are everywhere."""
    assert content("<b>town</b>\nhello\n<pre><code>a\nb\n</code></pre>").formatted == (
        "<strong>town</strong><br>hello<pre><code>a\nb\n</code></pre>"
    )
    table = HTML.read("<table><tr><td>1<td>2</table>").source
    assert table is not None
    assert content(f"bob\n{table.text}").formatted == "bob<br><table><tr><td>1</td><td>2</td></tr></table>"


@pytest.mark.parametrize(
    ("template", "shown_as"),
    [
        ("<", "&lt;"),
        ("> ", "&gt; "),
        ("<b>", "<b>"),
        (
            '</b><a href="https://e.org/?a&amp;b">x</a> & <alice>',
            '</b><a href="https://e.org/?a&amp;b">x</a> &amp; &lt;alice&gt;',
        ),
        ("a <3 b <br/>", "a &lt;3 b <br/>"),
    ],
)
def test_the_signs_that_people_put_around_names_are_no_tags(template: str, shown_as: str) -> None:
    """`<{nickname}> {msg}` shows what it shows everywhere; a tag that stands in the template is one."""
    assert HTML.literal(template) == shown_as  # type: ignore[attr-defined]


def test_lxml_is_not_needed_to_check_a_file() -> None:
    """It is imported with the first message."""
    code = "import sys, drivers.matrix.html as h; h.HTML.write(()); h.HTML.read(''); sys.exit('lxml' in sys.modules)"
    assert subprocess.run([sys.executable, "-c", code], check=False, timeout=60).returncode == 0
