"""What Discord alone has, as events: threads, stickers, embeds, forwards, custom emoji, other bots, whole batches."""

from __future__ import annotations

from typing import Any

from nextbridge.envelope import Deleted, Posted, Reacted
from nextbridge.markup import MentionKind
from nextbridge.markup.calls import calls
from nextbridge.sandbox.contract.supervised import said
from nextbridge.sandbox.discord import MessageType, Sticker
from tests.discord.place import Place
from tests.mangling import mangled


async def test_ids_are_read_by_their_names(place: Place) -> None:
    """People, roles, channels and custom emoji."""
    relay = await place.run()
    emoji = place.sandbox.add_emoji(place.guild, "party")
    text = f"<@{place.bob.id}> see <#{place.dev.id}> <@&{place.guild.roles[1].id}> <:party:{emoji.id}>"
    place.sandbox.post_as(place.alice, place.town, text)
    event = await relay.received("@Bobby see #dev @relay :party:")
    call = calls(event.text, by_bare_name=False).who[0]
    assert (call.user, call.kind) == (place.bob.id, MentionKind.USER)


async def test_everybody_is_called_by_those_alone_who_may(place: Place) -> None:
    """`@everyone` of somebody without the right is a word."""
    relay = await place.run()
    place.sandbox.post_as(place.alice, place.town, "@everyone look")
    event = await relay.received("@everyone look")
    assert "Mention" not in repr(event.text)


async def test_whoever_names_the_relay_or_answers_it_speaks_to_it(place: Place) -> None:
    """By a mention, or as an answer to what it said itself."""
    relay = await place.run(identity="bot")
    place.sandbox.post_as(place.alice, place.town, f"<@{place.relay.id}> help")
    assert (await relay.received("@relay help")).addressed
    await relay.send("from elsewhere")
    place.sandbox.post_as(place.alice, place.town, "thanks", answers=place.last())
    assert (await relay.received("thanks")).addressed
    place.sandbox.post_as(place.alice, place.town, "by the way")
    assert not (await relay.received("by the way")).addressed


async def test_what_stands_beside_the_text_is_told_in_words(place: Place) -> None:
    """Stickers, what bots show in embeds, and what is forwarded; what Discord found behind an address is not."""
    relay = await place.run()
    place.sandbox.post_as(place.alice, place.town, "", stickers=[Sticker(id="7", name="Wave")])
    await relay.received("[Wave] (https://media.discordapp.net/stickers/7.png)")
    embed = {"type": "rich", "title": "Build 7", "url": "https://ci.example/7", "description": "**red**"}
    fields = [{"name": "branch", "value": "main", "inline": True}]
    place.sandbox.post_as(place.alice, place.town, "look", embeds=[embed | {"fields": fields}, {"type": "article"}])
    await relay.until(lambda: len(relay.posted) == 2)
    assert said(relay.posted[-1]).split("\n\n") == [
        "look", "Build 7 (https://ci.example/7)", "red", "branch", "main",
    ]  # fmt: skip
    original = place.sandbox.post_as(place.bob, place.dev, "the *news*", files=[("n.txt", b"news")])
    place.sandbox.forward_as(place.alice, place.town, original)
    event = await relay.received("> the news")
    assert [each.name for each in event.attachments] == ["n.txt"]
    async with relay.driver.open_attachment(event.attachments[0]) as chunks:  # type: ignore[attr-defined]
        assert b"".join([chunk async for chunk in chunks]) == b"news"


async def test_what_hangs_in_a_thread_names_its_root(place: Place) -> None:
    """Of a message of the channel, also where the thread was archived before we came; its id says where it stands."""
    root = place.sandbox.post_as(place.alice, place.town, "a question")
    thread = place.sandbox.start_thread(place.bob, root, "about it")
    place.sandbox.archive(thread)
    relay = await place.run()
    first = place.sandbox.post_as(place.bob, thread, "in the thread")
    event = await relay.received("in the thread")
    assert (event.channel.key, event.message) == (place.town.id, f"{thread.id}/{first.id}")
    assert (event.thread, event.reply_to) == (root.id, None)
    place.sandbox.post_as(place.alice, thread, "an answer", answers=first)
    assert (await relay.received("an answer")).reply_to == event.message
    place.sandbox.react_as(place.alice, first, "👍")
    assert (await relay.happened(Reacted)).message == event.message
    place.sandbox.delete(first)
    assert (await relay.happened(Deleted)).message == event.message


