"""Names that people chose themselves: what is shown of them, and that nobody passes for somebody else."""

from __future__ import annotations

import unicodedata
from itertools import pairwise

import msgspec
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from nextbridge.envelope import Author, ChannelKey, Posted, UserId
from nextbridge.journal import PlannedPart
from nextbridge.markup.legible import legible, one_line
from nextbridge.names import Namesakes, same_name, unframed
from nextbridge.render import Origin, render
from nextbridge.sandbox.host import RecordingHost
from tests.core.adversaries import LEGIBLE, NAMES
from tests.core.script import ScriptDriver, ScriptSettings, post

TURNING = "\u202a\u202b\u202c\u202d\u202e\u2066\u2067\u2068\u2069"
odd = st.text(
    st.one_of(
        st.sampled_from(
            TURNING + "\u200b\u200c\u200d\u200e\u0301\u0335\u20dd\ufe0f\u3164\u2800\u00a0\u2028\n\r\t\x00\x1b "
        ),
        st.sampled_from("ab<>:()علی👩💻🏴\U000e0067\U000e007f"),
        st.characters(),
    ),
    max_size=40,
)


# --- what is shown --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("name", "shown"), NAMES.items())
def test_a_name_shows_what_it_is(name: str, shown: str) -> None:
    """Nothing in it hides, turns, piles up, ends a line or looks like a space."""
    assert one_line(name) == shown


@pytest.mark.parametrize("name", LEGIBLE)
def test_what_people_write_stays(name: str) -> None:
    """Joiners, marks, selectors and tags are kept where people need them, in names and in texts."""
    assert one_line(name) == name
    assert legible(name) == name


@settings(max_examples=100)
@given(odd)
@example("🏴\U000e0067" * 3 + "\U000e007f\U000e007f")
def test_a_line_is_one_line_of_what_is_seen(text: str) -> None:
    """Whatever is given: once made harmless it stays the same, and is free of everything that could do harm."""
    line = one_line(text)
    assert one_line(line) == line
    assert line == " ".join(line.split(" "))
    assert not any(unicodedata.category(char) in {"Cc", "Cs", "Co", "Zl", "Zp"} for char in line)
    assert not set(line) & set(TURNING + "\u200b\u200e\u200f\u2060\ufeff\u3164\u2800\u00a0")
    assert not any(
        one in "\u200c\u200d" and (other in "\u200c\u200d " or other.isascii()) for one, other in pairwise(line)
    )
    assert _highest_pile(line) <= 4


@settings(max_examples=100)
@given(odd)
def test_no_text_turns_what_follows_it(text: str) -> None:
    """In each line as many directions end as begin, the innermost first, and none is forced."""
    harmless = legible(text)
    assert legible(harmless) == harmless
    assert not set(harmless) & set("\u202d\u202e")
    assert [char for char in harmless if char not in TURNING] == [
        char for char in _less_piled(text) if char not in TURNING
    ]
    for line in harmless.split("\n"):
        open_ones = []
        for char in line:
            if char in "\u202a\u202b":
                open_ones.append("\u202c")
            elif char in "\u2066\u2067\u2068":
                open_ones.append("\u2069")
            elif char in "\u202c\u2069":
                assert open_ones.pop() == char
        assert open_ones == []


def _less_piled(text: str) -> str:
    return legible("".join(char for char in text if char not in TURNING))


def _highest_pile(text: str) -> int:
    highest = pile = 0
    for char in text:
        pile = pile + 1 if unicodedata.category(char) in {"Mn", "Me"} and char != "\ufe0f" else 0
        highest = max(highest, pile)
    return highest


def test_a_text_is_cut_where_it_piles_up() -> None:
    """Eight marks are more than any language has on one letter."""
    assert legible("a" + "\u0335" * 100 + "b") == "a" + "\u0335" * 8 + "b"


def test_a_text_that_reaches_its_target_is_harmless() -> None:
    """Formatted or not, and also where it goes on as it was written."""
    (part,) = shown(post("a", "\u202eevil \u2067right", author=Author(UserId("u"), "eve", "Eve")))
    assert part.text == "<Eve> evil \u2067right\u2069"


# --- whose name it is -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "other",
    [
        "alice",
        "ALICE",
        " A\u200blice ",
        "Аlісе",
        "αlιсе",
        "𝐀𝐥𝐢𝐜𝐞",
        "Ａｌｉｃｅ",
        "Al1ce",
        "A|ice",
        "AIice",
        "al\u0456ce",
        "\u202eAlice",
    ],
)
def test_names_that_look_alike_are_one(other: str) -> None:
    """Capitals, alphabets, fonts, and the characters that nobody sees."""
    assert same_name(other) == same_name("Alice")


def test_names_that_look_different_are_two() -> None:
    """Accents and signs are seen."""
    names = ("Alice", "Alicé", "Bob", "Alice2", "Alice_", "علی", "愛")
    assert len({same_name(each) for each in names}) == len(names)


class Heard:
    """People of one instance, heard one after the other."""

    def __init__(self) -> None:
        self.now = 0.0
        self.namesakes = Namesakes(lambda: self.now, size=50)

    def says(self, user: str, username: str, name: str, *, instance: str = "a") -> str:
        """The name that is shown."""
        event = post(instance, "hi", author=Author(UserId(user), username, name))
        return self.namesakes.told_apart(event).author.name


