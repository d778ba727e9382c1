"""`nextbridge queue` and `nextbridge dead`, beside the running daemon and on its files when none runs."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

import click.testing
import pytest
import structlog

from nextbridge.cli import main
from nextbridge.driver import Outgoing, Paused, Receipt, Rejected, Retry
from nextbridge.envelope import Attachment, Author, UserId
from nextbridge.journal.folder import StateFolder
from nextbridge.redaction import redaction
from tests.core.conversing import BOTH, refuse, sides
from tests.core.script import FilingDriver, LateDriver, RunDaemon, ScriptDriver, rule
from tests.process import Daemon

RULES = (rule("r", "a/1", "b/1"),)
Answer = Callable[[Outgoing], Awaitable[Receipt]]


@pytest.fixture
def state(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture(autouse=True)
def _quiet() -> None:
    """The daemon runs in this process, and its log would mix with what a command prints."""
    structlog.configure(logger_factory=structlog.ReturnLoggerFactory())


async def command(state: Path, *words: str, status: int = 0) -> str:
    """What the command prints; it must end with this status."""
    arguments = [*words, "--state", str(state)]
    result = await asyncio.to_thread(click.testing.CliRunner().invoke, main, arguments)
    assert result.exit_code == status, (result.output, result.exception)
    return result.output


async def said(state: Path, *words: str) -> Any:
    """What the command prints for programs."""
    return json.loads(await command(state, *words, "--json"))


def refusing(driver: ScriptDriver, *texts: str, error: Exception | None = None) -> Answer:
    """Refuses messages with these texts, and shows all others."""

    async def answer(message: Outgoing) -> Receipt:
        if message.text in texts:
            raise error or Rejected("it is too ugly")
        return await driver.deliver(message)

    return answer


async def post_all(driver: ScriptDriver, *texts: str) -> None:
    for text in texts:
        await driver.post(text)


async def test_the_queue_of_a_daemon_at_rest(daemon: RunDaemon, state: Path) -> None:
    """Nothing waits; with --all the lanes are shown that have been used."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("hello")
        await running["b"].until(lambda: running["b"].texts == ["hello"])
        assert await command(state, "queue") == "Nothing waits.\n"
        (lane,) = (await said(state, "queue", "--all"))["lanes"]
        assert (lane["instance"], lane["channel"], lane["depth"], lane["state"]) == ("b", "1", 0, "idle")
        assert "b/1       0          idle" in await command(state, "queue", "--all")


async def test_the_queue_says_what_holds_up_each_lane(daemon: RunDaemon, state: Path) -> None:
    """Retried, paused and waiting for its instance: each lane says its own, in a table that shows no text."""
    rules = rule("r", "a/1", "busy/1", "closed/1", "late/1")
    platforms = {"a": ScriptDriver, "busy": ScriptDriver, "closed": ScriptDriver, "late": LateDriver}
    async with daemon(rules, **platforms) as running:
        running["busy"].answer = refusing(running["busy"], "secret plan", error=Retry("too many requests", after=190))
        running["closed"].answer = refusing(
            running["closed"], "secret plan", error=Paused("not a member", scope="channel")
        )
        await post_all(running["a"], "secret plan", "and more")
        for name in ("busy", "closed"):
            driver = running[name]
            await driver.until(lambda driver=driver: len(driver.sent) == 1)  # type: ignore[misc]
        table = ""
        while "retrying in 3 min" not in table or "paused: not a member" not in table:
            table = await command(state, "queue")
        lines = {line.split()[0]: line for line in table.splitlines()}
        assert re.fullmatch(r"LANE +DEPTH +OLDEST +STATE +LAST ERROR", lines["LANE"])
        assert re.fullmatch(r"busy/1 +2 +\d+ s +retrying in 3 min +too many requests", lines["busy/1"])
        assert re.fullmatch(r"closed/1 +2 +\d+ s +paused: not a member +not a member", lines["closed/1"])
        assert re.fullmatch(r"late/1 +2 +\d+ s +waiting for the instance: .*not connected yet", lines["late/1"])
        assert "plan" not in table
    table = await command(state, "queue")
    assert re.search(r"^busy/1 +2 +\d+ s +no daemon runs +too many requests$", table, re.MULTILINE)
    answer = await said(state, "queue")
    assert (answer["running"], len(answer["lanes"])) == (False, 3)


