"""JSON Schemas: of one driver's settings and channels, and of the whole file, made from the settings structures."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from nextbridge.config.model import GlobalSettings, MessageSettings, OpsSettings, RuleSettings
from nextbridge.config.platforms import PlatformUnusable
from nextbridge.config.types import Secret
from nextbridge.driver import Driver

__all__ = [
    "DIALECT",
    "INSTANCE_ID",
    "RULE",
    "RULE_DEFINITIONS",
    "PlatformSchema",
    "Schema",
    "file_schema",
    "general_schema",
    "ops_schema",
    "resolved",
]

DIALECT = "https://json-schema.org/draft/2020-12/schema"
INSTANCE_ID = r"^[A-Za-z0-9][A-Za-z0-9_.-]{0,63}$"
INSTANCE_ID_WORDS = "letters, digits, _ - and . (64 at most), beginning with a letter or a digit"

Schema: TypeAlias = dict[str, Any]
"""A JSON Schema, as JSON has it."""

_SECRET: Schema = {
    "type": ["string", "object"],
    "pattern": r"\S",
    "properties": {
        "file": {"type": "string", "pattern": r"\S", "description": "A file that holds the secret and nothing else."},
        "credential": {
            "type": "string",
            "pattern": r"^[^/\s]+$",
            "description": "The name of a systemd credential (LoadCredential=).",
            "x-hint": "it is the name that LoadCredential= gives it, not a path",
        },
    },
    "additionalProperties": False,
    "minProperties": 1,
    "maxProperties": 1,
    "x-secret": True,
    "x-hint": "it is blank; give it a value",
}
_ENABLED: Schema = {"type": "boolean", "default": True, "description": "false: as if it were not there."}
_LISTED = {"instance": {"type": "string", "description": "One of the instances above."}}
_SIDE: Schema = {"type": ["object", "array"], "minProperties": 1, "minItems": 1}

_RULE: Schema = {
    "type": "object",
    "properties": {
        "id": {
            "type": "string",
            "pattern": r"^\S(?:[^\x00-\x1f]{0,98}\S)?$",
            "description": "Its name in logs and reports; made from its channels where it has none.",
            "x-hint": "a name of at most 100 characters, without spaces around it",
        },
        "type": {
            "enum": ["connect", "forward"],
            "description": "connect: from every channel to every other. forward: one way.",
        },
        "enabled": _ENABLED,
        "channels": {
            **_SIDE,
            "minProperties": 2,
            "minItems": 2,
            "description": "The channels of a connect, by instance or as a list.",
            "x-hint": "a connect rule joins at least two channels",
        },
        "from": {**_SIDE, "description": "Where a forward reads, by instance or as a list."},
        "to": {**_SIDE, "description": "Where a forward posts, by instance or as a list."},
    },
    "required": ["type"],
    "additionalProperties": False,
    "allOf": [
        {
            "if": {"properties": {"type": {"const": "connect"}}, "required": ["type"]},
            "then": {"required": ["channels"], "properties": {"from": False, "to": False}},
        },
        {
            "if": {"properties": {"type": {"const": "forward"}}, "required": ["type"]},
            "then": {"required": ["from", "to"], "properties": {"channels": False}},
        },
    ],
}


class PlatformSchema(Struct, frozen=True):
    """The schemas of one driver. Both refer to `definitions` by `#/$defs/…`."""

    instance: Schema
    channel: Schema
    definitions: dict[str, Schema]

    @classmethod
    def of(cls, name: str, driver: type[Driver[Any, Any]]) -> PlatformSchema:
        """The schemas of `driver`, whose definitions bear the platform's name. Raises PlatformUnusable."""
        try:
            (instance, channel, message), definitions = _components(
                name, driver.settings_type, driver.channel_type, MessageSettings
            )
        except (TypeError, NotImplementedError) as error:
            raise PlatformUnusable(f"the driver of {name} has settings that have no JSON Schema: {error}") from error
        taken = {"instance", "msg"} & resolved(channel, definitions).get("properties", {}).keys()
        if taken:
            raise PlatformUnusable(f"the driver of {name} has a channel key that is not its own: {', '.join(taken)}")
        instance = _with(resolved(instance, definitions), {"enabled": _ENABLED}, title=f"{driver.title}: an instance")
        message = resolved(message, definitions)
        channel = _with(resolved(channel, definitions), {"msg": message}, title=f"{driver.title}: a channel")
        return cls(instance, channel, definitions)

    def standing_alone(self, schema: Schema) -> Schema:
        """One of the two as a schema of its own."""
        return {"$schema": DIALECT, **schema, "$defs": self.definitions}


