"""What a file that is right becomes."""

from __future__ import annotations

import json
import sys
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nextbridge import config
from nextbridge.config.model import MessageSettings
from nextbridge.config.platforms import PlatformUnusable
from nextbridge.errors import ConfigError

if TYPE_CHECKING:
    from tests.config.conftest import Folder

GOOD = """{
  "$schema": "nextbridge.schema.json",
  "global": { "base_url": "https://${HOST}/x", "proxy": "socks5://user:pw-of-proxy@127.0.0.1:1080" },
  "pigeon": {
    "north": { "address": "north.example", "token": "${NORTH_TOKEN}", "port": 8443 },
    "south": { "address": "$${south}", "token": "tok-of-south", "enabled": false }
  },
  "beacon": { "hill": {} },
  "rules": [
    { "id": "ops", "type": "connect", "channels": {
        "north": { "perch": "Ops", "msg": { "msg_format": "<{nickname}> {msg}", "name_format": "{nickname}" } },
        "hill": { "hill": "top" } } },
    { "type": "forward", "enabled": false,
      "from": [{ "instance": "north", "perch": "a" }, { "instance": "north", "perch": "b" }],
      "to": { "south": { "perch": "${x}" } } }
  ]
}"""
ENVIRONMENT = {"HOST": "bridge.example.com", "NORTH_TOKEN": "tok-of-north"}


def test_every_part_of_a_right_file_is_in_the_config(folder: Folder) -> None:
    """Instances, rules in their order, message settings, and what the environment holds."""
    folder.write(GOOD)
    loaded = folder.load(environment=ENVIRONMENT)
    general, instances, rules = loaded.config.general, loaded.config.instances, loaded.config.rules
    assert loaded.warnings == ()
    assert general.base_url == "https://bridge.example.com/x"
    assert list(instances) == ["north", "south", "hill"]
    assert [each.enabled for each in instances.values()] == [True, False, True]
    assert folder.pigeon(loaded, "north").token.reveal() == "tok-of-north"
    assert folder.pigeon(loaded, "south").address == "${south}"
    ops, forward = rules
    assert (ops.id, ops.kind, ops.enabled) == ("ops", "connect", True)
    assert ops.sources == ops.targets
    assert [str(each.channel) for each in ops.sources] == ["north/ops", "hill/top"]
    assert ops.sources[0].msg == MessageSettings(msg_format="<{nickname}> {msg}", name_format="{nickname}")
    assert (forward.kind, forward.enabled) == ("forward", False)
    assert [str(each.channel) for each in forward.sources] == ["north/a", "north/b"]
    assert [str(each.channel) for each in forward.targets] == ["south/${x}"]


def test_what_a_platform_lacks_is_said_and_its_settings_are_checked_all_the_same(folder: Folder) -> None:
    """One run of `check` shows both; an instance that is switched off needs nothing."""
    folder.platforms.lacks["beacon"] = PlatformUnusable("Beacons needs oil", "pip install 'nextbridge[beacon]'")
    folder.write('{"beacon": {"h": {"lamb": "red"}, "i": {"enabled": false}}, "rules": []}')
    with pytest.raises(ConfigError) as caught:
        folder.load()
    first, second = (each.sentence for each in caught.value.problems)
    assert first == "beacon: Beacons needs oil; pip install 'nextbridge[beacon]'"
    assert 'did you mean "lamp"' in second
    folder.write('{"beacon": {"i": {"enabled": false}}, "pigeon": {"p": {"address": "x", "token": "t"}}, "rules": []}')
    assert list(folder.load().config.instances) == ["i", "p"]


