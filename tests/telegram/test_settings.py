"""The Telegram keys of the operator's file."""

from __future__ import annotations

import msgspec
import pytest

from drivers.telegram import TelegramDriver
from drivers.telegram.settings import TelegramChannel, TelegramSettings, place_of
from nextbridge.config.types import Secret
from nextbridge.envelope import ChannelKey

TOKEN = Secret("123456789:AAE4rXkgc3wUm8Q0Yh4aU4yVbVqk1h2J3kA")


def test_a_token_is_enough() -> None:
    """Everything else has a default that Telegram allows."""
    settings = TelegramSettings(token=TOKEN)
    assert list(TelegramDriver.remarks(settings)) == []
    assert (settings.host, settings.messages_per_minute) == ("api.telegram.org", 20)
    assert settings.messages_per_second <= 30


@pytest.mark.parametrize(
    ("token", "fatal"),
    [("bot123:abc", True), ("987654321", True), ("987654321:AA AA", True), (" 123456789:AAAA ", False)],
)
def test_a_token_that_is_none_is_explained_and_not_shown(token: str, fatal: bool) -> None:
    """With a word too many, half of it, or a space inside; spaces around it are left off."""
    (remark,) = TelegramDriver.remarks(TelegramSettings(token=Secret(token)))
    assert (remark.path, remark.fatal) == (("token",), fatal)
    assert token.strip() not in remark.text


@pytest.mark.parametrize(
    ("url", "fatal"),
    [
        ("https://api.telegram.org/bot123:secret", True),
        ("http://:8081", True),
        ("http://proxy.example.com:99999", True),
        ("http://proxy.example.com", False),
    ],
)
def test_an_address_that_cannot_work_is_explained(url: str, fatal: bool) -> None:
    """With the token in it, without a host, or with a token that travels in the clear."""
    (remark,) = TelegramDriver.remarks(TelegramSettings(token=TOKEN, api_url=url))
    assert (remark.path, remark.fatal) == (("api_url",), fatal)
    assert "secret" not in remark.text


def test_a_local_server_is_not_telegrams() -> None:
    """The cloud takes no larger files because the file says so."""
    (remark,) = TelegramDriver.remarks(TelegramSettings(token=TOKEN, local_server=True))
    assert remark.path == ("local_server",)
    near = TelegramSettings(token=TOKEN, local_server=True, api_url="http://127.0.0.1:8081/")
    assert list(TelegramDriver.remarks(near)) == []


def test_an_id_without_its_100_is_worth_a_warning() -> None:
    """It is what the address of a message shows; a person's id may look the same."""
    settings = TelegramSettings(token=TOKEN)
    (remark,) = TelegramDriver.channel_remarks(TelegramChannel(chat=1234567890), settings)
    assert (remark.fatal, "-1001234567890" in remark.text) == (False, True)
    (remark,) = TelegramDriver.channel_remarks(TelegramChannel(chat=0), settings)
    assert remark.fatal
    (remark,) = TelegramDriver.channel_remarks(TelegramChannel(chat=-4567, topic=5), settings)
    assert (remark.path, remark.fatal) == (("topic",), True)
    assert list(TelegramDriver.channel_remarks(TelegramChannel(chat="@my_group"), settings)) == []


def test_a_chat_is_one_however_it_is_written() -> None:
    """As a number or in quotes, and a name in whatever letters; topics are channels of their own."""
    keys = [TelegramDriver.channel_key(TelegramChannel(chat=chat)) for chat in (-1001234567890, "-1001234567890")]
    assert keys[0] == keys[1] == "-1001234567890"
    assert TelegramDriver.channel_key(TelegramChannel(chat="@My_Group")) == "@my_group"
    inside = TelegramDriver.channel_key(TelegramChannel(chat=-1001234567890, topic=42))
    found = place_of(inside)
    assert found is not None
    assert (found.id, found.topic, found.key) == (-1001234567890, 42, inside)
    for nonsense in ("", "n" * 26, "-1/x", "@"):
        assert place_of(ChannelKey(nonsense)) is None


@pytest.mark.parametrize("chat", ["my_group", "https://t.me/my_group", "@a", "1.5", " @my_group"])
def test_a_chat_that_is_written_otherwise_is_refused(chat: str) -> None:
    """By the schema, which says how it is written."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"chat": chat}, TelegramChannel)
