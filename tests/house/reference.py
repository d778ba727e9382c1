"""Pages that are made of the program itself: `python -m tests.house.reference` writes them anew.

docs/configuration.md is of the JSON Schema of the operator's file, docs/man of the commands.
"""

from __future__ import annotations

import copy
import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import unquote

import click
from click_man.core import generate_man_page  # type: ignore[import-untyped]

from nextbridge import __version__, config
from nextbridge.cli import main
from nextbridge.in_force import InForce

__all__ = ["configuration", "manual"]

DOCS = Path(__file__).parents[2] / "docs"
_HEAD = """\
# Every key of the file

<!-- Made by `python -m tests.house.reference`; a test watches that it is up to date. -->

The same is in `nextbridge schema`, for editors. How a file is begun is on [a page of its own](start.md), and what a key
is good for on each platform's. A secret is a string, `"${NAME}"` for an environment variable, `{"file": "…"}`, or
`{"credential": "…"}` for one that systemd passes on. Bold keys have to be given. All takes effect when the file is read
again (`nextbridge reload`), but for what says otherwise.
"""
_AT_START = " Takes effect at the next start only."
_INSTANCE, _CHANNEL, _RULE = "{}:instance", "{}:channel", "rule"
_OF_EVERY_CHANNEL = {"msg"}
_OF_EVERY_INSTANCE = {"enabled"}
_CHANNELS = {"channels", "from", "to"}
"""Of a rule: what stands there is each platform's."""
_NO_PLATFORM = {"$schema", "global", "rules"}


def configuration() -> str:
    """docs/configuration.md."""
    schema = config.schema()
    known = schema["$defs"]
    parts = [_HEAD]
    parts += _section(known, "global", _told_when(known["global.GlobalSettings"]))
    parts += _section(known, "A rule", known[_RULE])
    parts += _section(known, "What every channel of a rule may have", {"properties": {"msg": _any_msg(known)}})
    for platform in sorted(schema["properties"].keys() - _NO_PLATFORM):
        instance, channel = (known[each.format(platform)] for each in (_INSTANCE, _CHANNEL))
        parts += _section(known, f"{platform}: an instance", _followed(known, instance), without=_OF_EVERY_INSTANCE)
        parts += _section(known, f"{platform}: a channel", _followed(known, channel), without=_OF_EVERY_CHANNEL)
    return "\n".join(parts) + "\n"


def _told_when(general: dict[str, Any]) -> dict[str, Any]:
    """`global`, with what a reload does not take up named as that."""
    told = copy.deepcopy(general)
    for key, each in told["properties"].items():
        if key not in InForce.TAKEN_UP | {"ops_channel"}:
            each["description"] = each.get("description", "") + _AT_START
    return told


def _any_msg(known: dict[str, Any]) -> dict[str, Any]:
    return next(dict(each) for name, each in known.items() if name.endswith(".MessageSettings"))


def _followed(known: dict[str, Any], node: dict[str, Any]) -> dict[str, Any]:
    while "$ref" in node:
        node = known[unquote(node["$ref"].removeprefix("#/$defs/"))]
    return node


def _section(
    known: dict[str, Any], title: str, node: dict[str, Any], *, without: set[str] | frozenset[str] = frozenset()
) -> list[str]:
    rows = [*_rows(known, node, "", without)]
    table = ["| key | what it is | default |", "| --- | --- | --- |", *rows] if rows else ["It has none of its own."]
    return [f"\n## {title}\n", *table]


def _rows(known: dict[str, Any], node: dict[str, Any], above: str, without: set[str] | frozenset[str]) -> Iterator[str]:
    required = set(node.get("required", ()))
    for key, each in node.get("properties", {}).items():
        if key in without:
            continue
        inner, is_list = (None, False) if key in _CHANNELS else _inside(known, each)
        path = f"{above}{key}"
        name = f"**`{path}`**" if key in required else f"`{path}`"
        default = "" if "default" not in each or inner is not None else f"`{json.dumps(each['default'])}`"
        said = (
            (each.get("description") or (inner or {}).get("description") or "").replace("|", "\\|").replace("\n", " ")
        )
        yield f"| {name} | {said} | {default} |"
        if inner is not None:
            yield from _rows(known, inner, f"{path}[]." if is_list else f"{path}.", frozenset())


def _inside(known: dict[str, Any], node: dict[str, Any]) -> tuple[dict[str, Any] | None, bool]:
    """The object that a key's value is, or is a list of; None where it is a plain value."""
    choices = [_followed(known, each) for each in (node, *node.get("anyOf", ()), *node.get("oneOf", ()))]
    for each in choices:
        if each.get("x-secret"):
            return None, False
        if each.get("properties"):
            return each, False
        if isinstance(each.get("items"), dict):
            inner, _ = _inside(known, each["items"])
            return inner, inner is not None
        if isinstance(each.get("additionalProperties"), dict):
            inner, _ = _inside(known, each["additionalProperties"])
            return inner, inner is not None
    return None, False


def manual() -> dict[str, str]:
    """The man pages by their files' names."""
    return dict(_pages("nextbridge", _told_whole(main), None))


def _told_whole(command: click.Command) -> click.Command:
    """The command as it is, but told in a list by its whole first sentence, and not by the first words of it."""
    told = copy.copy(command)
    told.short_help = (command.help or "").partition("\n\n")[0].replace("\n", " ").strip().rstrip(".")
    if isinstance(told, click.Group):
        told.commands = {name: _told_whole(each) for name, each in told.commands.items()}
    return told


def _pages(name: str, command: click.Command, parent: click.Context | None) -> Iterator[tuple[str, str]]:
    context = click.Context(command, info_name=name, parent=parent)
    text = generate_man_page(context, version=__version__, date="NextBridge")
    yield f"{context.command_path.replace(' ', '-')}.1", text
    for inner, each in getattr(command, "commands", {}).items():
        yield from _pages(inner, each, context)


def write() -> None:
    """Write all of them."""
    (DOCS / "configuration.md").write_text(configuration())
    pages = DOCS / "man"
    pages.mkdir(exist_ok=True)
    for old in pages.glob("*.1"):
        old.unlink()
    for name, text in manual().items():
        (pages / name).write_text(text)


if __name__ == "__main__":
    write()
