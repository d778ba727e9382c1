"""What a server says on the socket, frame by frame, and what the driver makes of it."""

from __future__ import annotations

from typing import Any

from structlog.testing import capture_logs

from nextbridge.envelope import ChannelKey
from nextbridge.errors import Paused
from tests.mattermost.script import CHANNEL, CONNECTION, Play, Server, Socket


async def test_a_gap_in_the_sequence_is_noticed(play: Play) -> None:
    """Frames that never came are told in the log, and what follows is received."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        await socket.posted("one", 1)
        await socket.posted("five", 5)
        await socket.posted("six", 6)
        await socket.linger()

    with capture_logs() as logs:
        running = play(script)
        await running.received("six")
    assert running.texts == ["one", "five", "six"]
    gaps = [each for each in logs if each["event"] == "gap"]
    assert [each["missed"] for each in gaps] == [3]


async def test_a_reconnection_asks_for_the_next_number(play: Play, server: Server) -> None:
    """It names the connection and the first frame that it has not had; a clean close is followed by a new socket."""

    async def first(socket: Socket) -> None:
        await socket.hello()
        await socket.posted("one", 1)

    async def second(socket: Socket) -> None:
        await socket.posted("two", 2)
        await socket.linger()

    running = play(first, second)
    await running.received("two")
    assert server.sockets[0].query == {}
    assert server.sockets[1].query == {"connection_id": CONNECTION, "sequence_number": "2"}
    assert running.ends == [None]


async def test_a_resumed_socket_that_missed_nothing_is_taken_for_open(play: Play) -> None:
    """A server that has nothing to tell says no word on resuming: its answer to a ping is enough."""

    async def first(socket: Socket) -> None:
        await socket.hello()

    async def second(socket: Socket) -> None:
        # authenticated by the header, the server passes over the challenge
        ping = await socket.asked("ping")
        await socket.ws.send_json({"status": "OK", "data": {"text": "pong"}, "seq_reply": ping["seq"]})
        await socket.posted("live", 1)
        await socket.linger()

    with capture_logs() as logs:
        running = play(first, second)
        await running.received("live")
    assert [each for each in logs if each["event"] == "gap"] == []


async def test_a_challenge_is_sent_only_where_the_server_is_silent(play: Play) -> None:
    """Without a hello the token goes over the socket, as the first request and with the number one."""
    seen: list[dict[str, Any]] = []

    async def script(socket: Socket) -> None:
        seen.append(await socket.ws.receive_json(timeout=10))
        await socket.hello()
        await socket.ws.send_json({"status": "OK", "seq_reply": 1})
        await socket.posted("in", 1)
        await socket.linger()

    running = play(script)
    await running.received("in")
    assert seen == [{"seq": 1, "action": "authentication_challenge", "data": {"token": "t" * 26}}]


async def test_a_token_that_is_revoked_while_the_socket_is_open_is_noticed(play: Play) -> None:
    """The server closes no socket for that and only falls silent; our ping is refused, and the instance pauses."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        ping = await socket.asked("ping")
        error = {"id": "api.web_socket_router.not_authenticated.app_error", "message": "", "status_code": 401}
        await socket.ws.send_json({"status": "FAIL", "seq_reply": ping["seq"], "error": error})
        await socket.linger()

    running = play(script)
    await running.ended()
    assert isinstance(running.ends[0], Paused)


async def test_a_server_that_answers_nothing_is_taken_for_dead(play: Play) -> None:
    """A proxy on the way may answer the protocol's pings for a server that is gone: ours it cannot."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        await socket.ignore()

    running = play(script)
    await running.ended()
    assert "it fell silent" in str(running.ends[0])


async def test_a_server_that_knows_no_ping_is_no_trouble(play: Play) -> None:
    """Another refusal of our ping is not taken for a refused token."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        ping = await socket.asked("ping")
        error = {"id": "api.web_socket_router.bad_action.app_error", "message": "", "status_code": 500}
        await socket.ws.send_json({"status": "FAIL", "seq_reply": ping["seq"], "error": error})
        await socket.posted("going on", 1)
        await socket.linger()

    running = play(script)
    await running.received("going on")
    assert running.ends == []


async def test_frames_that_cannot_be_read_are_counted_or_logged(play: Play) -> None:
    """A frame of another form than any known one costs itself and nothing else."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        await socket.say("posted", {"post": "{"}, 1)
        await socket.say("posted", {"post": 5}, 2)
        await socket.say("user_updated", {"user": 5}, 3)
        await socket.ws.send_str("no JSON")
        await socket.ws.send_bytes(b"\x00")
        await socket.say("of_a_later_version", {"x": 1}, 4)
        await socket.posted("fine", 5)
        await socket.linger()

    with capture_logs() as logs:
        running = play(script)
        await running.received("fine")
    assert running.host.skips == {"unreadable": 3}
    assert [each["event"] for each in logs].count("frame_unreadable") == 4
    assert running.ends == []


async def test_what_an_administrator_changes_holds_at_once(play: Play) -> None:
    """The server tells of a new configuration: its limits and overrides are believed from then on."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        await socket.posted("before", 1)
        config = {"MaxPostSize": "4000", "EnablePostUsernameOverride": "true", "EnableFileAttachments": "false"}
        await socket.say("config_changed", {"config": config}, 2)
        await socket.posted("after", 3)
        await socket.linger()

    running = play(script)
    await running.received("after")
    limits = running.driver.limits(ChannelKey(CHANNEL))
    assert (limits.text, limits.files, running.driver.shows_identity) == (4000, 0, True)


async def test_a_connection_that_is_refused_to_be_resumed_is_begun_anew(play: Play, server: Server) -> None:
    """A server that closes every resumed socket at once is asked for a new one after three times."""

    async def first(socket: Socket) -> None:
        await socket.hello()
        await socket.posted("one", 1)

    async def refusing(socket: Socket) -> None:
        if not socket.query:
            await socket.hello("o" * 26)
            await socket.posted("anew", 1)
            await socket.linger()

    running = play(first, refusing)
    await running.received("anew")
    assert [bool(socket.query) for socket in server.sockets] == [False, True, True, True, False]


async def test_the_token_is_in_no_error_and_no_log(play: Play, server: Server) -> None:
    """Whatever ends a connection, neither its words nor the log say the token."""

    async def script(socket: Socket) -> None:
        await socket.hello()

    with capture_logs() as logs:
        running = play(script)
        await running.ended(3)
    assert server.sockets
    assert "t" * 26 not in repr(logs)
    assert "t" * 26 not in repr(running.ends)
    assert "t" * 26 not in repr(running.driver.settings)
