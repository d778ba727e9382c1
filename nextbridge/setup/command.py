"""`nextbridge init`: an operator's first file."""

from __future__ import annotations

import sys
from pathlib import Path

import click

__all__ = ["init"]

_EX_FINDING = 1


@click.command()
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    default=Path("config.yaml"),
    show_default=True,
    help="The file to write: .yaml with comments, or .json without.",
)
@click.option("--force", is_flag=True, help="Write it also where there is such a file already.")
@click.option(
    "--instance", "instances", metavar="NAME=PLATFORM", multiple=True, help="An instance; then nothing is asked."
)
@click.option(
    "--set",
    "settings",
    metavar="NAME.KEY=VALUE",
    multiple=True,
    help="A key of an instance. A secret can be ${VARIABLE}, file:PATH, credential:NAME, or - (a line that is read).",
)
@click.option(
    "--channel",
    "channels",
    metavar="NAME:KEY=VALUE",
    multiple=True,
    help="A channel of the rule; more keys with commas.",
)
@click.option("--rule", default="first", show_default=True, help="What the rule is called.")
@click.option("--offline", is_flag=True, help="With --instance: write the file without connecting with it.")
@click.option(
    "--unit",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Write a systemd unit for the file here, too, e.g. to /etc/systemd/system/nextbridge.service.",
)
def init(  # noqa: PLR0913 - each is an option
    *,
    output: Path,
    force: bool,
    instances: tuple[str, ...],
    settings: tuple[str, ...],
    channels: tuple[str, ...],
    rule: str,
    offline: bool,
    unit: Path | None,
) -> None:
    """Make the operator's file: ask for two chats and the channels to be joined, try each, and write it.

    With --instance nothing is asked, and --set and --channel give the answers. Nothing is written before the end, and
    nothing that is there already without --force. Exits with 0, with 1 where something is still to be seen to, and with
    78 where the answers make no file that can be used.
    """
    from nextbridge.setup.flags import Flags
    from nextbridge.setup.making import Wanted, make

    flags = Flags(instances=instances, settings=settings, channels=channels, rule=rule)
    if not make(Wanted(output=output, force=force, flags=flags, offline=offline, unit=unit)):
        sys.exit(_EX_FINDING)