async def test_a_lane_whose_instance_is_gone_is_shown(daemon: RunDaemon, state: Path) -> None:
    """What waits for an instance that the file no longer has is in the queue, and says so."""
    async with daemon(*RULES, a=ScriptDriver, b=LateDriver) as running:
        await running["a"].post("hello")
    async with daemon(rule("other", "a/1", "c/1"), a=ScriptDriver, c=ScriptDriver):
        assert "its instance is not in the file" in await command(state, "queue")


async def test_a_retried_message_waits_for_an_instance_that_is_gone(daemon: RunDaemon, state: Path) -> None:
    """A dead letter may be retried before its instance is back in the file: it goes out then."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        running["b"].answer = refusing(running["b"], "ugly")
        await post_all(running["a"], "ugly", "fine")
        await running["b"].until(lambda: running["b"].texts == ["fine"])
    async with daemon(rule("other", "a/1", "c/1"), a=ScriptDriver, c=ScriptDriver):
        assert await command(state, "dead", "retry", "--all") == "1 dead letter will be tried again.\n"
        assert "its instance is not in the file" in await command(state, "queue")
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        await running["b"].until(lambda: running["b"].texts == ["ugly"])


async def test_dead_letters_are_listed_without_their_text(daemon: RunDaemon, state: Path) -> None:
    """The newest first, with who, where and why; the same on the files; the text is shown when it is asked for."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        running["b"].answer = refusing(running["b"], "first ugly", "second ugly")
        await post_all(running["a"], "first ugly", "second ugly", "fine")
        await running["b"].until(lambda: running["b"].texts == ["fine"])
        beside = await command(state, "dead", "list")
        letters = (await said(state, "dead", "list"))["letters"]
        limited = await command(state, "dead", "list", "--limit", "1")
    header, second, first = beside.splitlines()
    assert header.split() == ["ID", "TARGET", "RULE", "KIND", "AUTHOR", "BURIED", "REASON"]
    assert re.fullmatch(r" *\d+ +b/1 +r +posted +Alice +\d+ s +it is too ugly", first)
    assert [line.split()[0] for line in (second, first)] == [str(letter["id"]) for letter in letters]
    assert letters[0]["id"] > letters[1]["id"]
    assert "There are more" in limited
    assert len(limited.splitlines()) == 3
    assert [line.split()[:4] for line in (await command(state, "dead", "list")).splitlines()] == [
        line.split()[:4] for line in beside.splitlines()
    ]

    number = str(letters[1]["id"])
    shown = await command(state, "dead", "show", number)
    assert "ugly" not in shown.replace("it is too ugly", "")
    for line in (f"dead letter: {number}", "rule:        r", "source:      a/1", "target:      b/1"):
        assert line in shown
    assert "text:\n    first ugly" in await command(state, "dead", "show", number, "--text")
    assert (await said(state, "dead", "show", number))["text"] is None
    assert (await said(state, "dead", "show", number, "--text"))["text"] == "first ugly"
    assert "no dead letter 999" in await command(state, "dead", "show", "999", status=66)


async def test_what_was_done_to_a_message_is_shown_as_what_it_was(daemon: RunDaemon, state: Path) -> None:
    """An edit, reactions and a deletion that could not be delivered: the kind of each, and its text when asked for."""
    by_hand = rule("r", "a/1", "b/1", on_reaction="line", on_delete="notice")
    async with daemon(by_hand, **BOTH) as running:
        a, b = sides(running)
        posted = await a.say("teh cat")
        await a.reacts(posted, "👎")
        await a.say("end")
        await b.until(lambda: b.said == ["teh cat", "end"])
        b.trouble, b.answer = broken(ZeroDivisionError("in the driver")), refuse
        await a.reacts(posted, "👎", added=False)
        await b.until(lambda: len(b.changes) == 4, within=20)  # thrice, as any bug
        b.trouble = broken(Rejected("not here"))
        await a.edits(posted, "the secret cat")
        await a.reacts(posted, "👍")
        await a.deletes(posted)
        await b.until(lambda: len(b.sent) == 5)  # in the place of each a line, which is refused, too
        while len(letters := (await said(state, "dead", "list"))["letters"]) < 4:
            pass
        listed = (await command(state, "dead", "list")).splitlines()[1:]
        kinds = ["deleted", "reacted", "edited", "reacted"]
        assert [letter["kind"] for letter in letters] == kinds
        assert [line.split()[3] for line in listed] == kinds
        assert not any("cat" in line for line in listed)
        texts = ["", "👍", "the secret cat", "👎, taken back"]
        for letter, kind, text in zip(letters, kinds, texts, strict=True):
            words = ("dead", "show", str(letter["id"]))
            shown = await command(state, *words)
            assert re.search(rf"^kind: +{kind}$", shown, re.MULTILINE)
            assert ("ZeroDivisionError" in shown) == (text == "👎, taken back")
            assert "cat" not in shown
            assert (await said(state, *words, "--text"))["text"] == text