def general_schema() -> Schema:
    """The schema of `global`, standing alone."""
    (schema,), definitions = _components("global", GlobalSettings)
    schema = resolved(schema, definitions)
    schema["properties"]["ops_channel"] = ops_schema()
    return {"$schema": DIALECT, **schema, "$defs": definitions}


def ops_schema() -> Schema:
    """The schema of `global.ops_channel`, which leaves the keys of the channel to its platform."""
    (schema,), definitions = _components("ops", OpsSettings)
    return {
        **resolved(schema, definitions),
        "additionalProperties": True,
        "description": "The channel, with its instance and its keys as in a rule, where the relay says what has been "
        "in trouble for a while, and when that is over.",
    }


def resolved(schema: Schema, definitions: Mapping[str, Schema]) -> Schema:
    """`schema` itself, or what it refers to."""
    while "$ref" in schema:
        schema = definitions[schema["$ref"].removeprefix("#/$defs/")]
    return schema


def file_schema(
    platforms: Mapping[str, PlatformSchema], instances: Mapping[str, Sequence[str]] | None = None
) -> Schema:
    """The schema of the whole file. With `instances` (by platform), rules may name these only, each with its keys."""
    general = general_schema()
    definitions: dict[str, Schema] = {**general.pop("$defs"), **RULE_DEFINITIONS}
    del general["$schema"]
    definitions["global"] = general
    for name, platform in platforms.items():
        definitions |= platform.definitions
        definitions[f"{name}:instance"] = platform.instance
        definitions[f"{name}:channel"] = platform.channel
        definitions[f"{name}:listed channel"] = _with(platform.channel, _LISTED, required=["instance"])
        definitions[f"{name}:ops channel"] = _for_operators(platform.channel)
    channels = _open_channels(platforms) if instances is None else _named_channels(instances)
    definitions["channels"] = channels
    general["properties"]["ops_channel"] |= (
        _open_entry(platforms, "ops channel") if instances is None else _named_entry(instances, "ops channel")
    )
    rule = {**RULE, "properties": {**RULE["properties"]}}
    for side in ("channels", "from", "to"):
        rule["properties"][side] = {**RULE["properties"][side], "$ref": "#/$defs/channels"}
    definitions["rule"] = rule
    blocks = {
        name: {
            "type": "object",
            "description": platform.instance["title"].partition(":")[0] + ": its instances by name.",
            "propertyNames": {"pattern": INSTANCE_ID},
            "additionalProperties": {"$ref": f"#/$defs/{_pointer(name)}:instance"},
        }
        for name, platform in platforms.items()
    }
    return {
        "$schema": DIALECT,
        "title": "The configuration of NextBridge",
        "type": "object",
        "properties": {
            "$schema": {"type": "string", "description": "For editors; not read."},
            "global": {"$ref": "#/$defs/global"},
            **blocks,
            "rules": {
                "type": "array",
                "items": {"$ref": "#/$defs/rule"},
                "description": "Which channels' messages go where. May stand in a rules.json beside this file instead.",
            },
        },
        "additionalProperties": False,
        "$defs": definitions,
    }


def _open_channels(platforms: Mapping[str, PlatformSchema]) -> Schema:
    """Channels of instances that are not known: each as some platform has them."""
    return {
        "additionalProperties": {"anyOf": [{"$ref": f"#/$defs/{_pointer(name)}:channel"} for name in platforms]},
        "items": _open_entry(platforms, "listed channel"),
    }


