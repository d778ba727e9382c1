"""The stand-in is a Slack to Slack's own clients, unchanged: what they do against it works as it does there."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Awaitable, Callable
from contextlib import asynccontextmanager
from functools import partial
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from aiohttp import web
from slack_sdk import WebClient
from slack_sdk.errors import SlackApiError
from slack_sdk.http_retry.builtin_async_handlers import AsyncRateLimitErrorRetryHandler
from slack_sdk.signature import SignatureVerifier
from slack_sdk.socket_mode import SocketModeClient as BlockingSocketModeClient
from slack_sdk.socket_mode.aiohttp import SocketModeClient
from slack_sdk.socket_mode.async_client import AsyncBaseSocketModeClient
from slack_sdk.socket_mode.client import BaseSocketModeClient
from slack_sdk.socket_mode.request import SocketModeRequest
from slack_sdk.socket_mode.response import SocketModeResponse
from slack_sdk.web.async_client import AsyncWebClient

from tests.slack.town import Town


@pytest.fixture
async def client(town: Town) -> AsyncIterator[AsyncWebClient]:
    async with aiohttp.ClientSession() as session:
        yield AsyncWebClient(town.app.token, base_url=town.url, session=session)


async def error_of(doing: Any) -> str:
    with pytest.raises(SlackApiError) as caught:
        await doing
    return str(caught.value.response["error"])


@asynccontextmanager
async def listening(
    town: Town, take: Callable[[AsyncBaseSocketModeClient, SocketModeRequest], Awaitable[None]]
) -> AsyncIterator[None]:
    """Slack's own client for Socket Mode, connected."""
    client: Any = SocketModeClient(town.app.app_token, web_client=AsyncWebClient(town.app.token, base_url=town.url))
    client.socket_mode_request_listeners.append(take)
    try:
        await client.connect()
        await town.until(lambda: town.delivery(town.app).connections == 1)
        yield
    finally:
        await client.disconnect()
        await client.close()


async def test_the_app_is_known_by_its_token(town: Town, client: AsyncWebClient) -> None:
    """`auth.test` names the bot, and the header the scopes."""
    me = await client.auth_test()
    assert (me["user_id"], me["bot_id"], me["team_id"]) == (town.app.user.id, town.app.bot_id, "T0SANDBOX")
    assert "chat:write" in me.headers["x-oauth-scopes"].split(",")


async def test_a_wrong_token_is_refused_by_name(town: Town) -> None:
    """Unknown, revoked and of the wrong kind are three errors."""
    assert await error_of(AsyncWebClient("xoxb-wrong", base_url=town.url).auth_test()) == "invalid_auth"
    assert await error_of(AsyncWebClient(town.app.app_token, base_url=town.url).auth_test()) == "not_allowed_token_type"
    town.app.revoked = True
    assert await error_of(AsyncWebClient(town.app.token, base_url=town.url).auth_test()) == "token_revoked"


async def test_a_message_can_be_posted_changed_and_deleted(town: Town, client: AsyncWebClient) -> None:
    """The answer has the message's ts, by which it can be changed and deleted; then it is not there any more."""
    posted = await client.chat_postMessage(channel=town.general.id, text="hello")
    assert town.texts == ["hello"]
    await client.chat_update(channel=town.general.id, ts=posted["ts"], text="good morning")
    assert town.texts == ["good morning"]
    await client.chat_delete(channel=town.general.id, ts=posted["ts"])
    assert town.texts == []
    for doing in (
        client.chat_update(channel=town.general.id, ts=posted["ts"], text="again"),
        client.chat_delete(channel=town.general.id, ts=posted["ts"]),
    ):
        assert await error_of(doing) == "message_not_found"


async def test_the_client_that_blocks_works_too(town: Town) -> None:
    """The same from a thread."""
    blocking = WebClient(town.app.token, base_url=town.url)
    posted = await asyncio.to_thread(blocking.chat_postMessage, channel=town.general.id, text="hello")
    history = await asyncio.to_thread(blocking.conversations_history, channel=town.general.id)
    assert [each["ts"] for each in history["messages"]] == [posted["ts"]]


