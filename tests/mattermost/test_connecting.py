"""Coming up, going down and coming back: the start, the socket, and what happens when either is refused."""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest
from structlog.testing import capture_logs

from nextbridge.errors import Paused, Retry
from tests.mattermost.stage import Clock, Drive, Place, Scene, Start, TrustingDriver, make, outgoing, unique

ME = "GET /api/v4/users/{user_id}"
SOCKET = "GET /api/v4/websocket"


async def test_who_we_are_is_known_before_anything_is_accepted(place: Place, relay: Start) -> None:
    """Our own user id and the server that it belongs to are told when it connects; here no host takes events before."""
    running = await relay()
    assert running.host.me == place["relay"].id
    assert running.host.realm == urlsplit(place.url).hostname
    text = unique("after it")
    await place.post(place["alice"], "town", text)
    await running.received(text)


async def test_a_personal_access_token_works_as_a_bots_does(place: Place, drive: Drive) -> None:
    """A user's own token receives, sends, and knows itself."""
    running = drive(place.url, place["bob"].token, place.channels["town"])
    await running.connected()
    assert running.host.me == place["bob"].id
    text, own = unique("hello"), unique("own")
    await place.post(place["bob"], "town", own)
    await place.post(place["alice"], "town", text)
    await running.received(text)
    assert own not in running.texts
    receipt = await running.driver.send(outgoing(place.channels["town"], unique("from bob")))
    assert receipt.message in [post["id"] for post in await place.posts("town")]


async def test_a_subpath_is_kept(drive: Drive) -> None:
    """A server below a subpath is reached there by REST and socket, also where the address has /api/v4/ at its end."""
    scene = Scene(Clock(), subpath="/chat")
    async with scene.sandbox:
        running = drive(f"{scene.sandbox.url}/api/v4/", f" {scene.relay.token} ", scene.town.id)
        await running.connected()
        assert running.host.realm == "127.0.0.1/chat"
        scene.say("below")
        await running.received("below")
        await running.driver.send(outgoing(scene.town.id, "back"))
        assert scene.sandbox.messages(scene.town) == ["below", "back"]


# --- refused ------------------------------------------------------------------------------------------------------


async def test_a_server_that_is_not_there_yet_is_waited_for(scene: Scene, drive: Drive) -> None:
    """Unreachable at the start is no reason to end: it connects once the server is there."""
    await scene.faults.refuse_connections()
    running = drive(scene.sandbox.url, scene.relay.token, scene.town.id)
    await running.ended(2)
    assert all(isinstance(end, Retry) for end in running.ends)
    assert str(running.ends[0]).endswith("cannot be reached: Connection refused")
    await scene.faults.accept_connections()
    await running.connected()


async def test_a_wrong_token_pauses_and_says_what_to_check(place: Place, drive: Drive) -> None:
    """401 pauses the instance, and the reason names what may be wrong, but not the token."""
    token = "w" * 26
    running = drive(place.url, token, place.channels["town"])
    await running.ended()
    end = running.ends[0]
    assert isinstance(end, Paused)
    assert end.scope == "instance"
    for word in ("revoked", "another server", "spaces", "new one"):
        assert word in end.reason
    assert token not in end.reason
    assert not running.host.connections


async def test_a_wrong_token_costs_one_request_a_try(scene: Scene) -> None:
    """The server is not hammered: one question, no socket, no look-ups."""
    driver, _ = make(scene.sandbox.url, "w" * 26, scene.town.id)
    with pytest.raises(Paused):
        await driver.run()
    await driver.close()
    assert scene.faults.requests == {ME: 1}


async def test_an_address_that_is_no_mattermost_says_so(scene: Scene) -> None:
    """Another server's answer leads to server_url."""
    driver, _ = make(scene.sandbox.url + "/elsewhere", scene.relay.token, scene.town.id)
    with pytest.raises(Retry, match="look at server_url"):
        await driver.run()
    await driver.close()


async def test_a_proxy_that_passes_no_websocket_is_named(scene: Scene) -> None:
    """Where REST works and the upgrade does not, the reason says what to look at."""
    scene.faults.answer(400, route=SOCKET)
    driver, _ = make(scene.sandbox.url, scene.relay.token, scene.town.id)
    with pytest.raises(Retry, match="WebSocket connections through"):
        await driver.run()
    await driver.close()


# --- the socket ---------------------------------------------------------------------------------------------------


async def test_a_stripped_header_is_made_good_by_the_challenge(scene: Scene, staged: Start) -> None:
    """Where a proxy takes the Authorization header off the upgrade, the token is sent on the socket."""
    scene.faults.strips_authorization_from_upgrades = True
    running = await staged()
    scene.say("heard all the same")
    await running.received("heard all the same")
    assert running.ends == []


async def test_with_the_header_nothing_waits_for_the_challenge(scene: Scene, drive: Drive) -> None:
    """The header alone is enough: a driver that would wait for a minute before its challenge connects at once."""
    running = drive(scene.sandbox.url, scene.relay.token, scene.town.id, kind=TrustingDriver)
    await running.connected()
    scene.say("at once")
    await running.received("at once")


async def test_what_a_cut_socket_missed_is_resumed(scene: Scene, staged: Start) -> None:
    """Posts made while the socket is down arrive after it, in order and once, and no gap is reported."""
    running = await staged()
    scene.say("before")
    await running.received("before")
    with capture_logs() as logs:
        await scene.faults.refuse_connections()
        for number in range(3):
            scene.say(f"missed {number}")
        await running.ended()
        await scene.faults.accept_connections()
        await running.received("missed 2")
    scene.say("after")
    await running.received("after")
    assert running.texts == ["before", "missed 0", "missed 1", "missed 2", "after"]
    assert [each for each in logs if each["event"] == "gap"] == []


async def test_a_server_that_forgot_the_connection_leaves_a_gap_that_is_told(scene: Scene, staged: Start) -> None:
    """After a restart of the server the sequence starts anew, and the core learns that something may be missing."""
    running = await staged()
    scene.say("before")
    await running.received("before")
    with capture_logs() as logs:
        await scene.sandbox.stop()
        await scene.sandbox.start()
        await running.connected(2)
        scene.say("after")
        await running.received("after")
    assert [each["reason"] for each in logs if each["event"] == "gap"] == ["the server did not resume the connection"]
    assert [str(channel) for channel, _ in running.host.gaps] == [scene.town.id, scene.dev.id] * 2
    scene.faults.cut_sockets()
    scene.say("resumed from the new one")
    await running.received("resumed from the new one")


async def test_a_socket_that_fell_silent_is_noticed(scene: Scene, staged: Start) -> None:
    """A connection that is there and dead (a cable pulled) is found out by the heartbeat, and made again.

    The server still takes the dead one for alive and resumes nothing: that is a gap.
    """
    running = await staged()
    scene.faults.freeze_sockets()
    await running.ended()
    await running.connected(2)
    assert isinstance(running.ends[0], Retry)
    scene.say("alive")
    await running.received("alive")
    assert [str(channel) for channel, _ in running.host.gaps] == [scene.town.id, scene.dev.id] * 2


async def test_the_delay_before_a_reconnection_is_the_operators(scene: Scene) -> None:
    """The core begins its waiting with reconnect_delay."""
    driver, _ = make(scene.sandbox.url, scene.relay.token, scene.town.id, reconnect_delay=0.5)
    assert driver.reconnect_delay == 0.5
    await driver.close()