def test_who_takes_anothers_name_bears_their_handle_with_it() -> None:
    """And so does the one who has it rightly, since nobody knows who that is; others do not."""
    heard = Heard()
    assert heard.says("u1", "alice.w", "Alice") == "Alice"
    assert heard.says("u2", "mallory", "Аlice") == "Аlice (mallory)"
    assert heard.says("u1", "alice.w", "Alice") == "Alice (alice.w)"
    assert heard.says("u3", "bob", "Bob") == "Bob"
    assert heard.says("u4", "carol", "Alice", instance="b") == "Alice"
    heard.now = 25 * 3600.0
    assert heard.says("u1", "alice.w", "Alice") == "Alice"


def test_nobody_shows_anothers_handle() -> None:
    """A handle is a name, too."""
    heard = Heard()
    assert heard.says("u1", "alice", "Alice Liddell") == "Alice Liddell"
    assert heard.says("u2", "mallory", "alice") == "alice (mallory)"
    assert heard.says("u1", "alice", "Alice Liddell") == "Alice Liddell"


def test_where_the_handle_looks_alike_the_id_tells_and_else_a_number() -> None:
    """On Matrix two servers may have an alice, on IRC a nick of another alphabet."""
    heard = Heard()
    assert heard.says("@alice:a.org", "alice", "Alice") == "Alice"
    assert heard.says("@alice:b.org", "alice", "Alice") == "Alice (@alice:b.org)"
    assert heard.says("bob", "bob", "bob", instance="irc") == "bob"
    assert heard.says("ЬоЬ", "Ьоb", "bоb", instance="irc") == "bоb (2)"
    assert heard.says("b\u043eb", "b\u043eb", "b\u043eb", instance="irc") == "b\u043eb (3)"


def test_no_crowd_of_names_fills_the_memory() -> None:
    """Names, and people of one name, are forgotten, those used longest ago first."""
    heard = Heard()
    for number in range(200):
        heard.says(f"u{number}", f"h{number}", f"Name {chr(0x4E00 + number)}")
        heard.says(f"v{number}", f"v{number}", "Alice")
    assert len(heard.namesakes._heard) <= 50
    assert max(len(each) for each in heard.namesakes._heard.values()) <= 16
    assert heard.says("u1", "alice.w", "Alice") == "Alice (alice.w)"


def test_nobody_is_shown_as_the_relay() -> None:
    """Who is called like the relay, in whatever letters, is shown with the platform that they are on."""
    for name in ("relay", "Relay", "rеlay", "re\u200blay"):
        (part,) = shown(post("a", "hi", author=Author(UserId("u"), "eve", name)), own_name="relay")
        assert part.text == f"<{one_line(name)} (irc)> hi"
    (part,) = shown(post("a", "hi", author=Author(UserId("u"), "eve", "Eve")), own_name="relay")
    assert part.text == "<Eve> hi"


@pytest.mark.parametrize(
    ("template", "name", "text"),
    [
        ("<{nickname}> {msg}", "alice> I quit. <bob", "<alice I quit. bob> hi"),
        ("[{nickname}] {msg}", "alice] I quit. [bob", "[alice I quit. bob] hi"),
        ("{nickname}: {msg}", "alice: I quit. bob", "alice I quit. bob: hi"),
        ("{nickname}: {msg}", "12:30 bob:", "12:30 bob: hi"),
        ("{nickname} | {msg}", "alice | I quit | bob", "alice I quit bob | hi"),
        ("{nickname} ({platform}): {msg}", "alice (irc): I quit", "alice irc : I quit (irc): hi"),
        ("{nickname} {msg}", "al<i>ce: (x)", "al<i>ce: (x) hi"),
        ("<{nickname}> {msg}", "><", "<?> hi"),
    ],
)
def test_no_name_ends_before_its_end(template: str, name: str, text: str) -> None:
    """What the template puts behind a name stands in no name."""
    (part,) = shown(post("a", "hi", author=Author(UserId("u"), name, name)), msg_format=template)
    assert part.text == text


@settings(max_examples=100)
@given(odd, st.sampled_from(["> ", "] ", "): ", ": ", " | ", "» "]))
def test_the_sign_that_ends_a_name_is_the_first_of_its_kind(name: str, after: str) -> None:
    """Whatever the name."""
    shown_name = unframed(one_line(name), after)
    assert (shown_name + after).index(after) == len(shown_name)
    assert unframed(shown_name, after) == shown_name


def shown(event: Posted, *, own_name: str = "", **settings_: str) -> tuple[PlannedPart, ...]:
    class Target(ScriptDriver):
        default_format = "<{nickname}> {msg}"

        @property
        def own_name(self) -> str:
            return own_name

    from nextbridge.config.model import MessageSettings, Terms

    told = msgspec.json.encode(Terms(msgspec.convert(settings_, MessageSettings))).decode()
    target = Target(ScriptSettings(), [], RecordingHost("t"))
    return render(event, told, target, ChannelKey("1"), Origin("irc", "libera"), missing={}).parts
