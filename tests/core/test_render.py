"""An event as the target is to show it; what a chat user wrote is data in every place it reaches."""

from __future__ import annotations

import time
import unicodedata
from typing import Any, ClassVar

import msgspec
import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.mattermost.markdown import MARKDOWN
from nextbridge.config.model import MessageSettings, Terms
from nextbridge.driver import Driver
from nextbridge.envelope import Attachment, Author, ChannelKey, Posted, UserId
from nextbridge.labels import label
from nextbridge.markup import CodeBlock, Dialect, Paragraph, RichText, Text
from nextbridge.render import Origin, one_line, render
from nextbridge.sandbox.host import RecordingHost
from tests.core.script import IdentityDriver, ScriptDriver, ScriptSettings, post


class MarkdownDriver(ScriptDriver):
    """A script platform that reads Mattermost's Markdown."""

    platform: ClassVar[str] = "markdown"
    dialect: ClassVar[Dialect] = MARKDOWN
    default_format = "**{nickname}**: {msg}"


class LineDriver(ScriptDriver):
    """A script platform whose messages are lines."""

    platform: ClassVar[str] = "lines"

    class _Lines:
        name = "lines"
        multiline = False
        names_links = False

        def read(self, text: str) -> RichText:
            return RichText.plain(text)

        def write(self, blocks: tuple[Any, ...]) -> str:
            return ScriptDriver.dialect.write(blocks)

    dialect: ClassVar[Dialect] = _Lines()


def texts(
    event: Posted, driver: type[ScriptDriver] = MarkdownDriver, *, limit: int = 1000, **settings: str
) -> list[str]:
    return [part.text for part in rendered(event, driver, limit=limit, **settings).parts]


def rendered(event: Posted, driver: type[ScriptDriver] = MarkdownDriver, *, limit: int = 1000, **settings: str) -> Any:
    target: Driver[Any, Any] = driver(ScriptSettings(), [], RecordingHost("t"))
    assert isinstance(target, ScriptDriver)
    target.text_limit = limit
    told = msgspec.json.encode(Terms(msgspec.convert(settings, MessageSettings))).decode()
    return render(event, told, target, ChannelKey("1"), Origin("irc", "libera"), missing={})


def by(name: str, **more: Any) -> Author:
    return Author(id=UserId("u9"), username=name, name=name, **more)


def test_every_variable_is_filled() -> None:
    """Each variable of a template shows what its name says."""
    event = post("libera", "hi", author=Author(id=UserId("u9"), username="al", name="Alice"), channel_name="#ops")
    template = "{platform}|{instance_id}|{from}|{user}|{nickname}|{username}|{user_id}|{msg}"
    assert texts(event, ScriptDriver, msg_format=template) == ["irc|libera|#ops|Alice|Alice|al|u9|hi"]


@pytest.mark.parametrize(
    ("driver", "settings", "expected"),
    [
        (ScriptDriver, {"msg_format": "<{nickname}> {msg}"}, "[%s] <Alice> x"),
        (IdentityDriver, {}, "[%s] x"),
        (ScriptDriver, {"msg_format": "{msg} ({time})"}, "x (%s)"),
        (ScriptDriver, {"msg_format": '<richheader title="{user}" content="at {time}"/>{msg}'}, "Alice · at %s\nx"),
        (IdentityDriver, {"name_format": "{nickname} at {time}"}, "x"),
    ],
)
def test_a_late_message_shows_its_time_once(
    driver: type[ScriptDriver], settings: dict[str, Any], expected: str
) -> None:
    """In brackets before it, unless the operator's own words show it, in the text or in the name."""
    event = post("a", "x", late=True)
    at = time.strftime("%Y-%m-%d %H:%M", time.localtime(event.at / 1000))
    assert texts(event, driver, **settings) == [expected.replace("%s", at)]


def test_a_block_stands_below_the_time_of_a_late_message() -> None:
    """Code begins on a line of its own, behind the time too."""
    event = msgspec.structs.replace(post("a", "", late=True), text=RichText((CodeBlock("x = 1"),)))
    (text,) = texts(event, msg_format="{msg}")
    assert text.endswith("] \n```\nx = 1\n```")


def test_the_time_is_the_messages_own() -> None:
    """`{time}` is when it was posted, not when it is shown."""
    (text,) = texts(post("a", "x"), ScriptDriver, msg_format="{time} {msg}")
    assert text.startswith("2023-11-1")


def test_a_richheader_is_bold_and_italic_on_mattermost() -> None:
    """`<richheader/>` is shown as `**Title** · *Content*` on a line of its own."""
    event = post("a", "hi", author=by("Al"), channel_name="#ops")
    template = '<richheader title="{user}" content="{from}"/>{msg}'
    assert texts(event, msg_format=template) == ["**Al** · *#ops*\nhi"]


