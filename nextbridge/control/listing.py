"""`nextbridge channels`: which channels the accounts of the file can see, as a rule has them."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import structs

from nextbridge.control.asking import (
    config_option,
    expected,
    json_option,
    load_file,
    named,
    reached,
    state_folder,
    state_option,
)

if TYPE_CHECKING:
    from nextbridge.checking.probing import Seen
    from nextbridge.control.client import Ask
    from nextbridge.driver import Listed
    from nextbridge.envelope import InstanceId

__all__ = ["channels"]

_EX_NOT_SEEN = 1


@click.command()
@config_option
@state_option
@json_option
@click.argument("instance", required=False)
def channels(instance: str | None, config_path: Path | None, state: Path | None, *, as_json: bool) -> None:
    """Show the channels that INSTANCE, or each of the file, can see, with the keys that a rule needs.

    Nothing is changed, and a running daemon is not disturbed. Where a platform cannot be asked (Telegram), those are
    shown that the daemon of --state has met. Exits with 1 where an instance could not look.
    """
    import uvloop

    from nextbridge import logs
    from nextbridge.checking.probing import look_through

    config = load_file(config_path).config
    chosen = list(config.instances.values()) if instance is None else [named(instance, config)]
    logs.configure(level="critical")  # what is to be said is in the answers
    seen = uvloop.run(look_through(config, chosen))
    if blind := [each.instance for each in seen if each.channels == () and each.reason]:
        met = _met(state, blind)
        seen = [structs.replace(each, channels=met.get(each.instance, each.channels)) for each in seen]
    click.echo(_as_json(seen) if as_json else _as_text(seen))
    if any(each.channels is None for each in seen):
        sys.exit(_EX_NOT_SEEN)


def _met(state: Path | None, instances: Sequence[InstanceId]) -> dict[InstanceId, tuple[Listed, ...]]:
    """What the daemon has met, by instance. Nothing, where no state was named and there is none."""
    from nextbridge.control.client import reach
    from nextbridge.control.protocol import ControlError
    from nextbridge.errors import JournalError

    if state is not None:
        with reached(state) as ask:
            return _asked(ask, instances)
    with suppress(ControlError, JournalError), reach(state_folder(None)) as ask:
        return _asked(ask, instances)
    return {}


def _asked(ask: Ask, instances: Sequence[InstanceId]) -> dict[InstanceId, tuple[Listed, ...]]:
    from nextbridge.control.protocol import ShowSightings, Sighted
    from nextbridge.control.table import ago
    from nextbridge.driver import Listed

    return {
        each: tuple(
            Listed(channel.name, channel.keys, f"met {ago(channel.at)} ago")
            for channel in expected(Sighted, ask(ShowSightings(instance=each))).channels
        )
        for each in instances
    }


def _as_text(seen: Sequence[Seen]) -> str:
    """A line for each channel, and one for what stands in a rule."""
    from nextbridge.control.table import one_line

    lines = []
    for each in seen:
        head = f"{each.instance} ({each.title})"
        if each.channels is None:
            lines.append(f"! {head}: {_said(each.reason)}")
            continue
        more = f", and {each.left_out} more that are not shown" if each.left_out else ""
        lines.append(f"{head}: {_said(each.reason) or _count(len(each.channels)) + more}")
        for channel in each.channels:
            keys = json.dumps({each.instance: dict(channel.keys)})[1:-1]
            note = f" ({one_line(channel.note)})" if channel.note else ""
            lines.append(f"  {one_line(channel.name)}{note}\n      {keys}")
        if each.note:
            lines.append(f"  {_said(each.note)}")
    return "\n".join(lines)


def _count(channels: int) -> str:
    return "1 channel" if channels == 1 else f"{channels} channels"


def _said(sentence: str) -> str:
    """What a driver or its server says, which may bear anything, on one line."""
    from nextbridge.control.table import harmless
    from nextbridge.redaction import redaction

    return harmless(redaction.mask(" ".join(sentence.split())))


def _as_json(seen: Sequence[Seen]) -> str:
    """The same, in ASCII: nothing in it that a terminal would obey."""
    from nextbridge.redaction import redaction

    return json.dumps(
        [
            {
                "instance": each.instance,
                "platform": each.platform,
                "channels": None
                if each.channels is None
                else [
                    {"name": channel.name, "keys": dict(channel.keys), "note": channel.note}
                    for channel in each.channels
                ],
                "left_out": each.left_out,
                "note": redaction.mask(each.note),
                "reason": redaction.mask(each.reason),
            }
            for each in seen
        ],
        indent=2,
    )
