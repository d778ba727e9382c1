"""Loads the operator's file: from its path to a valid Config, or to everything that is wrong with it."""

from __future__ import annotations

from collections.abc import Mapping as AnyMapping
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import urlsplit

from msgspec import Struct

from nextbridge.config.document import Document, Mapping, Node
from nextbridge.config.extras import TELEMETRY, TELEMETRY_LIBRARIES, install, missing
from nextbridge.config.file import open_file, rules_beside
from nextbridge.config.instances import RESERVED, InstanceReader, converted
from nextbridge.config.model import Config, GlobalSettings, OpsChannel, OtelSettings, Rule
from nextbridge.config.platforms import InstalledPlatforms, Platforms
from nextbridge.config.problem import Problem
from nextbridge.config.report import Report, did_you_mean
from nextbridge.config.resolution import Resolution
from nextbridge.config.rules import RuleReader
from nextbridge.config.schemas import general_schema
from nextbridge.config.structure import Structure
from nextbridge.errors import ConfigError
from nextbridge.http.addresses import is_public
from nextbridge.redaction import Redaction, redaction

__all__ = ["Loaded", "Loader"]

_OPS = "ops_channel"


class Loaded(Struct, frozen=True):
    """A file that can be used."""

    config: Config
    warnings: tuple[Problem, ...]


class Loader:
    """Loads one file. Made for one call of `load`."""

    def __init__(
        self,
        path: Path,
        environment: AnyMapping[str, str],
        *,
        platforms: Platforms | None = None,
        secrets: Redaction = redaction,
    ) -> None:
        self._path = path
        self._environment = environment
        self._platforms = platforms or InstalledPlatforms()
        self._secrets = secrets
        self._reports: list[Report] = []

    def load(self) -> Loaded:
        """Read, resolve and validate. Raises ConfigError with every mistake; a syntax error stands alone."""
        document, report = self._open(self._path)
        root = document.root
        if not isinstance(root, Mapping):
            report.error(root.start, (), "an object is expected at the top of the file")
            raise ConfigError(self._problems())
        beside = rules_beside(self._path)
        rules_from = self._open(beside) if beside is not None and "rules" not in root.entries else (document, report)
        if beside is not None and "rules" in root.entries:
            report.error(
                root.entries["rules"].start,
                ("rules",),
                f"there is a {beside.name} beside this file too",
                "keep the rules in one of the two places",
            )
        resolution = Resolution(report, self._environment, self._secrets)
        general = self._general(root, report, resolution)
        instances = InstanceReader(self._platforms, report, resolution)
        usable = instances.read(root)
        if not instances.named and not report.failed:
            known = ", ".join(self._platforms.names)
            report.error(root.start, (), "there is no instance in this file", f"add one under a platform: {known}")
        list_of_rules = self._list_of_rules(*rules_from)
        rules: tuple[Rule, ...] = ()
        if list_of_rules is None:
            if not report.failed:
                report.warning(root.start, (), "there are no rules, so nothing is relayed")
        else:
            own = resolution
            if rules_from[1] is not report:
                own = Resolution(rules_from[1], self._environment, self._secrets)
            rules = RuleReader(instances.named, rules_from[1], own).read(list_of_rules)
        ops = self._ops(root, RuleReader(instances.named, report, resolution))
        problems = self._problems()
        if general is None or any(report.failed for report in self._reports):
            raise ConfigError(problems)
        return Loaded(Config(path=self._path, general=general, instances=usable, rules=rules, ops=ops), problems)

    def _open(self, path: Path) -> tuple[Document, Report]:
        document, report = open_file(path)
        self._reports.append(report)
        return document, report

    def _general(self, root: Mapping, report: Report, resolution: Resolution) -> GlobalSettings | None:
        entry = root.entries.get("global")
        if entry is None:
            return GlobalSettings()
        schema = general_schema()
        node = entry.node
        if isinstance(node, Mapping):  # the channel is read once the instances are known
            own = {key: each for key, each in node.entries.items() if key != _OPS}
            node = Mapping(own, node.start, node.end)
        resolution.resolve(node, schema, schema["$defs"], ("global",))
        fits = Structure(schema).check(node, entry.start, ("global",), report)
        if not fits or not isinstance(node, Mapping):
            return None
        settings = converted(node, GlobalSettings, entry.start, ("global",), report)
        if settings is not None and settings.base_url is not None and _is_readable_on_the_way(settings.base_url):
            report.warning(
                node.entries["base_url"].node.start,
                ("global", "base_url"),
                "whoever is between a reader and the daemon can read the files that its links open",
                "put a reverse proxy with TLS before it and write https://…",
            )
        if settings is not None and settings.otel is not None:
            self._otel(settings.otel, node.entries["otel"].node.start, report)
        return settings

    def _otel(self, settings: OtelSettings, at: int, report: Report) -> None:
        if lacking := missing(TELEMETRY_LIBRARIES):
            reason = f"traces need {', '.join(lacking)}, which is not installed"
            report.error(at, ("global", "otel"), reason, install("nextbridge", TELEMETRY))
        for name, value in settings.headers.items():
            if not (value.reveal().isascii() and value.reveal().isprintable()):
                where = ("global", "otel", "headers", name)
                report.error(at, where, "a header is one line of plain characters", "look for a line break in it")
        if settings.headers and _is_readable_on_the_way(settings.endpoint):
            report.warning(
                at,
                ("global", "otel", "endpoint"),
                "whoever is between the daemon and the collector can read the headers",
                "write https://…",
            )

    def _ops(self, root: Mapping, reader: RuleReader) -> OpsChannel | None:
        general = root.get("global")
        entry = general.entries.get(_OPS) if isinstance(general, Mapping) else None
        return None if entry is None else reader.ops(entry.node, entry.start, ("global", _OPS))

    def _list_of_rules(self, document: Document, report: Report) -> Node | None:
        root = document.root
        if document.path == self._path:
            return root.get("rules") if isinstance(root, Mapping) else None
        if not isinstance(root, Mapping):
            return root
        for key, entry in root.entries.items():
            if key not in {"rules", "$schema"}:
                report.error(
                    entry.start,
                    (key,),
                    f'unknown key "{key}"',
                    did_you_mean(key, ["rules"]) if key not in RESERVED else "it belongs into the other file",
                )
        return root.get("rules")

    def _problems(self) -> tuple[Problem, ...]:
        """Everything reported so far, with nothing secret in it whoever wrote the words."""
        mask = self._secrets.mask
        found: list[Problem] = []
        for report in self._reports:
            for each in report.problems():
                excerpt = each.excerpt
                found.append(
                    Problem(
                        severity=each.severity,
                        file=each.file,
                        line=each.line,
                        column=each.column,
                        path=mask(each.path),
                        message=mask(each.message),
                        suggestion=mask(each.suggestion),
                        excerpt=excerpt.masked(mask) if excerpt else None,
                    )
                )
        return tuple(found)


def _is_readable_on_the_way(base_url: str) -> bool:
    """Whether an address goes over networks without encryption."""
    try:
        address = urlsplit(base_url)
        host = address.hostname or ""
    except ValueError:
        return False
    if address.scheme != "http" or host == "localhost" or host.endswith(".localhost"):
        return False
    try:
        return is_public(ip_address(host))
    except ValueError:
        return True
