"""A file that is read again while the daemon runs: what changes, what goes on, and that nothing is lost or repeated."""

from __future__ import annotations

import asyncio

from nextbridge.driver import Outgoing, Receipt, Retry
from tests.core.remembering import RememberingDriver, Server
from tests.core.script import RunDaemon, ScriptDriver, ScriptSettings, rule

ABC = {"a": ScriptDriver, "b": ScriptDriver, "c": ScriptDriver}
OTHER = ScriptSettings(version=2)


async def test_rules_change_and_connections_go_on(daemon: RunDaemon) -> None:
    """A rule that shows messages otherwise, over the same channels, connects nobody anew."""
    async with daemon(rule("r", "a/1", "b/1"), **ABC) as running:
        drivers = [running[each] for each in ABC]
        await running["a"].post("one")
        done = await running.reload(rule("r", "a/1", "b/1", msg={"msg_format": "> {msg}"}))
        assert (done.rules_changed, done.reconnected) == (True, ())
        await running["a"].post("two")
        await running["b"].until(lambda: running["b"].texts == ["one", "> two"])
        assert [running[each] for each in ABC] == drivers
        assert [each.runs for each in drivers] == [1, 1, 1]


async def test_a_file_that_is_the_same_changes_nothing(daemon: RunDaemon) -> None:
    """As an operator does who is not sure whether it was done."""
    async with daemon(rule("r", "a/1", "b/1"), **ABC) as running:
        done = await running.reload(rule("r", "a/1", "b/1"))
        assert (done.rules_changed, done.ended, done.reconnected, done.begun) == (False, (), (), ())


async def test_only_what_changed_is_connected_anew(daemon: RunDaemon) -> None:
    """One with other settings, one with another channel, one that goes and one that comes."""
    async with daemon(rule("r", "a/1", "b/1"), rule("s", "b/2", "c/2"), **ABC) as running:
        a, b, c = (running[each] for each in ABC)
        done = await running.reload(
            rule("r", "a/1", "b/1"),
            rule("s", "b/2", "d/2"),
            settings={"a": OTHER},
            platforms={**ABC, "d": ScriptDriver},
            disabled=["c"],
        )
        assert (done.ended, done.reconnected, done.begun) == (("c",), ("a",), ("d",))
        assert running["a"] is not a
        assert running["b"] is b
        assert running.service.instances.keys() == {"a", "b", "d"}
        await running["a"].until(lambda: running["a"].runs == 1)
        await running["a"].post("hello")
        await b.until(lambda: b.texts == ["hello"])
        await b.post("onward", channel="2")
        await running["d"].until(lambda: running["d"].texts == ["onward"])
        assert c.texts == []


async def test_what_is_being_sent_is_finished_before_its_instance_is_replaced(daemon: RunDaemon) -> None:
    """It counts once, and what waits behind it goes out by the new connection, in order."""
    async with daemon(rule("r", "a/1", "b/1"), **ABC) as running:
        old = running["b"]
        begun, go_on = asyncio.Event(), asyncio.Event()

        async def slowly(message: Outgoing) -> Receipt:
            begun.set()
            await go_on.wait()
            return await old.deliver(message)

        old.answer = slowly
        for text in ("one", "two", "three"):
            await running["a"].post(text)
        await begun.wait()
        reloading = asyncio.create_task(running.reload(rule("r", "a/1", "b/1"), settings={"b": OTHER}))
        go_on.set()
        await reloading
        new = running["b"]
        await running["a"].post("four")
        await new.until(lambda: [*old.texts, *new.texts] == ["one", "two", "three", "four"])
        assert new is not old
        assert new.texts[-1] == "four"


async def test_what_waits_for_an_instance_that_goes_is_there_when_it_comes_back(daemon: RunDaemon) -> None:
    """Its messages stay on disk, and are sent in order before what is new."""
    rules = (rule("r", "a/1", "b/1"),)
    async with daemon(*rules, **ABC) as running:
        old = running["b"]

        async def down(_: Outgoing) -> Receipt:
            raise Retry("down")

        old.answer = down
        await running["a"].post("one")
        await running["a"].post("two")
        await old.until(lambda: bool(old.sent))
        await running.reload(*rules, disabled=["b"])
        await running["a"].post("to nobody")
        await running.reload(*rules)
        await running["a"].post("three")
        new = running["b"]
        await new.until(lambda: new.texts == ["one", "two", "three"])


async def test_what_comes_by_a_removed_rule_is_still_delivered(daemon: RunDaemon) -> None:
    """It was accepted under the rule; what is said afterwards goes nowhere."""
    async with daemon(rule("r", "a/1", "b/1"), **ABC) as running:
        b = running["b"]
        go_on = asyncio.Event()

        async def later(message: Outgoing) -> Receipt:
            await go_on.wait()
            return await b.deliver(message)

        b.answer = later
        await running["a"].post("one")
        await running["a"].post("two")
        await running.reload(rule("r", "a/1", "b/1", enabled=False), rule("s", "a/1", "b/1", to=["c/1"]))
        go_on.set()
        await running["a"].post("three")
        await running["c"].until(lambda: running["c"].texts == ["three"])
        await b.until(lambda: b.texts == ["one", "two"])


async def test_a_rule_that_comes_later_shows_nothing_older(daemon: RunDaemon) -> None:
    """Also when the channel's history is read again, as after a lost connection."""
    server = Server("a")
    old = rule("r", "a/1", to=["b/1"])
    platforms = {"a": RememberingDriver, "b": ScriptDriver, "c": ScriptDriver}
    async with daemon(old, rule("q", "a/9", to=["c/1"]), **platforms) as running:
        driver = running["a"]
        assert isinstance(driver, RememberingDriver)
        await driver.connected()
        await server.post("before")
        await running["b"].until(lambda: running["b"].texts == ["before"])
        await running.reload(old, rule("q", "a/9", to=["c/1"]), rule("new", "a/1", to=["c/1"]))
        assert running["a"] is driver
        await driver.cut()
        await server.post("while away")
        driver.connects.set()
        await driver.connected(2)
        await server.post("after")
        await running["b"].until(lambda: running["b"].texts == ["before", "while away", "after"])
        await running["c"].until(lambda: running["c"].texts == ["while away", "after"])


async def test_what_is_posted_while_an_instance_is_replaced_comes_by_its_history(daemon: RunDaemon) -> None:
    """Under a load and a hundred reloads nothing is lost, nothing repeated, and all is in order."""
    server = Server("a")
    old = rule("r", "a/1", to=["b/1"])
    shown: list[str] = []

    class Counting(ScriptDriver):
        async def deliver(self, message: Outgoing) -> Receipt:
            await asyncio.sleep(0)
            shown.append(message.text)
            return await super().deliver(message)

    platforms = {"a": RememberingDriver, "b": Counting}
    said = [f"message {number}" for number in range(1000)]
    async with daemon(old, **platforms) as running:

        async def talk() -> None:
            for text in said:
                await server.post(text)
                await asyncio.sleep(0.002)

        first = running["a"]
        assert isinstance(first, RememberingDriver)
        await first.connected()
        talking = asyncio.create_task(talk())
        reloads = 0
        while reloads < 100 or not talking.done():
            changed = {"ab"[reloads % 2]: ScriptSettings(version=reloads + 2)} if reloads % 3 else {}
            await running.reload(old, settings=changed)
            reloads += 1
        await running["b"].until(lambda: len(shown) >= len(said))
    assert shown == said
