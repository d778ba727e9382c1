"""Makes the operator's file from answers: by flags or at a terminal, written whole, and looked at as `check` does."""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path

import click
import uvloop
from msgspec import Struct

from nextbridge import config, logs
from nextbridge.checking import verdict
from nextbridge.checking.online import look
from nextbridge.control.asking import EX_CONFIG, EX_IOERR, end, write_file
from nextbridge.convert import NOTATIONS
from nextbridge.errors import ConfigError
from nextbridge.redaction import redaction
from nextbridge.setup.draft import Draft
from nextbridge.setup.flags import Flags, answered
from nextbridge.setup.interview import Interview
from nextbridge.setup.questions import WrongAnswer
from nextbridge.setup.unit import steps
from nextbridge.setup.unit import unit as unit_for

__all__ = ["Wanted", "make"]


class Wanted(Struct, frozen=True, kw_only=True):
    """What was said on the command line."""

    output: Path
    force: bool
    flags: Flags
    offline: bool
    unit: Path | None


def make(wanted: Wanted) -> bool:
    """Ask where nothing was given, write the file, and say what comes next; whether nothing is left to be done.

    What cannot be done ends the program with a sentence; before the end nothing is written. Raises click.Abort.
    """
    output, force, flags = wanted.output, wanted.force, wanted.flags
    notation = NOTATIONS.get(output.suffix.lower())
    if notation is None:
        raise click.BadParameter("its name has to end with .yaml or .json", param_hint="--output")
    for each in (output, wanted.unit):
        if each is not None and each.exists() and not force:
            end(f"{each} is there already; --force writes over it", EX_IOERR)
    if not flags.instances and (flags.settings or flags.channels or wanted.offline):
        raise click.UsageError("--set, --channel and --offline need --instance")
    logs.configure(level="critical")  # what is to be said is in the findings
    unit = wanted.unit
    if flags.instances:
        draft = _of_flags(flags, offline=wanted.offline)
    else:
        interview = Interview(output, unit, force=force)
        interview.hold()
        draft, unit = interview.draft, interview.unit
    for path, secret in draft.secrets.items():
        write_file(path, secret + "\n", replace=force)
    write_file(output, draft.text(notation, output), replace=force)
    if unit is not None:
        write_file(unit, unit_for(output), replace=force, mode=0o644)
    fine = _looked_at(output, draft.environment, online=not wanted.offline)
    _say_next(output, draft, unit)
    return fine


def _of_flags(flags: Flags, *, offline: bool) -> Draft:
    try:
        draft = answered(flags)
    except WrongAnswer as wrong:
        end(str(wrong), EX_CONFIG)
    if not offline and (mistakes := draft.mistakes()):
        end("\n".join(mistakes), EX_CONFIG)
    return draft


def _looked_at(output: Path, environment: Mapping[str, str], *, online: bool) -> bool:
    """As `nextbridge check` does; whether there is nothing to be done."""
    try:
        loaded = config.load(output, environment={**os.environ, **environment})
    except ConfigError as error:
        click.echo(f"\n{output} is written. Before it can be used:\n{redaction.mask(str(error))}")
        return False
    if loaded.warnings:
        click.echo(verdict.render(loaded.warnings), err=True)
    click.echo(f"\n{output} is written." + (" Looking whether it can work …\n" if online else ""))
    found = uvloop.run(look(loaded.config)) if online else None
    click.echo(verdict.as_text(loaded.config, found))
    return found is None or found.ok


def _say_next(output: Path, draft: Draft, unit: Path | None) -> None:
    to_be_set = sorted(draft.environment.keys() - os.environ.keys())
    lines = [""]
    if to_be_set:
        lines += [f"Set {', '.join(to_be_set)} in the environment of the daemon first.", ""]
    lines += ["Run it:", f"  nextbridge run --config {output}", ""]
    lines += ["Under systemd, as root:" if unit is None else f"Under systemd, with {unit}, as root:"]
    lines += [f"  {each}" for each in steps([output, *draft.secrets], unit)]
    click.echo("\n".join(lines))
