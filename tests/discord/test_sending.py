"""Messages out, as Discord alone has them: webhooks, replies, forums, custom emoji, limits, repeated attempts."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.discord.markdown import MARKDOWN
from nextbridge.driver import LocalFile
from nextbridge.envelope import MessageId
from nextbridge.errors import FileRejected, Gone, Paused, Retry
from nextbridge.markup import Emoji, Mention, MentionKind, Paragraph, Text
from nextbridge.markup.split import split
from nextbridge.sandbox.contract.supervised import Supervised, again, error_of, spooled
from nextbridge.sandbox.discord import Allowance, Limit, Right, SandboxDiscord
from tests.discord.client import Shown
from tests.discord.place import Place


def written(relay: Supervised, *children: object) -> str:
    return relay.driver.dialect.write((Paragraph(children),))  # type: ignore[arg-type]


async def test_a_webhook_is_made_once_and_found_again(place: Place) -> None:
    """One for a channel, of the bot's own; the next run takes the same. Another application's is left alone."""
    place.sandbox.post_by_webhook(place.town, "CI", "hello")
    relay = await place.run()
    for number in range(2):
        await relay.send(f"line {number}")
    await relay.close()
    second = await place.run()
    await second.send("line 2")
    webhooks = [each for each in place.sandbox.world.webhooks.values() if each.application_id == place.relay.id]
    assert len(webhooks) == 1
    assert {each.webhook_id for each in place.sandbox.messages(place.town)[1:]} == {webhooks[0].id}


async def test_a_webhook_that_is_deleted_is_made_again(place: Place) -> None:
    """The message waits for that and no longer."""
    relay = await place.run()
    await relay.send("before")
    place.sandbox.post_as(place.alice, place.town, "seen")
    await relay.received("seen")
    await relay.send("and once more")
    place.sandbox.world.webhooks.clear()
    message = relay.outgoing("after")
    error = await error_of(relay.send(message))
    assert isinstance(error, Retry)
    assert error.after == 0
    await relay.send(again(message))
    assert place.sandbox.texts(place.town) == ["before", "seen", "and once more", "after"]


async def test_without_the_right_to_webhooks_names_stand_in_the_text(place: Place) -> None:
    """In that channel alone, within the limit that the core is told; where no channel has it, the core is told."""
    place.sandbox.change_right(place.dev, place.relay, Right.MANAGE_WEBHOOKS, allow=False)
    relay = await place.run(place.town, place.dev)
    assert relay.driver.limits(relay.room(0)).text > relay.driver.limits(relay.room(1)).text
    name = "*Zoë* " * 13
    text = "x" * relay.driver.limits(relay.room(1)).text
    for room in (0, 1):
        await relay.send(relay.outgoing(text, room, name=name))
    assert place.last(place.town).content == text
    by_bot = place.last(place.dev)
    assert by_bot.author.username == "relay"
    assert Shown(by_bot.content).text == f"{name.strip()}: {text}"
    alone = await place.run(place.dev)
    assert not alone.driver.shows_identity  # type: ignore[attr-defined]
    assert alone.driver.limits(alone.room(0)).text == 2000


async def test_names_that_discord_refuses_are_written_alike(place: Place) -> None:
    """`clyde` and `discord` may stand in no name of a webhook, and some names are none."""
    relay = await place.run()
    for name in ("Clyde", "discordian", "everyone", "x" * 200, "\u200b"):
        await relay.send(relay.outgoing("hello", name=name))
        assert place.last().content == "hello"
        assert place.last().author.username


async def test_an_answer_by_a_webhook_leads_to_its_question(place: Place) -> None:
    """A line in small letters with a link, which an edit keeps and an excerpt leaves out."""
    relay = await place.run()
    place.sandbox.post_as(place.alice, place.town, "a question")
    question = (await relay.received("a question")).message
    receipt = await relay.send(relay.outgoing("an answer", reply_to=question))
    link = f"-# ↪ https://discord.com/channels/{place.guild.id}/{place.town.id}/{question}\n"
    assert place.last().content == f"{link}an answer"
    assert receipt.message is not None
    await relay.close()
    second = await place.run(store=relay.host.store)
    await second.driver.edit(receipt.message, second.outgoing("a better answer"))  # type: ignore[attr-defined]
    assert place.last().content == f"{link}a better answer"
    excerpt = await second.driver.recall(second.room(0), receipt.message)  # type: ignore[attr-defined]
    assert (excerpt.name, excerpt.text) == ("Zoë", "a better answer")


async def test_an_answer_is_the_bots_own_reply_where_the_operator_says_so(place: Place) -> None:
    """Then the name stands in the text; what answers nothing still bears its author's name."""
    relay = await place.run(of_channel={"answers": "reply"})
    question = place.sandbox.post_as(place.alice, place.town, "a question")
    await relay.received("a question")
    await relay.send(relay.outgoing("an answer", reply_to=MessageId(question.id)))
    reply = place.last()
    assert (reply.author.username, reply.content) == ("relay", "**Zoë**: an answer")
    assert reply.message_reference
    assert reply.message_reference.message_id == question.id
    assert reply.mentions == [], "whoever is answered is not called by it"
    await relay.send("by the way")
    assert (place.last().author.username, place.last().content) == ("Zoë", "by the way")