def test_what_traces_lack_is_said_with_the_one_command(folder: Folder, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where the extra is not installed; a file without traces needs none."""
    monkeypatch.setitem(sys.modules, "opentelemetry.sdk.trace", None)
    traced = '"global": {"otel": {"endpoint": "http://127.0.0.1:4318/v1/traces"}}, '
    folder.write("{" + traced + '"pigeon": {"p": {"address": "x", "token": "t"}}, "rules": []}')
    with pytest.raises(ConfigError) as caught:
        folder.load()
    (problem,) = [each.sentence for each in caught.value.problems if each.severity == "error"]
    assert problem.startswith(
        "global > otel: traces need opentelemetry.sdk.trace, which is not installed; install what"
    )
    assert problem.endswith(" -m pip install 'nextbridge[otel]'")
    folder.write('{"pigeon": {"p": {"address": "x", "token": "t"}}, "rules": []}')
    folder.load()


def test_headers_for_a_collector_are_secrets(folder: Folder) -> None:
    """They are taken from the environment and shown nowhere; over a network without encryption there is a warning."""
    settings = '{"endpoint": "http://otel.example.net:4318/v1/traces", "headers": {"Authorization": "${OTEL}"}}'
    folder.write('{"global": {"otel": ' + settings + '}, "pigeon": {"p": {"address": "x", "token": "t"}}, "rules": []}')
    loaded = folder.load(environment={"OTEL": "Bearer hunter2-of-the-collector"})
    otel = loaded.config.general.otel
    assert otel is not None
    assert otel.headers["Authorization"].reveal() == "Bearer hunter2-of-the-collector"
    assert "hunter2" not in repr(loaded.config.general)
    assert any("can read the headers" in each.message for each in loaded.warnings)
    with pytest.raises(ConfigError) as caught:
        folder.load(environment={"OTEL": "Bearer hunter2-of-the\ncollector"})
    assert "global > otel > headers > Authorization: a header is one line" in str(caught.value)
    assert "hunter2" not in str(caught.value)


def test_a_key_does_not_stand_in_the_address_of_a_collector(folder: Folder) -> None:
    """Addresses are logged; a key belongs into the headers."""
    folder.write('{"global": {"otel": {"endpoint": "https://x.example/v1/traces?key=1"}}, "pigeon": {}, "rules": []}')
    assert any("a key of yours in headers" in each for each in folder.report())


def test_only_drivers_of_configured_platforms_are_imported(folder: Folder) -> None:
    """The broken driver is registered, not configured, and does no harm."""
    folder.write(GOOD)
    folder.load(environment=ENVIRONMENT)
    assert sorted(folder.platforms.imported) == ["beacon", "pigeon"]


@pytest.mark.parametrize("name", ["config.yaml", "config.yml"])
def test_yaml_says_the_same_as_json(folder: Folder, name: str) -> None:
    """One loader: the same file in YAML, with an anchor, a merge key and a comment, gives the same config."""
    folder.write(GOOD)
    folder.write(
        """\
$schema: nextbridge.schema.json
global:
  base_url: https://${HOST}/x
  proxy: "socks5://user:pw-of-proxy@127.0.0.1:1080"   # the way out
pigeon:
  north: &loft
    address: north.example
    token: ${NORTH_TOKEN}
    port: 8443
  south:
    <<: *loft
    address: $${south}
    token: tok-of-south
    port: 443
    enabled: false
beacon:
  hill: {}
rules:
  - id: ops
    type: connect
    channels:
      north:
        perch: Ops
        msg: { msg_format: "<{nickname}> {msg}", name_format: '{nickname}' }
      hill: { hill: top }
  - type: forward
    enabled: false
    from:
      - { instance: north, perch: a }
      - instance: north
        perch: b
    to:
      south: { perch: "${x}" }
""",
        name,
    )
    as_json, as_yaml = folder.load(environment=ENVIRONMENT).config, folder.load(name, ENVIRONMENT).config
    assert as_yaml.general == as_json.general
    assert as_yaml.instances == as_json.instances
    assert as_yaml.rules == as_json.rules


@pytest.mark.parametrize(
    ("name", "text"),
    [
        ("rules.json", '[{"type": "connect", "channels": {"a": {"hill": "x"}, "b": {"hill": "y"}}}]'),
        ("rules.json", '{"rules": [{"type": "connect", "channels": {"a": {"hill": "x"}, "b": {"hill": "y"}}}]}'),
        ("rules.yaml", "- {type: connect, channels: {a: {hill: x}, b: {hill: y}}}"),
        ("rules.yml", "rules:\n  - {type: connect, channels: {a: {hill: x}, b: {hill: y}}}"),
    ],
)
def test_rules_may_stand_in_a_file_beside_it(folder: Folder, name: str, text: str) -> None:
    """As a list or under "rules", in JSON or YAML."""
    folder.write('{"beacon": {"a": {}, "b": {}}}')
    folder.write(text, name)
    (rule,) = folder.load().config.rules
    assert [str(each.channel) for each in rule.sources] == ["a/x", "b/y"]


def test_a_byte_order_mark_is_accepted(folder: Folder) -> None:
    """Some editors on Windows write one."""
    folder.write(b"\xef\xbb\xbf" + b'{"beacon": {"a": {}}, "rules": []}')
    assert list(folder.load().config.instances) == ["a"]


def test_escapes_and_numbers_are_read_as_json_has_them(folder: Folder) -> None:
    """The strings, numbers and words of the tree are those that the standard library reads."""
    folder.write(
        r'{"pigeon": {"a": {"address": "\u00e4\ud83d\ude00\n\"\/", "token": "tok-of-a-long", "speed": -1.5e2,'
        r' "names": ["x", "\\"], "tls": false, "proxy": null}}, "rules": []}'
    )
    settings = folder.pigeon(folder.load(), "a")
    assert settings.address == 'ä😀\n"/'
    assert (settings.speed, settings.names, settings.tls, settings.proxy) == (-150.0, ("x", "\\"), False, None)


def _id_of(folder: Folder, rule: object) -> str:
    folder.write(json.dumps({"beacon": {"a": {}, "b": {}}, "rules": [rule]}))
    return folder.load().config.rules[0].id


def test_a_rule_without_an_id_is_named_by_its_channels(folder: Folder) -> None:
    """Its format, its order and whether it is enabled do not change the id; another channel or type does."""
    rule = {"type": "connect", "channels": {"a": {"hill": "x"}, "b": {"hill": "y"}}}
    own = _id_of(folder, rule)
    assert own.startswith("a-b-")
    formatted = {"a": {"hill": "x", "msg": {"msg_format": "{msg}"}}, "b": {"hill": "y"}}
    assert _id_of(folder, {**rule, "channels": formatted}) == own
    assert _id_of(folder, {**rule, "channels": {"b": {"hill": "y"}, "a": {"hill": "x"}}}) == own
    assert _id_of(folder, {**rule, "enabled": False}) == own
    listed = [{"instance": "b", "hill": "y"}, {"instance": "a", "hill": "x"}]
    assert _id_of(folder, {**rule, "channels": listed}) == own
    assert _id_of(folder, {**rule, "channels": {"a": {"hill": "z"}, "b": {"hill": "y"}}}) != own
    assert _id_of(folder, {"type": "forward", "from": {"a": {"hill": "x"}}, "to": {"b": {"hill": "y"}}}) != own


def test_rules_may_name_a_disabled_instance(folder: Folder) -> None:
    """It is no mistake, and no warning."""
    folder.write(
        '{"beacon": {"a": {}, "b": {"enabled": false}},'
        ' "rules": [{"type": "connect", "channels": {"a": {"hill": "x"}, "b": {"hill": "y"}}}]}'
    )
    assert folder.load().warnings == ()


def test_a_file_without_rules_loads_with_a_warning(folder: Folder) -> None:
    """Nothing is relayed, and the operator is told."""
    folder.write('{"beacon": {"a": {}}}')
    assert [each.message for each in folder.load().warnings] == ["there are no rules, so nothing is relayed"]


@pytest.mark.parametrize(
    ("base_url", "warned"),
    [
        ("http://bridge.example.com", True),
        ("http://8.8.8.8/x", True),
        ("https://bridge.example.com", False),
        ("http://localhost:8778", False),
        ("http://10.0.0.5:8778", False),
        ("http://[::1]:8778", False),
    ],
)
def test_links_that_anybody_on_the_way_could_read_are_a_warning(folder: Folder, base_url: str, warned: bool) -> None:
    """Plain http is well inside one's own network only."""
    folder.write(f'{{"global": {{"base_url": "{base_url}"}}, "beacon": {{"a": {{}}}}, "rules": []}}')
    assert [each.path for each in folder.load().warnings] == (["global > base_url"] if warned else [])


@pytest.mark.parametrize("wrong", ["10.1.0.5/16", "http://files.example", "300.1.1.1", ""])
def test_what_may_be_fetched_from_is_a_host_or_a_network(folder: Folder, wrong: str) -> None:
    """A mistake in it is told with what to write."""
    folder.write(f'{{"global": {{"fetch_allow": ["{wrong}"]}}, "beacon": {{"a": {{}}}}, "rules": []}}')
    with pytest.raises(ConfigError, match=r"fetch_allow: .*; write a host's name, or a network as 10\.1\.0\.0/16"):
        folder.load()


def test_what_a_driver_has_put_right_is_a_warning_at_its_place(folder: Folder) -> None:
    """Drivers remark on settings; those that are not fatal do not stop the start."""
    folder.write('{"pigeon": {"a": {\n  "address": "x/", "token": "tok-of-a-long" }}, "rules": []}')
    (warning,) = folder.load().warnings
    assert (warning.severity, warning.line, warning.column) == ("warning", 2, 14)
    assert warning.sentence == "pigeon > a > address: the final slash is left out"


def test_the_file_is_found_here_first(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """JSON before YAML; a name that is given is taken, if it is there."""
    monkeypatch.chdir(tmp_path)
    (tmp_path / "config.yml").write_text("{}")
    assert config.find(None) == Path("config.yml")
    (tmp_path / "config.json").write_text("{}")
    assert config.find(None) == Path("config.json")
    other = tmp_path / "other.json"
    with pytest.raises(ConfigError, match="there is no such file"):
        config.find(other)
    other.write_text("{}")
    assert config.find(other) == other
