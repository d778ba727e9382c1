"""The relay as an application service: what the homeserver pushes, and the accounts of people elsewhere."""

from __future__ import annotations

import asyncio
import json
import stat
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Any

import aiohttp
import msgspec
import pytest
from aiohttp import web
from click.testing import CliRunner

from drivers.matrix import MatrixDriver
from drivers.matrix.settings import MatrixRoom
from nextbridge.cli import main
from nextbridge.driver import ConfiguredChannel
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.errors import Paused, Rejected, Retry
from nextbridge.sandbox.contract.supervised import Supervised, error_of
from nextbridge.sandbox.host import MemoryStore, RecordingHost
from tests.contract.matrix_bench import PNG
from tests.matrix.person import Person
from tests.matrix.relaying import relaying
from tests.matrix.services import LOOPBACK, Service
from tests.matrix.synapse import Synapse

_HOME = "elsewhere"


class Stage:
    """Alice in a room, the relay invited."""

    def __init__(self, synapse: Synapse, alice: Person) -> None:
        self.synapse = synapse
        self.alice = alice
        self.service: Service = synapse.services.take()
        self.room = ""
        self.http = aiohttp.ClientSession()
        self._driver: MatrixDriver | None = None

    async def open(self) -> None:
        """The homeserver is answered from here on; the relay is invited."""
        application = web.Application(client_max_size=0)
        application.router.add_route("*", f"/matrix/{self.service.name}{{path:/.*}}", self._called)
        self._runner = web.AppRunner(application, access_log=None, shutdown_timeout=0.1)
        await self._runner.setup()
        await web.TCPSite(self._runner, LOOPBACK, self.service.port, reuse_address=True, reuse_port=True).start()
        body = {"type": "m.login.application_service", "username": self.service.name, "inhibit_login": True}
        token = self.service.settings.as_token.reveal()
        self.synapse.request("POST", "/_matrix/client/v3/register", body, token)
        self.room = await self.alice.room(self.service.user)

    async def close(self) -> None:
        await self.http.close()
        await self._runner.cleanup()

    @asynccontextmanager
    async def relay(
        self, *rooms: str, store: MemoryStore | None = None, fetch_allow: tuple[str, ...] = ()
    ) -> AsyncIterator[Supervised]:
        """The driver, connected."""
        self._fetch_allow = fetch_allow
        made = self.service.block(self.synapse.url)
        async with relaying(made, *(rooms or (self.room,)), store=store, made=self._take) as relay:
            yield relay
        self._driver = None

    def _take(self, relay: Supervised) -> None:
        assert isinstance(relay.driver, MatrixDriver)
        self._driver = relay.driver
        relay.host.fetch_allow = self._fetch_allow

    async def _called(self, request: web.Request) -> web.StreamResponse:
        if self._driver is None:
            return web.json_response({}, status=503)
        return await self._driver.handle(request, request.match_info["path"])

    async def push(self, number: str, *events: dict[str, Any], token: str = "", body: bytes = b"") -> int:
        """A transaction, as the homeserver sends one; the status of the answer."""
        secret = token or self.service.settings.hs_token.reveal()
        url = f"{self.service.settings.url}/_matrix/app/v1/transactions/{number}"
        data = body or json.dumps({"events": events}).encode()
        async with self.http.put(url, data=data, headers={"Authorization": f"Bearer {secret}"}) as answer:
            await answer.read()
            return answer.status

    def event(self, text: str, number: int = 1) -> dict[str, Any]:
        """Something that Alice says."""
        return {
            "type": "m.room.message",
            "room_id": self.room,
            "sender": self.alice.id,
            "event_id": f"$pushed-{number}",
            "origin_server_ts": 1_700_000_000_000,
            "content": {"msgtype": "m.text", "body": text},
        }

    async def is_named(self, *names: str) -> None:
        """Return once those are the puppets in the room: the homeserver tells its rooms of a new name by and by."""
        async with asyncio.timeout(15):
            while sorted((await self.members()).values()) != sorted(names):  # noqa: ASYNC110 - of another's doing
                await asyncio.sleep(0.05)

    async def members(self) -> dict[str, str]:
        """Who is in the room but for Alice and the relay itself: their names."""
        found = (await self.alice.call("GET", f"/rooms/{self.room}/joined_members"))["joined"]
        return {each: found[each]["display_name"] for each in found if each not in {self.alice.id, self.service.user}}


@pytest.fixture
async def stage(synapse: Synapse) -> AsyncIterator[Stage]:
    async with Person(synapse) as alice:
        made = Stage(synapse, alice)
        await made.open()
        try:
            yield made
        finally:
            await made.close()


