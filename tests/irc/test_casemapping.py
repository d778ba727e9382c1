"""When two names are one."""

import pytest

from drivers.irc import IrcDriver
from drivers.irc.casemapping import CaseMapping
from drivers.irc.settings import IrcChannel


@pytest.mark.parametrize(
    ("mapping", "folded"),
    [
        ("rfc1459", "#ops{}|^é"),
        ("strict-rfc1459", "#ops{}|~é"),
        ("ascii", "#ops[]\\~é"),
        ("nothing-known", "#ops[]\\~é"),
    ],
)
def test_names_fold_as_the_server_says(mapping: str, folded: str) -> None:
    """Each mapping folds its own signs, and none folds a letter beyond ASCII into another."""
    assert CaseMapping.named(mapping).fold("#OpS[]\\~é") == folded


def test_two_spellings_are_one_channel_before_any_server_is_asked() -> None:
    """Names that are equal on every server have one key; those that are equal on some only have two."""
    keys = [IrcDriver.channel_key(IrcChannel(channel=name)) for name in ("#Ops", "#oPS", "#ops[", "#ops{")]
    assert keys == ["#ops", "#ops", "#ops[", "#ops{"]
