"""The schema that editors complete and check the operator's file with."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import TYPE_CHECKING, Any

import pytest
from jsonschema import Draft202012Validator

from nextbridge import config
from nextbridge.config.platforms import InstalledPlatforms, PlatformUnusable
from nextbridge.config.schemas import PlatformSchema, file_schema
from nextbridge.errors import ConfigError

if TYPE_CHECKING:
    from tests.config.conftest import Folder

RIGHT: dict[str, Any] = {
    "$schema": "nextbridge.schema.json",
    "global": {
        "http": {"port": 8000},
        "proxy": None,
        "ops_channel": {"instance": "north", "perch": "a", "after": "5min"},
    },
    "pigeon": {"north": {"address": "x", "token": {"file": "/x"}}, "south": {"address": "x", "token": "${T}"}},
    "beacon": {"hill": {"enabled": False}},
    "rules": [
        {
            "id": "r",
            "type": "connect",
            "channels": {"north": {"perch": "a", "msg": {"msg_format": "{msg}"}}, "hill": {"hill": "b"}},
        },
        {
            "type": "forward",
            "from": [{"instance": "north", "perch": "a"}, {"instance": "north", "perch": "b"}],
            "to": [{"instance": "hill", "hill": "x"}],
        },
    ],
}


def schema_of(folder: Folder, *, named: bool) -> dict[str, Any]:
    folder.write(json.dumps({**RIGHT, "rules": "not valid, but readable"}))
    platforms = folder.platforms
    if not named:
        installed = {name: PlatformSchema.of(name, platforms.get(name)) for name in platforms.names if name != "broken"}
        return file_schema(installed)
    return config.schema(folder.path / "config.json", platforms=platforms)


@pytest.mark.parametrize("named", [False, True])
def test_the_schema_accepts_what_is_right(folder: Folder, *, named: bool) -> None:
    """It is itself a valid schema, and a right file fits it: objects and lists of channels, secrets of every kind."""
    schema = schema_of(folder, named=named)
    Draft202012Validator.check_schema(schema)
    assert schema["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    assert list(Draft202012Validator(schema).iter_errors(RIGHT)) == []


WRONG: list[tuple[str, dict[str, Any]]] = [
    ("an unknown key", {"globl": {}}),
    ("an unknown global key", {"global": {"x": 1}}),
    ("operators told nowhere", {"global": {"ops_channel": {"perch": "a"}}}),
    ("operators told in no channel", {"global": {"ops_channel": {"instance": "north"}}}),
    ("operators told by a key that no channel has", {"global": {"ops_channel": {"instance": "north", "perhc": "a"}}}),
    ("operators told in a form", {"global": {"ops_channel": {"instance": "north", "perch": "a", "msg": {}}}}),
    ("an unknown setting", {"beacon": {"h": {"lmap": "x"}}}),
    ("a missing setting", {"pigeon": {"a": {"address": "x"}}}),
    ("a blank setting", {"pigeon": {"a": {"address": " ", "token": "x"}}}),
    ("a wrong secret", {"pigeon": {"a": {"address": "x", "token": {"path": "x"}}}}),
    ("an instance with a slash", {"beacon": {"a/b": {}}}),
    ("a connect of one", {"rules": [{"type": "connect", "channels": {"hill": {"hill": "x"}}}]}),
    ("a connect without channels", {"rules": [{"type": "connect"}]}),
    ("a forward with channels", {"rules": [{"type": "forward", "channels": {}, "from": {}, "to": {}}]}),
    ("a rule without a type", {"rules": [{"id": "x"}]}),
    ("an entry without its instance", {"rules": [{"type": "forward", "from": [{"hill": "x"}], "to": []}]}),
]


@pytest.mark.parametrize("named", [False, True])
@pytest.mark.parametrize("change", [each for _, each in WRONG], ids=[name for name, _ in WRONG])
def test_the_schema_refuses_what_is_wrong(folder: Folder, change: dict[str, Any], *, named: bool) -> None:
    """An editor underlines it, with a file's own instances named or without."""
    validator = Draft202012Validator(schema_of(folder, named=named))
    assert list(validator.iter_errors({**RIGHT, **change}))


@pytest.mark.parametrize(
    "channels",
    [
        {"north": {"perch": "a"}, "nowhere": {"hill": "x"}},
        {"north": {"hill": "a"}, "hill": {"hill": "x"}},
        {"north": {"perch": "a"}, "hill": {"hill": "x", "perch": "y"}},
        [{"instance": "nowhere", "perch": "a"}, {"instance": "hill", "hill": "x"}],
        [{"instance": "north", "hill": "a"}, {"instance": "hill", "hill": "x"}],
        [{"instance": "north", "perch": "a", "hill": "b"}, {"instance": "hill", "hill": "x"}],
    ],
)
def test_with_a_file_each_instance_has_its_own_channel_keys(folder: Folder, channels: object) -> None:
    """A rule may name the file's instances only, each with the keys of its platform."""
    validator = Draft202012Validator(schema_of(folder, named=True))
    assert list(validator.iter_errors({**RIGHT, "rules": [{"type": "connect", "channels": channels}]}))