# --- what is pushed -------------------------------------------------------------------------------------------------


async def test_a_transaction_that_comes_again_is_taken_once(stage: Stage) -> None:
    """Its id is known after a restart, too, whatever is in it then."""
    store = MemoryStore()
    async with stage.relay(store=store) as relay:
        assert await stage.push("t1", stage.event("once")) == 200
        assert await stage.push("t1", stage.event("once")) == 200
        assert await stage.push("t2", stage.event("twice", 2)) == 200
        assert relay.texts == ["once", "twice"]
    async with stage.relay(store=store) as relay:
        assert await stage.push("t2", stage.event("thrice", 3)) == 200
        assert await stage.push("t3", stage.event("end", 4)) == 200
        assert relay.texts == ["end"]


async def test_only_the_homeserver_is_heard(stage: Stage) -> None:
    """Without the hs_token, or with another, nothing is taken; nor is what is no transaction."""
    async with stage.relay() as relay:
        assert await stage.push("t1", stage.event("forged"), token="wrong") == 403
        assert await stage.push("t1", stage.event("forged"), token=stage.service.settings.as_token.reveal()) == 403
        url = f"{stage.service.settings.url}/_matrix/app/v1/transactions/t1"
        async with stage.http.put(url, json={"events": [stage.event("forged")]}) as answer:
            assert answer.status == 403
        async with stage.http.put(f"{url}?access_token=wrong", json={}) as answer:
            assert answer.status == 403
        assert await stage.push("t2", body=b"no JSON") == 400
        assert await stage.push("t3", {"type": "m.room.message"}, stage.event("end")) == 200
        assert relay.texts == ["end"]
        assert relay.host.skips["unreadable"] == 1


async def test_what_happens_while_the_relay_is_away_is_pushed_when_it_is_back(stage: Stage) -> None:
    """The homeserver keeps it, and is told to send it as soon as the relay is there."""
    store = MemoryStore()
    async with stage.relay(store=store) as relay:
        await stage.alice.say(stage.room, "here")
        await relay.received("here")
    for number in range(3):
        await stage.alice.say(stage.room, f"away {number}")
    async with stage.relay(store=store) as relay:
        await relay.received("away 2")
        assert relay.texts == ["away 0", "away 1", "away 2"]


# --- puppets --------------------------------------------------------------------------------------------------------


async def test_each_person_is_a_member_of_the_room(stage: Stage) -> None:
    """Under an id that says nothing that they chose and stays theirs, and under the name that they have now."""
    zoe, bob = Author(UserId("zoe"), "zoe", "Zoë"), Author(UserId("@relay:x"), "bob", "Bob")
    async with stage.relay() as relay:
        await relay.send(relay.outgoing("one", author=zoe, name="Zoë"))
        await relay.send(relay.outgoing("two", author=bob, name="Bob"))
        assert sorted((await stage.members()).values()) == ["Bob", "Zoë"]
        renamed = msgspec.structs.replace(zoe, name="Alice", username="alice")
        await relay.send(relay.outgoing("three", author=renamed, name="A\u202el\u200bice\n"))
        events = [await stage.alice.hear(stage.room) for _ in range(3)]
        assert [each["content"]["body"] for each in events] == ["one", "two", "three"]
        assert events[0]["sender"] == events[2]["sender"] != events[1]["sender"]
        await stage.is_named("Alice", "Bob")
        prefix = f"@{stage.service.settings.puppets}elsewhere_"
        assert all(each.startswith(prefix) for each in await stage.members())
        other = relay.outgoing("four", author=zoe, name="Zoë")
        other = msgspec.structs.replace(other, mark=msgspec.structs.replace(other.mark, origin="irc:net/#a"))
        await relay.send(other)
        assert (await stage.alice.hear(stage.room))["sender"] != events[0]["sender"]


