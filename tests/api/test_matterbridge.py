"""What was written for Matterbridge's API connects unchanged: such programs' exchanges, as its wiki has them."""

from __future__ import annotations

import asyncio
import base64
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from datetime import datetime
from typing import Any

import aiohttp
import msgspec

from drivers.api.settings import TokenSettings
from nextbridge.config.types import Secret
from nextbridge.envelope import Posted
from nextbridge.markup import PLAIN
from tests.api.conftest import TOKENS, Api, Serve, bearer, serving, until

FIELDS = {
    "text", "channel", "username", "userid", "avatar", "account", "event", "protocol", "gateway", "parent_id",
    "timestamp", "id", "Extra",
}  # fmt: skip


async def get(api: Api, token: str = "game") -> list[dict[str, Any]]:
    status, messages = await api.ask("GET", "/api/messages", token)
    assert status == 200, messages
    assert all(each.keys() == FIELDS for each in messages)
    found: list[dict[str, Any]] = messages
    return found


@asynccontextmanager
async def stream(api: Api, token: str = "game") -> AsyncIterator[AsyncIterator[dict[str, Any]]]:
    async with api.http.get(f"{api.url}/api/stream", headers=bearer(token)) as response:
        assert (response.status, response.content_type) == (200, "application/json")

        async def lines() -> AsyncIterator[dict[str, Any]]:
            async with asyncio.timeout(10):
                async for line in response.content:
                    yield msgspec.json.decode(line)

        yield lines()


async def test_a_program_that_polls_gets_each_message_once(api: Api) -> None:
    """With the fields of the wiki's example; nothing when nothing is new, and none of what it said itself."""
    await api.send("test", avatar="https://x.example/a.png")
    await api.post("mine", token="game", room="dev")
    await api.post("of another", token="sensor")
    first, second = await get(api)
    assert datetime.fromisoformat(first.pop("timestamp")).tzinfo is not None
    assert first == {
        "text": "test",
        "channel": "ops",
        "username": "Ada",
        "userid": "u1",
        "avatar": "https://x.example/a.png",
        "account": "mattermost.nextbridge",
        "event": "",
        "protocol": "mattermost",
        "gateway": "ops",
        "parent_id": "",
        "id": "1",
        "Extra": None,
    }
    assert (second["text"], second["protocol"], second["account"]) == ("of another", "api", "api.tools")
    assert await get(api) == []
    await api.send("next")
    assert [each["text"] for each in await get(api)] == ["next"]
    assert len(await get(api, "screen")) == 4, "another program has its own place"


async def test_a_program_that_was_away_gets_what_it_missed(api: Api) -> None:
    """Over a restart of the daemon, too; and what was in an answer that never arrived comes again."""
    await api.send("before")
    assert len(await get(api)) == 1
    await api.send("missed")
    async with serving(api.host.store) as again:
        assert [each["text"] for each in await get(again)] == ["missed"]
        assert await get(again) == []


async def test_a_stream_greets_and_goes_on(api: Api) -> None:
    """A line for each message, from where the program was; what it saw is not given again when it polls."""
    await api.send("before")
    async with stream(api) as lines:
        greeting = await anext(lines)
        assert (set(greeting), greeting["event"]) == (FIELDS, "api_connected")
        assert (await anext(lines))["text"] == "before"
        await api.send("now", action=True)
        await api.send("elsewhere", channel="dev")
        assert {
            (each["text"], each["event"], each["gateway"]) for each in [await anext(lines), await anext(lines)]
        } == {
            ("now", "user_action", "ops"),
            ("elsewhere", "", "dev"),
        }
    await until(lambda: api.readers == 0)
    assert await get(api) == []


async def test_what_is_posted_reaches_the_relay(api: Api) -> None:
    """As clients post it: with a gateway, a name and a picture; the answer is the message with what was fixed in it."""
    body = {
        "text": "hello\r\n",
        "username": "Steve",
        "gateway": "ops",
        "userid": "u-7",
        "avatar": "https://x.example/s",
    }
    status, answer = await api.ask("POST", "/api/message", json={**body, "event": "", "unknown": [1]})
    assert status == 200
    assert answer.keys() == FIELDS
    assert (answer["channel"], answer["protocol"], answer["account"], answer["id"]) == ("api", "api", "api.tools", "")
    await api.ask(
        "POST", "/api/message", data=b'{"text":"waves","gateway":"Ops","event":"user_action","parent_id":"1"}'
    )
    first, second = (event for event in api.host.events if isinstance(event, Posted))
    assert (PLAIN.write(first.text.blocks), first.author.name, first.author.id) == ("hello", "Steve", "game/u-7")
    assert first.author.avatar == "https://x.example/s"
    assert (second.action, second.reply_to, second.author.name) == (True, "1", "game")


