"""The commands. Each loads only what it needs, so that `--version` and `--help` are quick."""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

import click

from nextbridge import __version__
from nextbridge.control.asking import config_option, load_file, named, write_file
from nextbridge.control.commands import dead, queue
from nextbridge.control.forgetting import forget
from nextbridge.control.listing import channels
from nextbridge.control.reloading import reload
from nextbridge.control.status import status
from nextbridge.control.tailing import tail
from nextbridge.control.tracing import trace
from nextbridge.errors import ConfigError, JournalError, JournalLocked, NextBridgeError
from nextbridge.process import allow_open_files, open_standard_streams
from nextbridge.setup.command import init

if TYPE_CHECKING:
    from nextbridge.checking.online import Found
    from nextbridge.config.model import Config

__all__ = ["main"]

_EX_FINDING = 1
# sysexits(3): the unit file tells systemd not to restart on a wrong file
_EX_OSERR = 71
_EX_IOERR = 74
_EX_TEMPFAIL = 75
_EX_CONFIG = 78


class _Commands(click.Group):
    """Ends with a sentence also where the system refuses what no command had to expect: a full disk behind `>`, say."""

    def main(self, *args: Any, **more: Any) -> Any:  # noqa: ANN401 - click's signature
        open_standard_streams()
        try:
            return super().main(*args, **more)
        except OSError as error:
            about = f"{error.filename}: " if error.filename is not None else ""
            _end(NextBridgeError(f"nextbridge: {about}{error.strerror or error}"), _EX_OSERR)


@click.group(cls=_Commands, context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100})
@click.version_option(__version__, prog_name="nextbridge")
def main() -> None:
    """NextBridge relays conversations between chat platforms, both ways, and loses nothing on the way."""


@main.command()
@config_option
@click.option(
    "--state",
    type=click.Path(path_type=Path, file_okay=False),
    help="The folder for everything that must survive. By default $STATE_DIRECTORY, else ./state.",
)
@click.option("--debug", is_flag=True, help="Log every message's way, whatever global.log.level says.")
def run(config_path: Path | None, state: Path | None, *, debug: bool) -> None:
    """Run the relay until SIGTERM or Ctrl-C."""
    loaded = load_file(config_path)
    try:
        allow_open_files()
    except NextBridgeError as error:
        _end(error, _EX_OSERR)

    import uvloop

    from nextbridge import logs
    from nextbridge.config.problem import render
    from nextbridge.service import Service

    logs.configure(level="debug" if debug else loaded.config.general.log.level)
    if loaded.warnings:
        click.echo(render(loaded.warnings), err=True)

    async def serve() -> None:
        folder = state or Path(os.environ.get("STATE_DIRECTORY", "state"))
        await Service(loaded.config, folder, set_level=None if debug else logs.set_level).run()

    try:
        uvloop.run(serve())
    except JournalLocked as error:
        _end(error, _EX_TEMPFAIL)
    except JournalError as error:
        _end(error, _EX_IOERR)
    except NextBridgeError as error:
        _end(error, _EX_OSERR)


@main.command()
@config_option
@click.option("--online", is_flag=True, help="Connect, too, and look whether every instance and channel can work.")
@click.option("--json", "as_json", is_flag=True, help="Print JSON, for programs.")
def check(config_path: Path | None, *, online: bool, as_json: bool) -> None:
    """Find every mistake in the operator's file, and with --online what stands in the way outside it.

    Nothing is posted, and a running daemon is not disturbed. Exits with 0, with 78 where there is a mistake in the
    file, or with 1 where --online found something to be done.
    """
    from nextbridge import config
    from nextbridge.checking import verdict

    try:
        loaded = config.load(config.find(config_path))
    except ConfigError as error:
        if not as_json:
            _end(error, _EX_CONFIG)
        click.echo(verdict.as_json(error.problems))
        sys.exit(_EX_CONFIG)
    found = _looked(loaded.config) if online else None
    if as_json:
        click.echo(verdict.as_json(loaded.warnings, found))
    else:
        if loaded.warnings:
            click.echo(verdict.render(loaded.warnings), err=True)
        click.echo(verdict.as_text(loaded.config, found))
    if found is not None and not found.ok:
        sys.exit(_EX_FINDING)


def _looked(config: Config) -> Found:
    import uvloop

    from nextbridge import logs
    from nextbridge.checking.online import look

    logs.configure(level="critical")  # what is to be said is in the findings
    return uvloop.run(look(config))