async def test_an_answer_into_a_locked_thread_is_to_be_quoted_elsewhere(place: Place) -> None:
    """A thread that was deleted takes nothing: the core is told that it is gone."""
    root = place.sandbox.post_as(place.alice, place.town, "a question")
    thread = place.sandbox.start_thread(place.bob, root, "about it")
    relay = await place.run()
    del place.sandbox.world.channels[thread.id]
    assert isinstance(await error_of(relay.send(relay.outgoing("x", reply_to=MessageId(root.id)))), Gone)


async def test_custom_emoji_are_the_guilds_own(place: Place) -> None:
    """By the name that they have elsewhere; one that is not there is its name, and reacts with nothing."""
    emoji = place.sandbox.add_emoji(place.guild, "party")
    relay = await place.run()
    await relay.send(relay.outgoing(written(relay, Emoji("party"), Text(" "), Emoji("other"), Text(" :party:"))))
    assert place.last().content == f"<:party:{emoji.id}> :other: \\:party:"
    message = place.sandbox.post_as(place.alice, place.town, "news")
    await relay.driver.react(relay.room(0), MessageId(message.id), "party", add=True)  # type: ignore[attr-defined]
    assert list(place.sandbox.reactions_of(message)) == [f"party:{emoji.id}"]


async def test_those_alone_are_called_whom_the_core_lets_through(place: Place) -> None:
    """By the webhook and by the bot, in messages and in edits; words that look like a call call nobody."""
    for identity in ("webhook", "bot"):
        relay = await place.run(identity=identity)
        typed = Text(f"<@{place.alice.id}> @everyone <@&{place.guild.id}>")
        receipt = await relay.send(relay.outgoing(written(relay, Mention("Bobby", user=place.bob.id), typed)))
        assert ([each.id for each in place.last().mentions], place.last().mention_everyone) == ([place.bob.id], False)
        assert receipt.message is not None
        await relay.driver.edit(receipt.message, relay.outgoing(written(relay, typed)))  # type: ignore[attr-defined]
        assert (place.last().mentions, place.last().mention_everyone) == ([], False)
        everybody = Mention("all", MentionKind.CHANNEL, permitted=True)
        await relay.send(relay.outgoing(written(relay, everybody, Text(" come"))))
        assert place.last().mention_everyone


async def test_files_are_refused_by_the_guilds_size(place: Place, tmp_path: Path) -> None:
    """10 MiB, more on a boosted server; one that Discord refuses all the same is named by its place."""
    relay = await place.run()
    large = LocalFile(Path("nowhere"), "large.bin", "application/octet-stream", (10 << 20) + 1)
    assert "10" in (relay.driver.refuses_file(relay.room(0), large) or "")  # type: ignore[attr-defined]
    place.guild.premium_tier = 2
    boosted = await place.run(store=relay.host.store)
    assert boosted.driver.refuses_file(boosted.room(0), large) is None  # type: ignore[attr-defined]
    place.guild.premium_tier = 0
    files = (spooled(tmp_path, "small", b"x"), spooled(tmp_path, "large", bytes((10 << 20) + 1)))
    error = await error_of(boosted.send(boosted.outgoing("two", files=files)))
    assert isinstance(error, FileRejected)
    assert error.index == 1


async def test_a_right_that_a_send_finds_missing_closes_the_channel(place: Place) -> None:
    """Where the event of it has not come yet: the lane waits, and the operator is told."""
    relay = await place.run(identity="bot")
    place.sandbox.gateway.freeze()
    place.sandbox.change_right(place.town, place.relay, Right.SEND_MESSAGES, allow=False)
    error = await error_of(relay.send("hello"))
    assert isinstance(error, Paused)
    assert (error.scope, "Send Messages" in error.reason) == ("channel", True)
    assert relay.host.unavailable_channels


async def test_the_limits_are_kept_before_they_are_met() -> None:
    """Of a channel, and of everything: many messages in several channels meet no 429."""
    plenty = Limit(1000, 1.0)
    routes = {"POST /webhooks/{webhook}/{token}": Limit(3, 0.4), "POST /channels/{channel}/messages": Limit(3, 0.4)}
    async with SandboxDiscord(allowance=Allowance(routes, plenty, plenty)) as sandbox:
        place = Place(sandbox)
        relay = await place.run(place.town, place.dev)

        async def lane(room: int) -> None:
            for number in range(8):
                await relay.send(f"line {number}", room)

        await asyncio.gather(lane(0), lane(1))
        for channel in (place.town, place.dev):
            assert sandbox.texts(channel) == [f"line {number}" for number in range(8)]
        assert sandbox.buckets.refused == 0
        await relay.close()


