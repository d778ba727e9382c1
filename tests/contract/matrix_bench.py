"""Matrix on the bench: a real Synapse, a gateway before it, and Alice with a client of her own."""

from __future__ import annotations

import asyncio
from typing import Any, ClassVar

from drivers.matrix import MatrixDriver
from drivers.matrix.settings import MatrixRoom, MatrixSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Forgets, Identity, Pages
from nextbridge.sandbox.cable import Cable
from nextbridge.sandbox.contract import Bench, Heard
from tests.matrix.gateway import Gateway
from tests.matrix.person import SECONDS, Person, shown
from tests.matrix.synapse import Account, Synapse

PNG = bytes.fromhex(
    "89504e470d0a1a0a0000000d49484452000000010000000108060000001f15c4890000000d49444154789c6360000000000200"
    "01e221bc330000000049454e44ae426082"
)


class MatrixBench(Bench):
    driver = MatrixDriver
    example = (
        {"homeserver": "https://matrix.example.com", "user_id": "@relay:example.com", "access_token": "syt_cmVsYXk_x"},
        {"room_id": "!AbCdEfGhIjKlMnOpQr:example.com"},
    )
    without: ClassVar = {
        Forgets: "not needed: what is said is kept on the platform's server",
    }
    lacking: ClassVar = {
        Identity: "the relay is an application service",
        Pages: "the relay is an application service",
    }

    def __init__(self, synapse: Synapse) -> None:
        super().__init__()
        self._synapse = synapse
        self._said = ""
        self._heard_last = ""
        self._reaction = ""
        self._direct = ""

    async def start(self) -> None:
        self.bot = self.enter()
        self.gateway = await self.stack.enter_async_context(Gateway(self._synapse.url))
        self.cable = await self.stack.enter_async_context(Cable("127.0.0.1", self.gateway.port))
        self.alice = await self.stack.enter_async_context(Person(self._synapse))
        await self.alice.call_by_name("Alice")
        picture = await self.alice.upload("alice.png", PNG, "image/png")
        await self.alice.call("PUT", f"/profile/{self.alice.id}/avatar_url", {"avatar_url": picture})
        levels = {"users": {self.bot.user: 50}}
        relay = Person(self._synapse, self.bot, listens=False)
        async with relay:
            await relay.call_by_name("relay")
            self.town = [
                await self.alice.room(self.bot.user, name=name, power_level_content_override=levels)
                for name in ("town", "dev")
            ]
            for room in self.town:
                await relay.join(room)

    def enter(self) -> Account:
        """The relay's own account."""
        return self._synapse.register()

    def settings(self) -> MatrixSettings:
        return self._settings(self.bot.token)

    def rooms(self) -> tuple[MatrixRoom, MatrixRoom]:
        town, dev = (MatrixRoom(room_id=each) for each in self.town)
        return town, dev

    @property
    def person(self) -> str:
        return "Alice"

    async def say(self, text: str, room: int = 0) -> None:
        self._said = await self.alice.say(self.town[room], text)

    async def hear(self, room: int = 0) -> Heard:
        event = await self.alice.hear(self.town[room])
        self._heard_last = event["event_id"]
        return await self._as_seen(event)

    async def be_told(self) -> Heard:
        if not self._direct:
            async with asyncio.timeout(SECONDS):
                self._direct = await self.alice.invitations.get()
            await self.alice.join(self._direct)
        return await self._as_seen(await self.alice.hear(self._direct))

    async def look(self) -> list[Heard]:
        events = await self.alice.messages(self.town[0])
        said = {event["event_id"]: event for event in events if event["type"] == "m.room.message" and event["content"]}
        reactions: dict[str, list[str]] = {each: [] for each in said}
        for event in events:
            relation = event["content"].get("m.relates_to", {})
            if event["type"] == "m.reaction" and relation and relation["event_id"] in reactions:
                reactions[relation["event_id"]].append(relation["key"])
            if relation.get("rel_type") == "m.replace":
                del said[event["event_id"]]
                target = said.get(relation["event_id"])
                if target is not None and target["sender"] == event["sender"]:
                    kept = {"m.relates_to": target["content"].get("m.relates_to", {})}
                    target["content"] = event["content"]["m.new_content"] | kept
        return [await self._as_seen(event, said, sorted(reactions[each])) for each, event in said.items()]

    async def _as_seen(
        self, event: dict[str, Any], said: dict[str, dict[str, Any]] | None = None, reactions: list[str] | None = None
    ) -> Heard:
        content = event["content"]
        has_file = "url" in content
        without_caption = has_file and content["filename"] == content["body"]
        seen = shown({"body": ""} if without_caption else content)
        mentions = content["m.mentions"] if event["sender"] != self.alice.id else {}
        replied = content.get("m.relates_to", {}).get("m.in_reply_to", {}).get("event_id", "")
        answered = (said or {}).get(replied)
        return Heard(
            author=await self._name_of(event["sender"]),
            text=seen.text,
            notation=frozenset(seen.tags) | ({"a call"} if mentions else frozenset()),
            action=content["msgtype"] == "m.emote",
            files=((content["filename"], await self.alice.download(content["url"])),) if has_file else (),
            answers=None if answered is None else shown(answered["content"]).text,
            reactions=tuple(reactions or ()),
        )

    async def _name_of(self, user: str) -> str:
        return "relay" if user == self.bot.user else "Alice"

    # --- what Alice does ---

    async def be_noisy(self) -> None:
        await self.touch()

    async def revise(self, text: str) -> None:
        await self.alice.edit(self.town[0], self._said, text)

    async def touch(self) -> None:
        await self.alice.set_state(self.town[0], "m.room.pinned_events", {"pinned": [self._said]})

    async def take_back(self) -> None:
        await self.alice.take_back(self.town[0], self._said)

    async def answer(self, text: str) -> None:
        relation = {"m.in_reply_to": {"event_id": self._heard_last}}
        await self.alice.say(self.town[0], text, **{"m.relates_to": relation})

    async def react(self, emoji: str, *, add: bool) -> None:
        if add:
            self._reaction = await self.alice.react(self.town[0], self._heard_last, f"{emoji}\ufe0f")
        else:
            await self.alice.take_back(self.town[0], self._reaction)

    async def come(self) -> str:
        if not hasattr(self, "newcomer"):
            self.newcomer = await self.stack.enter_async_context(Person(self._synapse))
            await self.newcomer.call_by_name("Newt")
        await self.alice.invite(self.town[0], self.newcomer.id)
        await self.newcomer.join(self.town[0])
        return "Newt"

    async def go(self) -> None:
        await self.newcomer.call("POST", f"/rooms/{self.town[0]}/leave")

    async def set_topic(self, topic: str) -> None:
        await self.alice.set_state(self.town[0], "m.room.topic", {"topic": topic})

    async def be_typing(self) -> None:
        path = f"/rooms/{self.town[0]}/typing/{self.alice.id}"
        await self.alice.call("PUT", path, {"typing": True, "timeout": 20000})

    async def whisper(self, text: str) -> None:
        self._direct = await self.alice.room(self.bot.user, is_direct=True, preset="trusted_private_chat")
        await self.alice.member(self._direct, self.bot.user)
        await self.alice.say(self._direct, text)

    async def topic(self) -> str:
        return str((await self.alice.state(self.town[0], "m.room.topic"))["topic"])

    async def see_typing(self) -> None:
        async with asyncio.timeout(SECONDS):
            while await self.alice.typists.get() != (self.town[0], self.bot.user):
                pass

    async def say_file(self, name: str, content: bytes) -> None:
        place = await self.alice.upload(name, content)
        about = {"msgtype": "m.file", "filename": name, "url": place, "info": {"size": len(content)}}
        await self.alice.say(self.town[0], name, **about)

    # --- what breaks ---

    async def cut(self) -> None:
        await self.cable.cut()

    async def lose_answers(self) -> None:
        self.cable.mute()

    async def cut_receiving(self) -> None:
        await self.cable.cut()
        self.gateway.refuse("/sync", 503)
        await self.cable.mend()

    async def mend(self) -> None:
        self.gateway.forgive()
        await self.cable.mend()

    def refused(self) -> tuple[MatrixSettings, str]:
        token = "syt_wrong_wrong_wrong"
        return self._settings(token), token

    async def closed_room(self) -> MatrixRoom:
        return MatrixRoom(room_id=await self.alice.room(name="closed"))

    async def forget_keys(self) -> None:
        self.gateway.forget_transactions()

    def settings_with_largest_file(self, size: int) -> MatrixSettings:
        return self._settings(self.bot.token, max_file_size=size)

    def _settings(self, token: str, **more: Any) -> MatrixSettings:
        url = f"http://127.0.0.1:{self.cable.port}"
        return MatrixSettings(
            homeserver=url, user_id=self.bot.user, access_token=Secret(token), reconnect_delay=0.1, **more
        )
