"""The conversation of `nextbridge init` at a terminal: instances, each tried as soon as it is answered, then channels.

Nothing is written here. Ctrl-C and the end of the input end it anywhere, by `click.Abort`.
"""

from __future__ import annotations

import os
import re
from pathlib import Path
from typing import Any

import click

from nextbridge.config.platforms import InstalledPlatforms
from nextbridge.config.schemas import INSTANCE_ID, INSTANCE_ID_WORDS
from nextbridge.control.table import harmless, one_line
from nextbridge.driver import Driver, Listed
from nextbridge.redaction import redaction
from nextbridge.setup.draft import Draft, Member
from nextbridge.setup.questions import REFERENCE, Answer, Question, WrongAnswer, asked_of_channel, asked_of_instance
from nextbridge.setup.trial import Trial, tried
from nextbridge.setup.unit import UNIT

__all__ = ["Interview"]

_PAGE = 20
"""Channels that are shown at once."""


class Interview:
    """Asks for one file."""

    def __init__(self, output: Path, unit: Path | None, *, force: bool) -> None:
        """`output` is where the file will be, and the files of secrets beside it.

        A `unit` that is given is not asked for. With `force` what is there already may be written over.
        """
        self.draft = Draft()
        self.unit = unit
        """Where a systemd unit is wanted; None where none is."""
        self._output = output
        self._force = force
        self._platforms = InstalledPlatforms()
        self._seen: dict[str, Trial] = {}

    def hold(self) -> None:
        """Ask for everything. Raises click.Abort."""
        click.echo("Which two chats are to be joined? Each is tried as soon as you have answered.\n")
        self._instance("first")
        self._instance("second")
        while click.confirm("\nIs there a further chat?", default=False):
            self._instance("next")
        self._rule()
        while click.confirm("\nAre further channels to be joined?", default=False):
            self._rule()
        if self.unit is None and click.confirm("\nIs a systemd unit to be written for it, too?", default=False):
            self._unit()

    # --- instances -----------------------------------------------------------------------------------------------

    def _instance(self, which: str) -> None:
        while True:
            name, driver, questions = self._platform(which)
            instance = self._name(name)
            self.draft.begin(instance, name, driver.title)
            click.echo(f"How the relay gets an account there: docs/{name}.md")
            if self._answered(instance, questions):
                return

    def _answered(self, instance: str, questions: list[Question]) -> bool:
        """Ask and try until it works or is to be kept all the same; False where another platform is to be taken."""
        while True:
            self._ask(instance, questions)
            click.echo("Trying it …")
            trial = self._seen[instance] = tried(self.draft, instance)
            _show(trial)
            if trial.ok:
                self._keep_secrets(instance, questions)
                return True
            choices = ["again", "other"] if trial.mistakes else ["again", "keep", "other"]
            meaning = {
                "again": "answer again",
                "keep": "keep it as it is, and see to it later",
                "other": "take another platform",
            }
            click.echo("\n".join(f"  {each:6} {meaning[each]}" for each in choices))
            match click.prompt("What now?", type=click.Choice(choices), default="again", show_choices=False):
                case "keep":
                    self._keep_secrets(instance, questions)
                    return True
                case "other":
                    self.draft.drop(instance)
                    return False

    def _platform(self, which: str) -> tuple[str, type[Driver[Any, Any]], list[Question]]:
        offered = {name: self._platforms.get(name).title for name in self._platforms.names}
        by_hand = {name for name in offered if asked_of_instance(name, self._platforms.get(name)) is None}
        click.echo("\n".join(f"  {name:11} {title}" for name, title in offered.items() if name not in by_hand))
        while True:
            given = click.prompt(f"The {which} chat", default="mattermost" if which == "first" else None).strip()
            near = [name for name in offered if name.startswith(given.lower())]
            exact = [name for name in offered if given.lower() in {name, offered[name].lower()}]
            if len(found := exact or near) != 1:
                _problem(f"write one of {', '.join(name for name in offered if name not in by_hand)}")
            elif found[0] in by_hand:
                _problem(
                    f"{offered[found[0]]} has more to it than this can ask: docs/{found[0]}.md shows how it is written"
                )
            elif (lack := self._platforms.lack(found[0])) is not None:
                _problem(f"{lack.reason}; {lack.suggestion}")
            else:
                driver = self._platforms.get(found[0])
                return found[0], driver, asked_of_instance(found[0], driver) or []

    def _name(self, platform: str) -> str:
        taken = self.draft.instances
        free = next(
            name for name in (platform, *(f"{platform}{number}" for number in range(2, 100))) if name not in taken
        )
        while True:
            name: str = click.prompt("What is it to be called in the file?", default=free).strip()
            if not re.fullmatch(INSTANCE_ID, name):
                _problem(f"a name has {INSTANCE_ID_WORDS}")
            elif name in taken:
                _problem(f"there is a {name} already")
            else:
                return name

    def _ask(self, instance: str, questions: list[Question]) -> None:
        left_out: set[tuple[str | int, ...]] = set()
        for question in questions:
            group = question.path[:-1]
            if group and group in left_out:
                continue
            answer = self._one(question, self.draft.answered(instance, question))
            if answer is None:
                left_out.add(group)
            else:
                self.draft.answer(instance, question, answer)

    def _one(self, question: Question, before: Answer | None = None) -> Answer | None:
        """None where it may be left out, and is. `before` is what was answered already."""
        likely = question.default if before is None else _written(before)
        click.echo(f"\n{question.description}" + (f" For example {question.example}" if question.example else ""))
        while True:
            if question.secret:
                given = click.prompt(f"{question.key} (is not shown)", hide_input=True, default="", show_default=False)
            else:
                free = "" if question.required or likely else " (Enter: none)"
                given = click.prompt(f"{question.key}{free}", default=likely, show_default=bool(likely))
            given = str(given)
            if not given.strip() and not question.required:
                return None
            if not question.secret and given == question.default and not question.required:
                return None  # it holds by itself
            try:
                return question.read(given)
            except WrongAnswer as wrong:
                _problem(str(wrong))

    def _keep_secrets(self, instance: str, questions: list[Question]) -> None:
        """Put those that were typed where the operator wants them."""
        for question in questions:
            secret = self.draft.answered(instance, question)
            if question.secret and isinstance(secret, str) and not REFERENCE.fullmatch(secret):
                self.draft.answer(instance, question, self._kept(instance, question, secret))

    def _kept(self, instance: str, question: Question, secret: str) -> Answer:
        variable = re.sub(r"\W", "_", f"{instance}_{question.path[-1]}").upper()
        beside = self._output.parent.absolute() / f"{instance}-{question.path[-1]}"
        click.echo(f"\nWhere is {question.key} to be kept?")
        click.echo(f"  here   in the file, which only you can read\n  file   in {beside}, which only you can read")
        click.echo(f"  env    in the environment, as {variable}")
        match click.prompt("Kept", type=click.Choice(["here", "file", "env"]), default="here", show_choices=False):
            case "file" if beside.exists() and not self._force:
                _problem(f"{beside} is there already; keep it elsewhere, or begin again with --force")
                return self._kept(instance, question, secret)
            case "file":
                self.draft.secrets[beside] = secret.replace("$${", "${")
                return {"file": str(beside)}
            case "env":
                self.draft.environment[variable] = secret.replace("$${", "${")
                return f"${{{variable}}}"
        return secret

    def _unit(self) -> None:
        while self.unit is None:
            given = Path(click.prompt("Its file", default=str(UNIT)).strip()).expanduser()
            folder = given.parent
            if given.is_dir() or not given.name:
                _problem("write the whole path of a file")
            elif given.exists() and not self._force:
                _problem(f"{given} is there already; take another name, or begin again with --force")
            elif not os.access(folder, os.W_OK):
                beside = self._output.parent.absolute() / UNIT.name
                _problem(f"{folder} is not there, or not yours to write to; {beside} can be put there by root later")
            else:
                self.unit = given

    # --- rules ---------------------------------------------------------------------------------------------------

    def _rule(self) -> None:
        click.echo("\nWhich channels are to be joined?")
        while True:
            members = [self._member(instance) for instance in self._joined()]
            name = click.prompt("\nWhat is this rule to be called?", default=_rule_name(members[0])).strip()
            self.draft.join(name, members)
            if not (mistakes := self.draft.mistakes()):
                return
            for each in mistakes:
                _problem(each)
            self.draft.part(name)

    def _joined(self) -> list[str]:
        names = self.draft.instances
        if len(names) == 2:
            return names
        while True:
            given: list[str] = click.prompt("Of which instances? With spaces between", default=" ".join(names)).split()
            if len(given) > 1 and set(given) <= set(names):
                return given
            _problem(f"write two or more of {', '.join(names)}")

    def _member(self, instance: str) -> Member:
        trial = self._seen[instance]
        if trial.note:
            click.echo(f"\n{instance}: {one_line(trial.note)}")
        if trial.channels:
            return self._picked(instance, list(trial.channels))
        return self._typed(instance)

    def _picked(self, instance: str, channels: list[Listed]) -> Member:
        click.echo(f"\n{instance} can see:")
        _list(channels)
        while True:
            given = click.prompt("Its number, a part of its name, or - to write another", default="1").strip()
            if given == "-":
                return self._typed(instance)
            if given.isdigit() and 1 <= int(given) <= len(channels):
                found = [channels[int(given) - 1]]
            else:
                found = [each for each in channels if given.lower() in each.name.lower()]
            if len(found) == 1:
                return Member(instance, dict(found[0].keys), found[0].name)
            if found:
                click.echo("\n".join(f"  {channels.index(each) + 1:4} {one_line(each.name)}" for each in found[:_PAGE]))
            else:
                _problem("there is no such channel in the list")

    def _typed(self, instance: str) -> Member:
        platform = self.draft.platform(instance)
        keys: dict[str, Any] = {}
        for question in asked_of_channel(platform, self._platforms.get(platform)):
            answer = self._one(question)
            keys[str(question.path[0])] = answer
        return Member(instance, keys)


def _written(answer: Answer) -> str:
    return {True: "yes", False: "no"}[answer] if isinstance(answer, bool) else str(answer)


def _rule_name(member: Member) -> str:
    words = re.findall(r"[a-z0-9]+", (member.name or str(next(iter(member.keys.values()), ""))).lower())
    return "-".join(words[-2:])[:40] or "first"


def _list(channels: list[Listed]) -> None:
    for number, each in enumerate(channels[:_PAGE], 1):
        click.echo(f"  {number:4} {one_line(each.name)}" + (f"  ({one_line(each.note)})" if each.note else ""))
    if len(channels) > _PAGE:
        click.echo(f"  … and {len(channels) - _PAGE} more; a part of a name finds them")


def _show(trial: Trial) -> None:
    for mistake in trial.mistakes:
        _problem(mistake)
    for each in trial.findings:
        text = " ".join(f"{each.subject}: {each.text}".split())
        click.echo(f"  {' ' if each.ok else '!'} {harmless(redaction.mask(text))}")


def _problem(sentence: str) -> None:
    click.echo(f"  ! {harmless(redaction.mask(sentence))}")
