"""Which channels an event goes to."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Literal

from nextbridge.config.model import Endpoint, MessageSettings, Rule
from nextbridge.config.types import Settings
from nextbridge.envelope import Channel, ChannelKey, InstanceId
from nextbridge.rules import Routes, RuleTable, TwiceInRule


def channel(text: str) -> Channel:
    instance, _, key = text.partition("/")
    return Channel(InstanceId(instance), ChannelKey(key))


def rule(
    name: str,
    sources: Sequence[str],
    targets: Sequence[str] | None = None,
    *,
    enabled: bool = True,
    msg: MessageSettings | None = None,
) -> Rule:
    def endpoints(names: Sequence[str]) -> tuple[Endpoint, ...]:
        return tuple(
            Endpoint(
                instance=channel(each).instance,
                key=channel(each).key,
                settings=Settings(),
                msg=msg or MessageSettings(),
            )
            for each in names
        )

    kind: Literal["connect", "forward"] = "connect" if targets is None else "forward"
    return Rule(
        id=name,
        kind=kind,
        sources=endpoints(sources),
        targets=endpoints(sources if targets is None else targets),
        enabled=enabled,
    )


def ways(table: RuleTable, source: str) -> list[tuple[str, str]]:
    return [(way.rule, str(way.target)) for way in table.routes(channel(source)).ways]


def test_connect_goes_from_each_to_each_other() -> None:
    """In a `connect` a message goes to every other channel and not back."""
    table = RuleTable([rule("r", ["a/1", "b/1", "c/1"])])
    assert ways(table, "b/1") == [("r", "a/1"), ("r", "c/1")]


def test_forward_goes_one_way() -> None:
    """In a `forward` the targets' messages go nowhere."""
    table = RuleTable([rule("r", ["a/1"], ["b/1"])])
    assert ways(table, "a/1") == [("r", "b/1")]
    assert ways(table, "b/1") == []


def test_one_instance_may_stand_in_a_rule_with_several_channels() -> None:
    """Two channels of one instance are two channels."""
    table = RuleTable([rule("r", ["a/1", "a/2"])])
    assert ways(table, "a/1") == [("r", "a/2")]


def test_a_target_is_reached_once_and_the_first_rule_wins() -> None:
    """Where two rules lead to a target the first in the file wins, and the other is named so that it is counted."""
    table = RuleTable([rule("first", ["a/1", "b/1"]), rule("second", ["a/1", "b/1", "c/1"])])
    routes = table.routes(channel("a/1"))
    assert [(way.rule, str(way.target)) for way in routes.ways] == [("first", "b/1"), ("second", "c/1")]
    assert routes.shadowed == ("second",)


def test_disabled_rules_and_instances_are_as_if_they_were_not_there() -> None:
    """A disabled rule leads nowhere; a disabled instance is neither source nor target."""
    table = RuleTable([rule("off", ["a/1", "b/1"], enabled=False), rule("on", ["a/1", "c/1", "d/1"])], without=["d"])  # type: ignore[list-item]
    assert ways(table, "a/1") == [("on", "c/1")]
    assert ways(table, "d/1") == []
    assert table.routes(channel("b/1")) == Routes()


def test_a_resolved_channel_is_found_by_its_new_key() -> None:
    """Once a name is resolved, events of the stable id are routed, and messages to it go to the stable id."""
    table = RuleTable([rule("r", ["a/name:town", "b/1"])])
    assert table.resolve(channel("a/name:town"), channel("a/id1")) == []
    assert ways(table, "a/id1") == [("r", "b/1")]
    assert ways(table, "b/1") == [("r", "a/id1")]
    assert ways(table, "a/name:town") == []
    assert table.present(channel("a/name:town")) == channel("a/id1")


def test_a_channel_can_be_resolved_again() -> None:
    """A later key replaces an earlier one for whatever was configured."""
    table = RuleTable([rule("r", ["a/name:town", "b/1"])])
    table.resolve(channel("a/name:town"), channel("a/id1"))
    table.resolve(channel("a/name:town"), channel("a/id2"))
    assert table.present(channel("a/name:town")) == channel("a/id2")
    assert ways(table, "b/1") == [("r", "a/id2")]


def test_two_names_of_one_channel_in_a_rule_are_told_and_treated_as_one() -> None:
    """A name and an id that turn out to be the same channel: the rule is named, and nothing is sent to itself."""
    table = RuleTable([rule("r", ["a/name:town", "a/id1", "b/1"])])
    assert table.resolve(channel("a/name:town"), channel("a/id1")) == [TwiceInRule("r", channel("a/id1"))]
    assert ways(table, "a/id1") == [("r", "b/1")]
    assert ways(table, "b/1") == [("r", "a/id1")]


def test_the_targets_own_settings_go_with_a_message() -> None:
    """A channel's `msg` says how messages look in it, as canonical JSON that equal settings share."""
    msg = MessageSettings(msg_format="{msg}")
    table = RuleTable([rule("r", ["a/1", "b/1"], msg=msg), rule("q", ["a/2", "b/2"], msg=msg)])
    first, second = table.routes(channel("a/1")).ways[0], table.routes(channel("a/2")).ways[0]
    assert first.settings == second.settings
    assert '"msg_format":"{msg}"' in first.settings


def test_a_channel_that_no_rule_names_leaves_no_trace() -> None:
    """Looking up unknown channels does not fill memory."""
    table = RuleTable([rule("r", ["a/1", "b/1"])])
    for number in range(100):
        assert table.routes(channel(f"a/other{number}")) == Routes()
    assert len(table._cache) == 0


def test_a_name_that_comes_to_mean_another_channel_takes_no_other_rule_along() -> None:
    """One rule names a channel by its id, another by a name that is given to a different channel later."""
    table = RuleTable([rule("by id", ["a/id1", "b/1"]), rule("by name", ["a/name:town", "c/1"])])
    table.resolve(channel("a/name:town"), channel("a/id1"))
    assert ways(table, "a/id1") == [("by id", "b/1"), ("by name", "c/1")]
    table.resolve(channel("a/name:town"), channel("a/id2"))
    assert ways(table, "a/id1") == [("by id", "b/1")]
    assert ways(table, "a/id2") == [("by name", "c/1")]
    assert ways(table, "b/1") == [("by id", "a/id1")]
    assert ways(table, "c/1") == [("by name", "a/id2")]
