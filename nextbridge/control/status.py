"""`nextbridge status`: how the daemon and its instances stand, at a glance."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nextbridge.control.asking import expected, json_option, print_json, reached, state_option

if TYPE_CHECKING:
    from nextbridge.control.protocol import DaemonStatus, Status

__all__ = ["status"]

_EX_NOT_CONNECTED = 1
_EX_NOT_RUNNING = 3
"""As `systemctl status` has it."""
_COLUMNS = ("INSTANCE", "PLATFORM", "STATE", "SINCE", "REASON")


@click.command()
@state_option
@json_option
def status(state: Path | None, *, as_json: bool) -> None:
    """Show how the daemon and each of its instances stand, and how much waits.

    Exits with 0 where every instance is connected, with 1 where one is not, and with 3 where no daemon runs.
    """
    from nextbridge.control.protocol import ShowStatus, Status

    with reached(state) as ask:
        found = expected(Status, ask(ShowStatus()))
    if as_json:
        print_json(found)
    else:
        click.echo("No daemon runs on this state folder." if found.daemon is None else _daemon(found.daemon))
        click.echo(_waiting(found))
    if found.daemon is None:
        sys.exit(_EX_NOT_RUNNING)
    if any(each.state != "connected" for each in found.daemon.instances):
        sys.exit(_EX_NOT_CONNECTED)


def _daemon(daemon: DaemonStatus) -> str:
    from nextbridge.control.table import ago, aligned, clock, one_line

    read = "" if daemon.reloaded_at is None else f", read again {clock(daemon.reloaded_at)}"
    lines = [
        f"NextBridge {daemon.version} runs since {clock(daemon.started_at)} (process {daemon.pid}).",
        one_line(f"Its file is {daemon.config}{read}."),
    ]
    rows = [
        tuple(map(one_line, (each.name, each.platform, each.state, ago(each.since), each.reason)))
        for each in daemon.instances
    ]
    return "\n".join([*lines, aligned(_COLUMNS, rows, numbers="SINCE")])


def _waiting(found: Status) -> str:
    from nextbridge.control.table import ago

    waiting = "Nothing waits."
    if found.waiting and found.oldest_at is not None:
        waiting = f"{found.waiting} wait for {found.lanes} channels, the first for {ago(found.oldest_at)}: see queue."
    return f"{waiting} {found.dead} dead letters: see dead list." if found.dead else waiting
