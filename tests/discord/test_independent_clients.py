"""The stand-in is a Discord to clients that know nothing of it: hikari and discord.py, given its address alone."""

from __future__ import annotations

import asyncio
import io
import warnings
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from typing import Any

import pytest
import yarl

from nextbridge.sandbox.discord import SandboxDiscord
from tests.discord.place import Place

with warnings.catch_warnings():
    warnings.simplefilter("ignore")  # it imports what a later Python has no more
    import discord
    import discord.gateway
    import discord.http
import hikari

_SECONDS = 20


class Heard:
    """What a client's library makes of the gateway's events."""

    def __init__(self) -> None:
        self._queues: dict[str, asyncio.Queue[Any]] = {}

    def put(self, kind: str, event: object) -> None:
        self._queues.setdefault(kind, asyncio.Queue()).put_nowait(event)

    async def next(self, kind: str) -> Any:
        async with asyncio.timeout(_SECONDS):
            return await self._queues.setdefault(kind, asyncio.Queue()).get()


@asynccontextmanager
async def running_hikari(place: Place) -> AsyncIterator[tuple[hikari.GatewayBot, Heard]]:
    bot = hikari.GatewayBot(
        place.relay.token,
        intents=hikari.Intents.ALL_UNPRIVILEGED | hikari.Intents.MESSAGE_CONTENT | hikari.Intents.GUILD_MEMBERS,
        rest_url=f"{place.sandbox.api_url}/v10",
        banner=None,
        logs=None,
    )
    heard = Heard()
    kinds = {
        hikari.GuildAvailableEvent: "guild",
        hikari.GuildMessageCreateEvent: "message",
        hikari.DMMessageCreateEvent: "whisper",
        hikari.GuildMessageUpdateEvent: "edit",
        hikari.GuildMessageDeleteEvent: "deletion",
        hikari.GuildReactionAddEvent: "reaction",
        hikari.GuildReactionDeleteEvent: "reaction taken back",
        hikari.GuildTypingEvent: "typing",
        hikari.GuildThreadCreateEvent: "thread",
        hikari.ShardResumedEvent: "resumed",
    }

    def listens(kind: Any, name: str) -> None:
        async def note(event: Any) -> None:
            heard.put(name, event)

        bot.subscribe(kind, note)

    for kind, name in kinds.items():
        listens(kind, name)
    try:
        await bot.start(check_for_updates=False)
        yield bot, heard
    finally:
        if bot.is_alive:
            await bot.close()
        else:
            await bot.rest.close()


@asynccontextmanager
async def running_discord_py(
    place: Place, monkeypatch: pytest.MonkeyPatch
) -> AsyncIterator[tuple[discord.Client, Heard]]:
    host, port = place.sandbox.address
    monkeypatch.setattr(discord.http.Route, "BASE", f"{place.sandbox.api_url}/v10")
    monkeypatch.setattr(discord.gateway.DiscordWebSocket, "DEFAULT_GATEWAY", yarl.URL(f"ws://{host}:{port}/"))
    intents = discord.Intents.default()
    intents.message_content = True
    heard = Heard()

    class Client(discord.Client):
        async def on_ready(self) -> None:
            heard.put("ready", self.user)

        async def on_message(self, message: discord.Message) -> None:
            heard.put("message", message)

        async def on_message_edit(self, before: discord.Message, after: discord.Message) -> None:
            heard.put("edit", after)

        async def on_message_delete(self, message: discord.Message) -> None:
            heard.put("deletion", message)

        async def on_raw_reaction_add(self, event: discord.RawReactionActionEvent) -> None:
            heard.put("reaction", event)

        async def on_typing(self, channel: object, user: discord.Member, when: object) -> None:
            heard.put("typing", user)

        async def on_thread_create(self, thread: discord.Thread) -> None:
            heard.put("thread", thread)

        async def on_resumed(self) -> None:
            heard.put("resumed", None)

    client = Client(intents=intents)
    running = asyncio.create_task(client.start(place.relay.token))
    try:
        await heard.next("ready")
        yield client, heard
    finally:
        await client.close()
        await asyncio.wait({running})


