"""Reads the file: its accounts become instances, its gateways rules, and all else is told."""

from __future__ import annotations

import re
import tomllib
from typing import Any

from nextbridge.convert.conversion import ConversionError, Converted, Note
from nextbridge.convert.matterbridge.accounts import PLATFORMS, Account, converted
from nextbridge.convert.matterbridge.gateways import Gateways
from nextbridge.convert.matterbridge.section import Section, lower_keys

__all__ = ["from_matterbridge"]

_GATEWAYS = {"gateway", "samechannelgateway"}
_RESERVED = {"global", "rules"}


def from_matterbridge(text: str) -> Converted:
    """A file of ours. Raises ConversionError for what is no TOML, or no file of Matterbridge."""
    try:
        root = lower_keys(tomllib.loads(text))
    except tomllib.TOMLDecodeError as error:
        raise ConversionError(f"this is no TOML: {error}") from None
    general = Section("general", _table(root, "general"))
    accounts, notes = _accounts(root)
    gateways = Gateways(accounts, general)
    rules = [
        rule
        for kind in ("gateway", "samechannelgateway")
        for place, each in enumerate(Section("the file", root).tables(kind))
        for rule in _rules(gateways, kind, place, each)
    ]
    if not accounts and not rules:
        raise ConversionError("it has no account ([irc.name]) of a platform that both have, and no gateway")
    file: dict[str, Any] = {}
    largest = int(general.number("MediaDownloadSize"))
    for account in accounts.values():
        if largest > 0 and account.platform not in {"irc", "api"}:
            account.settings["max_file_size"] = largest
        file.setdefault(account.platform, {})[account.instance] = account.settings
    file["rules"] = rules
    for each in accounts.values():
        notes += [*each.notes, *each.section.left()]
    return Converted(file, (*notes, *general.left(), *gateways.notes))


def _rules(gateways: Gateways, kind: str, place: int, values: dict[str, Any]) -> list[dict[str, Any]]:
    section = Section(f"{kind} {values.get('name') or place + 1}", values)
    return list((gateways.rules if kind == "gateway" else gateways.same_channels)(section))


def _accounts(root: dict[str, Any]) -> tuple[dict[str, Account], list[Note]]:
    """By their names in the file, in small letters."""
    notes: list[Note] = []
    found: list[tuple[str, str, dict[str, Any]]] = []
    for platform, block in root.items():
        if platform in _GATEWAYS | {"general"}:
            continue
        if platform == "tengo":
            notes.append(Note("tengo", "scripts are not run; filter.replace, ignore_text and formats do much of it"))
            continue
        if not isinstance(block, dict):
            notes.append(Note(platform, "has no counterpart"))
            continue
        for name, values in block.items():
            if platform not in PLATFORMS:
                notes.append(Note(f"{platform}.{name}", "there is no driver for this platform: it is left out"))
            elif isinstance(values, dict):
                found.append((platform, name, values))
            else:
                notes.append(Note(f"{platform} {name}", "has no counterpart"))
    names = [name.lower() for _, name, _ in found]
    accounts = {}
    for platform, name, values in found:
        plain = re.sub(r"[^A-Za-z0-9_-]", "_", name)
        is_alone = names.count(name.lower()) == 1 and plain.lower() not in _RESERVED
        instance = plain if is_alone else f"{platform}_{plain}"
        section = Section(f"{platform}.{name}", values)
        accounts[section.name.lower()] = converted(platform, instance, section)
    return accounts, notes


def _table(root: dict[str, Any], key: str) -> dict[str, Any]:
    found = root.get(key, {})
    if not isinstance(found, dict):
        raise ConversionError(f"{key} is no table")
    return found
