"""Reads the platforms' blocks of the file: which instances there are, and what is wrong with their settings."""

from __future__ import annotations

import re
from typing import Any, TypeVar

import msgspec
from msgspec import Struct

from nextbridge.config.document import Mapping, Node, Scalar, plain
from nextbridge.config.model import Instance
from nextbridge.config.platforms import Platforms, PlatformUnusable
from nextbridge.config.problem import Path, short
from nextbridge.config.report import Report, did_you_mean
from nextbridge.config.resolution import Resolution
from nextbridge.config.schemas import INSTANCE_ID, INSTANCE_ID_WORDS, PlatformSchema
from nextbridge.config.structure import Structure, locate
from nextbridge.config.types import Secret, Settings
from nextbridge.driver import Driver, Remark
from nextbridge.envelope import InstanceId

__all__ = ["InstanceReader", "Named", "Platform", "converted", "remarked"]

T = TypeVar("T", bound=Settings)

RESERVED = ("$schema", "global", "rules")
"""The keys at the top of the file that are no platforms."""


class Platform:
    """A platform that the file configures: its driver, and its schemas compiled once."""

    def __init__(self, name: str, driver: type[Driver[Any, Any]]) -> None:
        self.name = name
        self.driver = driver
        self.schema = PlatformSchema.of(name, driver)
        self.instance = Structure(self.schema.standing_alone(self.schema.instance))
        self.channel = Structure(self.schema.standing_alone(self.schema.channel))


class Named(Struct, frozen=True):
    """An instance that the file names, usable or not: rules may refer to it either way."""

    platform: str
    at: int
    kind: Platform | None
    """None where its platform is unknown or unusable."""
    instance: Instance | None
    """None where its settings are wrong."""


class InstanceReader:
    """Reads the blocks of one file."""

    def __init__(self, platforms: Platforms, report: Report, resolution: Resolution) -> None:
        self._platforms = platforms
        self._report = report
        self._resolution = resolution
        self.named: dict[str, Named] = {}
        """Every instance that the file names, by its id."""
        self.blocks: dict[str, list[str]] = {}
        """The ids in each platform's block."""

    def read(self, root: Mapping) -> dict[InstanceId, Instance]:
        """The instances that are right; what is wrong with the others is reported."""
        for key, entry in root.entries.items():
            if key in RESERVED:
                continue
            kind = self._platform(key, entry.start, root)
            if isinstance(entry.node, Mapping):
                self.blocks[key] = list(entry.node.entries)
                if kind is not None and any(_is_enabled(each.node) for each in entry.node.entries.values()):
                    self._lack(key, entry.start)
                for name, each in entry.node.entries.items():
                    self._instance(name, each.start, each.node, (key, name), kind)
            elif kind is not None:
                self._report.error(
                    entry.start, (key,), 'an object with the instances by name is expected: { "name": { … } }'
                )
        return {each.instance.id: each.instance for each in self.named.values() if each.instance is not None}

    def _platform(self, name: str, at: int, root: Mapping) -> Platform | None:
        known = self._platforms.names
        if name not in known:
            suggestion = did_you_mean(name, (*RESERVED, *known), present=root.entries)
            if not suggestion.startswith("did"):
                suggestion = f"installed platforms: {', '.join(known)}"
            self._report.error(at, (name,), f'unknown key "{short(name)}"', suggestion)
            return None
        try:
            return Platform(name, self._platforms.get(name))
        except PlatformUnusable as error:
            self._report.error(at, (name,), error.reason, error.suggestion)
            return None

    def _lack(self, name: str, at: int) -> None:
        lack = self._platforms.lack(name)
        if lack is not None:
            self._report.error(at, (name,), lack.reason, lack.suggestion)

    def _instance(self, name: str, at: int, node: Node, path: Path, kind: Platform | None) -> None:
        first = self.named.get(name)
        if first is not None:
            line = self._report.document.line(first.at)
            self._report.error(
                at, path, f'the instance "{short(name)}" stands under {short(first.platform)} too (line {line})',
                "give one of them another name",
            )  # fmt: skip
            return
        if re.fullmatch(INSTANCE_ID, name) is None:
            self._report.error(at, path, f'"{short(name)}" cannot name an instance', f"use {INSTANCE_ID_WORDS}")
        instance = None if kind is None else self._settings(name, at, node, path, kind)
        self.named[name] = Named(str(path[0]), at, kind, instance)

    def _settings(self, name: str, at: int, node: Node, path: Path, kind: Platform) -> Instance | None:
        schema = kind.schema
        enabled = _is_enabled(node)
        resolution = self._resolution if enabled else self._resolution.relaxed()
        resolution.failed = False
        resolution.resolve(node, schema.instance, schema.definitions, path)
        right = kind.instance.check(node, at, path, self._report) and not (enabled and resolution.failed)
        if not right or not isinstance(node, Mapping):
            return None
        own = Mapping({key: each for key, each in node.entries.items() if key != "enabled"}, node.start, node.end)
        settings = converted(own, kind.driver.settings_type, at, path, self._report)
        if settings is None:
            return None
        # What is not there (in a disabled instance) cannot be judged.
        if not resolution.failed and not remarked(kind.driver.remarks(settings), node, at, path, self._report):
            return None
        return Instance(
            id=InstanceId(name),
            driver=kind.driver,
            settings=settings,
            enabled=enabled,
        )


def _is_enabled(node: Node) -> bool:
    switch = node.get("enabled") if isinstance(node, Mapping) else None
    return not isinstance(switch, Scalar) or switch.value is not False


def converted(node: Mapping, kind: type[T], at: int, path: Path, report: Report) -> T | None:
    """`node`, which its schema accepts, as the settings structure that the schema was made from."""
    try:
        return msgspec.convert(plain(node), kind, dec_hook=_secret)
    except msgspec.ValidationError as error:
        # A structure may check more than a schema can say.
        report.error(at, path, str(error))
        return None


def remarked(remarks: Any, node: Node, at: int, path: Path, report: Report) -> bool:  # noqa: ANN401
    """Report what a driver remarks about the settings in `node`; whether it can be used all the same."""
    usable = True
    remark: Remark
    for remark in remarks:
        offset, where = locate(node, at, path, remark.path)
        if remark.fatal:
            usable = False
            report.error(offset, where, remark.text)
        else:
            report.warning(offset, where, remark.text)
    return usable


def _secret(kind: type, value: object) -> object:
    if kind is Secret and isinstance(value, str):
        return Secret(value)
    raise NotImplementedError(f"{kind} cannot stand in a settings structure")
