"""`nextbridge forget`: what is kept of a person, and the forgetting of it."""

from __future__ import annotations

import sys
from pathlib import Path
from typing import TYPE_CHECKING

import click
from msgspec import structs

from nextbridge.control.asking import EX_NOINPUT, end, expected, json_option, print_json, reached, state_option

if TYPE_CHECKING:
    from nextbridge.control.protocol import Forgotten, Kept

__all__ = ["forget"]

_EX_LEFT = 1


@click.command()
@state_option
@json_option
@click.option("--instance", default="", help="Only who is called so on this instance.")
@click.option("--yes", "really", is_flag=True, help="Forget it; without this, only show what is kept.")
@click.argument("user")
def forget(state: Path | None, *, as_json: bool, instance: str, really: bool, user: str) -> None:
    """Forget what is kept of USER: what they said, their names, their reactions, their other accounts.

    USER is their id or handle, as trace shows them. That there were messages, and what they became, stays, so that
    nothing is relayed twice; what still waits for a target stays until it is delivered. What the rooms of a web chat
    and of the API keep is forgotten with it, while the daemon runs. Exits with 1 where something of it is left, with 66
    where nobody of this name is known.
    """
    from nextbridge.control.protocol import ForgetPerson, Forgotten

    with reached(state) as ask:
        question = ForgetPerson(person=user, instance=instance, really=really)
        found = more = expected(Forgotten, ask(question))
        while more.after is not None:
            more = expected(Forgotten, ask(structs.replace(question, after=more.after)))
            found = structs.replace(
                found, forgotten=found.forgotten + more.forgotten, left=found.left + more.left, after=None
            )
    if as_json:
        print_json(found)
    unasked = [each for each in found.kept if each.reason]
    if not found.accounts and not found.bindings and not found.skipped and len(unasked) == len(found.kept):
        end(" ".join(["Nobody is known whose id or handle this is.", *map(_unasked, unasked)]), EX_NOINPUT)
    if not as_json:
        click.echo(_told(found, really=really))
    if really and (found.left or unasked):
        sys.exit(_EX_LEFT)


def _unasked(kept: Kept) -> str:
    return f"The rooms of {kept.instance} cannot be asked now ({kept.reason}): what they keep is left."


def _told(found: Forgotten, *, really: bool) -> str:
    from nextbridge.control.table import aligned, one_line

    rows = [
        tuple(map(one_line, (each.instance, each.user, each.username, each.name, str(each.events))))
        for each in found.accounts
    ]
    lines = [aligned(("INSTANCE", "USER", "HANDLE", "NAME", "EVENTS"), rows, numbers="EVENTS")] if rows else []
    if found.bindings:
        lines.append(f"Bound to other accounts: {found.bindings}.")
    if found.skipped:
        lines.append(f"Messages that were not relayed, which the daemon remembers for trace: {found.skipped}.")
    lines.extend(
        f"Messages and reactions in the rooms of {each.instance}: {each.count}." for each in found.kept if each.count
    )
    lines.extend(_unasked(each) for each in found.kept if each.reason)
    if not really:
        lines.append("Nothing is changed yet: --yes forgets it.")
        return "\n".join(lines)
    lines.append(f"{found.forgotten} events are forgotten, and what bound the accounts to others.")
    if found.left:
        lines.append(
            f"{found.left} are left: they wait for a target, or are dead letters (nextbridge queue, dead)"
            f"{', or concern a room that cannot be asked' if any(each.reason for each in found.kept) else ''}. "
            "Run this again once that is over."
        )
    return "\n".join(lines)