@pytest.mark.parametrize(
    "ops",
    [{"instance": "nowhere", "perch": "a"}, {"instance": "north", "hill": "a"}, {"instance": "hill", "perch": "a"}],
)
def test_with_a_file_the_operators_channel_has_its_own_keys_too(folder: Folder, ops: object) -> None:
    """Those of its instance's platform."""
    validator = Draft202012Validator(schema_of(folder, named=True))
    assert list(validator.iter_errors({**RIGHT, "global": {"ops_channel": ops}}))


def test_descriptions_and_defaults_are_in_it(folder: Folder) -> None:
    """What an editor shows for a key is what the settings structure says of it."""
    schema = schema_of(folder, named=False)
    port = schema["$defs"]["pigeon:instance"]["properties"]["port"]
    assert (port["default"], port["minimum"], port["maximum"]) == (443, 1, 65535)
    token = schema["$defs"]["pigeon:instance"]["properties"]["token"]
    assert token["x-secret"] is True
    assert token["description"] == "What opens the loft."
    assert schema["$defs"]["pigeon:instance"]["properties"]["enabled"]["default"] is True


def test_a_driver_that_cannot_be_imported_is_an_error_where_it_is_needed(folder: Folder) -> None:
    """Without a file every driver is needed; with one, those of its platforms."""
    with pytest.raises(ConfigError, match=r"driver broken: error: .*; pip install 'broken\[wings\]'"):
        config.schema(platforms=folder.platforms)
    folder.write('{"beacon": {"h": {}}}')
    assert "beacon" in config.schema(folder.path / "config.json", platforms=folder.platforms)["properties"]
    folder.write('{"broken": {"h": {}}}')
    with pytest.raises(ConfigError, match="cannot be imported"):
        config.schema(folder.path / "config.json", platforms=folder.platforms)


def test_every_installed_driver_has_a_schema() -> None:
    """Ours are found by their entry points, like other people's."""
    platforms = InstalledPlatforms()
    assert {"irc", "mattermost", "webchat"} <= set(platforms.names)
    schema = config.schema(platforms=platforms)
    Draft202012Validator.check_schema(schema)
    assert set(platforms.names) <= schema["properties"].keys()


def test_a_driver_of_somebody_else_that_fails_says_what_to_do(tmp_path: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """An installed package whose module needs something that is not there: its extra is named."""
    package = tmp_path / "carrier-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier\nVersion: 1.0\nProvides-Extra: snail\n")
    (package / "entry_points.txt").write_text("[nextbridge.drivers]\nsnail = carrier_snail:Driver\nslug = json:dumps\n")
    (tmp_path / "carrier_snail.py").write_text("import shell_of_the_snail\n")
    monkeypatch.syspath_prepend(tmp_path)
    platforms = InstalledPlatforms()
    with pytest.raises(PlatformUnusable, match="No module named 'shell_of_the_snail'") as caught:
        platforms.get("snail")
    assert caught.value.suggestion == f"install what it needs: {sys.executable} -m pip install 'carrier[snail]'"
    with pytest.raises(PlatformUnusable, match="is no driver"):
        platforms.get("slug")


def test_a_driver_whose_library_is_missing_has_a_schema_and_says_what_to_do(
    tmp_path: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What an extra brings is needed to run, and not to read the file."""
    package = tmp_path / "carrier-1.0.dist-info"
    package.mkdir()
    (package / "METADATA").write_text("Metadata-Version: 2.1\nName: carrier\nProvides-Extra: slow-snail\n")
    (package / "entry_points.txt").write_text("[nextbridge.drivers]\nslow_snail = carrier_slow_snail:Driver\n")
    (tmp_path / "carrier_slow_snail.py").write_text(
        "from tests.config.conftest import BeaconDriver\n"
        "class Driver(BeaconDriver):\n"
        "    platform = 'slow_snail'\n    title = 'Snail mail'\n    libraries = ('json', 'shell_of_the_snail')\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    platforms = InstalledPlatforms()
    assert "slow_snail" in config.schema(platforms=platforms)["properties"]
    lack = platforms.lack("slow_snail")
    assert lack is not None
    assert lack.reason == "Snail mail needs shell_of_the_snail, which is not installed"
    assert lack.suggestion == f"install what it needs: {sys.executable} -m pip install 'carrier[slow-snail]'"
    assert platforms.lack("webchat") is None


def test_loading_a_file_imports_the_drivers_of_its_platforms_only(folder: Folder) -> None:
    """A web chat alone needs no Mattermost and no IRC."""
    path = folder.write('{"webchat": {"web": {}}, "rules": []}')
    program = (
        "import sys; from pathlib import Path; from nextbridge import config\n"
        "config.load(Path(sys.argv[1]))\n"
        "ours = {'drivers.webchat', 'drivers.irc', 'drivers.mattermost'}\n"
        "print(sorted(ours & sys.modules.keys()))"
    )
    done = subprocess.run([sys.executable, "-c", program, path], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout == "['drivers.webchat']\n"