async def test_hikari_hears_what_people_do(place: Place) -> None:
    """Guild, messages, edits, deletions, reactions, typing, threads and whispers are its own kinds of event."""
    sandbox, town = place.sandbox, place.town
    async with running_hikari(place) as (_, heard):
        guild = (await heard.next("guild")).guild
        assert (guild.name, guild.get_channel(int(town.id)).name) == ("Town", "town")
        said = sandbox.post_as(place.alice, town, "hello", files=[("a plan.txt", b"the plan")])
        message = (await heard.next("message")).message
        assert (message.content, message.author.username, message.member.display_name) == ("hello", "alice", "Ally")
        (file,) = message.attachments
        assert (file.filename, await file.read()) == ("a_plan.txt", b"the plan")
        sandbox.post_as(place.bob, town, "hello Ally", answers=said)
        assert (await heard.next("message")).message.referenced_message.content == "hello"
        sandbox.edit(said, "hello all")
        assert (await heard.next("edit")).message.content == "hello all"
        sandbox.react_as(place.bob, said, "👍")
        assert (await heard.next("reaction")).emoji_name == "👍"
        sandbox.react_as(place.bob, said, "👍", add=False)
        assert (await heard.next("reaction taken back")).user_id == int(place.bob.id)
        sandbox.type_as(place.alice, town)
        assert (await heard.next("typing")).user_id == int(place.alice.id)
        thread = sandbox.start_thread(place.alice, said, "more of it")
        assert (await heard.next("thread")).thread.parent_id == int(town.id)
        sandbox.post_as(place.bob, thread, "in the thread")
        assert (await heard.next("message")).message.channel_id == int(thread.id)
        sandbox.whisper_as(place.alice, place.relay, "psst")
        assert (await heard.next("whisper")).message.content == "psst"
        sandbox.delete(said)
        assert (await heard.next("deletion")).message_id == int(said.id)


async def test_hikari_resumes_and_hears_what_it_missed(place: Place) -> None:
    """After a cut and after a request to reconnect the session goes on, without a second identify."""
    sandbox = place.sandbox
    async with running_hikari(place) as (_, heard):
        await heard.next("guild")
        sandbox.gateway.ask_to_reconnect()
        await heard.next("resumed")
        sandbox.post_as(place.alice, place.town, "after it")
        assert (await heard.next("message")).content == "after it"
        assert (sandbox.gateway.identified, sandbox.gateway.resumed) == (1, 1)


async def test_hikari_does_what_a_bot_does(place: Place) -> None:
    """Messages, answers, files, edits, reactions, webhooks, threads, history and deletions by its REST client."""
    sandbox, town = place.sandbox, place.town
    emoji = sandbox.add_emoji(place.guild, "party")
    async with running_hikari(place) as (bot, _):
        rest = bot.rest
        sent = await rest.create_message(int(town.id), "hello <@1>", attachment=hikari.Bytes(b"x", "x.txt"))
        answer = await rest.create_message(int(town.id), "an answer", reply=sent)
        assert answer.referenced_message is not None
        await rest.edit_message(int(town.id), sent, "hello again")
        await rest.add_reaction(int(town.id), sent, "👍")
        await rest.add_reaction(int(town.id), sent, emoji.name, int(emoji.id))
        found = await rest.fetch_message(int(town.id), sent.id)
        assert [(each.emoji.name, each.is_me) for each in found.reactions] == [("👍", True), ("party", True)]
        webhook = await rest.create_webhook(int(town.id), "crier")
        cried = await webhook.execute("hear ye", username="Zoë")
        assert (cried.author.username, cried.webhook_id) == ("Zoë", webhook.id)
        await webhook.edit_message(cried, "hear, hear")
        thread = await rest.create_message_thread(int(town.id), sent, "more of it")
        await rest.create_message(thread, "in it")
        assert [each.name for each in await rest.fetch_active_threads(int(place.guild.id))] == ["more of it"]
        history = [each.content async for each in rest.fetch_messages(int(town.id))]
        assert history[::-1] == ["hello again", "an answer", "hear, hear", "more of it"]
        await rest.delete_message(int(town.id), answer)
        with pytest.raises(hikari.NotFoundError):
            await rest.fetch_message(int(town.id), answer.id)
        whisper = await rest.create_dm_channel(int(place.alice.id))
        await whisper.send("psst")
        with pytest.raises(hikari.BadRequestError, match="2000 or fewer"):
            await rest.create_message(int(town.id), "x" * 2001)


async def test_hikari_is_told_which_intent_is_missing(place: Place) -> None:
    """An intent that is not turned on in the portal closes the socket with 4014, a wrong token with 4004."""
    place.sandbox.turn_off_intents(place.relay, 15)
    with pytest.raises(hikari.GatewayServerClosedConnectionError) as refused:
        async with running_hikari(place):
            pass
    assert refused.value.code == 4014


