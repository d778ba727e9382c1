"""The recorded exchanges and frames, made again with the stand-in and compared value by value.

What differs on purpose stands in `DELIBERATE`, each with its reason; a difference that is not there fails, and so does
a line there that is not needed.
"""

from __future__ import annotations

import json
import re
from collections.abc import AsyncIterator
from typing import Any

import pytest
from aiohttp import ClientSession, ClientWebSocketResponse, FormData, WSMsgType

from nextbridge.sandbox.mattermost import Account
from tests.sandbox.likeness import Likeness
from tests.sandbox.recorded import RecordedTown, load

WHO = {
    "alice": {
        "create post",
        "patch post",
        "pin",
        "upload cat.png",
        "upload notes ünï.txt",
        "post with files",
        "upload over MaxFileSize",
        "slash me",
        "create direct channel",
        "direct post",
        "typing",
        "delete post",
        "me, user session token",
    },
    "bob": {
        "create reply",
        "reply to a reply: bad root",
        "add reaction",
        "remove reaction",
        "post with mentions",
        "patch user",
    },
    "boss": {"channel patch", "leave", "join", "create hook"},
    "peer": {"peer bot post"},
    "nobody": {"hook post", "user image without a token", "ping"},
}
"""Who made which exchange, where it was not the relay bot."""

DELIBERATE = {
    "upload over MaxFileSize.message": "names the limit, and a hundred megabytes are too many for a test",
    "user image": "a plain square does for a picture, and has fewer bytes",
    "client config.AsymmetricSigningPublicKey": "one server's own",
    "client config.DiagnosticId": "one server's own",
    "client config.GfycatApiKey": "nothing to hand on",
    "client config.GfycatApiSecret": "nothing to hand on",
    "client config.SiteURL": "one server's own",
    "client config.TelemetryId": "one server's own",
}
"""Where an exchange differs on purpose, and why."""

LATE_OFFLINE = {"scenario": "Authorization header on the upgrade: first socket", "event": "status_change", "seq": 1}
"""One recorded frame that the stand-in does not send: a socket was closed and the next one opened at once, and the
real server told the next one that the user had gone offline. The stand-in has noticed the close by then."""

RUNES = re.compile(r"<(\d+) × (.)>")
"""How a message too long for the recording was written down."""

SINCE = re.compile(r"since=(\d+)")

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000a49444154789c6360000000020001e5"
    "27de0c0000000049454e44ae426082"
)