async def test_what_cannot_be_posted_is_said(api: Api) -> None:
    """Another gateway, no text, a file that is none, a body that is none, a token that may only read or is none."""
    for token, body, status in (
        ("game", {"text": "x", "gateway": "gateway1"}, 404),
        ("game", {"text": "x"}, 404),
        ("game", {"text": " ", "gateway": "ops"}, 400),
        ("game", {"text": "x" * 4001, "gateway": "ops"}, 400),
        ("game", {"text": 7, "gateway": "ops"}, 400),
        ("game", {"gateway": "ops", "Extra": {"file": [{"Name": "a", "Data": "?"}]}}, 400),
        ("screen", {"text": "x", "gateway": "ops"}, 403),
        ("nobody", {"text": "x", "gateway": "ops"}, 401),
    ):
        found, answer = await api.ask("POST", "/api/message", token, json=body)
        assert (found, list(answer)) == (status, ["error"]), body
    assert (await api.ask("GET", "/api/messages", "sensor"))[0] == 403
    assert (await api.ask("GET", "/api/stream", "sensor"))[0] == 403
    assert (await api.ask("POST", "/api/message", "sensor", json={"text": "its only room"}))[0] == 200
    assert len(api.host.events) == 1
    assert [path for path in api.host.folder.rglob("*") if path.is_file()] == []


async def test_files_cross_as_they_do_there(api: Api) -> None:
    """In base64 from the program; to it by their names, since most programs show text alone."""
    data = base64.b64encode(b"content").decode()
    extra = {"file": [{"Name": "a.txt", "Data": data, "Comment": "", "URL": "", "Size": 7}]}
    status, _ = await api.ask("POST", "/api/message", json={"text": "", "gateway": "ops", "Extra": extra})
    assert status == 200
    (event,) = (event for event in api.host.events if isinstance(event, Posted))
    async with api.driver.open_attachment(event.attachments[0]) as chunks:
        assert b"".join([chunk async for chunk in chunks]) == b"content"
    assert [each["text"] for each in await get(api, "screen")] == ["[a.txt]"]


async def test_an_edit_is_said_again_and_a_deletion_is_not(api: Api) -> None:
    """As in Matterbridge, whose API passes no deletions on; of what is deleted before it was read there is nothing."""
    message = (await api.send("helo")).message
    assert message is not None
    await get(api)
    await api.driver.edit(message, api.outgoing("hello"))
    assert [(each["id"], each["text"]) for each in await get(api)] == [("1", "hello (edited)")]
    gone = (await api.send("gone")).message
    assert gone is not None
    await api.driver.delete(message=gone, channel="ops")  # type: ignore[arg-type]
    assert await get(api) == []


async def test_a_websocket_goes_both_ways(serve: Serve) -> None:
    """It greets, gives and takes messages, and says why one was not taken; it ends with the API."""
    tokens = (*TOKENS, TokenSettings(name="mod", token=Secret("token-of-the-mod"), rooms=("ops",)))
    api = await serve(tokens=tokens)
    async with api.http.ws_connect(f"{api.url}/api/websocket", headers=bearer("mod")) as opened:

        async def frame() -> dict[str, Any]:
            async with asyncio.timeout(10):
                found: dict[str, Any] = msgspec.json.decode(await opened.receive_str())
                return found

        assert (await frame())["event"] == "api_connected"
        await opened.send_json({"text": "hi", "username": "Alex", "gateway": "ops"})
        await opened.send_json({"text": "hi", "gateway": "nowhere"})
        assert (await frame())["event"] == "failure"
        await api.send("hello")
        assert (await frame())["text"] == "hello"
        leaving = asyncio.create_task(opened.receive())
        await asyncio.sleep(0)
        api.running.cancel()
        assert (await leaving).type is aiohttp.WSMsgType.CLOSE
    assert [event.author.name for event in api.host.events] == ["Alex"]


async def test_anybody_may_ask_whether_it_is_there(api: Api) -> None:
    """`OK`, without a token."""
    async with api.http.get(f"{api.url}/api/health") as response:
        assert (response.status, await response.text()) == (200, "OK")
