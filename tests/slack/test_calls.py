"""The Events API: signatures, replays, retries, and answers in time, on the daemon's HTTP server."""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Awaitable
from typing import Any

import aiohttp
import pytest

from nextbridge.config.types import Secret
from nextbridge.driver import Cursor
from nextbridge.envelope import Event
from nextbridge.sandbox.contract.supervised import Supervised
from nextbridge.sandbox.slack.delivering import signed
from tests.contract.slack_bench import SlackBench


class Called:
    """A driver that is called by Slack, and somebody else who calls it."""

    def __init__(self, bench: SlackBench, relay: Supervised, address: str) -> None:
        self.bench = bench
        self.relay = relay
        self.address = address

    async def post(self, body: bytes, headers: dict[str, str]) -> tuple[int, str]:
        async with aiohttp.ClientSession() as http, http.post(self.address, data=body, headers=headers) as answer:
            return answer.status, await answer.text()

    def body(self, text: str, event_id: str = "Ev1") -> bytes:
        town = self.bench.channels[0].id
        event = {"type": "message", "channel": town, "channel_type": "channel", "user": self.bench.alice.id}
        event |= {"text": text, "ts": self.bench.sandbox.clock.ts()}
        return json.dumps({"type": "event_callback", "event_id": event_id, "event": event}).encode()

    def signed(self, body: bytes, *, ago: int = 0) -> dict[str, str]:
        return signed(self.bench.app.signing_secret, body, int(time.time()) - ago)


@pytest.fixture
async def called(bench: SlackBench) -> Called:
    settings = bench._settings(app_token=None, signing_secret=Secret(bench.app.signing_secret))
    relay = bench.make(settings=settings)
    address = f"{await bench.address(relay)}/events"
    bench.app.socket_mode, bench.app.request_url = False, address
    bench.sandbox.delivery(bench.app).retry_seconds = (0.05, 0.05, 0.05)
    await bench.connect(relay)
    return Called(bench, relay, address)


async def test_events_come_by_http(called: Called) -> None:
    """Messages, edits, deletions and reactions, each answered with 200 the first time."""
    bench, relay = called.bench, called.relay
    await bench.say("hello")
    await relay.received("hello")
    await bench.revise("good morning")
    await bench.take_back()
    await relay.until(lambda: len(relay.host.events) == 3)
    delivery = bench.sandbox.delivery(bench.app)
    await bench.sandbox.until(lambda: len(delivery.answers) == 3)
    assert delivery.answers == [200, 200, 200]


async def test_the_address_proves_itself_to_slack(called: Called) -> None:
    """`url_verification` is answered with its challenge, if it is signed."""
    body = json.dumps({"type": "url_verification", "challenge": "abc"}).encode()
    status, text = await called.post(body, called.signed(body))
    assert (status, json.loads(text)) == (200, {"challenge": "abc"})


async def test_what_slack_did_not_sign_is_refused(called: Called) -> None:
    """Another secret, another body, an old time, nonsense, and nothing at all: 401, and no event."""
    body = called.body("forged")
    right = called.signed(body)
    wrong = [
        {},
        signed("another secret", body, int(time.time())),
        called.signed(body + b" "),
        called.signed(body, ago=400),
        called.signed(body, ago=-400),
        right | {"X-Slack-Request-Timestamp": "soon"},
        right | {"X-Slack-Request-Timestamp": "9" * 400},
        right | {"X-Slack-Signature": "v0=é"},
        right | {"X-Slack-Signature": ""},
    ]
    for headers in wrong:
        assert (await called.post(body, headers))[0] == 401, headers
    assert called.relay.host.skips == {"forged_request": len(wrong)}
    assert called.relay.host.events == []


async def test_a_request_that_is_played_again_is_refused(called: Called) -> None:
    """Whoever has overheard one gains nothing."""
    body = called.body("once")
    headers = called.signed(body)
    assert (await called.post(body, headers))[0] == 200
    assert (await called.post(body, headers))[0] == 403
    assert called.relay.texts == ["once"]


async def test_a_retry_is_known_by_its_event(called: Called) -> None:
    """Slack signs it anew; it is answered with 200, and is no second event."""
    body = called.body("once")
    assert (await called.post(body, called.signed(body, ago=10)))[0] == 200
    again = called.signed(body, ago=5) | {"X-Slack-Retry-Num": "1", "X-Slack-Retry-Reason": "http_timeout"}
    assert (await called.post(body, again))[0] == 200
    assert called.relay.texts == ["once"]


async def test_an_event_that_is_not_on_disk_is_not_confirmed(called: Called) -> None:
    """The disk is slow: the answer comes in time and says no; then it fails; the retry that succeeds is the event."""
    outcome: list[asyncio.Future[None]] = []
    accepted: list[Event] = []

    async def accept(event: Event, *, cursor: Cursor | None = None) -> Awaitable[object]:
        accepted.append(event)
        outcome.append(asyncio.get_running_loop().create_future())
        return outcome[-1]

    host: Any = called.relay.host
    host.accept = accept  # a journal that is slow
    body = called.body("slow")
    started = time.monotonic()
    assert (await called.post(body, called.signed(body, ago=10)))[0] == 503
    assert time.monotonic() - started < 3
    outcome[0].set_exception(OSError("the disk is full"))
    assert (await called.post(body, called.signed(body, ago=8)))[0] == 503
    retry = asyncio.create_task(called.post(body, called.signed(body, ago=6)))
    async with asyncio.timeout(10):
        while len(outcome) < 2:  # noqa: ASYNC110 - it is on its way
            await asyncio.sleep(0.01)
    outcome[1].set_result(None)
    assert (await retry)[0] == 200
    assert len(accepted) == 2


async def test_nothing_is_taken_while_the_driver_does_not_run(called: Called) -> None:
    """Slack is told to come again, and what it brings then is an event."""
    await called.relay.stop()
    await called.bench.say("hello")
    delivery = called.bench.sandbox.delivery(called.bench.app)
    await called.bench.sandbox.until(lambda: bool(delivery.answers))
    assert delivery.answers[0] == 503
    await called.bench.connect(called.relay)
    assert called.relay.host.gaps


async def test_events_that_slack_left_out_are_a_gap(called: Called) -> None:
    """`app_rate_limited` says that there were too many: the core reads the histories."""
    before = len(called.relay.host.gaps)
    called.bench.sandbox.delivery(called.bench.app).request(
        {"type": "app_rate_limited", "team_id": "T0SANDBOX", "minute_rate_limited": 1518467820}
    )
    await called.relay.until(lambda: len(called.relay.host.gaps) == before + 2)


async def test_what_is_no_event_is_answered_all_the_same(called: Called) -> None:
    """Signed nonsense is 400, an unknown kind 200, another method 405, and nothing breaks."""
    for body, status in ((b"{", 400), (b"[]", 400), (b'{"type":"new"}', 200)):
        assert (await called.post(body, called.signed(body)))[0] == status
    async with aiohttp.ClientSession() as http, http.put(called.address) as answer:
        assert answer.status == 405


async def test_with_socket_mode_nothing_is_received_by_http(bench: SlackBench) -> None:
    """Not even what is signed."""
    relay = await bench.relay()
    address = f"{await bench.address(relay)}/events"
    async with aiohttp.ClientSession() as http, http.post(address, data=b"{}") as answer:
        assert answer.status == 405
