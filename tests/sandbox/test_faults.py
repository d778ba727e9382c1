"""What can be made to go wrong, and what is counted."""

from __future__ import annotations

import asyncio

import pytest
from aiohttp import ClientConnectionError, WSServerHandshakeError

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.sandbox.conftest import Town
from tests.sandbox.recorded import load

CREATE = "POST /api/v4/posts"


async def test_the_next_requests_are_answered_as_planned_and_not_done(town: Town) -> None:
    """As often as was said, on the route that was said, with everything that was said."""
    town.sandbox.faults.answer(
        503, body="<html>", content_type="text/html", headers={"Retry-After": "7"}, times=2, route=CREATE
    )
    for _ in range(2):
        answer = await town.relay.post(town.town.id, "x")
        assert (answer.status, answer.body, answer.headers["Retry-After"]) == (503, b"<html>", "7")
        assert (await town.relay.get("users/me")).status == 200
    assert (await town.relay.post(town.town.id, "y")).status == 201
    assert town.sandbox.messages(town.town) == ["y"]


async def test_a_dropped_answer_is_of_something_done(town: Town) -> None:
    """The client sees a broken connection; the post is there."""
    town.sandbox.faults.drop_answer(route=CREATE)
    with pytest.raises(ClientConnectionError):
        await town.relay.post(town.town.id, "done")
    assert town.sandbox.messages(town.town) == ["done"]


async def test_a_request_that_hangs_goes_on_when_it_is_released(town: Town) -> None:
    """Until then nothing is done, and others are served."""
    town.sandbox.faults.hang(route=CREATE)
    hanging = asyncio.create_task(town.relay.post(town.town.id, "late"))
    await town.sandbox.until(lambda: town.sandbox.faults.requests[CREATE] == 1)
    assert (await town.relay.post(town.town.id, "in time")).status == 201
    assert not hanging.done()
    town.sandbox.faults.release()
    assert (await hanging).status == 201
    assert town.sandbox.messages(town.town) == ["in time", "late"]


async def test_a_delay_holds_up_one_request(town: Town) -> None:
    """It is done after all, later than one that came after it."""
    town.sandbox.faults.delay(0.2, route=CREATE)
    late = asyncio.create_task(town.relay.post(town.town.id, "late"))
    await town.sandbox.until(lambda: town.sandbox.faults.requests[CREATE] == 1)
    await town.relay.post(town.town.id, "in time")
    await late
    assert town.sandbox.messages(town.town) == ["in time", "late"]


async def test_what_is_planned_can_be_forgotten(town: Town) -> None:
    """All of it at once."""
    town.sandbox.faults.answer(500, times=3)
    town.sandbox.faults.forget()
    assert (await town.relay.get("users/me")).status == 200


async def test_an_upgrade_can_be_refused(town: Town) -> None:
    """The socket's route is one like any."""
    town.sandbox.faults.answer(502, route="GET /api/v4/websocket")
    with pytest.raises(WSServerHandshakeError, match="502"):
        await town.relay.connect()
    assert (await (await town.relay.connect()).frame())["event"] == "hello"


async def test_a_server_that_is_down_refuses_and_cuts_everything(town: Town) -> None:
    """And is back on the same port."""
    ear = await town.relay.connect()
    await ear.quiet()
    await town.sandbox.faults.refuse_connections()
    assert await ear.end() == 1006
    with pytest.raises(ClientConnectionError):
        await town.relay.get("users/me")
    await town.sandbox.faults.accept_connections()
    assert (await town.relay.get("users/me")).status == 200


async def test_requests_are_counted_by_route(town: Town) -> None:
    """With names in place of ids, and refused ones too."""
    for _ in range(2):
        await town.relay.get(f"channels/{town.town.id}")
    await town.relay.get(f"channels/{'a' * 26}")
    await town.stranger.get("users/me")
    requests = town.sandbox.faults.requests
    assert requests["GET /api/v4/channels/{channel_id}"] == 3
    assert requests["GET /api/v4/users/{user_id}"] == 1


async def test_a_server_in_a_folder_is_the_same(town: Town) -> None:
    """Under a subpath the API, the socket, the hooks and the page are found, and only there."""
    async with SandboxMattermost(subpath="/chat/") as sandbox:
        assert sandbox.url.endswith("/chat")
        account = sandbox.add_user("alice")
        headers = {"Authorization": f"Bearer {account.token}"}
        for path, status in (("/api/v4/users/me", 200), ("/", 200), ("/chat.js", 200), ("/api/v4/none", 404)):
            async with town.http.get(sandbox.url + path, headers=headers) as response:
                assert response.status == status, path
        async with town.http.get(f"{sandbox.url.removesuffix('/chat')}/api/v4/users/me", headers=headers) as response:
            assert response.status == 404
        async with town.http.ws_connect(f"{sandbox.url}/api/v4/websocket", headers=headers) as ws:
            assert (await ws.receive_json())["event"] == "hello"
        assert sandbox.faults.requests["GET /api/v4/users/{user_id}"] == 1


async def test_a_stop_ends_what_hangs(town: Town) -> None:
    """Sockets and requests that wait for ever do not hold it up."""
    ear = await town.relay.connect()
    await ear.quiet()
    town.sandbox.faults.hang()
    hanging = asyncio.create_task(town.relay.get("users/me"))
    await town.sandbox.until(lambda: town.sandbox.faults.requests["GET /api/v4/users/{user_id}"] == 1)
    async with asyncio.timeout(5):
        await town.sandbox.stop()
        with pytest.raises(ClientConnectionError):
            await hanging
    await town.sandbox.start()


async def test_the_rate_limit_is_the_recorded_one(town: Town) -> None:
    """The same call as often as recorded, with the limit that was on: statuses, headers and bodies."""
    recorded = load("rest-ratelimited.json")
    town.sandbox.limit_rate(per_second=3, burst=5)
    for exchange in recorded:
        answer = await town.relay.post(town.town.id, "burst")
        told = {name: answer.headers.get(name) for name in exchange["headers"]}
        assert (answer.status, told) == (exchange["status"], exchange["headers"]), exchange["name"]
        if answer.status == 429:
            assert answer.body == exchange["body"].encode() == b"limit exceeded\n"
        town.clock.turn(0.009)
    assert [exchange["status"] for exchange in recorded] == [201] * 6 + [429] * 8


async def test_after_retry_after_there_is_room_again(town: Town) -> None:
    """For one request at once, and for all of them after the reset."""
    town.sandbox.limit_rate(per_second=1, burst=1)
    assert [(await town.relay.get("users/me")).status for _ in range(3)] == [200, 200, 429]
    town.clock.turn(1)
    assert [(await town.relay.get("users/me")).status for _ in range(2)] == [200, 429]
    town.clock.turn(2)
    assert [(await town.relay.get("users/me")).status for _ in range(3)] == [200, 200, 429]
    town.sandbox.lift_rate_limit()
    assert (await town.relay.get("users/me")).status == 200


async def test_a_stopped_server_is_gone(town: Town) -> None:
    """Its port refuses until it is started again."""
    await town.sandbox.stop()
    with pytest.raises(ClientConnectionError):
        await town.relay.get("users/me")
    await town.sandbox.start()
    assert (await town.relay.get("users/me")).status == 200
