"""The IRC keys of the operator's file."""

from __future__ import annotations

import msgspec
import pytest

from drivers.irc import IrcDriver
from drivers.irc.settings import IrcChannel, IrcSettings, Sasl
from nextbridge.config.types import Secret


def test_a_server_and_a_nick_are_enough() -> None:
    """Everything else has a safe default: TLS that is verified, its port, and a pace that networks allow."""
    settings = IrcSettings(host="irc.example.net", nick="relay")
    assert (settings.effective_port, settings.tls, settings.tls_verify) == (6697, True, True)
    assert settings.messages_per_second <= 0.5
    assert IrcSettings(host="irc.example.net", nick="relay", tls=False).effective_port == 6667
    assert list(IrcDriver.remarks(settings)) == []


@pytest.mark.parametrize(
    ("settings", "path"),
    [
        (IrcSettings(host="h", nick="n", sasl=Sasl(username="n")), ("sasl",)),
        (IrcSettings(host="h", nick="n", sasl=Sasl(password=Secret("p"))), ("sasl",)),
        (IrcSettings(host="h", nick="n", sasl=Sasl(mechanism="EXTERNAL")), ("sasl", "mechanism")),
        (IrcSettings(host="h", nick="n", tls_key_file="k"), ("tls_key_file",)),
        (IrcSettings(host="h", nick="n", proxy="https://p:1"), ("proxy",)),
    ],
)
def test_what_cannot_work_is_said_before_it_is_tried(settings: IrcSettings, path: tuple[str, ...]) -> None:
    """Settings that contradict each other are an error at the place where they are to be mended."""
    (remark,) = IrcDriver.remarks(settings)
    assert remark.fatal
    assert remark.path == path


def test_a_password_without_tls_is_worth_a_warning() -> None:
    """It works, and everybody on the way can read it."""
    (remark,) = IrcDriver.remarks(IrcSettings(host="irc.example.net", nick="n", tls=False, password=Secret("p")))
    assert not remark.fatal


def test_a_channel_without_its_sign_is_explained() -> None:
    """`ops` is told from `#ops`, and a key that IRC cannot carry is refused."""
    settings = IrcSettings(host="h", nick="n")
    (remark,) = IrcDriver.channel_remarks(IrcChannel(channel="ops"), settings)
    assert "#ops" in remark.text
    (remark,) = IrcDriver.channel_remarks(IrcChannel(channel="#ops", key=Secret("two words")), settings)
    assert remark.path == ("key",)
    assert "two words" not in remark.text
    assert list(IrcDriver.channel_remarks(IrcChannel(channel="#ops", key=Secret("word")), settings)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"host": "irc://h", "nick": "n"},
        {"host": "h:6697", "nick": "n"},
        {"host": "h", "nick": "two words"},
        {"host": "h", "nick": "n", "port": 0},
        {"host": "h", "nick": "n", "messages_per_second": 0},
        {"host": "h", "nick": "n", "nickserv": "x"},
    ],
)
def test_a_wrong_value_is_refused(wrong: dict[str, object]) -> None:
    """A host with a scheme or port, a nick of two words and a key that does not exist are errors."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert(wrong, IrcSettings)
