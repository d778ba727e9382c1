"""Formatting on its way: from entities to the tree, from the tree to the notation, and from that to entities again."""

from __future__ import annotations

import time

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.telegram import wire
from drivers.telegram.formatted import Formatted, Span, of_entities
from drivers.telegram.notation import TELEGRAM, parse
from nextbridge.markup import (
    PLAIN,
    Block,
    Bold,
    Code,
    CodeBlock,
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
    Underline,
)
from nextbridge.sandbox.telegram.records import Entity
from nextbridge.sandbox.telegram.text import checked, stretch


def sent(blocks: tuple[Block, ...]) -> tuple[str, list[tuple[str, str]]]:
    """What Telegram would be given for a tree: the text, and each entity with what it is about."""
    shown = parse(TELEGRAM.write(blocks))
    return shown.text, [(each.type, _about(shown.text, each)) for each in shown.entities]


def _about(text: str, entity: wire.Entity) -> str:
    return stretch(text, Entity(type=entity.type, offset=entity.offset, length=entity.length))


def paragraph(*inlines: Inline) -> tuple[Block, ...]:
    return (Paragraph(inlines),)


class TestReading:
    def test_offsets_are_utf16_code_units(self) -> None:
        """What stands behind an emoji begins two units later, and the tree knows nothing of that."""
        told = of_entities("🚀 bold 👩‍💻 code", [wire.Entity("bold", 3, 4), wire.Entity("code", 14, 4)])
        assert told.rich.blocks == paragraph(Text("🚀 "), Bold((Text("bold"),)), Text(" 👩‍💻 "), Code("code"))

    def test_formats_nest(self) -> None:
        """One inside the other, and several side by side."""
        told = of_entities(
            "all of it",
            [wire.Entity("bold", 0, 9), wire.Entity("italic", 4, 2), wire.Entity("underline", 7, 2)],
        )
        (block,) = told.rich.blocks
        assert block == Paragraph((Bold((Text("all "), Italic((Text("of"),)), Text(" "), Underline((Text("it"),)))),))

    def test_what_is_hidden_is_a_spoiler(self) -> None:
        """With what is formatted and linked in it, and outermost, so that it is one."""
        told = of_entities(
            "see how it ends",
            [
                wire.Entity("spoiler", 4, 11),
                wire.Entity("text_link", 4, 3, url="https://e.org/"),
                wire.Entity("bold", 8, 2),
            ],
        )
        hidden = (Link("https://e.org/", (Text("how"),)), Text(" "), Bold((Text("it"),)), Text(" ends"))
        assert told.rich.blocks == paragraph(Text("see "), Spoiler(hidden))

    def test_blocks_stand_by_themselves(self) -> None:
        """A quote, code with its language, and what is around them, without the line breaks between."""
        text = "before\nquoted\nprint(1)\nafter\nit"
        told = of_entities(text, [wire.Entity("blockquote", 7, 6), wire.Entity("pre", 14, 8, language="python")])
        assert told.rich.blocks == (
            Paragraph((Text("before"),)),
            Quote((Paragraph((Text("quoted"),)),)),
            CodeBlock("print(1)", "python"),
            Paragraph((Text("after"), LineBreak(), Text("it"))),
        )

    def test_links_and_calls_are_what_they_are(self) -> None:
        """An address, words with one behind them, a @name, and somebody who has none."""
        text = "example.com here @annie Bob B"
        told = of_entities(
            text,
            [
                wire.Entity("url", 0, 11),
                wire.Entity("text_link", 12, 4, url="https://example.org/"),
                wire.Entity("mention", 17, 6),
                wire.Entity("text_mention", 24, 5, user=wire.User(77)),
            ],
        )
        assert told.rich.blocks == paragraph(
            Link("http://example.com", (Text("example.com"),)),
            Text(" "),
            Link("https://example.org/", (Text("here"),)),
            Text(" "),
            Mention("annie"),
            Text(" "),
            Mention("Bob B", user="77"),
        )

    @pytest.mark.parametrize("entity", [wire.Entity("bold", 1, 1), wire.Entity("bold", 0, 99), wire.Entity("x", 0, 2)])
    def test_an_entity_that_cannot_be_loses_no_text(self, entity: wire.Entity) -> None:
        """In the middle of a character, beyond the end, or of a kind that nobody knows yet."""
        assert PLAIN.write(of_entities("🚀!", [entity]).rich.blocks) == "🚀!"


