"""What the operator can get wrong in an XMPP block is said before it is tried."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from drivers.xmpp import XmppDriver
from drivers.xmpp.names import alternatives, display_name, nick_of
from drivers.xmpp.settings import XmppChannel, XmppSettings
from nextbridge.config.types import Secret

_SECRET = Secret("ten green bottles")
_ACCOUNT: dict[str, Any] = {"jid": "relay@example.com", "password": _SECRET}
_COMPONENT: dict[str, Any] = {"jid": "bridge.example.com", "component_secret": _SECRET, "host": "127.0.0.1"}


@pytest.mark.parametrize(
    ("given", "path", "word"),
    [
        ({"jid": "relay@example.com"}, (), "component_secret"),
        ({"jid": "example.com", "password": _SECRET}, ("jid",), "relay@example.com"),
        ({**_ACCOUNT, "port": 5222}, ("port",), "host"),
        ({**_ACCOUNT, "proxy": "https://p:1"}, ("proxy",), "socks5"),
        ({**_ACCOUNT, "nick": "a\nb"}, ("nick",), "control"),
        ({**_ACCOUNT, "jid": f"relay@{'e' * 70}.com"}, ("jid",), "cannot be the name of a server"),
        ({**_COMPONENT, "password": _SECRET}, ("password",), "component_secret"),
        ({**_COMPONENT, "jid": "relay@bridge.example.com"}, ("jid",), "bridge.example.com"),
        ({**_COMPONENT, "host": None}, ("component_secret",), "host"),
        ({**_COMPONENT, "tls": "direct"}, ("tls",), "TLS"),
    ],
)
def test_what_cannot_work_is_said_before_it_is_tried(given: dict[str, Any], path: tuple[str, ...], word: str) -> None:
    """Settings that contradict each other are an error at the place where they are to be mended."""
    (remark,) = XmppDriver.remarks(XmppSettings(**given))
    assert (remark.fatal, remark.path) == (True, path)
    assert word in remark.text
    assert _SECRET.reveal() not in remark.text


def test_what_works_is_not_remarked_upon() -> None:
    """An account and a component as the docs have them; a component's server elsewhere is worth a warning."""
    assert list(XmppDriver.remarks(XmppSettings(**_ACCOUNT))) == []
    assert list(XmppDriver.remarks(XmppSettings(**_COMPONENT))) == []
    (remark,) = XmppDriver.remarks(XmppSettings(**{**_COMPONENT, "host": "xmpp.example.com"}))
    assert not remark.fatal


def test_a_room_that_is_the_relays_own_address_is_explained() -> None:
    """Somebody wrote the wrong one of two addresses."""
    (remark,) = XmppDriver.channel_remarks(XmppChannel(room="Relay@example.com"), XmppSettings(**_ACCOUNT))
    assert remark.path == ("room",)


@pytest.mark.parametrize(
    ("kind", "wrong"),
    [
        (XmppSettings, {"jid": "relay@example.com/home"}),
        (XmppSettings, {"jid": "xmpp:relay@example.com"}),
        (XmppSettings, {"jid": "a@b", "host": "h:5222"}),
        (XmppSettings, {"jid": "a@b", "tls": "none"}),
        (XmppChannel, {"room": "ops"}),
        (XmppChannel, {"room": "ops@conference.example.com/nick"}),
    ],
)
def test_what_is_no_address_is_refused(kind: type[XmppSettings | XmppChannel], wrong: dict[str, object]) -> None:
    """An address is a bare one, and TLS is not optional."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, kind)


def test_the_capitals_of_a_rooms_address_do_not_matter() -> None:
    """Two spellings in the file are one room."""
    one, other = (XmppDriver.channel_key(XmppChannel(room=room)) for room in ("Ops@Rooms.Test", "ops@rooms.test"))
    assert one == other


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("Zoë", "Z\u2060oë"),
        ("a\u0301b", "a\u0301\u2060b"),
        ("\u202eevil\nname", "e\u2060vil name"),
        ("👩‍💻x", "👩‍💻\u2060x"),
        ("", ""),
        ("\x00", ""),
    ],
)
def test_a_shown_name_calls_nobody(name: str, shown: str) -> None:
    """A word joiner behind the first letter keeps programs from finding their user's nick in it."""
    assert display_name(name) == shown


@pytest.mark.parametrize(
    ("name", "nick"), [("Zoë  W.", "Zoë W."), ("\u202e\x00", "somebody"), ("é" * 300, "é" * 100), (" x\r\ny ", "x y")]
)
def test_a_name_becomes_a_nick(name: str, nick: str) -> None:
    """One line, without what cannot be seen, and no longer than a nick should be."""
    assert nick_of(name) == nick


def test_there_are_some_nicks_to_fall_back_to() -> None:
    """The wanted one first, and an end to it."""
    tried = list(alternatives("relay"))
    assert tried[:2] == ["relay", "relay_"]
    assert len(tried) == len(set(tried)) < 20
