"""What the daemon remembers of messages that it did not relay: bounded, and for no longer than anything else."""

from __future__ import annotations

from nextbridge.envelope import Joined, MessageId
from nextbridge.skips import Skips
from tests.core.script import post


class Clock:
    """Seconds since 1970 that a test sets."""

    def __init__(self) -> None:
        self.now = 1_700_000_000.0

    def __call__(self) -> float:
        return self.now


def test_of_each_reason_the_newest_are_kept() -> None:
    """What is skipped by the thousand pushes out nothing of another reason; from when on all are known is said."""
    clock = Clock()
    skips = Skips(remember=lambda: 86_400, clock=clock)
    rare = post("a", "hello")
    skips.note(rare, "filter_user", "r")
    many = [post("a", "hello", channel="7") for _ in range(3_000)]
    for event in many[:900]:
        skips.note(event, "no_rule")
    assert skips.since() == 1_700_000_000_000
    clock.now += 10
    for event in many[900:]:
        skips.note(event, "no_rule")
    assert [(each.reason, each.rule) for each in skips.of(rare.message)] == [("filter_user", "r")]
    assert skips.of(many[1_999].message) == []
    assert [each.reason for each in skips.of(many[2_000].message)] == ["no_rule"]
    assert skips.since() == 1_700_000_010_000


def test_nothing_is_kept_for_longer_than_messages_are() -> None:
    """As long as `global.remember` says."""
    clock = Clock()
    skips = Skips(remember=lambda: 60, clock=clock)
    old, young = post("a", "hello"), post("a", "hello")
    skips.note(old, "empty")
    clock.now += 61
    skips.note(young, "empty")
    assert skips.of(old.message) == []
    assert len(skips.of(young.message)) == 1
    assert skips.since() == 1_700_000_001_000


def test_reasons_without_number_do_not_grow() -> None:
    """A driver that makes up a reason for each message is held to so many."""
    skips = Skips(remember=lambda: 60, clock=Clock())
    for number in range(1_000):
        skips.passed_over(f"reason {number}", post("a", "hello").channel, MessageId("m1"))
    assert len(skips.of("m1")) == 100


def test_what_nobody_has_an_id_of_is_not_kept() -> None:
    """Who comes and goes may stand in the very id."""
    event = post("a", "hello")
    skips = Skips(remember=lambda: 60, clock=Clock())
    skips.note(Joined(channel=event.channel, message=event.message, author=event.author, at=event.at), "no_rule")
    skips.note(event, "seen_before")
    assert skips.of(event.message) == []