class TestWriting:
    def test_each_format_has_its_entity(self) -> None:
        """Inside a line and around lines."""
        blocks = (
            Paragraph((Bold((Text("b"), Italic((Text("i"),)))), Text(" "), Strike((Text("s"),)), Code("c"))),
            Heading(1, (Text("head"),)),
            CodeBlock("x < 1", "c"),
            Quote((Paragraph((Text("q"),)),)),
            ListBlock((((Paragraph((Text("one"),))),), ((Paragraph((Text("two"),))),)), 3),
        )
        text, entities = sent(blocks)
        assert text == "bi sc\nhead\nx < 1\nq\n3. one\n4. two"
        assert entities == [
            ("bold", "bi"),
            ("italic", "i"),
            ("strikethrough", "s"),
            ("code", "c"),
            ("bold", "head"),
            ("pre", "x < 1"),
            ("blockquote", "q"),
        ]

    def test_a_spoiler_is_one(self) -> None:
        """All that stands in it is hidden, code too, which Telegram would show if it were told that it is code."""
        text, entities = sent(paragraph(Text("see "), Spoiler((Text("how "), Bold((Text("it"),)), Code(" ends")))))
        assert (text, entities) == ("see how it ends", [("spoiler", "how it ends"), ("bold", "it")])

    def test_code_stands_in_no_other_format(self) -> None:
        """Telegram takes none around it: the bold text ends before it and goes on behind it."""
        text, entities = sent(paragraph(Bold((Text("run "), Code("ls"), Text(" now")))))
        assert (text, entities) == ("run ls now", [("bold", "run "), ("bold", " now"), ("code", "ls")])

    def test_only_pages_are_linked(self) -> None:
        """An address that could do more than open a page stands there as text."""
        for url in ("tg://user?id=1", "javascript:alert(1)", "tg://resolve?domain=x"):
            text, entities = sent(paragraph(Link(url, (Text("here"),))))
            assert (text, entities) == (f"here ({url})", [])
        assert sent(paragraph(Link("https://a.example/", (Text("here"),))))[1] == [("text_link", "here")]

    def test_only_a_call_calls(self) -> None:
        """Somebody with a @name or an id is called; a name with an @ that a user typed is not, nor is everybody."""
        assert sent(paragraph(Mention("annie", user="5")))[0] == "@annie"
        assert sent(paragraph(Mention("5", user="5"))) == ("5", [("text_mention", "5")])
        for inline in (Text("@annie"), Text("(@annie)"), Mention("all", kind=MentionKind.CHANNEL), Mention("no one")):
            text, entities = sent(paragraph(inline))
            assert (entities, checked(text, (), most=4096, what="message")[1]) == ([], ())
        assert sent(paragraph(Text("ann@example.com")))[0] == "ann@example.com"

    def test_a_format_with_angles_around_a_name_is_text(self) -> None:
        """Even where somebody is called as a tag is: only what is opened and closed counts."""
        for name in ("Ann", "b", "code", "i"):
            shown = parse(f"&lt;{name}&gt; x") if name == "Ann" else parse(f"<{name}> hello")
            assert (shown.text, shown.spans) == (f"<{name}> {'x' if name == 'Ann' else 'hello'}", ())
        shown = parse("<b> <b>x</b>")
        assert (shown.text, [span.kind for span in shown.spans]) == ("<b> x", ["bold"])

    def test_crossed_tags_do_no_harm(self) -> None:
        """The outer pair counts, the crossed one is text."""
        assert parse("<b>a<i>b</b>c</i>") == Formatted("a<i>bc</i>", (Span("bold", 0, 5),))


@settings(max_examples=100, deadline=None)
@given(st.text(alphabet=st.sampled_from('ab<>/&;"=@# \n🚀bicode'), max_size=80))
def test_what_is_typed_is_what_is_shown(text: str) -> None:
    """Whatever characters a text has: written and read again it says the same, and has no formatting."""
    shown = parse(TELEGRAM.write(RichText.plain(text).blocks))
    assert shown.text.replace("@\u200b", "@") == text
    assert shown.spans == ()


@settings(max_examples=100, deadline=None)
@given(st.lists(st.sampled_from(["<b>", "</b>", "<i>", "</i>", '<a href="https://x.y">', "</a>", "<code>", "</code>",
                                 "<pre>", "</pre>", "&lt;", "🚀", "x"]), max_size=40))  # fmt: skip
def test_any_notation_becomes_entities_that_telegram_takes(parts: list[str]) -> None:
    """The stand-in refuses what is outside of the text or inside of a character; read again the text is the same."""
    shown = parse("".join(parts))
    given_ = [Entity(type=each.type, offset=each.offset, length=each.length) for each in shown.entities]
    said, _ = checked(f"x{shown.text}x", [_moved(each) for each in given_], most=4096, what="message")
    assert said == f"x{shown.text}x"
    assert "".join(parse("".join(parts)).text.split()) == "".join(PLAIN.write(
        tuple(_without_links(block) for block in shown.rich.blocks)
    ).replace("> ", "").split())  # fmt: skip


def _moved(entity: Entity) -> Entity:
    return Entity(type=entity.type, offset=entity.offset + 1, length=entity.length)


def _without_links(block: Block) -> Block:
    if not isinstance(block, Paragraph):
        return block

    def bare(node: Inline) -> tuple[Inline, ...]:
        if isinstance(node, Bold | Italic | Link):
            return tuple(each for child in node.children for each in bare(child))
        return (node,)

    return Paragraph(tuple(each for child in block.children for each in bare(child)))


def test_nesting_costs_no_more_than_its_length() -> None:
    """A text full of tags is read in time linear in it."""
    started = time.process_time()
    parse("<b>" * 30_000 + "</i>" * 30_000)
    parse("<b>x</b>" * 5_000).rich  # noqa: B018 - what it costs is looked at
    assert time.process_time() - started < 5