def broken(error: Exception) -> Callable[[str], Awaitable[None]]:
    """Nothing can be changed: each time the same goes wrong."""

    async def trouble(what: str) -> None:
        raise error

    return trouble


async def test_a_bugs_traceback_is_shown_without_secrets(daemon: RunDaemon, state: Path) -> None:
    """Whatever an exception says of a secret was masked before it was written down: no command could know it."""
    redaction.add("hunter2-the-token")
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        error = ZeroDivisionError("token hunter2-the-token\nsecond line")
        running["b"].answer = refusing(running["b"], "poison", error=error)
        await post_all(running["a"], "poison", "fine")
        await running["b"].until(lambda: running["b"].texts == ["fine"], within=20)
        ((letter,)) = (await said(state, "dead", "list"))["letters"]
        shown = await command(state, "dead", "show", str(letter["id"]))
        assert "traceback:\n    Traceback (most recent call last):" in shown
        assert "ZeroDivisionError: token ***\n    second line" in shown
    journal = await asyncio.to_thread((state / "journal.sqlite3").read_bytes)
    assert b"second line" in journal
    assert b"hunter2" not in journal


async def test_what_chat_users_choose_is_harmless_in_a_terminal(daemon: RunDaemon, state: Path) -> None:
    """Names and texts with control characters are shown as escapes, in every output."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        hostile = "\x1b]0;owned\x07\x9b2J\u202e\r"
        sent = f"text {hostile}".replace("\u202e", "")  # no direction is forced on the other side
        running["b"].answer = refusing(running["b"], sent, error=Rejected(f"reason {hostile}"))
        await running["a"].post(f"text {hostile}", author=Author(UserId("u"), "eve", f"Eve {hostile}"))
        await running["b"].until(lambda: len(running["b"].sent) == 1)
        while not (letters := (await said(state, "dead", "list"))["letters"]):
            pass
        number = str(letters[0]["id"])
        for words in (["list"], ["list", "--json"], ["show", number, "--text"], ["show", number, "--text", "--json"]):
            printed = await command(state, "dead", *words)
            assert all(each.isprintable() or each == "\n" for each in printed), words
            assert "Eve" in printed
        assert letters[0]["author"] == f"Eve {hostile}"


async def test_a_retried_message_goes_to_the_end_of_its_lane_at_once(daemon: RunDaemon, state: Path) -> None:
    """It is sent after what waited, before what comes; under the key it had, as one that may have been sent."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        driver.answer = refusing(driver, "first", "second")
        await post_all(running["a"], "first", "second", "fine")
        await driver.until(lambda: driver.texts == ["fine"])
        first, second = [letter["id"] for letter in (await said(state, "dead", "list"))["letters"]][::-1]
        keys = [message.key for message in driver.sent[:2]]
        driver.answer = driver.deliver
        assert await command(state, "dead", "retry", str(second), str(first)) == "2 dead letters will be tried again.\n"
        await post_all(running["a"], "new")
        await driver.until(lambda: len(driver.shown) == 4)
        assert driver.texts == ["fine", "first", "second", "new"]
        assert [message.key for message in driver.shown[1:3]] == keys
        assert all(message.attempted is not None for message in driver.shown[1:3])
        assert await command(state, "dead", "list") == "There are no dead letters.\n"
        assert await command(state, "queue") == "Nothing waits.\n"


async def test_a_retry_overtakes_nothing_and_nothing_overtakes_it(daemon: RunDaemon, state: Path) -> None:
    """Retried in the middle of a stream, each message comes once, and those of the stream in their order."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        driver = running["b"]
        ugly = [f"ugly {number}" for number in range(30)]
        driver.answer = refusing(driver, *ugly)
        await post_all(running["a"], *ugly, "fine")
        await driver.until(lambda: driver.texts == ["fine"])
        driver.answer = driver.deliver
        ids = [str(letter["id"]) for letter in (await said(state, "dead", "list"))["letters"]][::-1]
        stream = [f"stream {number}" for number in range(300)]

        async def retry() -> None:
            for number in ids:
                await command(state, "dead", "retry", number)

        await asyncio.gather(post_all(running["a"], *stream), retry())
        await driver.until(lambda: len(driver.shown) == 331)
        assert [text for text in driver.texts if text in stream] == stream
        assert [text for text in driver.texts if text in ugly] == ugly


async def test_all_that_are_dead_now_are_retried_without_a_daemon(daemon: RunDaemon, state: Path) -> None:
    """On the files: they wait at the end of their lanes, and go out at the next start."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        running["b"].answer = refusing(running["b"], "one", "two")
        await post_all(running["a"], "one", "two", "fine")
        await running["b"].until(lambda: running["b"].texts == ["fine"])
    assert await command(state, "dead", "retry", "--all") == "2 dead letters will be tried again.\n"
    assert await command(state, "dead", "retry", "--all") == "0 dead letters will be tried again.\n"
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        await running["b"].until(lambda: len(running["b"].shown) == 2)
        assert running["b"].texts == ["one", "two"]