async def test_discord_py_hears_what_people_do(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """The same, of the other library, with its cache filled by what the gateway tells at first."""
    sandbox, town = place.sandbox, place.town
    async with running_discord_py(place, monkeypatch) as (client, heard):
        channel = client.get_channel(int(town.id))
        assert isinstance(channel, discord.TextChannel)
        assert (channel.guild.name, channel.permissions_for(channel.guild.me).manage_webhooks) == ("Town", True)
        said = sandbox.post_as(place.bob, town, "hello", files=[("plan.txt", b"the plan")])
        message = await heard.next("message")
        assert (message.content, message.author.display_name) == ("hello", "Bobby")
        assert await message.attachments[0].read() == b"the plan"
        sandbox.post_as(place.alice, town, "hello Bob", answers=said)
        assert (await heard.next("message")).reference.message_id == int(said.id)
        sandbox.edit(said, "hello all")
        assert (await heard.next("edit")).content == "hello all"
        sandbox.react_as(place.alice, said, "👍")
        assert (await heard.next("reaction")).emoji.name == "👍"
        sandbox.type_as(place.alice, town)
        assert (await heard.next("typing")).display_name == "Ally"
        thread = sandbox.start_thread(place.alice, said, "more of it")
        assert (await heard.next("thread")).parent == channel
        sandbox.post_as(place.bob, thread, "in the thread")
        assert (await heard.next("message")).channel.id == int(thread.id)
        sandbox.delete(said)
        assert (await heard.next("deletion")).id == int(said.id)
        sandbox.gateway.ask_to_reconnect()
        await heard.next("resumed")
        assert (sandbox.gateway.identified, sandbox.gateway.resumed) == (1, 1)


async def test_discord_py_does_what_a_bot_does(place: Place, monkeypatch: pytest.MonkeyPatch) -> None:
    """Messages with a nonce, answers, files, edits, reactions, webhooks, forum posts, topics, whispers, deletions."""
    sandbox, town = place.sandbox, place.town
    ideas = sandbox.add_channel(place.guild, "ideas", forum=True)
    async with running_discord_py(place, monkeypatch) as (client, _):
        channel, forum = client.get_channel(int(town.id)), client.get_channel(int(ideas.id))
        assert isinstance(channel, discord.TextChannel)
        assert isinstance(forum, discord.ForumChannel)
        file = discord.File(io.BytesIO(b"x"), "x.txt")
        sent = await channel.send("@everyone", file=file, nonce=7, allowed_mentions=discord.AllowedMentions.none())
        assert not sent.mention_everyone
        assert (await sent.reply("an answer")).reference is not None
        await sent.edit(content="hello again")
        await sent.add_reaction("👍")
        assert client.user is not None
        await sent.remove_reaction("👍", client.user)
        webhook = await channel.create_webhook(name="crier")
        cried = await webhook.send("hear ye", username="Zoë", wait=True)
        await cried.edit(content="hear, hear")
        assert [each.content async for each in channel.history(oldest_first=True)] == [
            "hello again",
            "an answer",
            "hear, hear",
        ]
        await cried.delete()
        made = await forum.create_thread(name="an idea", content="let us")
        await made.thread.send("why not")
        assert sandbox.texts(sandbox.threads(ideas)[0]) == ["let us", "why not"]
        await channel.edit(topic="news")
        assert town.topic == "news"
        async with channel.typing():
            pass
        alice = await channel.guild.fetch_member(int(place.alice.id))
        await alice.send("psst")
        await sent.delete()
        with pytest.raises(discord.NotFound):
            await channel.fetch_message(sent.id)


async def test_discord_py_keeps_within_the_limits(monkeypatch: pytest.MonkeyPatch) -> None:
    """By the headers of the answers it waits for a bucket to fill, and meets no 429."""
    from nextbridge.sandbox.discord import Allowance, Limit

    plenty = Limit(1000, 1.0)
    allowance = Allowance({"POST /channels/{channel}/messages": Limit(2, 0.3)}, plenty, plenty)
    async with SandboxDiscord(allowance=allowance) as sandbox:
        place = Place(sandbox)
        async with running_discord_py(place, monkeypatch) as (client, _):
            channel = client.get_channel(int(place.town.id))
            assert isinstance(channel, discord.TextChannel)
            for number in range(6):
                await channel.send(f"line {number}")
        assert sandbox.texts(place.town) == [f"line {number}" for number in range(6)]
        assert sandbox.buckets.refused == 0