async def test_a_thread_can_be_bridged_by_itself(place: Place) -> None:
    """As a channel like others, both ways, under the authors' names: by its channel's webhook."""
    thread = place.sandbox.start_thread(place.bob, place.sandbox.post_as(place.alice, place.town, "root"), "a thread")
    relay = await place.run(thread)
    place.sandbox.post_as(place.bob, thread, "in the thread")
    place.sandbox.post_as(place.bob, place.town, "not in the thread")
    event = await relay.received("in the thread")
    assert (event.channel.key, event.thread) == (thread.id, None)
    receipt = await relay.send("from elsewhere")
    shown = place.last(thread)
    assert (shown.content, shown.author.username, shown.id) == ("from elsewhere", "Zoë", receipt.message)
    assert relay.texts == ["in the thread"]


async def test_what_discord_itself_says_is_passed_over(place: Place) -> None:
    """Joins, pins and threads that are begun are notices, counted under one reason, each to be found by its id."""
    relay = await place.run()
    kinds = (MessageType.JOIN, MessageType.PIN, MessageType.THREAD_CREATED)
    notices = [place.sandbox.post_as(place.alice, place.town, "x", type=kind).id for kind in kinds]
    place.sandbox.post_as(place.alice, place.town, "end")
    await relay.received("end")
    assert (relay.texts, relay.host.skips["system_message"]) == (["end"], 3)
    assert relay.host.passed_over == dict.fromkeys(notices, "system_message")


async def test_other_webhooks_are_bots_and_ours_are_not_heard(place: Place) -> None:
    """Also what a webhook of ours said in an earlier run of the daemon."""
    place.sandbox.world.add_webhook(place.town, "old", place.relay.user, place.relay.id)
    relay = await place.run()
    await relay.send("from elsewhere")
    place.sandbox.post_by_webhook(place.town, "CI", "build 7 is red")
    event = await relay.received("build 7 is red")
    assert (event.author.name, event.author.bot) == ("CI", True)
    assert len([each for each in relay.host.events if isinstance(each, Posted)]) == 1


async def test_everybody_has_a_picture(place: Place) -> None:
    """The picture of whoever has none is one of Discord's own, which anybody can fetch."""
    relay = await place.run()
    place.sandbox.post_as(place.alice, place.town, "hello")
    author = (await relay.received("hello")).author
    number = (int(place.alice.id) >> 22) % 6
    assert author.avatar == f"https://cdn.discordapp.com/embed/avatars/{number}.png"


async def test_an_event_of_any_shape_costs_itself_alone(place: Place) -> None:
    """Whatever stands where in it: the connection stays, and what follows is heard."""
    relay = await place.run()
    heard: list[tuple[str, dict[str, Any]]] = []
    place.sandbox.world.watchers.append(lambda event, data: heard.append((event, data)))
    embed = {"type": "rich", "title": "Build 7", "url": "https://ci.example/7", "fields": [{"name": "a", "value": "b"}]}
    first = place.sandbox.post_as(place.bob, place.town, "hello")
    rich = place.sandbox.post_as(
        place.alice,
        place.town,
        f"<@{place.bob.id}> look",
        answers=first,
        embeds=[embed],
        files=[("a.txt", b"a")],
        stickers=[Sticker(id="7", name="Wave")],
    )
    place.sandbox.edit(rich, "look again")
    place.sandbox.react_as(place.alice, first, "👍")
    place.sandbox.delete(rich)
    events = dict(heard)
    assert {"MESSAGE_CREATE", "MESSAGE_UPDATE", "MESSAGE_DELETE"} <= events.keys()
    for event, data in events.items():
        for wrong in mangled(data):
            place.sandbox.world.gateway.tell(event, None, lambda _, wrong=wrong: wrong)  # type: ignore[misc]
    place.sandbox.post_as(place.alice, place.town, "end")
    await relay.until(lambda: "end" in relay.texts or bool(relay.ends))
    assert relay.ends == []
    assert relay.host.skips["unreadable"] > 0
