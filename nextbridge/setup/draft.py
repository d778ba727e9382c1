"""The operator's file while it is made: what has been answered, read as the daemon would, and written at last."""

from __future__ import annotations

import os
import tempfile
import textwrap
from collections.abc import Mapping
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import yaml
from msgspec import Struct

from nextbridge import config
from nextbridge.config.file import write_whole
from nextbridge.config.loader import Loaded
from nextbridge.control.table import one_line
from nextbridge.convert import in_notation
from nextbridge.errors import ConfigError
from nextbridge.setup.questions import Answer, Question

__all__ = ["Draft", "Member"]

_WIDE = 100
"""Columns of a comment."""


class Member(Struct, frozen=True):
    """A channel of a rule."""

    instance: str
    keys: dict[str, Any]
    name: str = ""
    """What people call it, where that is known: a comment."""


class _Block(Struct):
    platform: str
    title: str
    values: dict[str, Any]
    comments: dict[str, str]
    """By key: what it is."""


class Draft:
    """A file with instances, and rules that join their channels both ways."""

    def __init__(self) -> None:
        self._blocks: dict[str, _Block] = {}
        self._rules: dict[str, list[Member]] = {}
        self.secrets: dict[Path, str] = {}
        """What is to be written into files of their own, which the file names."""
        self.environment: dict[str, str] = {}
        """Variables that the operator is to set, which the file names."""

    @property
    def instances(self) -> list[str]:
        """Their names, in the order in which they were begun."""
        return list(self._blocks)

    def platform(self, instance: str) -> str:
        """Which one an instance is of."""
        return self._blocks[instance].platform

    def begin(self, instance: str, platform: str, title: str) -> None:
        """A new instance, or one anew."""
        self._blocks[instance] = _Block(platform, title, {}, {})

    def answer(self, instance: str, question: Question, answer: Answer) -> None:
        """What a key of it is."""
        block = self._blocks[instance]
        block.comments.setdefault(str(question.path[0]), question.description)
        place: Any = block.values
        for step, following in zip(question.path, [*question.path[1:], None], strict=True):
            if following is None:
                value: Any = answer
            else:
                value = [] if isinstance(following, int) else {}
            if isinstance(step, int):
                place.extend([None] * (step + 1 - len(place)))
                place[step] = value if following is None or place[step] is None else place[step]
            elif following is None:
                place[step] = value
            else:
                place.setdefault(step, value)
            place = place[step]

    def answered(self, instance: str, question: Question) -> Answer | None:
        """What a key of it is so far."""
        place: Any = self._blocks[instance].values
        for step in question.path:
            try:
                place = place[step]
            except (KeyError, IndexError):
                return None
        return place  # type: ignore[no-any-return]

    def join(self, rule: str, members: list[Member]) -> None:
        """A rule between these channels."""
        self._rules[rule] = members

    def part(self, rule: str) -> None:
        """Take a rule out again."""
        self._rules.pop(rule, None)

    def drop(self, instance: str) -> None:
        """Take an instance out again."""
        self._blocks.pop(instance, None)

    def file(self) -> dict[str, Any]:
        """As it stands, for a program."""
        made: dict[str, Any] = {"global": {"status_page": {}}}
        for name, block in self._blocks.items():
            made.setdefault(block.platform, {})[name] = block.values
        made["rules"] = [
            {"id": name, "type": "connect", "channels": _channels(members)} for name, members in self._rules.items()
        ]
        return made

    def read(self) -> Loaded:
        """As the daemon would read it, once its secrets are in place. Raises ConfigError.

        Does file I/O, in a folder of its own.
        """
        with tempfile.TemporaryDirectory(prefix="nextbridge-init-") as folder:
            path = Path(folder) / "config.json"
            file = _with_secrets(self.file(), {str(place): secret for place, secret in self.secrets.items()})
            write_whole(path, in_notation(file, "json"), replace=False)
            return config.load(path, environment={**os.environ, **self.environment})

    def mistakes(self) -> tuple[str, ...]:
        """What `read` would find wrong: sentences."""
        try:
            self.read()
        except ConfigError as error:
            return tuple(each.sentence for each in error.problems if each.severity == "error")
        return ()

    def text(self, notation: str, path: Path) -> str:
        """What is to be written to `path`: with comments where it is `yaml`."""
        return in_notation(self.file(), "json") if notation == "json" else "\n".join(self._yaml(path)) + "\n"

    def _yaml(self, path: Path) -> list[str]:
        lines = [
            f"# NextBridge's file, made by `nextbridge init` on {datetime.now(UTC):%Y-%m-%d}. It may hold tokens: let",
            "# nobody else read it. docs/configuration.md has every key. After a change:",
            f"#   nextbridge check --config {path.name}",
            "#   nextbridge reload",
            "",
            "global:",
            "  # A page that shows how everything stands: http://127.0.0.1:8778/status/, on this machine alone.",
            "  status_page: {}",
        ]
        platforms = dict.fromkeys(block.platform for block in self._blocks.values())
        for platform in platforms:
            lines += ["", f"{platform}:"]
            for name, block in self._blocks.items():
                if block.platform == platform:
                    lines += self._instance(name, block)
        lines += [
            "",
            "# Which channels are joined. connect: each with all others, both ways. forward (from, to): one way.",
        ]
        lines += ["rules:"] if self._rules else ["rules: []"]
        for rule, members in self._rules.items():
            lines += [f"  - id: {_scalar(rule)}", "    type: connect", "    channels:"]
            lines += _members(members)
        return lines

    def _instance(self, name: str, block: _Block) -> list[str]:
        lines = [f"  {_scalar(name)}:" + ("" if block.values else " {}")]
        for key, value in block.values.items():
            lines += _comment(block.comments[key], "    ")
            lines += [f"    {line}" for line in _dumped({key: value})]
        return lines


def _with_secrets(value: Any, secrets: Mapping[str, str]) -> Any:  # noqa: ANN401 - any part of a file
    """With each file of `secrets` replaced by what will be in it."""
    match value:
        case {"file": str(place)} if place in secrets:
            return secrets[place].replace("${", "$${")
        case dict():
            return {key: _with_secrets(each, secrets) for key, each in value.items()}
        case list():
            return [_with_secrets(each, secrets) for each in value]
    return value


def _channels(members: list[Member]) -> Any:  # noqa: ANN401 - an object, or a list where an instance is in it twice
    if len({each.instance for each in members}) == len(members):
        return {each.instance: each.keys for each in members}
    return [{"instance": each.instance, **each.keys} for each in members]


def _members(members: list[Member]) -> list[str]:
    lines = []
    channels = _channels(members)
    for member in members:
        note = f"  # {one_line(member.name)}" if member.name else ""
        if isinstance(channels, dict):
            lines.append(f"      {_scalar(member.instance)}:{note}")
            lines += [f"        {line}" for line in _dumped(member.keys)]
        else:
            first, *rest = _dumped({"instance": member.instance, **member.keys})
            lines += [f"      - {first}{note}", *(f"        {line}" for line in rest)]
    return lines


def _comment(text: str, indent: str) -> list[str]:
    return textwrap.wrap(text, _WIDE, initial_indent=f"{indent}# ", subsequent_indent=f"{indent}# ")


def _dumped(value: dict[str, Any]) -> list[str]:
    return yaml.safe_dump(value, allow_unicode=True, sort_keys=False, width=10_000).rstrip("\n").split("\n")


def _scalar(text: str) -> str:
    return yaml.safe_dump(text, allow_unicode=True, width=10_000).partition("\n")[0]