async def test_what_one_may_not_do_is_refused_by_name(town: Town, client: AsyncWebClient) -> None:
    """Channels, other people's messages, missing text and missing scopes."""
    theirs = town.says("mine")
    general, at = town.general.id, theirs.ts
    cases: dict[str, Callable[[], Awaitable[Any]]] = {
        "channel_not_found": partial(client.chat_postMessage, channel=town.closed.id, text="hi"),
        "no_text": partial(client.api_call, "chat.postMessage", json={"channel": general, "text": ""}),
        "cant_update_message": partial(client.chat_update, channel=general, ts=at, text="yours"),
        "cant_delete_message": partial(client.chat_delete, channel=general, ts=at),
        "invalid_name": partial(client.reactions_add, channel=general, timestamp=at, name="no_such_emoji"),
        "no_reaction": partial(client.reactions_remove, channel=general, timestamp=at, name="tada"),
        "user_not_found": partial(client.users_info, user="U404"),
        "thread_not_found": partial(client.conversations_replies, channel=general, ts="1.000001"),
        "file_not_found": partial(client.files_info, file="F404"),
        "invalid_blocks": partial(
            client.chat_postMessage,
            channel=general,
            text="x",
            blocks=[{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": [{"type": "text"}]}]}],
        ),
    }
    for error, doing in cases.items():
        assert await error_of(doing()) == error
    town.archive(town.general)
    assert await error_of(client.chat_postMessage(channel=general, text="hi")) == "is_archived"
    town.archive(town.general, archived=False)
    town.app.scopes.discard("chat:write.customize")
    assert await error_of(client.chat_postMessage(channel=general, text="hi", username="Zoe")) == "missing_scope"


async def test_a_customized_message_bears_name_picture_and_metadata(town: Town, client: AsyncWebClient) -> None:
    """It is a `bot_message`; its metadata is given back where it is asked for."""
    metadata = {"event_type": "relayed", "event_payload": {"key": "1"}}
    await client.chat_postMessage(
        channel=town.general.id, text="hi", username="Zoe", icon_url="https://example.com/z.png", metadata=metadata
    )
    without = await client.conversations_history(channel=town.general.id)
    found = await client.conversations_history(channel=town.general.id, include_all_metadata=True)
    (message,) = found["messages"]
    assert (message["subtype"], message["username"], message["metadata"]) == ("bot_message", "Zoe", metadata)
    assert "metadata" not in without["messages"][0]


async def test_the_history_is_given_page_by_page(town: Town, client: AsyncWebClient) -> None:
    """The newest first, without answers; those are with their root."""
    sent = [town.says(f"line {number}") for number in range(7)]
    town.says("an answer", thread=sent[0].ts)
    found: list[str] = []
    async for page in await client.conversations_history(channel=town.general.id, limit=3):
        found += [each["text"] for each in page["messages"]]
    assert found == [f"line {number}" for number in reversed(range(7))]
    since = await client.conversations_history(channel=town.general.id, oldest=sent[4].ts)
    assert [each["text"] for each in since["messages"]] == ["line 6", "line 5"]
    thread = await client.conversations_replies(channel=town.general.id, ts=sent[0].ts)
    assert [each["text"] for each in thread["messages"]] == ["line 0", "an answer"]
    assert thread["messages"][0]["reply_count"] == 1


async def test_a_file_goes_by_the_upload_address_and_shows_later(
    town: Town, client: AsyncWebClient, tmp_path: Path
) -> None:
    """`files_upload_v2` does its three steps; the message comes by itself, and `files.info` then says where."""
    path = tmp_path / "plan.txt"
    path.write_bytes(b"the plan")
    town.uploads.holds_back = True
    done = await client.files_upload_v2(file=str(path), channel=town.general.id, initial_comment="see here")
    file = done["files"][0]["id"]
    assert (await client.files_info(file=file))["file"]["shares"] == {}
    town.uploads.share_held()
    (message,) = town.messages(town.general)
    shares = (await client.files_info(file=file))["file"]["shares"]
    assert shares["public"][town.general.id][0]["ts"] == message.ts
    assert (message.text, [each.content for each in message.files]) == ("see here", [b"the plan"])


async def test_too_many_calls_are_limited(town: Town, client: AsyncWebClient) -> None:
    """429 with Retry-After, which the client's own handler waits for."""
    town.rates.set("chat.postMessage", 1, 1)
    client.retry_handlers.append(AsyncRateLimitErrorRetryHandler(max_retry_count=3))
    for number in range(2):
        await client.chat_postMessage(channel=town.general.id, text=f"line {number}")
    assert town.texts == ["line 0", "line 1"]
    assert town.faults.requests["chat.postMessage"] >= 3


async def test_events_come_over_the_socket_and_are_acknowledged(town: Town) -> None:
    """Slack's own client connects, acknowledges, and is told of what people do."""
    heard: asyncio.Queue[dict[str, Any]] = asyncio.Queue()

    async def take(socket: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        await socket.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        heard.put_nowait(request.payload["event"])

    async with listening(town, take):
        said = town.says("hello 🚀")
        town.edit_as(town.alice, town.general, said, "good morning")
        town.react(town.bob.id, town.general, said, "tada", add=True)
        town.delete(town.general, said)
        async with asyncio.timeout(10):
            events = [await heard.get() for _ in range(4)]
        assert [(each["type"], each.get("subtype")) for each in events] == [
            ("message", None),
            ("message", "message_changed"),
            ("reaction_added", None),
            ("message", "message_deleted"),
        ]
        assert events[0]["text"] == "hello :rocket:"
        assert events[1]["message"]["edited"]["user"] == town.alice.id
        await town.until(lambda: not town.delivery(town.app).unacknowledged)
        assert town.delivery(town.app).retries == 0


async def test_what_is_not_acknowledged_comes_again(town: Town) -> None:
    """With the number of the attempt and the reason."""
    town.delivery(town.app).acknowledgement_seconds = 0.1
    heard: asyncio.Queue[SocketModeRequest] = asyncio.Queue()

    async def take(socket: AsyncBaseSocketModeClient, request: SocketModeRequest) -> None:
        heard.put_nowait(request)
        if request.retry_attempt:
            await socket.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))

    async with listening(town, take):
        town.says("hello")
        async with asyncio.timeout(10):
            first, second = await heard.get(), await heard.get()
        assert (first.retry_attempt, second.retry_attempt, second.retry_reason) == (0, 1, "timeout")
        assert first.payload["event_id"] == second.payload["event_id"]


async def test_the_blocking_socket_client_is_served_as_well(town: Town) -> None:
    """It has a WebSocket of its own making."""
    loop = asyncio.get_running_loop()
    heard: asyncio.Queue[str] = asyncio.Queue()

    def take(socket: BaseSocketModeClient, request: SocketModeRequest) -> None:
        socket.send_socket_mode_response(SocketModeResponse(envelope_id=request.envelope_id))
        loop.call_soon_threadsafe(heard.put_nowait, request.payload["event"]["text"])

    socket = BlockingSocketModeClient(town.app.app_token, web_client=WebClient(town.app.token, base_url=town.url))
    socket.socket_mode_request_listeners.append(take)
    try:
        await asyncio.to_thread(socket.connect)
        await town.until(lambda: town.delivery(town.app).connections == 1)
        town.says("hello")
        async with asyncio.timeout(10):
            assert await heard.get() == "hello"
    finally:
        await asyncio.to_thread(socket.close)


async def test_requests_of_the_events_api_are_signed_and_made_again(town: Town) -> None:
    """Slack's own verifier takes the signature; what is refused is sent again, with its number and the reason."""
    verifier = SignatureVerifier(town.app.signing_secret)
    seen: list[tuple[bool, str | None, str]] = []

    async def take(request: web.Request) -> web.Response:
        body = await request.read()
        told = (verifier.is_valid_request(body, dict(request.headers)), request.headers.get("X-Slack-Retry-Num"))
        seen.append((*told, (await request.json())["event"]["text"]))
        return web.Response(status=200 if len(seen) > 1 else 500)

    app = web.Application()
    app.router.add_post("/events", take)
    runner = web.AppRunner(app)
    await runner.setup()
    try:
        await web.TCPSite(runner, "127.0.0.1", 0).start()
        town.app.socket_mode, town.app.request_url = False, f"http://127.0.0.1:{runner.addresses[0][1]}/events"
        town.delivery(town.app).retry_seconds = (0.0, 0.0, 0.0)
        town.says("hello")
        await town.until(lambda: len(town.delivery(town.app).answers) == 2)
    finally:
        await runner.cleanup()
    assert seen == [(True, None, "hello"), (True, "1", "hello")]


def test_an_old_signature_is_none(town: Town) -> None:
    """Slack's own verifier refuses what is older than five minutes."""
    from nextbridge.sandbox.slack.delivering import signed

    verifier, body = SignatureVerifier(town.app.signing_secret), b"{}"
    assert verifier.is_valid_request(body, signed(town.app.signing_secret, body, int(time.time())))
    assert not verifier.is_valid_request(body, signed(town.app.signing_secret, body, int(time.time()) - 400))