@pytest.mark.parametrize("beside", [True, False])
async def test_a_dropped_message_is_forgotten_with_its_files(daemon: RunDaemon, state: Path, beside: bool) -> None:
    """A dead letter keeps its files in the spool; once it is dropped they go, and it is never sent."""

    def spooled() -> list[str]:
        return sorted(path.name for path in (state / "spool").rglob("*"))

    async with daemon(*RULES, a=FilingDriver, b=FilingDriver) as running:
        running.filing("a").contents["f1"] = [b"bytes"]
        running["b"].answer = refusing(running["b"], "with a file")
        await running["a"].post("with a file", attachments=(Attachment("f1", "a.txt"),))
        await running["b"].until(lambda: len(running["b"].sent) == 1)
        while not (letters := (await said(state, "dead", "list"))["letters"]):
            pass
        assert letters[0]["files"] == 1
        number = str(letters[0]["id"])
        assert "posted, 1 file" in await command(state, "dead", "show", number)
        assert len(spooled()) == 2
        if beside:
            assert await command(state, "dead", "drop", number) == "1 dead letter forgotten.\n"
            assert spooled() == []
    if not beside:
        assert await said(state, "dead", "drop", "--all") == {"ids": [int(number)], "missing": []}
        assert spooled() == []
    assert await command(state, "dead", "list") == "There are no dead letters.\n"
    assert await command(state, "dead", "drop", number, status=66) == f"No dead letters: {number}.\n"


@pytest.mark.parametrize("words", [["retry"], ["drop"], ["drop", "--all", "1"], ["show"], ["retry", "0"]])
async def test_what_is_meant_must_be_named(state: Path, words: list[str]) -> None:
    """Neither nothing nor both: forgetting everything by a slip is not possible."""
    assert "Usage:" in await command(state, "dead", *words, status=2)


async def test_a_folder_without_a_journal_is_not_made_one(tmp_path: Path) -> None:
    """The command says which folder it looked at, and leaves it as it is."""
    assert "cannot be opened" in await command(tmp_path / "none", "queue", status=69)
    assert "no journal" in await command(tmp_path, "dead", "list", status=69)
    assert await asyncio.to_thread(lambda: list(tmp_path.iterdir())) == []


async def test_a_folder_that_somebody_holds_without_answering(daemon: RunDaemon, state: Path) -> None:
    """While a daemon starts or ends its files are not touched: the command says to ask again."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver):
        pass
    held = StateFolder.hold(state)
    try:
        assert "starting or ending" in await command(state, "queue", status=69)
    finally:
        held.release()
    assert await command(state, "queue") == "Nothing waits.\n"


async def test_a_damaged_journal_is_told(daemon: RunDaemon, state: Path) -> None:
    """As `run` tells it, with its exit status."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver):
        pass
    await asyncio.to_thread((state / "journal.sqlite3").write_bytes, b"not a database, " * 1_000)
    assert "is damaged" in await command(state, "queue", status=74)


async def test_a_daemon_that_is_a_process_is_asked_and_outlived(tmp_path: Path, state: Path) -> None:
    """Beside `nextbridge run`, after its SIGKILL, whose socket still lies there, and beside the next one."""
    rooms = {"type": "connect", "channels": [{"instance": "web", "room": "one"}, {"instance": "web", "room": "two"}]}
    file = {"global": {"http": {"port": 0}}, "webchat": {"web": {}}, "rules": [rooms]}
    process = Daemon(tmp_path)
    try:
        await process.start(file)
        assert (await said(state, "queue"))["running"]
        await process.kill()
        assert (state / "control.sock").is_socket()
        assert not (await said(state, "queue"))["running"]
        await process.start(file)
        assert (await said(state, "queue"))["running"]
        assert await process.stop() == 0
        assert not (state / "control.sock").exists()
    finally:
        if process.is_running:
            await process.kill()
