"""Whatever people do on both sides, with trouble and restarts: at the end both show the same conversation."""

from __future__ import annotations

import asyncio
import tempfile
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Literal, TypeAlias

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from msgspec import Struct

from nextbridge.config.model import Config, GlobalSettings, HttpSettings
from nextbridge.config.model import Instance as ConfiguredInstance
from nextbridge.driver import Outgoing, Receipt, Retry
from nextbridge.envelope import Author, InstanceId, MessageId, Posted, UserId
from nextbridge.journal.reader import Reader
from nextbridge.journal.schema import connect_reader
from nextbridge.service import Service
from tests.core.conversing import BOTH, ConversingDriver, conversing, sides
from tests.core.script import Daemon, ScriptSettings, rule

Side: TypeAlias = Literal["a", "b"]
PEOPLE = [Author(UserId(f"u{number}"), name.lower(), name) for number, name in enumerate(("Ann", "Ben", "Cem"))]


class Step(Struct, frozen=True):
    """Somebody does something; `which` chooses among the messages that are there to be chosen."""

    what: Literal["say", "answer", "edit", "delete", "react", "unreact", "restart", "trouble", "rest"]
    side: Side
    which: int
    who: int
    words: str
    emoji: str


OFTEN = {
    "say": 2,
    "answer": 3,
    "edit": 4,
    "delete": 1,
    "react": 3,
    "unreact": 1,
    "trouble": 1,
    "rest": 1,
    "restart": 1,
}
steps = st.lists(
    st.builds(
        Step,
        what=st.sampled_from(
            [each for each, often in OFTEN.items() for _ in range(often)],
        ),
        side=st.sampled_from(["a", "b"]),
        which=st.integers(0, 9),
        who=st.integers(0, 2),
        words=st.sampled_from(["yes", "no", "perhaps", "one two three four five six seven", "x " * 40]),
        emoji=st.sampled_from(["👍", "🎉", "logo"]),
    ),
    max_size=30,
)


class Said(Struct):
    """A message as it ought to be shown on both sides."""

    side: Side
    posted: Posted
    text: str
    answers: Said | None
    reactions: set[tuple[Side, int, str]]
    deleted: bool = False


