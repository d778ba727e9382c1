"""What the commands have in common: the operator's file, the state folder, how a daemon is asked, how they end."""

from __future__ import annotations

import json
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING, NoReturn, TypeVar

import click

from nextbridge.errors import ConfigError, JournalError, NextBridgeError

if TYPE_CHECKING:
    from nextbridge.config.loader import Loaded
    from nextbridge.config.model import Config, Instance
    from nextbridge.control.client import Ask
    from nextbridge.control.protocol import Answer

__all__ = [
    "EX_CONFIG",
    "EX_NOINPUT",
    "config_option",
    "end",
    "expected",
    "json_option",
    "load_file",
    "named",
    "print_json",
    "reached",
    "state_folder",
    "state_option",
    "told",
    "write_file",
]

# as sysexits(3) has them
EX_NOINPUT = 66
EX_UNAVAILABLE = 69
EX_IOERR = 74
EX_CONFIG = 78

A = TypeVar("A")

state_option = click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False, readable=False),
    help="The daemon's state folder. By default $STATE_DIRECTORY, else ./state.",
)
config_option = click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, readable=False),  # what is wrong with it is said by who reads it, with 78
    help="The operator's file. By default ./config.json (or .yaml), else /etc/nextbridge/config.json.",
)
json_option = click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")


def load_file(given: Path | None) -> Loaded:
    """The operator's file; what is wrong with it ends the command with the report."""
    from nextbridge import config
    from nextbridge.redaction import redaction

    try:
        return config.load(config.find(given))
    except ConfigError as error:
        click.echo(redaction.mask(str(error)), err=True)  # harmless already, and its carets point into its lines
        sys.exit(EX_CONFIG)


def named(instance: str, config: Config) -> Instance:
    """The instance of the file that is called so; where there is none, that ends the command with those that are."""
    from nextbridge.envelope import InstanceId

    if (found := config.instances.get(InstanceId(instance))) is None:
        end(f"{config.path} has no instance {instance!r}; it has {', '.join(config.instances)}", EX_CONFIG)
    return found


def write_file(path: Path, text: str, *, replace: bool, mode: int = 0o600) -> None:
    """A file of the operator's that may hold secrets; what cannot be written ends the command with a sentence."""
    from nextbridge.config.file import FileNotWritten, write_whole

    try:
        write_whole(path, text, replace=replace, mode=mode)
    except FileNotWritten as error:
        end(str(error), EX_IOERR)


@contextmanager
def reached(state: Path | None) -> Iterator[Ask]:
    """The daemon or its files; what cannot be done ends the command with a sentence."""
    from nextbridge.control.client import reach

    with told(), reach(state_folder(state)) as ask:
        yield ask


def state_folder(given: Path | None) -> Path:
    """The daemon's, as `--state` says."""
    return given or Path(os.environ.get("STATE_DIRECTORY", "state"))


@contextmanager
def told() -> Iterator[None]:
    """What cannot be done in this context ends the command with a sentence."""
    try:
        yield
    except JournalError as error:
        end(str(error), EX_IOERR)
    except NextBridgeError as error:
        end(str(error), EX_UNAVAILABLE)


def expected(kind: type[A], answer: Answer) -> A:
    """The answer, which is of this kind. Raises ControlError with the reason where it is a refusal."""
    from nextbridge.control.protocol import ControlError, Refused

    if isinstance(answer, kind):
        return answer
    raise ControlError(answer.reason if isinstance(answer, Refused) else "The daemon answered something else.")


def end(reason: str, status: int) -> NoReturn:
    """Say why, with nothing secret in it and nothing that a terminal would obey, and end."""
    from nextbridge.control.table import harmless
    from nextbridge.redaction import redaction

    click.echo(harmless(redaction.mask(reason)), err=True)
    sys.exit(status)


def print_json(found: object) -> None:
    """A structure of the protocol, for programs."""
    import msgspec

    click.echo(json.dumps(msgspec.to_builtins(found), indent=2))  # in ASCII: nothing that a terminal would obey
