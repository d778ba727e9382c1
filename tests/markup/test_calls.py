"""Whom a text calls: whole names in the author's own words, and nobody else."""

from __future__ import annotations

import time

import pytest
from hypothesis import given

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
    Source,
    Text,
)
from nextbridge.markup.calls import Call, called, calls
from tests.markup.strategies import blocks


def rich(*inlines: Inline) -> RichText:
    return RichText((Paragraph(inlines),))


def names(text: str | RichText, *, by_bare_name: bool = False) -> list[str]:
    """The longest name of each call."""
    tree = RichText.plain(text) if isinstance(text, str) else text
    return [call.names[0] for call in calls(tree, by_bare_name=by_bare_name).who]


def shown(text: str | RichText, *people: str, by_bare_name: bool = False) -> RichText:
    """`text` where these people are found, under the name that ends with 2."""

    def found(call: Call) -> tuple[str, Mention] | None:
        name = next((each for each in call.names if each in people), None)
        return None if name is None else (name, Mention(f"{name}2"))

    tree = RichText.plain(text) if isinstance(text, str) else text
    return called(tree, found, by_bare_name=by_bare_name)


@pytest.mark.parametrize(
    ("text", "candidates"),
    [
        ("@alice", ("alice",)),
        ("hey @alice!", ("alice!", "alice")),
        ("(@alice)", ("alice)", "alice")),
        ("@alice's", ("alice's", "alice")),
        ("@alice_", ("alice_", "alice")),
        ("@al.ice.", ("al.ice.", "al.ice")),
        ("@al[ice]", ("al[ice]", "al[ice")),
        ("@Ünal", ("Ünal",)),
        ("@alice,bob", ("alice,bob", "alice")),
    ],
)
def test_punctuation_may_be_part_of_a_name_or_not(text: str, candidates: tuple[str, ...]) -> None:
    """The longest is tried first, and no name is cut inside."""
    assert calls(RichText.plain(text), by_bare_name=False).who == (Call(candidates),)


@pytest.mark.parametrize(
    "text",
    [
        "alice@example.com",
        "mail a.b+c@example.com now",
        "https://social.example/@alice",
        "@alice@social.example",
        "@",
        "@ alice",
        "@@alice",
        "@...",
        "x@alice",
        "@" + "a" * 65,
        "alice",
    ],
)
def test_what_is_no_call(text: str) -> None:
    """Addresses of mail and of other networks, signs, and words that no name is as long as."""
    assert names(text) == []
    assert shown(text, "alice", "a" * 64) == RichText.plain(text)


def test_a_name_is_found_whole() -> None:
    """`@Al` is not part of `@Alice`, nor of `@Al-Ice`."""
    for text in ("@Alice", "@Al-Ice", "@Al.Ice", "@Al_Ice", "@Al[ice]"):
        assert shown(text, "Al") == RichText.plain(text)
    assert shown("@Al, hi", "Al") == rich(Mention("Al2"), Text(", hi"))
    assert shown("say @Al's name", "Al") == rich(Text("say "), Mention("Al2"), Text("'s name"))


def test_a_name_in_front_calls_where_people_do_so() -> None:
    """`alice: hi` on IRC; only at the very beginning, and only where a space follows."""
    assert shown("alice: hi @bob", "alice", "bob", by_bare_name=True) == rich(
        Mention("alice2"), Text(": hi "), Mention("bob2")
    )
    assert shown("alice, hi", "alice", by_bare_name=True) == rich(Mention("alice2"), Text(", hi"))
    for text in ("alice hi", "alice:hi", "oh alice: hi", "al: hi", "@: hi", "all: lunch", "here, take it"):
        assert shown(text, "alice", "all", "here", by_bare_name=True) == RichText.plain(text)
    assert names("alice: hi") == []
    assert names("alice: hi", by_bare_name=True) == ["alice"]


def test_mentions_of_a_dialect_are_calls() -> None:
    """With the id that the platform gives; one that calls nobody is text."""
    text = rich(Bold((Mention("alice.", user="u1"),)), Text(" and "), Mention("bob"))
    assert calls(text, by_bare_name=False).who == (Call(("alice.", "alice"), user="u1"), Call(("bob",)))
    assert shown(text, "alice") == rich(Bold((Mention("alice2"), Text("."))), Text(" and "), Text("@bob"))


