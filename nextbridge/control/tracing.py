"""`nextbridge trace`: what became of one message."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nextbridge.control.asking import (
    EX_NOINPUT,
    end,
    expected,
    json_option,
    load_file,
    print_json,
    reached,
    state_option,
)

if TYPE_CHECKING:
    from nextbridge.control.protocol import SkippedMessage, TracedEvent, Tried, Way
    from nextbridge.rehearsal import Rehearsed

__all__ = ["trace"]

_UNKNOWN = "The journal knows no message of this id. It was never accepted, or is forgotten already (global.remember)."
_NO_DAEMON = "No daemon runs here that could tell what it has skipped."


@click.command()
@state_option
@json_option
@click.option("--text", is_flag=True, help="Show what its author wrote and what each target was given, too.")
@click.option("--dry-run", is_flag=True, help="Take the argument as the text of a message that nobody has posted.")
@click.option("--from", "source", metavar="INSTANCE/CHANNEL", help="With --dry-run: where it would be posted.")
@click.option("--author", default="somebody", show_default=True, help="With --dry-run: who would post it.")
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="With --dry-run: the operator's file. By default as for run.",
)
@click.argument("message", metavar="LINK-OR-ID")
def trace(  # noqa: PLR0913 - each is an option
    state: Path | None,
    *,
    as_json: bool,
    text: bool,
    dry_run: bool,
    source: str | None,
    author: str,
    config_path: Path | None,
    message: str,
) -> None:
    """Show what became of a message: in each target channel, and with what was done to it later.

    It is named by its link or its id, where it was posted or as a copy elsewhere; the log's event_id will do. Beside a
    daemon it also says what each rule of its channel says to it, by the file as it is now, why a message was not
    relayed, and with --text what each target was given.

    With --dry-run and a text, show what each rule of the file would do with it, and what each target would be given.
    Nothing is sent, and no daemon is needed.
    """
    if dry_run:
        _rehearse(config_path, source, author, message, as_json=as_json)
        return
    from nextbridge.control.protocol import LONGEST_NAME, TraceMessage, Traces

    with reached(state) as ask:
        # an argument may be no text
        name = message.encode("utf-8", "replace").decode()[-LONGEST_NAME:].strip() or "-"
        found = expected(Traces, ask(TraceMessage(message=name, text=text)))
    if as_json:
        print_json(found)
    elif found.events or found.skipped:
        click.echo("\n\n".join([*map(_event, found.events), *map(_skipped, found.skipped)]))
    if not found.events and not found.skipped:
        end(_unknown(found.skips_since), EX_NOINPUT)


def _rehearse(config_path: Path | None, named: str | None, author: str, text: str, *, as_json: bool) -> None:
    from nextbridge.rehearsal import Rehearsal

    loaded = load_file(config_path).config
    with tempfile.TemporaryDirectory(prefix="nextbridge-trace-") as folder:
        rehearsal = Rehearsal(loaded, Path(folder))
        source = None if named is None else rehearsal.source(named)
        if source is None:
            end(f"Say with --from where it would be posted: {', '.join(rehearsal.sources())}.", EX_NOINPUT)
        found = rehearsal.of(source, text, author)
    if as_json:
        print_json(found)
    else:
        click.echo("\n".join(map(_rehearsed, found)))


def _rehearsed(rule: Rehearsed) -> str:
    from nextbridge.control.table import harmless, one_line

    lines = [f"rule {one_line(rule.rule)}: {rule.reason or 'relays it'}"]
    for way in rule.ways:
        lines.append(
            f"  -> {one_line(way.target)}"
            + (f", as {one_line(way.name)}" if way.name else "")
            + (f": {way.reason}" if way.reason else "")
        )
        lines += [f"    {line}" for text in way.texts for line in harmless(text).splitlines()]
    return "\n".join(lines)


def _event(event: TracedEvent) -> str:
    from nextbridge.control.table import clock, harmless

    who = event.author if event.author == event.username or not event.username else f"{event.author} ({event.username})"
    lines = [
        _line(0, f"{event.kind} in {event.source} by {who}, {clock(event.at)}"),
        _line(2, f"message: {event.message}"),
        _line(2, f"on disk: {clock(event.accepted_at)}"),
    ]
    if event.trace_id is not None:
        lines.append(_line(2, f"trace id: {event.trace_id}"))
    if event.text is not None:
        lines += [f"    {line}" for line in harmless(event.text).splitlines()]
    lines += [_line(2, f"rule {judged.rule}: {judged.reason or 'relays it'}") for judged in event.rules or ()]
    if not event.ways:
        lines.append("  it went nowhere, or its ways are done")
    for way in event.ways:
        lines.append(_line(2, f"-> {_way(way)}"))
        lines += [_line(5, f"{clock(each.at)} {_tried(each)}") for each in way.tried]
        if way.lane:
            lines.append(_line(5, f"its lane is {way.lane}" + (f": {way.held_by}" if way.held_by else "")))
        if way.texts is not None:
            lines.append(_line(5, f"given under the name {way.name}:" if way.name else "given:"))
            lines += [f"       {line}" for text in way.texts for line in harmless(text).splitlines()]
    return "\n".join(lines)


def _tried(attempt: Tried) -> str:
    return f"{attempt.outcome}: {attempt.reason}" if attempt.reason else attempt.outcome


def _skipped(skip: SkippedMessage) -> str:
    from nextbridge.control.table import clock

    who = f" by {skip.author}" if skip.author else ""
    lines = [
        _line(0, f"not relayed: {skip.kind or 'message'} in {skip.channel}{who}, {clock(skip.at)}"),
        _line(2, f"message: {skip.message}"),
        _line(2, f"{skip.reason}: {skip.meaning}" if skip.meaning else skip.reason),
    ]
    if skip.rule:
        lines.append(_line(2, f"by rule {skip.rule}"))
    return "\n".join(lines)


def _line(indent: int, text: str) -> str:
    from nextbridge.control.table import harmless

    return " " * indent + harmless(" ".join(text.split()))


def _unknown(since: int | None) -> str:
    from nextbridge.control.table import clock

    if since is None:
        return f"{_UNKNOWN} {_NO_DAEMON}"
    return f"{_UNKNOWN} The daemon remembers all that it did not relay since {clock(since)}; this was not among it."


def _way(way: Way) -> str:
    words = [f"{way.target}: {way.state}"]
    if way.messages:
        ids = [each for each in way.messages if each is not None]
        words.append(f"as {', '.join(ids)}" if ids else "the platform gives no id")
    if way.rule:
        words.append(f"rule {way.rule}")
    if way.attempts:
        words.append(f"{way.attempts} {'attempt' if way.attempts == 1 else 'attempts'} failed")
    if way.dead is not None:
        words.append(f"nextbridge dead show {way.dead}")
    said = ", ".join(words)
    return f"{said}: {way.reason}" if way.reason else said
