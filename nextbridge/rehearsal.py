"""What would become of a message, by the operator's file alone: nothing is sent, and no daemon is needed."""

from __future__ import annotations

import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from msgspec import Struct

from nextbridge.checking.probing import Bystander
from nextbridge.config.model import Config, Endpoint
from nextbridge.driver import Driver
from nextbridge.envelope import Author, Channel, InstanceId, MessageId, Posted, UserId
from nextbridge.explanation import Knowledge, Way, explain
from nextbridge.instances import configured_channels
from nextbridge.preview import preview
from nextbridge.render import Origin
from nextbridge.rules import RuleTable

__all__ = ["Rehearsal", "Rehearsed", "RehearsedWay"]


class RehearsedWay(Struct, frozen=True):
    """What a target channel would show."""

    target: str
    texts: tuple[str, ...]
    """In the platform's notation, a text for each message."""
    name: str | None = None
    """The name that it would be shown under, where that does not stand in the text."""
    reason: str = ""
    """Why there are none."""


class Rehearsed(Struct, frozen=True):
    """What one rule would do, in the order of the file."""

    rule: str
    reason: str
    """Why it does not relay the message; empty where it does."""
    ways: tuple[RehearsedWay, ...] = ()


class Rehearsal:
    """Goes through the rules of a file with messages that nobody has posted."""

    def __init__(self, config: Config, folder: Path) -> None:
        """`folder` is what drivers are told is theirs; none of them writes there."""
        self._config = config
        self._folder = folder
        self._disabled = {each.id for each in config.instances.values() if not each.enabled}
        self._table = RuleTable(config.rules, without=self._disabled)
        self._channels = configured_channels(config)
        self._drivers: dict[InstanceId, Driver[Any, Any]] = {}

    def source(self, named: str) -> Channel | None:
        """The channel that `instance/channel` means: by its key, or by any value that a rule names it by."""
        return next((each.channel for each in self._sources() if named in _names(each)), None)

    def sources(self) -> list[str]:
        """How the channels that rules read may be named, once each."""
        return list(dict.fromkeys(_names(each)[-1] for each in self._sources()))

    def of(self, source: Channel, text: str, author: str) -> list[Rehearsed]:
        """What each rule would do with `text`, in the notation of its platform.

        `author` is id, handle and name of who posts it. Files, answers, calls of people and loops are no part of it.
        """
        event = Posted(
            channel=source,
            message=MessageId("dry-run"),
            author=Author(id=UserId(author), username=author, name=author),
            at=int(time.time() * 1000),
            text=self._driver(source.instance).dialect.read(text),
        )
        return [
            Rehearsed(each.rule, each.reason, tuple(self._shown(event, way) for way in each.ways))
            for each in explain(event, Knowledge.of(source, self._table, self._config.rules))
        ]

    def _shown(self, event: Posted, way: Way) -> RehearsedWay:
        if way.reason:
            return RehearsedWay(str(way.target), (), reason=way.reason)
        source = event.channel.instance
        shown = preview(
            event,
            way.settings,
            self._driver(way.target.instance),
            way.target.key,
            Origin(self._driver(source).platform, source),
        )
        assert shown is not None  # noqa: S101 - a message has a text
        reason = "" if shown.texts else "nothing of it is left to show"
        return RehearsedWay(str(way.target), shown.texts, shown.name, reason)

    def _sources(self) -> Iterator[Endpoint]:
        for rule in self._config.rules:
            yield from rule.sources

    def _driver(self, instance: InstanceId) -> Driver[Any, Any]:
        driver = self._drivers.get(instance)
        if driver is None:
            configured = self._config.instances[instance]
            host = Bystander(instance, self._config, self._folder / instance)
            made = configured.driver(configured.settings, self._channels.get(instance, ()), host)
            driver = self._drivers[instance] = made
        return driver


def _names(endpoint: Endpoint) -> list[str]:
    """What an operator may call a channel: by its key, and by each text that the file says of it and is no secret."""
    values = [getattr(endpoint.settings, each) for each in endpoint.settings.__struct_fields__]
    words = [each for each in values if isinstance(each, str) and each]
    return [f"{endpoint.instance}/{each}" for each in (endpoint.key, *words)]
