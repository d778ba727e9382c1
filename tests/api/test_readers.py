"""Programs that wait for what happens: by long requests, server-sent events and WebSockets, with a cursor."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import aiohttp
import msgspec
import pytest

from tests.api.conftest import Api, Serve, bearer, serving, until


@asynccontextmanager
async def events(api: Api, path: str = "/rooms/ops/stream", **headers: str) -> AsyncIterator[AsyncIterator[Any]]:
    """The events of a stream: (id, name, data)."""
    async with api.http.get(f"{api.url}{path}", headers={**bearer("screen"), **headers}) as response:
        assert response.content_type == "text/event-stream"

        async def each() -> AsyncIterator[Any]:
            fields: dict[str, str] = {}
            async with asyncio.timeout(10):
                async for line in response.content:
                    name, _, value = line.decode().rstrip("\n").partition(": ")
                    if name:
                        fields[name] = value
                    elif "data" in fields:
                        yield fields.get("id"), fields["event"], msgspec.json.decode(fields["data"])
                        fields = {}
                    else:
                        fields = {}

        yield each()


@asynccontextmanager
async def socket(api: Api, query: str = "") -> AsyncIterator[aiohttp.ClientWebSocketResponse]:
    async with api.http.ws_connect(f"{api.url}/rooms/ops/socket{query}", headers=bearer("screen")) as opened:
        yield opened


async def frame(opened: aiohttp.ClientWebSocketResponse) -> Any:
    async with asyncio.timeout(10):
        return msgspec.json.decode(await opened.receive_str())


async def test_a_long_request_is_answered_when_something_happens(api: Api) -> None:
    """It waits where nothing follows its cursor, and not where something does."""
    await api.post("one")
    assert [each["text"] for each in await api.entries(wait=60)] == ["one"]
    waiting = asyncio.create_task(api.entries(after=1, wait=60))
    await until(lambda: api.readers == 1)
    await api.send("two")
    assert [(each["id"], each["text"]) for each in await waiting] == [(2, "two")]
    status, page = await api.ask("GET", "/rooms/ops/messages", params={"after": 2})
    assert (status, page) == (200, {"entries": [], "after": 2, "gap": False})


async def test_what_was_read_by_one_is_there_for_the_next(api: Api) -> None:
    """Reading takes nothing away: each reader has its own cursor, and a page ends where the next begins."""
    for number in range(5):
        await api.post(f"line {number}")
    for token in ("game", "screen"):
        at, texts = 0, []
        while True:
            _, page = await api.ask("GET", "/rooms/ops/messages", token, params={"after": at, "limit": 2})
            if not page["entries"]:
                break
            texts += [each["text"] for each in page["entries"]]
            at = page["after"]
        assert texts == [f"line {number}" for number in range(5)]


async def test_a_stream_goes_on_where_its_reader_was(api: Api) -> None:
    """With a cursor or the last event's id it begins after it, without one with what happens now; each kind by name."""
    number = await api.post("one")
    await api.post("two")
    async with events(api) as live, events(api, "/rooms/ops/stream?after=0") as whole:
        await api.do("edit", message=number, text="three")
        await api.driver.set_topic("ops", "today")  # type: ignore[arg-type]
        assert [(await anext(whole))[:2] for _ in range(4)] == [
            ("1", "message"),
            ("2", "message"),
            ("3", "edit"),
            ("4", "topic"),
        ]
        assert [(await anext(live))[0] for _ in range(2)] == ["3", "4"]
    headers = {"Last-Event-ID": "3"}
    async with events(api, "/rooms/ops/stream?after=0", **headers) as resumed:
        last, name, data = await anext(resumed)
        assert (last, name, data["topic"]) == ("4", "topic", "today")


async def test_a_stream_that_is_watched_live_has_the_text_of_what_is_said(api: Api) -> None:
    """Line ends and whatever else is in it do not break the events apart."""
    async with events(api) as live:
        await api.send("one\n\ndata: two\r\nid: 9\u2028three")
        await api.send("next")
        assert [(await anext(live))[2]["text"] for _ in range(2)] == ["one\n\ndata: two\r\nid: 9\u2028three", "next"]