class Conversation:
    """What people have said, beside the daemon that relays it."""

    def __init__(self, state: Path) -> None:
        self.state = state
        self.said: list[Said] = []
        self.number = 0
        self.reader: Reader

    @asynccontextmanager
    async def running(self) -> AsyncIterator[Daemon]:
        instances = {
            InstanceId(name): ConfiguredInstance(id=InstanceId(name), driver=driver, settings=ScriptSettings())
            for name, driver in BOTH.items()
        }
        general = GlobalSettings(http=HttpSettings(port=0))
        rules = (rule("r", "a/1", "b/1"),)
        config = Config(path=self.state / "config.json", general=general, instances=instances, rules=rules)
        service, started = Service(config, self.state), asyncio.Event()
        task = asyncio.create_task(service.run(started=started))
        await started.wait()
        self.reader = Reader(connect_reader(self.state / "journal.sqlite3"), first_id=0)
        try:
            for side in ("a", "b"):
                conversing(Daemon(service), side).text_limit = 60
            yield Daemon(service)
        finally:
            self.reader.close()
            service.stop()
            await task

    def parts(self, said: Said, driver: ConversingDriver) -> list[MessageId]:
        """What a message is on a side, as far as that is known there."""
        fate = self.reader.fates.of(driver.home, said.posted.channel, said.posted.message)
        return [MessageId(part) for part in (fate.parts if fate else ()) if part in driver.board]

    def visible(self, driver: ConversingDriver) -> list[tuple[Said, MessageId]]:
        """What people of a side see at this moment, each with its id there."""
        return [(each, parts[0]) for each in self.said if (parts := self.parts(each, driver))]

    async def does(self, step: Step, running: Daemon) -> None:
        driver = conversing(running, step.side)
        who = PEOPLE[step.who]
        seen = self.visible(driver)
        own = [each for each, _ in seen if each.side == step.side]
        self.number += 1
        match step.what:
            case "say" | "answer":
                text = f"#{self.number} {step.words}"
                parent = seen[step.which % len(seen)] if step.what == "answer" and seen else None
                posted = await driver.say(text, author=who, reply_to=parent[1] if parent else None)
                self.said.append(Said(step.side, posted, text, parent[0] if parent else None, set()))
            case "edit" if own:
                said = own[step.which % len(own)]
                tag = said.text.split(" ", 1)[0]
                said.text = f"{tag} {step.words} {self.number}"
                await driver.edits(said.posted, said.text, version=str(self.number))
            case "delete" if own:
                said = own[step.which % len(own)]
                said.deleted = True
                await driver.deletes(said.posted)
            case "react" | "unreact" if seen:
                said, name = seen[step.which % len(seen)]
                reaction, added = (step.side, step.who, step.emoji), step.what == "react"
                if added == (reaction in said.reactions):
                    return
                (said.reactions.add if added else said.reactions.remove)(reaction)
                await driver.reacts(name, step.emoji, by=who, added=added)
            case "trouble":
                fails = [Retry("busy", after=0.001) for _ in range(step.who + 1)]

                async def trouble(_: str) -> None:
                    if fails:
                        raise fails.pop()

                async def answer(message: Outgoing) -> Receipt:
                    await trouble("send")
                    return await driver.deliver(message)

                driver.trouble, driver.answer = trouble, answer
            case "rest":
                await self.settled()
            case _:
                pass

    async def settled(self) -> None:
        """Until nothing waits any more."""
        async with asyncio.timeout(20):
            while self.reader.waiting():  # noqa: ASYNC110 - as a stranger would look, at what is on disk
                await asyncio.sleep(0.005)

    def shown(self, driver: ConversingDriver) -> list[tuple[str, str | None, frozenset[str]]]:
        """A side's board as the conversation that it shows: texts, what they answer, reactions of the other side."""
        seen = self.visible(driver)
        texts = {name: said.text for said, name in seen}
        return [
            (
                " ".join(_bare(" ".join(driver.board[part].text for part in self.parts(said, driver))).split()),
                texts.get(MessageId(driver.board[name].answers or "")),
                frozenset(driver.board[name].reactions),
            )
            for said, name in seen
        ]

    def meant(self, other: Side) -> list[tuple[str, str | None, frozenset[str]]]:
        """The same as it ought to be, where `other` is the other side."""
        return [
            (
                " ".join(each.text.split()),
                each.answers.text if each.answers and not each.answers.deleted else None,
                frozenset(emoji for where, _, emoji in each.reactions if where == other),
            )
            for each in self.said
            if not each.deleted
        ]


def _bare(text: str) -> str:
    """Without the quote of something that was deleted before it could be answered."""
    return text.split("\n", 1)[-1] if text.startswith("> ") else text


async def converse(script: list[Step], state: Path) -> None:
    ConversingDriver.boards.clear()
    conversation = Conversation(state)
    left = list(script)
    while True:
        async with conversation.running() as running:
            while left and (step := left.pop(0)).what != "restart":
                await conversation.does(step, running)
            if left:
                continue
            await conversation.settled()
            a, b = sides(running)
            assert conversation.shown(a) == conversation.meant("b")
            assert conversation.shown(b) == conversation.meant("a")
            assert running.service.tally.count("buried") == 0
            return


@settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(script=steps)
def test_both_sides_show_the_same_conversation(script: list[Step]) -> None:
    """Posts, answers, edits, deletions and reactions on both sides, trouble and restarts in any order."""
    with tempfile.TemporaryDirectory() as folder:
        asyncio.run(converse(script, Path(folder) / "state"))
