"""`nextbridge tail`: what crosses, line by line as it happens."""

from __future__ import annotations

import json
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nextbridge.control.asking import json_option, state_folder, state_option, told

if TYPE_CHECKING:
    from nextbridge.control.protocol import Crossed

__all__ = ["tail"]

_MINUTE = 60_000
"""Milliseconds from which on lateness is told as an age."""


@click.command()
@state_option
@json_option
@click.option("--instance", metavar="NAME", help="Only what comes from this instance or goes to it.")
@click.option("--rule", metavar="ID", help="Only what this rule relays.")
def tail(state: Path | None, *, as_json: bool, instance: str | None, rule: str | None) -> None:
    """Show what crosses as it happens, until Ctrl-C: who, from where, to where, and what became of it.

    Nobody's text is shown. With --json, each line is an object.
    """
    import msgspec

    from nextbridge.control.client import follow
    from nextbridge.control.protocol import FollowCrossings, Following

    with told(), suppress(KeyboardInterrupt):
        for each in follow(state_folder(state), FollowCrossings(instance=instance, rule=rule)):
            if isinstance(each, Following):
                click.echo("Listening; Ctrl-C ends it.", err=True)
            else:
                # in ASCII: nothing that a terminal would obey
                click.echo(json.dumps(msgspec.to_builtins(each)) if as_json else _line(each))


def _line(crossed: Crossed) -> str:
    from nextbridge.control.table import age, clock, harmless, one_line

    late = f"{crossed.late_ms} ms" if crossed.late_ms < _MINUTE else age(crossed.late_ms / 1000)
    way = f"{one_line(crossed.source)} -> {one_line(crossed.target)}"
    line = f"{clock(crossed.at)}  {crossed.outcome}  {way}  {crossed.kind} by {one_line(crossed.author)}"
    line += f", {late} late, rule {one_line(crossed.rule)}"
    if crossed.retry_in is not None:
        line += f", again in {age(crossed.retry_in)}"
    return f"{line}: {harmless(' '.join(crossed.reason.split()))}" if crossed.reason else line