async def test_what_a_puppet_said_is_changed_and_taken_back_by_it(stage: Stage) -> None:
    """Edits, redactions and reactions are its own; what it does is no event."""
    zoe = Author(UserId("zoe"), "zoe", "Zoë")
    async with stage.relay() as relay:
        driver, room = relay.driver, ChannelKey(stage.room)
        assert isinstance(driver, MatrixDriver)
        message = (await relay.send("teh cat")).message or MessageId("")
        theirs = MessageId(await stage.alice.say(stage.room, "nice"))
        await relay.received("nice")
        await driver.edit(message, relay.outgoing("the cat"))
        assert await driver.react_for(room, theirs, "👍", zoe, _HOME, add=True)
        await driver.react(room, theirs, "👍", add=True)
        await driver.typing(room, zoe)
        (puppet,) = await stage.members()
        events = await stage.alice.messages(stage.room)
        assert [e["sender"] for e in events if "m.new_content" in e["content"]] == [puppet]
        assert {e["sender"] for e in events if e["type"] == "m.reaction"} == {puppet, stage.service.user}
        async with asyncio.timeout(15):
            while await stage.alice.typists.get() != (stage.room, puppet):
                pass
        assert await driver.react_for(room, theirs, "👍", zoe, _HOME, add=False)
        await driver.delete(room, message)
        events = await stage.alice.messages(stage.room)
        assert [each["sender"] for each in events if each["type"] == "m.room.redaction"] == [puppet, puppet]
        await stage.alice.say(stage.room, "end")
        await relay.received("end")
        assert relay.texts == ["nice", "end"]
        assert {type(each).__name__ for each in relay.host.events} <= {"Posted"}


async def test_a_puppet_that_was_removed_comes_back_and_a_banned_one_does_not(stage: Stage) -> None:
    """To remove is not to ban. What a banned one would have said is refused, and others go on."""
    async with stage.relay() as relay:
        await relay.send("one")
        (puppet,) = await stage.members()
        await stage.alice.call("POST", f"/rooms/{stage.room}/kick", {"user_id": puppet})
        message = relay.outgoing("two")
        if await error_of(relay.send(message)) is not None:  # the relay has not heard of it yet, and is to try again
            await relay.send(message)
        assert list(await stage.members()) == [puppet]
        await stage.alice.call("POST", f"/rooms/{stage.room}/ban", {"user_id": puppet})
        error = await error_of(relay.send("three"))
        if isinstance(error, Retry):
            error = await error_of(relay.send("three"))
        assert isinstance(error, Rejected)
        assert "banned" in error.reason
        await relay.send(relay.outgoing("four", author=Author(UserId("bob"), "bob", "Bob"), name="Bob"))
        said = [each["content"]["body"] for each in await stage.alice.messages(stage.room) if "body" in each["content"]]
        assert said == ["one", "two", "four"]


async def test_the_operator_is_told_that_puppets_cannot_be_invited(stage: Stage) -> None:
    """Which right it takes, and in which room: nothing passes there until it is given."""
    async with stage.relay() as relay:
        levels = await stage.alice.state(stage.room, "m.room.power_levels")
        await stage.alice.set_state(stage.room, "m.room.power_levels", {**levels, "invite": 50})
        error = await error_of(relay.send("one"))
        assert isinstance(error, Paused)
        assert error.scope == "channel"
        assert f"{stage.service.user} may not invite" in error.reason
        await stage.alice.set_state(stage.room, "m.room.power_levels", levels)
        await relay.send("two")


async def test_no_puppet_stays_behind(stage: Stage) -> None:
    """Who was silent for a month leaves, and all leave a room that is bridged no more."""
    store = MemoryStore()
    async with stage.relay(store=store) as relay:
        await relay.send("one")
        await relay.send(relay.outgoing("two", author=Author(UserId("bob"), "bob", "Bob"), name="Bob"))
        assert sorted((await stage.members()).values()) == ["Bob", "Zoë"]
    rooms = msgspec.json.decode(store.values["puppets/rooms"], type=dict[str, dict[str, int]])
    bob = next(user for user, name in (await stage.members()).items() if name == "Bob")
    rooms[stage.room][bob] -= 31 * 24 * 3600
    store.values["puppets/rooms"] = msgspec.json.encode(rooms).decode()
    async with stage.relay(store=store) as relay:
        await relay.until(lambda: bob not in store.values["puppets/rooms"])
        assert list((await stage.members()).values()) == ["Zoë"]
    elsewhere = await stage.alice.room(stage.service.user)
    async with stage.relay(elsewhere, store=store) as relay:
        await relay.until(lambda: "@" not in store.values["puppets/rooms"])
        assert await stage.members() == {}


