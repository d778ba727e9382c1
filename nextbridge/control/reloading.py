"""`nextbridge reload`: the running daemon reads its file again."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import TYPE_CHECKING

import click

from nextbridge.control.asking import EX_CONFIG, end, expected, json_option, print_json, reached, state_option

if TYPE_CHECKING:
    from nextbridge.control.protocol import Reloaded

__all__ = ["reload"]


@click.command()
@state_option
@json_option
def reload(state: Path | None, *, as_json: bool) -> None:
    """Have the running daemon read its file again, without losing a message.

    A file with a mistake is refused whole (78), and everything stays as it is. Only instances whose own settings or
    channels have changed are connected anew.
    """
    from nextbridge.control.protocol import Reloaded, ReloadFile, WrongFile

    with reached(state) as ask:
        answer = ask(ReloadFile())
        if isinstance(answer, WrongFile):
            end(f"{answer.report}\n\nThe file is wrong: nothing has changed.", EX_CONFIG)
        done = expected(Reloaded, answer)
    if done.warnings:
        click.echo(done.warnings, err=True)
    if as_json:
        print_json(done)
    else:
        click.echo(_what_changed(done))


def _what_changed(done: Reloaded) -> str:
    said = [
        f"{word}: {', '.join(names)}"
        for word, names in (("ended", done.ended), ("connected anew", done.reconnected), ("new", done.begun))
        if names
    ]
    if done.rules_changed:
        said.append("the rules changed")
    if held := [key for key in done.general_changed if key not in done.needs_restart]:
        said.append(f"changed: {_keys(held)}")
    lines = [f"Reloaded; {'; '.join(said) or 'nothing changed'}."]
    if done.needs_restart:
        lines.append(f"These take effect at the next start only: {_keys(done.needs_restart)}.")
    return "\n".join(lines)


def _keys(of_global: Iterable[str]) -> str:
    return ", ".join(f"global.{key}" for key in of_global)