class Replay:
    """Makes the recorded exchanges in their order, and collects what the relay bot's socket says meanwhile."""

    def __init__(self, town: RecordedTown, http: ClientSession) -> None:
        self.town = town
        self.http = http
        self.likeness = Likeness()
        self.differences: list[str] = []
        self.statuses: dict[str, int] = {}

    async def exchange(self, recorded: dict[str, Any]) -> None:
        name, body = recorded["name"], recorded["body"]
        self.town.clock.turn(1)
        if name == "upload over MaxFileSize":
            self.town.sandbox.settings.change(MaxFileSize="1000")
        request = {"data": self._upload(name)} if name.startswith("upload") else self._json(recorded["request"])
        url = self.town.sandbox.url + SINCE.sub(self._just_before, self.likeness.known(recorded["path"]))
        async with self.http.request(recorded["method"], url, headers=self._headers(name), **request) as response:
            content = await response.read()
        if name == "upload over MaxFileSize":
            self.town.sandbox.settings.change(MaxFileSize="104857600")
        self.statuses[name] = response.status
        if response.status != recorded["status"]:
            self.differences.append(f"{name}: status {recorded['status']} is {response.status} here")
        if isinstance(body, str):
            self.differences += self._of_bytes(name, body, content)
        else:
            written_out(body)
            self.differences += self.likeness.differences(body, json.loads(content), name)
        for header, value in recorded["headers"].items():
            actual = response.headers.get(header, "")
            self.differences += self.likeness.differences(value, actual, f"{name}, header {header}")

    def _just_before(self, since: re.Match[str]) -> str:
        """The recorded `since` is a millisecond before a post."""
        return f"since={int(self.likeness.known(str(int(since[1]) + 1))) - 1}"

    def _json(self, recorded: Any) -> dict[str, Any]:
        if recorded is None:
            return {}
        request = json.loads(self.likeness.known(json.dumps(recorded)))
        written_out(request)
        return {"json": request}

    def _headers(self, name: str) -> dict[str, str]:
        who = next((who for who, names in WHO.items() if name in names), "relay")
        if who == "nobody":
            return {}
        token = self.town.account(who).token
        token = {"me, bad token": "wrong", "me, token with spaces": f" {token} "}.get(name, token)
        return {"Authorization": f"Bearer {token}"}

    def _upload(self, name: str) -> FormData:
        form = FormData()
        form.add_field("channel_id", self.town.town.id)
        content = {"upload cat.png": PNG, "upload notes ünï.txt": b"hello there"}.get(name, bytes(1001))
        filename = name.removeprefix("upload ") if name != "upload over MaxFileSize" else "big.bin"
        form.add_field("files", content, filename=filename)
        return form

    def _of_bytes(self, name: str, recorded: str, actual: bytes) -> list[str]:
        """Recorded is only how many bytes there were."""
        found = int(recorded.split(maxsplit=1)[0].removeprefix("<"))
        return [] if found == len(actual) else [f"{name}: {found} bytes are {len(actual)} here"]

    async def listen(self, ws: ClientWebSocketResponse, count: int) -> list[dict[str, Any]]:
        """So many frames, and the proof that no other came: the answer to a ping is the next thing."""
        frames = [await ws.receive_json(timeout=5) for _ in range(count)]
        await ws.send_json({"seq": 99, "action": "ping"})
        pong = await ws.receive_json(timeout=5)
        assert pong.get("data", {}).get("text") == "pong", f"a frame that is not in the recording: {pong}"
        return frames


def written_out(body: Any) -> None:
    """Put a message that was too long for the recording in full."""
    if isinstance(body, dict) and (runes := RUNES.fullmatch(str(body.get("message")))):
        body["message"] = int(runes[1]) * runes[2]


def scenarios(name: str) -> dict[str, list[dict[str, Any]]]:
    """What was said over the socket in each scenario; what came before the first has the name ""."""
    found: dict[str, list[dict[str, Any]]] = {"": []}
    for entry in load(name):
        if "scenario" in entry:
            found[entry["scenario"]] = []
        elif "closed" not in entry:
            found[list(found)[-1]].append(entry)
    return found


@pytest.fixture
async def replay() -> AsyncIterator[Replay]:
    town = RecordedTown()
    async with town.sandbox, ClientSession() as http:
        yield Replay(town, http)


async def test_every_recorded_exchange_is_answered_as_it_was(replay: Replay) -> None:
    """Statuses, headers, keys, values and error ids of all recorded exchanges are those of the real server."""
    exchanges = load("rest.json")
    for recorded in exchanges:
        await replay.exchange(recorded)
        if recorded["name"] == "patch user":
            for message in ("posted while the socket was down", "seen live", "missed 0", "missed 1", "missed 2"):
                replay.town.clock.turn(1)
                replay.town.sandbox.post_as(replay.town.alice, replay.town.town, message)
    assert len(replay.statuses) == len(exchanges) == 58
    unexpected = [difference for difference in replay.differences if difference.split(": ")[0] not in DELIBERATE]
    assert unexpected == []
    assert {difference.split(": ")[0] for difference in replay.differences} == set(DELIBERATE)