async def test_a_websocket_has_an_entry_in_each_frame(api: Api) -> None:
    """From its cursor on; what the program says on it changes nothing, and it can leave."""
    await api.post("one")
    async with socket(api, "?after=0") as opened:
        await opened.send_str("anybody here?")
        assert (await frame(opened))["text"] == "one"
        await api.post("two")
        assert (await frame(opened))["text"] == "two"
        await opened.close()
    await until(lambda: api.readers == 0)


async def test_readers_go_on_after_a_restart(api: Api) -> None:
    """Streams are ended when the API stops; with the cursor everything follows, once, in order."""
    await api.post("one")
    async with events(api, "/rooms/ops/stream?after=0") as stream, socket(api, "?after=0") as opened:
        assert (await anext(stream))[0] == "1"
        assert (await frame(opened))["id"] == 1
        waiting = asyncio.create_task(api.entries(after=1, wait=60))
        await until(lambda: api.readers == 3)
        leaving = asyncio.create_task(opened.receive())
        api.running.cancel()
        await asyncio.wait({api.running})
        assert [each async for each in stream] == []
        closed = await leaving
        assert (closed.type, closed.data) == (aiohttp.WSMsgType.CLOSE, 1001)
        assert await waiting == []
        assert (await api.ask("GET", "/rooms"))[0] == 503
    async with serving(api.host.store) as again:
        await again.send("two")
        async with events(again, **{"Last-Event-ID": "1"}) as stream:
            assert (await anext(stream))[2]["text"] == "two"
        assert [each["text"] for each in await again.entries()] == ["one", "two"]


async def test_whoever_was_away_too_long_is_told(serve: Serve) -> None:
    """The log keeps its newest entries; a cursor before them, or of another log, gets a gap and all that is there."""
    api = await serve(history=20)
    for number in range(1, 101):
        await api.post(f"line {number}")
    first = (await api.entries())[0]["id"]
    assert 100 - 20 - 32 <= first - 1 <= 80
    for after in (3, 7_000_000):
        _, page = await api.ask("GET", "/rooms/ops/messages", params={"after": after, "limit": 1000})
        assert (page["gap"], page["after"], page["entries"][0]["id"]) == (True, 100, first)
    _, page = await api.ask("GET", "/rooms/ops/messages", params={"after": first - 1})
    assert page["gap"] is False
    async with events(api, "/rooms/ops/stream?after=3") as stream:
        assert await anext(stream) == (None, "gap", {"kind": "gap", "after": first - 1})
        assert (await anext(stream))[0] == str(first)
    async with socket(api, "?after=3") as opened:
        assert await frame(opened) == {"kind": "gap", "after": first - 1}
        assert (await frame(opened))["id"] == first


async def test_so_many_may_read_at_once(serve: Serve) -> None:
    """One more is told to come later, and gets in once another is gone."""
    api = await serve(max_readers=2)
    async with events(api), socket(api):
        for path in ("/rooms/ops/stream", "/rooms/ops/messages?wait=5&after=0"):
            status, answer = await api.ask("GET", path, headers=bearer("screen"))
            assert (status, list(answer)) == (503, ["error"])
    await until(lambda: api.readers == 0)
    async with events(api):
        pass


@pytest.mark.parametrize("path", ["stream", "socket"])
async def test_a_reader_that_takes_nothing_is_cut_off(api: Api, path: str) -> None:
    """Nothing grows for it meanwhile, nobody waits for it, and it finds everything by its cursor."""
    api.driver._site.readers.patience = 0.3
    host, port = api.server.address.removeprefix("http://").split(":")
    _, writer = await asyncio.open_connection(host, int(port), limit=1)
    writer.transport.pause_reading()  # type: ignore[attr-defined]
    upgrade = (
        "Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\n"
        "Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
    )
    writer.write(
        f"GET /api/tools/rooms/ops/{path} HTTP/1.1\r\nHost: here\r\nAuthorization: Bearer token-of-the-screen\r\n"
        f"{upgrade if path == 'socket' else ''}\r\n".encode()
    )
    await until(lambda: api.readers == 1)
    async with asyncio.timeout(20):
        number = 0
        while api.readers:
            number += 1
            await api.send("x" * 16_000)
    writer.transport.abort()
    assert len(await api.entries(limit=1000)) == min(number, 1000)
