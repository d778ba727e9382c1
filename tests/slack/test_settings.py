"""What the operator writes about Slack: what is wrong with it is said with the fix, and no secret is shown."""

from __future__ import annotations

from typing import Any

import msgspec
import pytest

from drivers.slack import SlackDriver
from drivers.slack.settings import SlackChannel, SlackSettings
from nextbridge.driver import Remark
from tests.contract.slack_bench import SlackBench


def told(**block: Any) -> list[Remark]:
    settings = SlackBench.convert(SlackSettings, block)
    assert isinstance(settings, SlackSettings)
    return list(SlackDriver.remarks(settings))


def test_what_a_person_would_write_is_right() -> None:
    """Socket Mode, or HTTP; spaces of pasting are left off, which is said."""
    assert told(bot_token="xoxb-1-a", app_token="xapp-1-a") == []
    assert told(bot_token="xoxb-1-a", signing_secret="abc") == []
    left_off = told(bot_token=" xoxb-1-a\n", app_token="xapp-1-a ")
    assert [(each.path, each.fatal) for each in left_off] == [(("bot_token",), False), (("app_token",), False)]


@pytest.mark.parametrize(
    ("block", "path", "words"),
    [
        ({"bot_token": "xapp-1-a", "app_token": "xapp-1-a"}, ("bot_token",), "belongs in app_token"),
        ({"bot_token": "xoxp-1-a", "app_token": "xapp-1-a"}, ("bot_token",), "a person's token"),
        ({"bot_token": "xoxb 1", "app_token": "xapp-1-a"}, ("bot_token",), "space inside"),
        ({"bot_token": "xoxb-1-a", "app_token": "xoxb-1-a"}, ("app_token",), "begins with xapp-"),
        ({"bot_token": "xoxb-1-a", "signing_secret": " "}, ("signing_secret",), "blank"),
        ({"bot_token": "xoxb-1-a"}, (), "no way here"),
    ],
)
def test_each_mistake_is_told_with_what_to_write(block: dict[str, str], path: tuple[str, ...], words: str) -> None:
    """Tokens in each other's place, a person's, and no way for events."""
    (remark,) = told(**block)
    assert (remark.path, remark.fatal) == (path, True)
    assert words in remark.text
    assert all(secret not in remark.text for secret in block.values() if len(secret) > 2)


def test_both_ways_at_once_are_a_warning() -> None:
    """Socket Mode is taken."""
    (remark,) = told(bot_token="xoxb-1-a", app_token="xapp-1-a", signing_secret="abc")
    assert (remark.path, remark.fatal) == (("signing_secret",), False)


def test_a_channel_is_named_in_one_way() -> None:
    """By its id or by its name, with its # or without; the two of one name are one channel."""
    settings = SlackBench.convert(SlackSettings, SlackBench.example[0])
    assert isinstance(settings, SlackSettings)
    remarks = [list(SlackDriver.channel_remarks(each, settings)) for each in (
        SlackChannel(channel_id="C0123456789"), SlackChannel(channel="#general"),
        SlackChannel(), SlackChannel(channel_id="C0123456789", channel="general"),
    )]  # fmt: skip
    assert [len(each) for each in remarks] == [0, 0, 1, 1]
    key = SlackDriver.channel_key
    assert key(SlackChannel(channel="#general")) == key(SlackChannel(channel="general"))


@pytest.mark.parametrize("block", [{"channel_id": "general"}, {"channel": "a b"}, {"channel_id": "C0123456789\n"}])
def test_what_names_no_channel_is_refused(block: dict[str, str]) -> None:
    """By the schema already."""
    with pytest.raises(msgspec.ValidationError):
        SlackBench.convert(SlackChannel, block)