def test_calls_of_everybody_are_known_by_what_platforms_call_them() -> None:
    """However they are written, and never taken for a person of that name."""
    for word, kind in (
        ("all", MentionKind.CHANNEL),
        ("Channel", MentionKind.CHANNEL),
        ("EVERYONE!", MentionKind.CHANNEL),
        ("room", MentionKind.CHANNEL),
        ("here.", MentionKind.HERE),
    ):
        (call,) = calls(RichText.plain(f"@{word}"), by_bare_name=False).who
        assert call == Call((word.rstrip("!."),), kind)
    assert calls(rich(Mention("all", MentionKind.CHANNEL), Mention("room")), by_bare_name=False).who == (
        Call(("all",), MentionKind.CHANNEL),
        Call(("room",), MentionKind.CHANNEL),
    )


def test_in_code_in_a_quote_and_on_a_link_nobody_is_called() -> None:
    """A mention there is text; what is text already stays."""
    quiet = RichText(
        (
            Paragraph((Code("@alice"), Text(" "), Link("https://x.example", (Text("@alice"),)))),
            CodeBlock("@alice"),
            Quote((Paragraph((Text("@alice"),)),)),
        )
    )
    assert names(quiet) == []
    assert shown(quiet, "alice") == quiet
    loud = RichText(
        (
            Quote((
                Paragraph((Bold((Mention("alice"),)),)),
                ListBlock(((Paragraph((Mention("all", MentionKind.CHANNEL),)),),)),
                Heading(1, (Mention("alice"),)),
                Quote((Paragraph((Link("https://x.example", (Mention("alice"),)), LineBreak())),)),
            )),
        ),
        Source("d", "> **@alice**"),
    )  # fmt: skip
    assert names(loud) == []
    assert calls(quiet, by_bare_name=False).silent is quiet
    silent = calls(loud, by_bare_name=False).silent
    assert silent == shown(loud, "alice")
    assert "Mention" not in repr(silent)
    assert silent.source is None


def test_lists_headings_and_formatting_are_the_authors_own_words() -> None:
    """There people are called."""
    text = RichText(
        (
            Heading(1, (Text("@alice"),)),
            ListBlock(((Paragraph((Italic((Text("@bob"),)),)),), (Paragraph((Text("@eve"),)),))),
        )
    )
    assert names(text) == ["alice", "bob", "eve"]
    assert names(shown(text, "alice", "bob", "eve")) == ["alice2", "bob2", "eve2"]


def test_the_source_passes_on_only_where_it_says_the_same() -> None:
    """Between two places of one dialect a text passes as it was written, unless a name in it is another there."""
    source = Source("d", "*hi* @alice")
    text = RichText((Paragraph((Text("hi "), Mention("alice"))),), source)

    def renamed(name: str) -> RichText:
        return called(text, lambda call: (call.names[0], Mention(name, user="u7")), by_bare_name=False)

    assert renamed("Alice").source == source
    assert renamed("ally").source is None
    assert called(text, lambda _: None, by_bare_name=False).source is None
    plain = RichText((Paragraph((Text("hi @alice"),)),), source)
    assert called(plain, lambda _: None, by_bare_name=False) == plain
    everybody = called(
        plain, lambda call: (call.names[0], Mention("alice", MentionKind.HERE, permitted=True)), by_bare_name=False
    )
    assert everybody.source is None


@given(blocks())
def test_where_nobody_is_found_nobody_is_called(tree: tuple[Block, ...]) -> None:
    """No mention is left in any tree, and each word is what it was."""
    silent = called(RichText(tree), lambda _: None, by_bare_name=True)
    assert "Mention(" not in repr(silent)
    assert PLAIN.write(silent.blocks) == PLAIN.write(tree)
    assert called(silent, lambda _: None, by_bare_name=True) == silent


@pytest.mark.parametrize("piece", ["@", "@a", "@a ", " @", "@a@", "a:", "@" + "x" * 64 + "!", "@.", "@_ "])
def test_no_text_takes_long(piece: str) -> None:
    """100 kB of anything, within 50 ms and some room for a busy machine."""
    text = RichText.plain((piece * (100_000 // len(piece) + 1))[:100_000])
    started = time.process_time()
    calls(text, by_bare_name=True)
    called(text, lambda _: None, by_bare_name=True)
    assert time.process_time() - started < 0.5
