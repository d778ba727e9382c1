"""The container's files fit the clone and the program; that the image can be built is not shown here."""

from __future__ import annotations

import json
import re
import shlex
import tomllib
from pathlib import Path
from typing import Any

import pytest
import yaml

from nextbridge import config


@pytest.fixture
def image(clone: Path) -> list[list[str]]:
    """The instructions of the Containerfile, as words."""
    text = (clone / "container" / "Containerfile").read_text().replace("\\\n", " ")
    return [shlex.split(line) for line in text.splitlines() if line and not line.startswith("#")]


@pytest.fixture
def services(clone: Path) -> Any:
    return yaml.safe_load((clone / "container" / "compose.yaml").read_text())["services"]


def test_all_that_is_copied_into_the_image_is_there(clone: Path, image: list[list[str]]) -> None:
    """And what the wheel is made of is copied."""
    copied = {word for line in image if line[0] == "COPY" and "--from=build" not in line for word in line[1:-1]}
    assert [each for each in copied if not (clone / each).exists()] == []
    project = tomllib.loads((clone / "pyproject.toml").read_text())
    wheel = project["tool"]["hatch"]["build"]["targets"]["wheel"]
    made_of = {"pyproject.toml", project["project"]["readme"], *project["project"]["license-files"], *wheel["packages"]}
    made_of |= {*wheel["force-include"], *wheel["shared-data"]}
    assert [each for each in made_of if not any(each == path or each.startswith(f"{path}/") for path in copied)] == []


def test_the_image_runs_the_program_as_a_user_without_rights(image: list[list[str]]) -> None:
    """With a number, so that an orchestrator sees that it is not root."""
    assert [line[1] for line in image if line[0] == "USER"] == ["10001:10001"]
    named = next(line for line in image if "useradd" in line)
    assert named[named.index("--uid") + 1] == "10001"
    assert image.index(named) < image.index(["USER", "10001:10001"])


def test_compose_has_a_relay_that_can_write_its_state_alone(services: Any) -> None:
    """Read-only root, no capabilities; nothing is reached from outside this machine; no secret stands in the file."""
    relay = services["relay"]
    assert (relay["read_only"], relay["cap_drop"]) == (True, ["ALL"])
    assert [each for each in relay["volumes"] if not each.endswith(":ro")] == ["state:/var/lib/nextbridge"]
    for service in services.values():
        assert all(port.startswith("127.0.0.1:") for port in service.get("ports", []))
        for name, value in service.get("environment", {}).items():
            if re.search("TOKEN|PASSWORD", name):
                assert value.startswith("${"), name


def test_its_example_is_a_file_that_check_takes(clone: Path, tmp_path: Path) -> None:
    """As it is, but for the names that are the operator's."""
    path = tmp_path / "config.json"
    path.write_text((clone / "container" / "config.example.json").read_text())
    path.chmod(0o600)
    assert config.load(path, environment={"MM_TOKEN": "abcdefghijklmnopqrstuvwxyz"}).warnings == ()
    assert json.loads(path.read_text())["mattermost"]["mm"]["server_url"] == "http://mattermost:8065"