def _open_entry(platforms: Mapping[str, PlatformSchema], kind: str) -> Schema:
    """A channel beside its instance, whose platform is not known."""
    return {"anyOf": [{"$ref": f"#/$defs/{_pointer(f'{name}:{kind}')}"} for name in platforms]}


def _named_channels(instances: Mapping[str, Sequence[str]]) -> Schema:
    return {
        "properties": {
            each: {"$ref": f"#/$defs/{_pointer(name)}:channel"} for name, ids in instances.items() for each in ids
        },
        "additionalProperties": False,
        "items": _named_entry(instances, "listed channel"),
    }


def _named_entry(instances: Mapping[str, Sequence[str]], kind: str) -> Schema:
    """A channel beside its instance, which decides what keys it has."""
    return {
        "type": "object",
        "required": ["instance"],
        "properties": {
            "instance": {**_LISTED["instance"], "enum": [each for ids in instances.values() for each in ids]}
        },
        "allOf": [
            {
                "if": {"properties": {"instance": {"enum": list(ids)}}, "required": ["instance"]},
                "then": {"$ref": f"#/$defs/{_pointer(f'{name}:{kind}')}"},
            }
            for name, ids in instances.items()
            if ids
        ],
    }


def _for_operators(channel: Schema) -> Schema:
    """A platform's channel as `ops_channel` has it, where all that is said is our own."""
    without = {**channel, "properties": {key: each for key, each in channel["properties"].items() if key != "msg"}}
    return _with(without, ops_schema()["properties"], required=["instance"])


def _pointer(name: str) -> str:
    return name.replace("~", "~0").replace("/", "~1").replace("%", "%25").replace(" ", "%20")


def _with(schema: Schema, properties: Schema, *, title: str = "", required: Sequence[str] = ()) -> Schema:
    """An object's schema with more properties."""
    return {
        **schema,
        "title": title or schema.get("title", ""),
        "properties": {**properties, **schema.get("properties", {})},
        "required": [*required, *schema.get("required", ())],
    }


def _components(name: str, *types: type[Struct]) -> tuple[list[Schema], dict[str, Schema]]:
    schemas, definitions = msgspec.json.schema_components(
        types, schema_hook=_hook, ref_template=f"#/$defs/{_pointer(name)}.{{name}}"
    )
    return [_plainer(each) for each in schemas], {f"{name}.{key}": _plainer(each) for key, each in definitions.items()}


def _hook(kind: type) -> Schema:
    if kind is Secret:
        return _SECRET
    raise NotImplementedError(f"{kind} has no JSON Schema")


def _plainer(schema: Any) -> Any:  # noqa: ANN401 - any part of a schema
    """`schema` with `anyOf` made one where the branches differ in their type alone: a refusal is then one sentence."""
    if isinstance(schema, list):
        return [_plainer(each) for each in schema]
    if not isinstance(schema, dict):
        return schema
    schema = {key: _plainer(each) for key, each in schema.items()}
    branches = schema.get("anyOf")
    if branches and all("type" in each and "enum" not in each and "const" not in each for each in branches):
        kinds = [
            kind for each in branches for kind in ([each["type"]] if isinstance(each["type"], str) else each["type"])
        ]
        if len(set(kinds)) == len(kinds):
            del schema["anyOf"]
            merged = {key: each for branch in branches for key, each in branch.items()}
            schema = {**merged, **schema, "type": kinds}
    return schema


def _rule() -> tuple[Schema, dict[str, Schema]]:
    (settings,), definitions = _components("rule", RuleSettings)
    properties = {**_RULE["properties"], **resolved(settings, definitions)["properties"]}
    return {**_RULE, "properties": properties}, definitions


RULE, RULE_DEFINITIONS = _rule()
"""A rule, its channels left open, and the definitions that it refers to."""