async def test_a_limit_that_is_met_is_told_with_its_time() -> None:
    """429 of a bucket and of everything: the lane waits for as long as Discord says, and the message is not lost."""
    plenty = Limit(1000, 1.0)
    for allowance in (
        Allowance({"POST /channels/{channel}/messages": Limit(1, 30.0)}, plenty, plenty),
        Allowance({}, plenty, Limit(20, 30.0)),
    ):
        async with SandboxDiscord(allowance=allowance) as sandbox:
            place = Place(sandbox)
            relay = await place.run(identity="bot")
            errors = [await error_of(relay.send(f"line {number}")) for number in range(20)]
            told = next(each for each in errors if each is not None)
            assert isinstance(told, Retry)
            assert told.after is not None
            assert 10 < told.after <= 30
            assert sandbox.buckets.refused <= 1
            await relay.close()


_ENDLESS = {"Bucket": "b", "Remaining": "0", "Reset-After": "inf"}


@pytest.mark.parametrize(
    ("status", "body", "headers"),
    [
        (200, "[]", {}),
        (200, "{", {}),
        (200, '{"id": "x", "channel_id": 5}', {}),
        (200, "<html>log in</html>", {}),
        (
            200,
            '{"new":' + "[" * 20_000,
            {"X-RateLimit-Bucket": "b", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset-After": "inf"},
        ),
        (404, "null", {}),
        (403, '{"message": 5, "code": []}', {}),
        (502, "<html>bad gateway</html>", {}),
        (429, '{"retry_after": 1e300, "global": true}', {}),
        (429, "[]", {}),
        (429, '{"retry_after": -1e300}', {}),
    ],
)
async def test_what_is_no_answer_of_discords_is_tried_again(
    place: Place, status: int, body: str, headers: dict[str, str]
) -> None:
    """A proxy's page, half an answer, one of other shapes, and a limit without an end: the next message goes out."""
    relay = await place.run(identity="bot")
    place.sandbox.faults.answer(status, route="POST /channels/{channel}/messages", body=body, headers=headers)
    refused = await error_of(relay.send("hello"))
    assert isinstance(refused, Retry)
    assert (refused.after or 0.0) <= 60.0
    await relay.send("end")
    assert [text.rpartition(" ")[2] for text in place.sandbox.texts(place.town)] == ["end"]


@pytest.mark.parametrize("identity", ["webhook", "bot"])
async def test_equal_messages_are_told_apart_after_a_crash(place: Place, identity: str) -> None:
    """The second of two equal ones, whose first attempt never arrived, is sent; the one that did arrive is not."""
    relay = await place.run(identity=identity)
    first, second = relay.outgoing("yes"), relay.outgoing("yes")
    await relay.send(first)
    await relay.close()
    restarted = await place.run(identity=identity, store=relay.host.store)
    place.sandbox.world.forget_nonces()
    await restarted.send(again(first))
    assert place.sandbox.texts(place.town) == ["yes"]
    place.sandbox.faults.answer(502, route=_route(identity))
    assert isinstance(await error_of(restarted.send(second)), Retry)
    await restarted.close()
    once_more = await place.run(identity=identity, store=relay.host.store)
    await once_more.send(again(second))
    await once_more.send(again(second))
    assert place.sandbox.texts(place.town) == ["yes", "yes"]


def _route(identity: str) -> str:
    return f"POST /{'webhooks/{webhook}/{token}' if identity == 'webhook' else 'channels/{channel}/messages'}"


@pytest.mark.parametrize("identity", ["webhook", "bot"])
async def test_a_forums_post_is_made_once(place: Place, identity: str) -> None:
    """What begins a post is recognised after a crash; its title is the first words, without markup."""
    forum = place.sandbox.add_channel(place.guild, "ideas", forum=True)
    relay = await place.run(forum, identity=identity)
    message = relay.outgoing("**an idea** for\nthe town")
    receipt = await relay.send(message)
    await relay.close()
    restarted = await place.run(forum, identity=identity, store=relay.host.store)
    assert await restarted.send(again(message)) == receipt
    (thread,) = place.sandbox.threads(forum)
    assert (thread.name, receipt.message) == ("an idea for the town", f"{thread.id}/{thread.id}")
    await restarted.send(restarted.outgoing("an answer", reply_to=receipt.message))
    assert place.sandbox.texts(thread)[1:] in (["an answer"], ["**Zoë**: an answer"])


def test_a_long_message_is_cut_outside_of_code() -> None:
    """Each part of a long code block is one, closed, and of at most 2,000 characters."""
    code = "\n".join(f"line {number} of the program" for number in range(300))
    blocks = MARKDOWN.read(f"before\n```py\n{code}\n```\nafter").blocks
    parts = [MARKDOWN.write(each) for each in split(blocks, write=MARKDOWN.write, size=len, limit=2000)]
    assert all(len(part) <= 2000 and part.count("```") % 2 == 0 for part in parts)
    shown = "\n".join(Shown(part).text for part in parts)
    assert shown.split() == f"before {code} after".split()
