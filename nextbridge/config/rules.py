"""Reads the rules of the file: which channels they join, under which id, and what is wrong with them."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from collections.abc import Mapping as AnyMapping
from typing import Literal

from msgspec import Struct, json

from nextbridge import template
from nextbridge.config.document import Mapping, Node, Scalar, Sequence, plain
from nextbridge.config.filters import check_filter
from nextbridge.config.instances import Named, converted, remarked
from nextbridge.config.model import Endpoint, MessageSettings, OpsChannel, OpsSettings, Rule, RuleSettings
from nextbridge.config.problem import Path, short, words
from nextbridge.config.report import Report, did_you_mean
from nextbridge.config.resolution import Resolution
from nextbridge.config.schemas import RULE, RULE_DEFINITIONS, Schema, ops_schema
from nextbridge.config.structure import Structure
from nextbridge.config.types import in_seconds
from nextbridge.envelope import Channel, InstanceId
from nextbridge.template import Header, TemplateError, Variable

__all__ = ["RuleReader"]

_SIDES: dict[str, tuple[str, ...]] = {"connect": ("channels",), "forward": ("from", "to")}
"""The keys that hold the channels of each type of rule."""

_EVERY_SIDE = {side for sides in _SIDES.values() for side in sides}
_EDITORS_ONLY = {"allOf", "required"}


class _Placed(Struct, frozen=True):
    """A channel in a rule, with where it stands."""

    endpoint: Endpoint
    at: int
    path: Path


class RuleReader:
    """Reads one list of rules."""

    def __init__(self, named: AnyMapping[str, Named], report: Report, resolution: Resolution) -> None:
        self._named = named
        self._platforms = {each.platform for each in named.values()}
        self._report = report
        self._resolution = resolution
        base = {key: each for key, each in RULE.items() if key not in _EDITORS_ONLY} | {"$defs": RULE_DEFINITIONS}
        self._structures = {
            kind: Structure({**base, "required": ["type", *sides], "x-unsuggested": [*_EVERY_SIDE - {*sides}]})
            for kind, sides in _SIDES.items()
        }
        self._structures[""] = Structure({**base, "required": ["type"]})
        self._explained: dict[str, tuple[str, str]] = {}
        """What is said of each unknown instance: one name may stand in thousands of rules."""
        self._first_by_id: dict[str, tuple[int, int]] = {}

    def read(self, node: Node) -> tuple[Rule, ...]:
        """The rules that are right; what is wrong with the others is reported."""
        path: Path = ("rules",)
        if not isinstance(node, Sequence):
            self._report.error(node.start, path, "a list of rules is expected: [ … ]")
            return ()
        rules = [self._rule(each, (*path, place), place) for place, each in enumerate(node.items)]
        return tuple(rule for rule in rules if rule is not None)

    def _rule(self, node: Node, path: Path, place: int) -> Rule | None:
        self._resolution.resolve(node, RULE, RULE_DEFINITIONS, path, secrets_only=True)
        given = _word(node, "id")
        if given is not None:
            self._report.rule_ids[place] = short(given)
        kind = _word(node, "type")
        sides = _SIDES.get(kind or "", ())
        right = self._structures[kind if sides and kind else ""].check(node, node.start, path, self._report)
        if not isinstance(node, Mapping):
            return None
        for key in ("channels", "from", "to"):
            if sides and key in node.entries and key not in sides:
                right = False
                own = " and ".join(f'"{each}"' for each in sides)
                self._report.error(node.entries[key].start, (*path, key), f'a {kind} rule has no "{key}", but {own}')
        placed: dict[str, list[_Placed]] = {}
        for key in sides or ("channels", "from", "to"):
            found = list(self._side(node.get(key), (*path, key), is_target=key != "from"))
            placed[key] = [each for each in found if each is not None]
            right = right and None not in found
        right = self._each_once([each for side in placed.values() for each in side]) and right
        right = self._id_once(given, node, path, place) and right
        if not right or kind not in {"connect", "forward"}:
            return None
        endpoints = {key: tuple(each.endpoint for each in side) for key, side in placed.items()}
        return self._made(given, "connect" if kind == "connect" else "forward", endpoints, node, path, place)

    def _made(
        self,
        given: str | None,
        kind: Literal["connect", "forward"],
        endpoints: dict[str, tuple[Endpoint, ...]],
        node: Mapping,
        path: Path,
        place: int,
    ) -> Rule | None:
        sources = endpoints["channels" if kind == "connect" else "from"]
        targets = endpoints["channels" if kind == "connect" else "to"]
        name = given if given is not None else _made_id(kind, sources, targets)
        if given is None and not self._id_once(name, node, path, place):
            return None
        if not check_filter(node.get("filter"), (*path, "filter"), self._report, self._instance_mistake):
            return None
        own = {key: each for key, each in node.entries.items() if key in RuleSettings.__struct_fields__}
        settings = converted(Mapping(own, node.start, node.end), RuleSettings, node.start, path, self._report)
        if settings is None:
            return None
        enabled = node.get("enabled")
        return Rule(
            id=name,
            kind=kind,
            sources=sources,
            targets=targets,
            settings=settings,
            enabled=not isinstance(enabled, Scalar) or enabled.value is True,
        )

    # --- the channels of a rule ---

    def _side(self, node: Node | None, path: Path, *, is_target: bool) -> Iterator[_Placed | None]:
        """The channels of one side; None for each that is wrong."""
        if isinstance(node, Mapping):
            for name, entry in node.entries.items():
                yield self._channel(name, entry.start, entry.node, entry.start, (*path, name), is_target=is_target)
        elif isinstance(node, Sequence):
            for place, each in enumerate(node.items):
                yield self._listed(each, (*path, place), is_target=is_target)

    def ops(self, node: Node, at: int, path: Path) -> OpsChannel | None:
        """The channel of `global.ops_channel`, where it is right; it is a target like one of a rule."""
        for key in OpsSettings.__struct_fields__:
            if isinstance(node, Mapping) and isinstance(value := node.get(key), Scalar):
                value.public = True
        right = Structure(ops_schema()).check(node, at, path, self._report)
        if not isinstance(node, Mapping) or not right:
            return None
        if "msg" in node.entries:
            self._report.error(node.entries["msg"].start, (*path, "msg"), "what is said there has no msg")
            return None
        own = {key: each for key, each in node.entries.items() if key in OpsSettings.__struct_fields__}
        settings = converted(Mapping(own, node.start, node.end), OpsSettings, at, path, self._report)
        rest = Mapping({key: each for key, each in node.entries.items() if key != "after"}, node.start, node.end)
        placed = self._listed(rest, path, is_target=True)
        if settings is None or placed is None:
            return None
        instance = self._named[settings.instance].instance
        if instance is not None and not instance.enabled:
            self._report.warning(at, path, "its instance is disabled, so nothing is told", "name another instance")
        return OpsChannel(endpoint=placed.endpoint, after=in_seconds(settings.after))

    def _listed(self, node: Node, path: Path, *, is_target: bool) -> _Placed | None:
        if not isinstance(node, Mapping):
            self._report.error(
                node.start, path, 'an object is expected: { "instance": …, and the keys of its channel }'
            )
            return None
        instance = node.get("instance")
        if instance is None:
            self._report.error(
                node.start, path, 'the key "instance" is missing', _meant_as_instance(node) or "the name of an instance"
            )
            return None
        if not isinstance(instance, Scalar) or not isinstance(instance.value, str) or not instance.value.strip():
            self._report.error(instance.start, (*path, "instance"), "the name of an instance is expected")
            return None
        instance.public = True
        rest = Mapping({key: each for key, each in node.entries.items() if key != "instance"}, node.start, node.end)
        return self._channel(instance.value, instance.start, rest, node.start, path, is_target=is_target)

    def _channel(self, name: str, name_at: int, node: Node, at: int, path: Path, *, is_target: bool) -> _Placed | None:
        known = self._named.get(name)
        if known is None:
            if name not in self._explained:
                self._explained[name] = self._unknown(name)
            self._report.error(name_at, path, *self._explained[name])
            return None
        kind = known.kind
        if kind is None:
            return None
        schema: Schema = kind.schema.channel
        self._resolution.resolve(node, schema, kind.schema.definitions, path, secrets_only=True)
        right = kind.channel.check(node, at, path, self._report)
        if not isinstance(node, Mapping):
            return None
        msg = node.get("msg")
        right = self._templates(msg, (*path, "msg")) and right
        if not right:
            return None
        own = Mapping({key: each for key, each in node.entries.items() if key != "msg"}, node.start, node.end)
        settings = converted(own, kind.driver.channel_type, at, path, self._report)
        if settings is None:
            return None
        if known.instance is not None:
            remarks = list(kind.driver.channel_remarks(settings, known.instance.settings))
            if is_target:
                remarks += kind.driver.target_remarks(settings, known.instance.settings)
            if not remarked(remarks, node, at, path, self._report):
                return None
        message = MessageSettings()
        if isinstance(msg, Mapping):
            message = converted(msg, MessageSettings, at, path, self._report) or message
        key = kind.driver.channel_key(settings)
        return _Placed(Endpoint(instance=InstanceId(name), key=key, settings=settings, msg=message), name_at, path)

    def _unknown(self, name: str) -> tuple[str, str]:
        of_platform = [each for each, known in self._named.items() if known.platform == name]
        if of_platform:
            listed = ", ".join(sorted(of_platform)[:12])
            return f'"{short(name)}" is a platform, not an instance', f"its instances: {listed}"
        return f'there is no instance "{short(name)}"', did_you_mean(name, self._named, "the instances")

    def _instance_mistake(self, name: str) -> tuple[str, str] | None:
        return None if name in self._named else self._unknown(name)

    def _templates(self, msg: Node | None, path: Path) -> bool:
        right = True
        for key in ("msg_format", "name_format"):
            node = msg.get(key) if isinstance(msg, Mapping) else None
            if isinstance(node, Scalar) and isinstance(node.value, str):
                try:
                    _check_template(key, node.value)
                except TemplateError as error:
                    right = False
                    self._report.error(self._report.document.inside(node, error.offset), (*path, key), error.reason)
        return right

    # --- what may stand once only ---

    def _each_once(self, placed: list[_Placed]) -> bool:
        first: dict[Channel, _Placed] = {}
        right = True
        for each in placed:
            before = first.setdefault(each.endpoint.channel, each)
            if before is not each:
                right = False
                line = self._report.document.line(before.at)
                self._report.error(
                    each.at,
                    each.path,
                    f"this channel is in the rule already: {words(before.path[2:])} (line {line})",
                    "a channel stands once in a rule",
                )
        return right

    def _id_once(self, name: str | None, node: Mapping, path: Path, place: int) -> bool:
        if name is None:
            return True
        entry = node.entries.get("id")
        at = node.start if entry is None else entry.node.start
        before = self._first_by_id.setdefault(name, (place, at))
        if before == (place, at):
            return True
        line = self._report.document.line(before[1])
        if entry is None:
            self._report.error(
                at,
                path,
                f"this rule joins the same channels as rules[{before[0]}] (line {line})",
                'remove one of them, or give each an "id"',
            )
        else:
            self._report.error(
                at, (*path, "id"), f'rules[{before[0]}] has the id "{short(name)}" too (line {line})', "give it another"
            )
        return False


def _check_template(key: str, text: str) -> None:
    """Raises TemplateError for a template that cannot be used under `key`."""
    if not text.strip():
        raise TemplateError("it is blank", 0)
    if key == "msg_format":
        if Variable("msg") not in template.parse(text).parts:
            raise TemplateError("it has no {msg}, so no message would show", 0)
        return
    parsed = template.parse(text, variables=template.VARIABLES - {"msg"})
    if any(isinstance(each, Header) for each in parsed.parts):
        raise TemplateError("a name has no richheader", text.index("<richheader"))


def _made_id(kind: str, sources: tuple[Endpoint, ...], targets: tuple[Endpoint, ...]) -> str:
    """The id of a rule that has none: by its channels alone, so that it stays when a format or the order changes."""
    sides = [sorted((each.instance, each.key) for each in side) for side in (sources, targets)]
    digest = hashlib.sha256(json.encode([kind, *sides])).hexdigest()[:10]
    names = list(dict.fromkeys(each.instance for each in (*sources, *targets)))
    if kind == "connect":
        names.sort()
    return f"{'-'.join(names[:3])}-{digest}"


def _meant_as_instance(node: Mapping) -> str:
    meant = next((key for key in node.entries if key.lower() in {"instances", "instance_id", "instace", "id"}), None)
    return "" if meant is None else f'did you mean "instance" by "{short(meant)}"?'


def _word(node: Node, key: str) -> str | None:
    """The string under a key, where there is one that is not blank."""
    below = node.get(key) if isinstance(node, Mapping) else None
    value = None if below is None else plain(below)
    return value if isinstance(value, str) and value.strip() else None
