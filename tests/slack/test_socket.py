"""Socket Mode: what is acknowledged, what comes again, and connections that Slack is about to close."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable
from typing import Any

from nextbridge.driver import Cursor
from nextbridge.envelope import Event
from nextbridge.errors import Paused, Retry
from tests.contract.slack_bench import SlackBench


async def settled(bench: SlackBench) -> None:
    """Return once everything that was sent is acknowledged."""
    await bench.sandbox.until(lambda: not bench.sandbox.delivery(bench.app).unacknowledged)


async def test_every_event_is_acknowledged_also_what_is_none(bench: SlackBench) -> None:
    """Messages, notices and what is not known: nothing comes again for ever."""
    relay = await bench.relay()
    await bench.say("hello")
    await bench.be_noisy()
    bench.sandbox.delivery(bench.app).tell({"type": "something_new", "event_ts": "1.000001"})
    bench.sandbox.delivery(bench.app).tell({"type": "message", "ts": 7})
    await bench.say("end")
    await relay.received("end")
    await settled(bench)
    assert bench.sandbox.delivery(bench.app).retries == 0
    assert relay.host.skips["unreadable"] == 1


async def test_an_event_is_acknowledged_only_once_it_is_on_disk(bench: SlackBench) -> None:
    """What could not be kept comes again, and is kept then."""
    kept: list[Event] = []
    fails = [True, False]

    async def accept(event: Event, *, cursor: Cursor | None = None) -> Awaitable[object]:
        done: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        if fails.pop(0):
            done.set_exception(OSError("the disk is full"))
        else:
            kept.append(event)
            done.set_result(None)
        return done

    bench.sandbox.delivery(bench.app).acknowledgement_seconds = 0.2
    relay = bench.make()
    host: Any = relay.host
    host.accept = accept  # a journal that fails once
    await bench.connect(relay)
    await bench.say("hello")
    async with asyncio.timeout(10):
        while not kept:  # noqa: ASYNC110 - the host keeps no count
            await asyncio.sleep(0.01)
    await settled(bench)
    assert bench.sandbox.delivery(bench.app).retries == 1


async def test_a_connection_that_is_about_to_be_closed_is_replaced_first(bench: SlackBench) -> None:
    """Nothing is missed in between, and the run goes on."""
    relay = await bench.relay()
    delivery = bench.sandbox.delivery(bench.app)
    for number, reason in enumerate(("warning", "refresh_requested")):
        delivery.ask_to_reconnect(reason)
        await bench.sandbox.until(lambda: delivery.connections == 1)
        await bench.say(f"line {number}")
        await relay.received(f"line {number}")
    await settled(bench)
    assert relay.ends == []
    assert relay.host.connections == 1
    assert (delivery.lost, delivery.retries) == (0, 0)


async def test_a_connection_that_breaks_is_made_again_and_what_was_missed_is_a_gap(bench: SlackBench) -> None:
    """The core asks for the history of each channel then."""
    relay = await bench.relay()
    gaps = len(relay.host.gaps)
    bench.sandbox.delivery(bench.app).cut()
    await relay.until(lambda: relay.host.connections == 2)
    assert isinstance(relay.ends[0], Retry)
    await relay.until(lambda: len(relay.host.gaps) == 2 * gaps)


async def test_socket_mode_that_is_turned_off_pauses_the_instance(bench: SlackBench) -> None:
    """The operator is told where to turn it on."""
    relay = await bench.relay()
    bench.sandbox.delivery(bench.app).ask_to_reconnect("link_disabled")
    await relay.until(lambda: bool(relay.ends))
    assert isinstance(relay.ends[0], Paused)
    assert "Socket Mode" in relay.ends[0].reason
    bench.app.socket_mode = False
    bench.sandbox.delivery(bench.app).cut()
    await relay.until(lambda: any("opens no connection" in end.reason for end in relay.ends if end is not None))


async def test_a_look_says_that_socket_mode_is_off(bench: SlackBench) -> None:
    """Without a connection for events, which would take some of them from the daemon."""
    relay = bench.make()
    assert [each.subject for each in await relay.driver.probe() if not each.ok] == []
    assert bench.sandbox.delivery(bench.app).connections == 0
    bench.app.socket_mode = False
    (wrong,) = [each for each in await relay.driver.probe() if not each.ok]
    assert wrong.subject == "app_token"
    assert "turn Socket Mode on" in wrong.text


async def test_a_wrong_app_token_is_told_without_it(bench: SlackBench) -> None:
    """It is another token than the bot's, and the operator is told which."""
    from nextbridge.config.types import Secret

    relay = bench.make(settings=bench._settings(app_token=Secret("xapp-1-wrong-secret")))
    relay.start()
    await relay.until(lambda: bool(relay.ends))
    end = relay.ends[0]
    assert isinstance(end, Paused)
    assert "app_token" in end.reason
    assert "wrong-secret" not in end.reason