@pytest.mark.parametrize(
    "written",
    ["{nickname}", "{", "}}", '<richheader title="x"/>', "{msg.__class__}", "%s", "\\", '"/>', "{{{{"],
)
def test_what_a_chat_user_writes_is_never_read_as_a_template(written: str) -> None:
    """Braces, slashes, quotes and headers in a text or a name break nothing and fill nothing in."""
    template = '<richheader title="{user}" content="c"/>[{nickname}] {msg}'
    event = post("a", written, author=by(written))
    (text,) = texts(event, LineDriver, msg_format=template)
    assert text == f"{written} · c: [{written}] {written}"


def test_a_name_cannot_bring_markup_or_a_line_of_its_own() -> None:
    """A name is one line of plain characters on the other side."""
    event = post("a", "hi", author=by("*boss*\n# Admin\u202e"))
    (text,) = texts(event)
    assert "\n" not in text
    assert "\u202e" not in text
    assert MARKDOWN.read(text).blocks == MARKDOWN.read(r"**\*boss\* \# Admin**: hi").blocks


def test_a_nameless_author_still_has_a_name() -> None:
    """A name of nothing visible is replaced, so that a message is never nobody's."""
    event = post("a", "hi", author=Author(id=UserId("u9"), username="", name="\u202e\u200b"))
    assert texts(event, ScriptDriver, msg_format="<{nickname}> {msg}") == ["<?> hi"]


def test_every_part_of_a_long_text_says_whose_it_is() -> None:
    """The template stands around each part, and the parts fit."""
    parts = texts(post("a", "word " * 100, author=by("Al")), limit=80)
    assert len(parts) > 5
    assert all(part.startswith("**Al**: ") and len(part) <= 80 for part in parts)


def test_a_long_name_cannot_turn_one_message_into_a_flood() -> None:
    """A name that would fill every part is cut, so that half of each part is left for the text."""
    event = post("a", "word " * 100, author=by("\U0001f600" * 70))
    parts = texts(event, ScriptDriver, limit=100, msg_format="<{nickname} {username}> {msg}")
    assert len(parts) <= 12


def test_a_code_block_starts_on_its_own_line_behind_a_name() -> None:
    """A fence is only one at the start of a line."""
    event = post("a", "", author=by("Al"))
    event = msgspec.structs.replace(event, text=RichText((CodeBlock("x = 1", "python"),)))
    assert texts(event) == ["**Al**: \n```python\nx = 1\n```"]


def test_on_a_platform_of_lines_each_line_is_a_message() -> None:
    """Lines go out one by one, empty ones left out, each with its author."""
    event = post("a", "one\n\ntwo", author=by("Al"))
    assert texts(event, LineDriver) == ["<Al> one", "<Al> two"]


def test_between_two_platforms_of_one_dialect_the_text_is_unchanged() -> None:
    """Mattermost to Mattermost, not a character of the text is written anew."""
    text = "* a\n* b\n\n| t | u |\n|---|---|\n| __x__ | y |"
    event = msgspec.structs.replace(post("a", "", author=by("Al")), text=MARKDOWN.read(text))
    assert texts(event, msg_format="{msg}") == [text]


def test_a_call_to_everybody_is_harmless_even_there() -> None:
    """`@channel` of another server's user does not call everybody on this one."""
    event = msgspec.structs.replace(post("a", ""), text=MARKDOWN.read("**hey** @channel"))
    (text,) = texts(event, msg_format="{msg}")
    assert "@channel" not in text
    assert "**hey**" in text


def test_an_action_reads_as_one() -> None:
    """`/me waves` is `* Alice waves` with names in the text, and left to the platform where the text stands alone."""
    event = post("a", "waves", action=True)
    assert texts(event, ScriptDriver) == ["* Alice waves"]
    alone = rendered(event, IdentityDriver)
    assert (alone.parts[0].text, alone.action, alone.name) == ("waves", True, "Alice")
    assert texts(event, msg_format="<{nickname}> {msg}") == ["<Alice> *waves*"]


def test_a_label_names_the_kind_and_the_file() -> None:
    """What stands for a file is one line, whatever its name holds."""
    assert label(Attachment(id="1", name="a\nb.png", media_type="image/png")) == "[Image: a b.png]"
    assert label(Attachment(id="1", name="", media_type="x")) == "[File: unnamed]"


@given(st.text(max_size=200))
def test_one_line_is_one_line(text: str) -> None:
    """No line break, control character or direction override survives, nor more than the length asked for."""
    line = one_line(text, 50)
    assert len(line) <= 50
    assert not {unicodedata.category(char) for char in line} & {"Cc", "Cs", "Zl", "Zp"}
    assert {char for char in line if unicodedata.category(char) == "Cf"} <= {"\u200c", "\u200d"}


@given(st.text(min_size=1, max_size=300), st.integers(min_value=30, max_value=200))
def test_no_text_is_lost_in_parts(text: str, limit: int) -> None:
    """Whatever a chat user writes, all of its words arrive, in parts that fit."""
    event = msgspec.structs.replace(post("a", ""), text=RichText((Paragraph((Text(text.replace("\n", " ")),)),)))
    parts = texts(event, ScriptDriver, limit=limit, msg_format="{msg}")
    assert all(len(part) <= limit for part in parts)
    assert "".join("".join(parts).split()) == "".join(text.split())