@main.command()
@click.option(
    "--config",
    "config_path",
    type=click.Path(path_type=Path, dir_okay=False),
    help="Name the instances of this file, so that an editor completes and checks its rules too.",
)
def schema(config_path: Path | None) -> None:
    """Print the JSON Schema of the operator's file, for editors.

    Save it as nextbridge.schema.json beside the file, which names it as "$schema".
    """
    from nextbridge import config

    try:
        found = config.schema(config_path)
    except ConfigError as error:
        _end(error, _EX_CONFIG)
    click.echo(json.dumps(found, indent=2, ensure_ascii=False))


@main.command()
@click.argument("instance")
@config_option
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write. It holds the tokens of the instance: only its owner can read it.",
)
def registration(instance: str, config_path: Path | None, output: Path) -> None:
    """Write the file by which a platform's server knows INSTANCE, for an application service of Matrix."""
    loaded = load_file(config_path).config
    found = named(instance, loaded)
    base_url = loaded.general.base_url or f"http://{loaded.general.http.host}:{loaded.general.http.port}"
    text = found.driver.registration(found.settings, found.id, base_url)
    if text is None:
        _end(NextBridgeError(f"{instance} needs no registration: its server knows it by its login"), _EX_CONFIG)
    write_file(output, text, replace=True)
    click.echo(f"{output} is written. Give it to the server, and start that anew.")


@main.command()
@click.argument("source", type=click.Path(path_type=Path, dir_okay=False))
@click.argument("rules", required=False, type=click.Path(path_type=Path, dir_okay=False))
@click.option(
    "--output",
    type=click.Path(path_type=Path, dir_okay=False),
    required=True,
    help="The file to write, .json or .yaml. It may hold tokens: only its owner can read it.",
)
@click.option("--force", is_flag=True, help="Write it also where there is such a file already.")
def convert(source: Path, rules: Path | None, output: Path, *, force: bool) -> None:
    """Make one file of SOURCE: JSON of YAML and the other way round, one file of two, or of Matterbridge's TOML.

    RULES is the second of two files. What has no counterpart is named, and so is what is still to be done in the new
    file. Exits with 0 where that can be used as it is, with 1 where it cannot yet, with 78 where SOURCE cannot be read.
    """
    from nextbridge import config
    from nextbridge.config.file import text_of
    from nextbridge.config.problem import render
    from nextbridge.control.table import one_line
    from nextbridge.convert import NOTATIONS, ConversionError, from_matterbridge, from_ours, in_notation

    notation = NOTATIONS.get(output.suffix.lower())
    if notation is None:
        raise click.BadParameter("its name has to end with .json or .yaml", param_hint="--output")
    try:
        is_matterbridges = source.suffix.lower() == ".toml"
        made = from_matterbridge(text_of(source)) if is_matterbridges else from_ours(source, rules)
    except (ConfigError, ConversionError) as error:
        _end(error, _EX_CONFIG)
    write_file(output, in_notation(made.file, notation), replace=force)
    for note in made.notes:
        click.echo(one_line(f"{note.place}: {note.sentence}"))
    try:
        loaded = config.load(output)
    except ConfigError as error:
        click.echo(f"{output} is written. Before it can be used:")
        _end(error, _EX_FINDING)
    if loaded.warnings:
        click.echo(render(loaded.warnings), err=True)
    click.echo(f"{output} is written, and can be used as it is. nextbridge check --online looks further.")


@main.command()
@click.option("--port", type=click.IntRange(0, 65535), default=8778, show_default=True, help="0 takes any free port.")
def demo(port: int) -> None:
    """Show the relay at work: a stand-in Mattermost and a web chat, bridged, on one page.

    Everything is real but the Mattermost server. It listens on 127.0.0.1 only and leaves nothing behind.
    """
    import uvloop

    from nextbridge import logs
    from nextbridge.demo import run_demo

    logs.configure(level="warning")
    try:
        uvloop.run(run_demo(port))
    except NextBridgeError as error:
        _end(error, _EX_OSERR)


def _end(error: NextBridgeError, status: int) -> NoReturn:
    from nextbridge.redaction import redaction

    click.echo(redaction.mask(str(error)), err=True)
    sys.exit(status)


main.add_command(init)
main.add_command(queue)
main.add_command(dead)
main.add_command(reload)
main.add_command(trace)
main.add_command(forget)
main.add_command(channels)
main.add_command(status)
main.add_command(tail)


if __name__ == "__main__":
    main()