async def test_a_puppet_has_its_persons_picture(stage: Stage) -> None:
    """As the homeserver shows pictures: small ones, too. One that cannot be had costs no message."""
    served = web.Application()
    served.router.add_get("/zoe.png", _picture)
    runner = web.AppRunner(served, access_log=None, shutdown_timeout=0.1)
    await runner.setup()
    await web.TCPSite(runner, LOOPBACK, 0).start()
    address = f"http://{LOOPBACK}:{runner.addresses[0][1]}"
    try:
        async with stage.relay(fetch_allow=(LOOPBACK,)) as relay:
            await relay.send(relay.outgoing("one", avatar=f"{address}/none.png"))
            (puppet,) = await stage.members()
            await relay.send(relay.outgoing("two", avatar=f"{address}/zoe.png"))
            async with asyncio.timeout(15):
                while not (place := (await stage.alice.call("GET", f"/profile/{puppet}")).get("avatar_url")):  # noqa: ASYNC110
                    await asyncio.sleep(0.05)
            url = f"{stage.synapse.url}/_matrix/client/v1/media/thumbnail/{place.removeprefix('mxc://')}"
            headers = {"Authorization": f"Bearer {stage.alice.account.token}"}
            async with stage.http.get(f"{url}?width=32&height=32", headers=headers) as answer:
                assert (answer.status, answer.content_type) == (200, "image/png")
        async with stage.relay() as relay:
            await relay.send(relay.outgoing("three", avatar="http://127.0.0.1:1/x.png"))
    finally:
        await runner.cleanup()


async def _picture(_request: web.Request) -> web.Response:
    return web.Response(body=PNG, content_type="image/png")


async def test_a_puppet_is_nobody_to_be_called(stage: Stage) -> None:
    """It stands for somebody who is called where they are."""
    async with stage.relay() as relay:
        await relay.send("one")
        assert isinstance(relay.driver, MatrixDriver)
        assert await relay.driver.member(ChannelKey(stage.room), "Zoë") is None


# --- the registration -----------------------------------------------------------------------------------------------


def _file(tmp_path: Path, **service: str) -> Path:
    block = {
        "homeserver": "https://matrix.example.com",
        "user_id": "@nextbridge:example.com",
        "application_service": {"as_token": "a" * 32, "hs_token": "h" * 32, **service},
    }
    login = {"homeserver": "https://x.example", "user_id": "@r:x.example", "access_token": "syt_x"}
    path = tmp_path / "config.json"
    path.write_text(json.dumps({"matrix": {"home": block, "other": login}, "rules": []}))
    path.chmod(0o600)
    return path


def test_a_command_writes_the_registration(tmp_path: Path) -> None:
    """With both tokens, so that only its owner can read it; nobody else can have the puppets' names."""
    output = tmp_path / "registration.yaml"
    output.touch(0o644)
    arguments = ["registration", "home", "--config", str(_file(tmp_path)), "--output", str(output)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 0, done.output
    assert "aaaa" not in done.output
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    assert json.loads(output.read_text()) == {
        "id": "nextbridge-nextbridge",
        "url": "http://127.0.0.1:8778/matrix/home",
        "as_token": "a" * 32,
        "hs_token": "h" * 32,
        "sender_localpart": "nextbridge",
        "rate_limited": False,
        "receive_ephemeral": True,
        "de.sorunome.msc2409.push_ephemeral": True,
        "namespaces": {
            "users": [{"exclusive": True, "regex": r"^@nextbridge_[a-z0-9_]+:example\.com$"}],
            "aliases": [],
            "rooms": [],
        },
    }


@pytest.mark.parametrize(("instance", "told"), [("other", "needs no registration"), ("nowhere", "it has home, other")])
def test_where_there_is_none_to_write_the_command_says_so(tmp_path: Path, instance: str, told: str) -> None:
    """And writes nothing."""
    output = tmp_path / "registration.yaml"
    arguments = ["registration", instance, "--config", str(_file(tmp_path)), "--output", str(output)]
    done = CliRunner().invoke(main, arguments)
    assert done.exit_code == 78
    assert told in done.output
    assert not output.exists()


async def test_a_look_says_what_an_application_service_can_see(stage: Stage) -> None:
    """The rooms that it is in, each asked by itself, since it has no sync; and of another that it has to come in."""
    other = await stage.alice.room(stage.service.user, name="Not joined")
    await stage.alice.set_state(stage.room, "m.room.name", {"name": "Town"})
    async with stage.relay() as relay:
        driver = MatrixDriver(stage.service.block(stage.synapse.url), relay.driver.channels, RecordingHost("looking"))
        try:
            found = await driver.directory()
        finally:
            await driver.close()
    assert [(each.name, each.keys) for each in found.channels] == [("Town", {"room_id": stage.room})]
    assert "Invitations are not shown" in found.note
    configured = ConfiguredChannel(ChannelKey(other), MatrixRoom(room_id=other), ("rule",))
    driver = MatrixDriver(stage.service.block(stage.synapse.url), [configured], RecordingHost("looking"))
    try:
        texts = [each.text for each in await driver.probe() if not each.ok]
    finally:
        await driver.close()
    assert texts == [f"we are not in room {other}; invite {stage.service.user}"]
