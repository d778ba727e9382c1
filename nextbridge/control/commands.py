"""`nextbridge queue` and `nextbridge dead`: what waits, what was given up, and what an operator does about it."""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nextbridge.control.asking import EX_NOINPUT, end, expected, json_option, print_json, reached, state_option

if TYPE_CHECKING:
    from nextbridge.control.client import Ask
    from nextbridge.control.protocol import DropDead, Lane, Letter, RetryDead

__all__ = ["dead", "queue"]

_ids = click.argument("ids", type=click.IntRange(1, 2**63 - 1), nargs=-1, metavar="[ID]...")


@click.command()
@state_option
@json_option
@click.option("--all", "idle", is_flag=True, help="Show the lanes that have nothing to do, too.")
def queue(state: Path | None, *, as_json: bool, idle: bool) -> None:
    """Show what waits: for each target channel how much, since when, and what holds it up.

    Works beside the running daemon, and on its files when none runs.
    """
    from nextbridge.control.protocol import Lanes, ShowQueue
    from nextbridge.control.table import aligned

    with reached(state) as ask:
        found = expected(Lanes, ask(ShowQueue(idle=idle)))
    if as_json:
        print_json(found)
    elif not found.lanes:
        click.echo("Nothing waits.")
    else:
        click.echo(aligned(_LANE, [_lane(each) for each in found.lanes], numbers="DEPTH"))


@click.group()
def dead() -> None:
    """Look at the messages that could not be delivered, try them again or forget them."""


@dead.command("list")
@state_option
@json_option
@click.option("--limit", type=click.IntRange(1, 10_000), default=100, show_default=True, help="The newest so many.")
def list_dead(state: Path | None, *, as_json: bool, limit: int) -> None:
    """List the dead letters, the newest first."""
    from nextbridge.control.protocol import DeadLetters, ListDead
    from nextbridge.control.table import aligned

    with reached(state) as ask:
        found = expected(DeadLetters, ask(ListDead(limit=limit)))
    if as_json:
        print_json(found)
    elif not found.letters:
        click.echo("There are no dead letters.")
    else:
        click.echo(aligned(_LETTER, [_letter(each) for each in found.letters], numbers="ID"))
        if found.more:
            click.echo(f"There are more; these are the newest {len(found.letters)} (--limit).", err=True)


@dead.command()
@state_option
@json_option
@click.option("--text", is_flag=True, help="Show what its author wrote, too.")
@click.argument("number", type=click.IntRange(1, 2**63 - 1), metavar="ID")
def show(state: Path | None, *, as_json: bool, text: bool, number: int) -> None:
    """Show everything about a dead letter, its text only with --text."""
    from nextbridge.control.protocol import DeadLetters, ShowDead

    with reached(state) as ask:
        letters = expected(DeadLetters, ask(ShowDead(id=number, text=text))).letters
    if not letters:
        end(f"There is no dead letter {number}. nextbridge dead list shows those that there are.", EX_NOINPUT)
    if as_json:
        print_json(letters[0])
    else:
        click.echo(_described(letters[0]))


@dead.command()
@state_option
@json_option
@click.option("--all", "every", is_flag=True, help="All that there are now.")
@_ids
def retry(state: Path | None, *, as_json: bool, every: bool, ids: tuple[int, ...]) -> None:
    """Try dead letters again: each goes to the end of its lane, and shows its original time."""
    from nextbridge.control.protocol import RetryDead

    _act(RetryDead, state, ids, every=every, as_json=as_json, done="will be tried again")


@dead.command()
@state_option
@json_option
@click.option("--all", "every", is_flag=True, help="All that there are now.")
@_ids
def drop(state: Path | None, *, as_json: bool, every: bool, ids: tuple[int, ...]) -> None:
    """Forget dead letters, with their files. They are not delivered any more."""
    from nextbridge.control.protocol import DropDead

    _act(DropDead, state, ids, every=every, as_json=as_json, done="forgotten")


def _act(
    what: type[RetryDead | DropDead], state: Path | None, ids: Sequence[int], *, every: bool, as_json: bool, done: str
) -> None:
    from nextbridge.control.protocol import MOST_IDS, Done

    if every == bool(ids):
        raise click.UsageError("Name the ids of dead letters, or all of them with --all.")
    acted: list[int] = []
    with reached(state) as ask:
        wanted = list(_all_ids(ask)) if every else list(dict.fromkeys(ids))
        for start in range(0, len(wanted), MOST_IDS):
            acted += expected(Done, ask(what(ids=tuple(wanted[start : start + MOST_IDS])))).ids
    missing = [] if every else sorted(set(wanted) - set(acted))
    if as_json:
        click.echo(json.dumps({"ids": sorted(acted), "missing": missing}))
    elif acted or every:
        click.echo(f"{len(acted)} {'dead letter' if len(acted) == 1 else 'dead letters'} {done}.")
    if missing:
        end(f"No dead letters: {', '.join(map(str, missing))}.", EX_NOINPUT)


def _all_ids(ask: Ask) -> Iterator[int]:
    from nextbridge.control.protocol import DeadIds, Ids

    after = 0
    while ids := expected(Ids, ask(DeadIds(after=after))).ids:
        yield from ids
        after = ids[-1]


# --- showing ------------------------------------------------------------------------------------------------------

_LANE = ("LANE", "DEPTH", "OLDEST", "STATE", "LAST ERROR")
_LETTER = ("ID", "TARGET", "RULE", "KIND", "AUTHOR", "BURIED", "REASON")


def _lane(lane: Lane) -> tuple[str, ...]:
    from nextbridge.control.table import ago, one_line

    return (
        one_line(f"{lane.instance}/{lane.channel}"),
        str(lane.depth),
        "" if lane.oldest_at is None else ago(lane.oldest_at),
        one_line(_state_of(lane)),
        one_line(lane.last_error),
    )


def _state_of(lane: Lane) -> str:
    from nextbridge.control.table import age

    word = {"waiting": "waiting for the instance", "stopped": "no daemon runs"}.get(lane.state, lane.state)
    if lane.state == "retrying" and lane.retry_in is not None:
        return f"retrying in {age(lane.retry_in)}"
    return f"{word}: {lane.reason}" if lane.reason else word


def _letter(letter: Letter) -> tuple[str, ...]:
    from nextbridge.control.table import ago, one_line

    what = (str(letter.id), letter.target, letter.rule, letter.kind, letter.author)
    return tuple(one_line(each) for each in (*what, ago(letter.buried_at), letter.reason))


def _described(letter: Letter) -> str:
    from nextbridge.control.table import ago, clock, harmless, one_line

    lines = {
        "dead letter": str(letter.id),
        "rule": letter.rule,
        "source": letter.source,
        "target": letter.target,
        "author": f"{letter.author} ({letter.username})",
        "kind": letter.kind + (f", {letter.files} {'file' if letter.files == 1 else 'files'}" if letter.files else ""),
        "written": clock(letter.at),
        "accepted": clock(letter.accepted_at),
        "buried": f"{clock(letter.buried_at)} ({ago(letter.buried_at)} ago)",
        "attempts": str(letter.attempts),
    }
    shown = "\n".join(f"{name + ':':13}{one_line(value)}" for name, value in lines.items())
    shown += f"\n{'reason:':13}{harmless(letter.reason)}"
    for name, text in (("traceback", letter.traceback), ("text", letter.text)):
        if text is not None:
            shown += f"\n{name}:\n" + "\n".join(f"    {line}" for line in harmless(text).splitlines())
    return shown