async def test_the_socket_says_what_it_said(replay: Replay) -> None:
    """The relay bot's socket gets the recorded frames, in their order and form, while the exchanges are made."""
    # The bot has posted, so it is online already, and no status_change follows the hello: as it was in the recording.
    assert replay.town.sandbox.is_online(replay.town.relay)
    recorded = [frame for frames in scenarios("websocket.json").values() for frame in frames]
    async with replay.http.ws_connect(replay.town.sandbox.url + "/api/v4/websocket") as ws:
        await ws.send_json(challenge(replay.town.relay))
        for exchange in load("rest.json"):
            await replay.exchange(exchange)
            if exchange["name"] == "patch user":
                break
        heard = await replay.listen(ws, len(recorded))
    assert replay.likeness.differences(recorded, heard) == []


async def test_a_lost_connection_is_taken_up_as_recorded(replay: Replay) -> None:
    """A challenge resumes nothing; with the header on the upgrade, the frames that were missed arrive."""
    town, sandbox = replay.town, replay.town.sandbox
    address = f"{sandbox.url}/api/v4/websocket"
    by_header = {"Authorization": f"Bearer {town.relay.token}"}
    challenged, first, resumed = [frames for frames in scenarios("websocket-resumed.json").values() if frames]
    assert [first[1][key] for key in ("event", "seq")] == [LATE_OFFLINE[key] for key in ("event", "seq")]
    first = renumbered([first[0], *first[2:]])

    async with replay.http.ws_connect(address) as ws:
        await ws.send_json(challenge(town.relay))
        lost = (await replay.listen(ws, 2))[0]["data"]["connection_id"]
    await sandbox.until(lambda: sandbox.open_sockets == 0)

    async with replay.http.ws_connect(f"{address}?connection_id={lost}&sequence_number=1") as ws:
        await ws.send_json(challenge(town.relay))
        heard = await replay.listen(ws, len(challenged))
    assert replay.likeness.differences(challenged, heard) == []
    assert heard[0]["data"]["connection_id"] != lost
    await sandbox.until(lambda: sandbox.open_sockets == 0)

    async with replay.http.ws_connect(address, headers=by_header) as ws:
        town.clock.turn(1)
        sandbox.post_as(town.alice, town.town, "seen live")
        heard = await replay.listen(ws, len(first))
        assert replay.likeness.differences(first, heard) == []
        lost = heard[0]["data"]["connection_id"]
        sandbox.faults.cut_sockets()
        assert (await ws.receive(timeout=5)).type in {WSMsgType.CLOSED, WSMsgType.ERROR}
        assert ws.close_code == 1006
    await sandbox.until(lambda: sandbox.open_sockets == 0)

    for number in range(3):
        town.clock.turn(1)
        sandbox.post_as(town.alice, town.town, f"missed {number}")
    wanted = f"connection_id={lost}&sequence_number={len(first)}"
    async with replay.http.ws_connect(f"{address}?{wanted}", headers=by_header) as ws:
        heard = await replay.listen(ws, len(resumed))
    assert replay.likeness.differences(renumbered(resumed, len(first)), heard) == []


@pytest.mark.parametrize("way", ["header", "challenge"])
async def test_a_wrong_token_closes_the_socket_without_a_word(replay: Replay, way: str) -> None:
    """As recorded: no frame, no close frame, just the end (1006)."""
    recorded = load("websocket-bad-token.json")
    headers = {"Authorization": "Bearer wrong"} if way == "header" else {}
    async with replay.http.ws_connect(f"{replay.town.sandbox.url}/api/v4/websocket", headers=headers) as ws:
        # A wrong header is as good as none: the server goes on to wait for a challenge.
        await ws.send_json({"seq": 1, "action": "authentication_challenge", "data": {"token": "wrong"}})
        assert (await ws.receive(timeout=5)).type in {WSMsgType.CLOSED, WSMsgType.ERROR}
        assert recorded == [{"closed": ws.close_code}]


def challenge(account: Account) -> dict[str, Any]:
    return {"seq": 1, "action": "authentication_challenge", "data": {"token": account.token}}


def renumbered(frames: list[dict[str, Any]], start: int = 0) -> list[dict[str, Any]]:
    """The same frames, numbered on from `start`."""
    return [{**frame, "seq": start + at} for at, frame in enumerate(frames)]
