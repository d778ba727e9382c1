"""Lines read and written, whatever a server sends."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.irc import wire
from drivers.irc.server import Server, quoted
from drivers.irc.wire import Line


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("PING :a b", Line("PING", ("a b",))),
        ("PING", Line("PING")),
        (":n!u@h PRIVMSG #c :", Line("PRIVMSG", ("#c", ""), "n!u@h")),
        (":n!u@h  privmsg   #c  hi", Line("PRIVMSG", ("#c", "hi"), "n!u@h")),
        (":s 005 n A=b :are : supported", Line("005", ("n", "A=b", "are : supported"), "s")),
        ("@a=b\\:\\s\\\\;c :s X y", Line("X", ("y",), "s", {"a": "b; \\", "c": ""})),
        ("@a=b\\", None),
        (":only.a.source", None),
        ("", None),
        ("   ", None),
    ],
)
def test_a_line_is_read_as_the_grammar_has_it(text: str, line: Line | None) -> None:
    """Tags, source, command and parameters are told apart; what holds no command is no line."""
    assert wire.parse(text) == line


@given(st.binary(max_size=600))
def test_no_bytes_break_the_reader(data: bytes) -> None:
    """Whatever a server sends, reading it gives a line or nothing, and each place of it can be asked for."""
    line = wire.parse(wire.decode(data))
    if line is not None:
        assert line.command
        assert isinstance(line.param(0) + line.param(-1) + line.param(7) + line.nick, str)
        Server("me").support(line.params)


def test_bytes_that_are_not_utf_8_are_latin_1() -> None:
    """A line of an old client is read by the encoding that old clients use."""
    assert wire.decode(b"gr\xc3\xbc\xc3\x9fe") == "grüße"
    assert wire.decode(b"gr\xfc\xdfe") == "grüße"


@given(st.text(), st.text())
def test_no_parameter_ends_a_line_early(target: str, text: str) -> None:
    """What is written is one line, whatever somebody typed."""
    data = wire.render("PRIVMSG", "#c", target + text)
    assert data.endswith(b"\r\n")
    assert not {b"\r"[0], b"\n"[0], 0} & set(data[:-2])


@given(st.text(alphabet=st.characters(exclude_categories=["Cs"])), st.integers(min_value=4, max_value=40))
def test_a_text_is_cut_between_characters_and_loses_none(text: str, room: int) -> None:
    """The pieces fit, and together they are the text."""
    pieces = wire.cut(text, room)
    assert "".join(pieces) == text
    assert all(len(piece.encode()) <= room for piece in pieces)


def test_what_a_server_says_of_itself_is_believed_within_reason() -> None:
    """A token that makes no sense changes nothing."""
    server = Server("relay")
    before = server.room("#ops", "relay")
    server.support(("LINELEN=1", "LINELEN=x", "NICKLEN=", "HOSTLEN=99999999999999999999", "TARGMAX=JOIN:", "=", ""))
    assert server.room("#ops", "relay") == before
    server.support(("NETWORK=Test\\x20Net", "LINELEN=1024", "TARGMAX=NAMES:1,JOIN:4,KICK:1"))
    assert (server.network, server.joins_at_once) == ("Test Net", 4)
    assert server.room("#ops", "relay") == before + 512


def test_the_room_for_text_is_what_the_prefix_leaves() -> None:
    """Once our own name was seen, the room is exactly 512 bytes without it, the line's end and a CTCP frame."""
    server = Server("relay")
    worst = server.room("#ops", "relay")
    server.learn("relay!~relay@host.example")
    exact = 512 - len(":relay!~relay@host.example PRIVMSG #ops :\r\n") - len("\x01ACTION \x01")
    assert server.room("#ops", "relay") == exact > worst
    server.moved("a.much.longer.cloak.example")
    assert server.room("#ops", "relay") == exact - len("a.much.longer.cloak.example") + len("host.example")


def test_what_a_server_says_is_quoted_as_one_harmless_line() -> None:
    """Formatting and control characters of a server's words do not reach the operator, nor pages of them."""
    assert quoted("\x0304,01Go\x0f away\r\n\x1b[2J") == "Go away[2J"
    assert len(quoted("x" * 5000)) == 200
