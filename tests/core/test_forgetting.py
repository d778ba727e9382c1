"""Forgetting a person: nothing of them is left that need not be, and nothing is relayed twice for it."""

from __future__ import annotations

import sqlite3
from pathlib import Path

from nextbridge.envelope import Author, Edited, Reacted, UserId
from nextbridge.journal.sqlite import open_journal
from nextbridge.markup import RichText
from tests.core.script import LateDriver, RunDaemon, ScriptDriver, post, rule
from tests.core.talking import ALICE, talking
from tests.core.test_binding import ALLY, BRIDGE, SIDES, bind
from tests.core.test_operators import _quiet, command, said, state

__all__ = ["_quiet", "state"]

RULES = (rule("r", "a/1", "b/1"),)
EVE = Author(id=UserId("u-eve"), username="eve.green", name="Eve Green", avatar="https://a.example/eve.png")
"""Nothing of this may be found afterwards."""
TRACES = (b"u-eve", b"eve.green", b"Eve Green", b"eve.png", b"bottles")


def found(state: Path) -> set[bytes]:
    """What of her is anywhere in the state folder, the log of the database included."""
    whole = b"".join(path.read_bytes() for path in state.rglob("*") if path.is_file())
    return {each for each in TRACES if each in whole}


def folded(state: Path) -> None:
    """Have the database take its log in, as it does at the next start."""
    with sqlite3.connect(state / "journal.sqlite3") as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
    connection.close()


async def test_nothing_of_a_person_is_left_and_nothing_is_relayed_twice(daemon: RunDaemon, state: Path) -> None:
    """Messages, edits and reactions, beside the daemon; a message that is reported again afterwards is known."""
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        event = post("a", "green bottles", author=EVE)
        await (await running["a"].host.accept(event))
        edit = Edited(
            channel=event.channel, message=event.message, author=EVE, at=event.at, version="2",
            text=RichText.plain("brown bottles"),
        )  # fmt: skip
        await (await running["a"].host.accept(edit))
        await running["a"].post("of somebody else")
        await running["b"].until(lambda: "of somebody else" in running["b"].texts)
        count = len(running["b"].texts)
        looked = await said(state, "forget", "eve.green")
        assert [(each["instance"], each["user"], each["events"]) for each in looked["accounts"]] == [("a", "u-eve", 2)]
        assert looked["forgotten"] == 0
        shown = await command(state, "forget", "u-eve", "--yes")
        assert "Eve Green" in shown
        assert "2 events are forgotten" in shown
        assert "Nobody" in await command(state, "forget", "u-eve", status=66)
        await (await running["a"].host.accept(event))
        await (await running["a"].host.accept(edit))
        await running["a"].post("last")
        await running["b"].until(lambda: "last" in running["b"].texts)
        assert running["b"].texts[count:] == ["last"]
    folded(state)
    assert found(state) == set()


async def test_what_still_waits_is_delivered_first(daemon: RunDaemon, state: Path) -> None:
    """It is said that it is left; a dead letter likewise, until it is dropped; without a daemon, too."""
    async with daemon(*RULES, a=ScriptDriver, b=LateDriver) as running:
        await running["a"].post("green bottles", author=EVE)
        assert "1 are left" in await command(state, "forget", "u-eve", "--yes", status=1)
    assert "1 are left" in await command(state, "forget", "u-eve", "--yes", status=1)
    async with daemon(*RULES, a=ScriptDriver, b=ScriptDriver) as running:
        await running["b"].until(lambda: running["b"].texts == ["green bottles"])
    assert "1 events are forgotten" in await command(state, "forget", "u-eve", "--yes")
    folded(state)
    assert found(state) == set()


async def test_somebody_of_the_same_handle_elsewhere_is_another(daemon: RunDaemon, state: Path) -> None:
    """With an instance only its own is forgotten; somebody who is only written about is nobody's author."""
    async with daemon(rule("r", "a/1", "b/1", "c/1"), a=ScriptDriver, b=ScriptDriver, c=ScriptDriver) as running:
        await running["a"].post("one", author=EVE)
        await running["b"].post("two", author=EVE)
        await running["a"].post("what eve.green said")
        await running["c"].until(lambda: len(running["c"].texts) == 3)
        assert "1 events are forgotten" in await command(state, "forget", "eve.green", "--instance", "b", "--yes")
        left = await said(state, "forget", "eve.green")
        assert [(each["instance"], each["events"]) for each in left["accounts"]] == [("a", 1)]


async def test_a_bound_account_is_bound_no_more(daemon: RunDaemon, state: Path) -> None:
    """Beside the daemon and after it: the other account is left alone, and so not bound either."""
    async with daemon(BRIDGE, **SIDES) as running:
        a, b = talking(running, "a"), talking(running, "b")
        await bind(a, ALICE, b, ALLY)
        shown = await command(state, "forget", ALICE.username, "--instance", "a", "--yes")
        assert "Bound to other accounts: 1." in shown
        assert (await said(state, "forget", ALLY.username))["bindings"] == 0
    assert (await said(state, "forget", ALLY.username))["bindings"] == 0


async def test_more_than_fits_a_step_is_forgotten_whole(tmp_path: Path) -> None:
    """Step by step, each in one transaction; that there were the messages stays known."""
    journal = await open_journal(tmp_path / "state")
    try:
        said = [post("a", f"bottles {number}", author=EVE) for number in range(230)]
        for each in said:
            await journal.accept(each, (), None)
        known = await journal.authored("u-eve")
        events = [each.event for each in known.events]
        assert len(events) == known.accounts[0].events == 230
        done = [await journal.forget(events[at : at + 50], ["a/u-eve"]) for at in range(0, 230, 50)]
        assert sum(done) == 230
        assert (await journal.authored("u-eve")).events == ()
        assert [await journal.accept(each, (), None) for each in said[:5]] == [None] * 5
    finally:
        await journal.close()


async def test_a_reaction_of_theirs_is_forgotten_and_anothers_is_not(daemon: RunDaemon, state: Path) -> None:
    """The thumb stays as long as somebody else's is behind it."""
    reacting = rule("r", "a/1", "b/1", on_reaction="line")
    async with daemon(reacting, a=ScriptDriver, b=ScriptDriver) as running:
        event = await running["a"].post("hello")
        for author in (EVE, ALICE):
            place = {"channel": event.channel, "message": event.message, "at": event.at}
            reaction = Reacted(**place, author=author, version=f"{author.id}", emoji="x")  # type: ignore[arg-type]
            await (await running["a"].host.accept(reaction))
        await running["a"].post("last")
        await running["b"].until(lambda: "last" in running["b"].texts)
        assert "1 events are forgotten" in await command(state, "forget", "u-eve", "--yes")
    folded(state)
    assert found(state) == set()
    with sqlite3.connect(state / "journal.sqlite3") as connection:
        reactors = {name for (name,) in connection.execute("SELECT reactor FROM reaction")}
    connection.close()
    assert reactors <= {"a/u1"}
