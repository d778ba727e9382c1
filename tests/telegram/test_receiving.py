"""What Telegram tells becomes events, once each, and is confirmed once the core has it."""

from __future__ import annotations

import asyncio
import os
from pathlib import Path
from typing import Any

import msgspec
import pytest

from drivers.telegram.settings import TelegramChannel
from nextbridge.driver import Cursor
from nextbridge.envelope import Attachment, Edited, Event, Joined, Left, Posted, Reacted
from nextbridge.errors import Rejected, Retry
from nextbridge.markup import PLAIN, Italic
from nextbridge.sandbox.contract.supervised import NotingHost, error_of, said
from nextbridge.sandbox.telegram.records import Message
from tests.mangling import mangled
from tests.telegram.stage import PNG, Town


class TestConfirming:
    async def test_nothing_is_confirmed_before_it_is_kept(self, town: Town) -> None:
        """An event that the core could not keep is told again, and the run ends so that it is asked for again."""
        relay = town.driven()
        keeps = asyncio.Event()
        accepting = relay.host.accept

        async def accept(event: Event, *, cursor: Cursor | None = None) -> asyncio.Future[None]:
            done = await accepting(event, cursor=cursor)
            if not keeps.is_set():
                done = asyncio.get_running_loop().create_future()
                done.set_exception(OSError("the disk is full"))
            return done

        relay.host.accept = accept  # type: ignore[method-assign]
        relay.start()
        try:
            await relay.connected()
            town.sandbox.say(town.ann, town.room, "hello")
            await relay.until(lambda: len(relay.posted) >= 2)
            assert all(isinstance(end, Retry) for end in relay.ends)
            assert len(town.bot.inbox.waiting) == 1
            keeps.set()
            await town.sandbox.until(lambda: not town.bot.inbox.waiting)
        finally:
            await relay.close()
        assert len({event.key for event in relay.posted}) == 1

    async def test_what_was_said_while_nobody_listened_comes_afterwards(self, town: Town) -> None:
        """In order, and with its time where it is old."""
        async with town.relay() as relay:
            town.sandbox.say(town.ann, town.room, "heard")
            await relay.received("heard")
            store = relay.host.store
        for number in range(150):
            town.sandbox.say(town.ann, town.room, f"missed {number}", date=town.sandbox.world.now - 3600)
        async with town.relay(store=store) as relay:
            await relay.received("missed 149")
            assert [text for text in relay.texts if text != "heard"] == [f"missed {number}" for number in range(150)]
            assert all(event.late for event in relay.posted if said(event) != "heard")

    async def test_an_update_that_cannot_be_read_stops_nothing(self, town: Town) -> None:
        """It is counted, and what follows it is heard."""
        async with town.relay() as relay:
            strange: Any = "no number"
            town.sandbox.say(town.ann, town.room, "strange", reply_to_message=Message(
                message_id=strange, date=0, chat=town.room.chat))  # fmt: skip
            town.sandbox.say(town.ann, town.room, "end")
            await relay.received("end")
            assert (relay.texts, relay.host.skips["unreadable"]) == (["end"], 1)

    async def test_what_says_nothing_is_found_by_its_id(self, town: Town) -> None:
        """A service message is no event, and an operator who asks for it is told so."""
        async with town.relay() as relay:
            notice = town.sandbox.say(town.ann, town.room, "")
            town.sandbox.say(town.ann, town.room, "end")
            await relay.received("end")
            assert relay.host.passed_over == {str(notice.message_id): "service_message"}

    async def test_an_update_of_any_shape_costs_itself_alone(self, town: Town) -> None:
        """Whatever stands where in it: the polling goes on, and what follows is heard."""
        town.sandbox.promote(town.room, town.bot.user)
        async with town.relay() as relay:
            heard: list[tuple[str, Any]] = []
            add = town.bot.inbox.add

            def listening(**what: object) -> None:
                heard.extend((kind, msgspec.to_builtins(each)) for kind, each in what.items())
                add(**what)

            town.bot.inbox.add = listening  # type: ignore[method-assign]
            first = town.sandbox.say(town.ann, town.room, "hello @relay_bot https://example.com")
            town.sandbox.say_file(town.ann, town.room, "a.txt", b"a", caption="a file")
            town.sandbox.say(town.ann, town.room, "yes", reply_to=first.message_id)
            town.sandbox.edit(town.ann, town.room, first, "hello all")
            town.sandbox.react(town.ann, town.room, first.message_id, "🔥")
            town.bot.inbox.add = add  # type: ignore[method-assign]
            assert {kind for kind, _ in heard} == {"message", "edited_message", "message_reaction"}
            for kind, update in heard:
                for wrong in mangled(update):
                    add(**{kind: wrong})
            town.sandbox.say(town.ann, town.room, "end")
            await relay.until(lambda: "end" in relay.texts or bool(relay.ends))
            assert relay.ends == []
            assert relay.host.skips["unreadable"] > 0

    async def test_a_second_program_with_the_token_is_told_of(self, town: Town) -> None:
        """The operator reads what is the matter, and the relay goes on once it is alone."""
        async with town.relay() as relay:
            await town.bot.inbox.fetch(0, 100, 0)
            await relay.until(lambda: bool(relay.ends))
            assert "another program receives this bot's messages" in str(relay.ends[0])
            await relay.connected()


class TestAlbums:
    async def test_an_album_is_one_message(self, town: Town) -> None:
        """Its files in order and its text; who answers or reacts to one of its parts means the whole."""
        town.sandbox.promote(town.room, town.bot.user)
        async with town.relay() as relay:
            parts = town.sandbox.say_album(town.ann, town.room, [(f"{n}.jpg", b"x") for n in range(3)], caption="three")
            town.sandbox.say(town.ann, town.room, "yes", reply_to=parts[2].message_id)
            town.sandbox.react(town.ann, town.room, parts[1].message_id, "🔥")
            await relay.until(lambda: bool(relay.of(Reacted)))
            album, answer = relay.posted
            assert (said(album), len(album.attachments), said(answer)) == ("three", 3, "yes")
            assert answer.reply_to == album.message == relay.of(Reacted)[0].message

    async def test_an_album_of_which_nothing_follows_is_complete_after_a_moment(self, town: Town) -> None:
        """Nobody has to say something for it to be seen."""
        async with town.relay() as relay:
            town.sandbox.say_album(town.ann, town.room, [("a.jpg", b"x"), ("b.jpg", b"y")])
            await relay.until(lambda: bool(relay.posted))
            assert [len(event.attachments) for event in relay.posted] == [2]
            await town.sandbox.until(lambda: not town.bot.inbox.waiting)

    async def test_what_of_an_album_had_come_survives_a_stop(self, town: Town) -> None:
        """It was confirmed to Telegram, so it is the relay's own: the next run tells it, once."""
        async with town.relay() as relay:
            town.sandbox.say_album(town.ann, town.room, [("a.jpg", b"x"), ("b.jpg", b"y")], caption="both")
            await town.sandbox.until(lambda: not town.bot.inbox.waiting)
            store = relay.host.store
            assert relay.posted == []
        async with town.relay(store=store) as relay:
            await relay.received("both")
            assert [len(event.attachments) for event in relay.posted] == [2]
            town.sandbox.say(town.ann, town.room, "end")
            await relay.received("end")
            assert relay.texts == ["both", "end"]

    async def test_parts_that_are_told_again_are_known(self, town: Town) -> None:
        """Whatever of an album Telegram repeats after a crash is nothing new; a part that comes late is a message."""
        async with town.relay() as relay:
            parts = town.sandbox.say_album(town.ann, town.room, [("a.jpg", b"x"), ("b.jpg", b"y")], caption="both")
            await relay.received("both")
            await town.sandbox.until(lambda: not town.bot.inbox.waiting)
            store = relay.host.store
        async with town.relay(store=store) as relay:
            for part in parts[::-1]:
                town.bot.inbox.add(message=part)
            town.sandbox.say_file(
                town.ann, town.room, "c.jpg", b"z", kind="photo", caption="late", media_group_id=parts[0].media_group_id
            )
            await relay.received("late")
            assert (relay.texts, relay.host.skips["known_album_part"]) == (["late"], 2)

    async def test_an_album_that_was_on_its_way_into_the_core_stays_as_it_was(self, town: Town) -> None:
        """After a crash the same event is told again, though more parts have come: so the core knows it."""
        relay = town.driven()
        told = asyncio.Event()
        accepting = relay.host.accept

        async def accept(event: Event, *, cursor: Cursor | None = None) -> asyncio.Future[None]:
            await accepting(event, cursor=cursor)
            told.set()
            return asyncio.get_running_loop().create_future()  # never on disk, as far as is known

        relay.host.accept = accept  # type: ignore[method-assign]
        relay.start()
        await relay.connected()
        album = town.sandbox.world.new_group_of_media()
        town.sandbox.say_file(town.ann, town.room, "a.jpg", b"x", kind="photo", caption="a", media_group_id=album)
        await asyncio.wait_for(told.wait(), 10)
        await relay.close()
        town.sandbox.say_file(town.ann, town.room, "b.jpg", b"y", kind="photo", caption="b", media_group_id=album)
        async with town.relay(store=relay.host.store) as again:
            await again.received("b")
            assert again.posted[0].key == relay.posted[0].key
            assert [len(event.attachments) for event in again.posted] == [1, 1]

    async def test_the_text_of_an_album_can_be_edited(self, town: Town) -> None:
        """It is the album that says something else."""
        async with town.relay() as relay:
            parts = town.sandbox.say_album(town.ann, town.room, [("a.jpg", b"x"), ("b.jpg", b"y")], caption="teh")
            await relay.received("teh")
            town.sandbox.edit(town.ann, town.room, parts[0], "the")
            edit = await relay.happened(Edited)
            assert (said(edit), edit.message) == ("the", relay.posted[0].message)


class TestPlaces:
    async def test_a_topic_is_a_channel_of_its_own(self, town: Town) -> None:
        """What is said there and in General is apart, answers and reactions too; what is sent goes where it belongs."""
        sandbox = town.sandbox
        forum = sandbox.add_supergroup("Forum", [town.ann, town.bot.user], is_forum=True)
        sandbox.promote(forum, town.bot.user)
        thread = sandbox.add_topic(forum, "ops")
        channels = [TelegramChannel(chat=forum.id), TelegramChannel(chat=forum.id, topic=thread)]
        async with town.relay(channels) as relay:
            assert (relay.room(0), relay.room(1)) == (str(forum.id), f"{forum.id}/{thread}")
            sandbox.say(town.ann, forum, "in general")
            inside = sandbox.say(town.ann, forum, "in ops", thread=thread)
            sandbox.say(town.ann, forum, "an answer", reply_to=inside.message_id)
            await relay.received("an answer")
            assert [(said(event), event.channel.key) for event in relay.posted] == [
                ("in general", relay.room(0)),
                ("in ops", relay.room(1)),
                ("an answer", relay.room(1)),
            ]
            assert [event.reply_to for event in relay.posted] == [None, None, relay.posted[1].message]
            sandbox.react(town.ann, forum, inside.message_id, "👍")
            assert (await relay.happened(Reacted)).channel.key == relay.room(1)
            await relay.send(relay.outgoing("to ops", 1))
            await relay.send(relay.outgoing("to general", 0))
            sent = {each.text: each for each in sandbox.messages(forum) if each.from_ == town.bot.user}
            for text, room in (("to ops", 1), ("to general", 0)):
                sandbox.react(town.ann, forum, sent[text].message_id, "👍")
                await relay.until(lambda room=room: len(relay.of(Reacted)) == 3 - room)  # type: ignore[misc]
                assert relay.of(Reacted)[-1].channel.key == relay.room(room)
            assert (sent["to ops"].message_thread_id, sent["to general"].message_thread_id) == (thread, None)

    async def test_a_reaction_in_a_topic_that_nobody_remembers_is_told_where_there_is_one_alone(
        self, town: Town
    ) -> None:
        """After a restart: Telegram does not say which topic it is in, and among several none is guessed."""
        sandbox = town.sandbox
        forum = sandbox.add_supergroup("Forum", [town.ann, town.bot.user], is_forum=True)
        sandbox.promote(forum, town.bot.user)
        threads = [sandbox.add_topic(forum, name) for name in ("ops", "dev")]
        said = sandbox.say(town.ann, forum, "in ops", thread=threads[0])
        channels = [TelegramChannel(chat=forum.id, topic=thread) for thread in threads]
        await town.bot.inbox.fetch(-1, 1, 0)
        for some, expected in ((channels[:1], 1), (channels, 0)):
            async with town.relay(some):
                await town.sandbox.until(lambda: not town.bot.inbox.waiting)  # what is told by now is forgotten
            async with town.relay(some) as relay:
                sandbox.react(town.ann, forum, said.message_id, *(["👍"] if expected else []))
                sandbox.say(town.ann, forum, "end", thread=threads[0])
                await relay.received("end")
                assert len(relay.of(Reacted)) == expected
                assert relay.host.skips.get("reaction_in_unknown_topic", 0) == 1 - expected

    async def test_a_channels_posts_are_its_own(self, town: Town) -> None:
        """They bear its name and the author's signature; a bot posts there as the channel."""
        news = town.sandbox.add_channel("News", [town.bot.user, town.ann], username="the_news")
        async with town.relay([TelegramChannel(chat="@the_news")]) as relay:
            assert relay.room(0) == str(news.id)
            town.sandbox.say(town.ann, news, "extra", author_signature="Ann")
            event = await relay.received("extra")
            assert (event.author.name, event.author.id, event.author.username) == (
                "News (Ann)", str(news.id), "the_news",
            )  # fmt: skip
            receipt = await relay.send("from elsewhere")
            assert receipt.message is not None
            await relay.driver.edit(receipt.message, relay.outgoing("from there"))  # type: ignore[attr-defined]
            assert [each.text for each in town.sandbox.messages(news)] == ["extra", "from there"]

    async def test_a_group_that_becomes_a_supergroup_is_followed(self, town: Town) -> None:
        """Both ways and after a restart, by whichever sign of it comes first; numbers of old and new are told apart."""
        sandbox = town.sandbox
        group = sandbox.add_group("Old", [town.ann, town.bot.user])
        channels = [TelegramChannel(chat=group.id)]
        async with town.relay(channels) as relay:
            old = await relay.send("one")
            sandbox.say(town.ann, group, "two")
            first = await relay.received("two")
            stray = relay.outgoing("three")
            bigger = sandbox.upgrade(group)
            await relay.send(stray)
            assert [each.text for each in sandbox.messages(bigger)] == ["three"]
            assert relay.host.resolutions[relay.driver.channels[0].key][0] == str(bigger.id)
            sandbox.say(town.ann, bigger, "four")
            event = await relay.received("four")
            assert event.channel.key == str(bigger.id)
            assert first.message not in {each.message for each in relay.posted if each is not first}
            assert old.message is not None
            assert old.message.startswith("g")
            store = relay.host.store
        async with town.relay(channels, store=store) as relay:
            assert relay.room(0) == str(bigger.id)
            await relay.send("five")
            assert sandbox.messages(bigger)[-1].text == "five"

    async def test_a_move_that_is_told_while_nothing_is_sent_is_followed(self, town: Town) -> None:
        """The service message alone is enough."""
        group = town.sandbox.add_group("Old", [town.ann, town.bot.user])
        async with town.relay([TelegramChannel(chat=group.id)]) as relay:
            bigger = town.sandbox.upgrade(group)
            town.sandbox.say(town.ann, bigger, "here we are")
            event = await relay.received("here we are")
            assert event.channel.key == relay.room(0) == str(bigger.id)

    async def test_a_public_name_that_we_are_let_into_later_is_resolved_then(self, town: Town) -> None:
        """Not only with the next connection."""
        park = town.sandbox.add_supergroup("Park", [town.ann], username="the_park")
        async with town.relay([TelegramChannel(chat="@the_park")]) as relay:
            assert relay.host.unavailable_channels
            town.sandbox.come(park, town.bot.user, by=town.ann)
            await relay.until(lambda: not relay.host.unavailable_channels)
            assert relay.room(0) == str(park.id)
            await relay.send("here we are")
            assert town.sandbox.messages(park)[-1].text == "here we are"

    async def test_being_removed_and_added_again_is_noticed(self, town: Town) -> None:
        """The channel is told as closed, with what to do, and as open again at once."""
        async with town.relay() as relay:
            town.sandbox.go(town.room, town.bot.user, by=town.ann)
            await relay.until(lambda: bool(relay.host.unavailable_channels))
            (reason,) = relay.host.unavailable_channels.values()
            assert "add the bot to the chat" in reason
            town.sandbox.come(town.room, town.bot.user, by=town.ann)
            await relay.until(lambda: not relay.host.unavailable_channels)
            await relay.send("back again")
            assert town.sandbox.messages(town.room)[-1].text == "back again"


@pytest.fixture
def no_tools(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing that converts files is installed."""
    monkeypatch.setenv("PATH", str(tmp_path))


class TestContents:
    @pytest.mark.parametrize(
        ("kind", "name", "media_type", "seen"),
        [
            ("photo", "x.jpg", "image/jpeg", ("photo_", ".jpg", "image/jpeg")),
            ("voice", "x.oga", "audio/ogg", ("voice_", ".ogg", "audio/ogg")),
            ("video_note", "x.mp4", "video/mp4", ("video_message_", ".mp4", "video/mp4")),
            ("document", "plan.pdf", "application/pdf", ("plan", ".pdf", "application/pdf")),
            ("sticker", "x.webp", "image/webp", ("sticker 👍", ".webp", "image/webp")),
        ],
    )
    async def test_each_kind_of_file_has_a_name_and_a_type(
        self, town: Town, no_tools: None, kind: Any, name: str, media_type: str, seen: tuple[str, str, str]
    ) -> None:
        """Also where Telegram gives it none, so that it can be opened elsewhere."""
        async with town.relay() as relay:
            town.sandbox.say_file(town.ann, town.room, name, PNG, kind=kind, media_type=media_type)
            await relay.until(lambda: bool(relay.posted))
            (attachment,) = relay.posted[0].attachments
            start, end, kept = seen
            assert (attachment.name[: len(start)], attachment.name[-len(end) :]) == (start, end)
            assert attachment.media_type == kept

    async def test_a_moving_sticker_is_shown_by_its_still_picture(self, town: Town, no_tools: None) -> None:
        """Nothing elsewhere shows Telegram's own format; without a still picture the file itself is there."""
        async with town.relay() as relay:
            town.sandbox.say_file(town.ann, town.room, "s.tgs", b"tgs", kind="sticker", sticker="animated", preview=PNG)
            town.sandbox.say_file(town.ann, town.room, "s.tgs", b"tgs", kind="sticker", sticker="animated")
            town.sandbox.say_file(town.ann, town.room, "s.webm", b"webm", kind="sticker", sticker="video")
            await relay.until(lambda: len(relay.posted) == 3)
            types = [event.attachments[0].media_type for event in relay.posted]
            assert types == ["image/webp", "application/x-tgsticker", "video/webm"]

    async def test_what_a_tool_can_convert_is_converted(
        self, town: Town, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
    ) -> None:
        """Where it is installed: moving stickers become GIFs, voice messages M4A; nothing is left behind on disk."""
        for name in ("ffmpeg", "lottie_convert.py"):
            tool = tmp_path / name
            # the last argument is where the result goes, and one of those before it is the file that is there
            tool.write_text(
                '#!/bin/sh\nfor each; do [ -f "$each" ] && in=$each; out=$each; done\n'
                'grep -q broken "$in" && exit 1\n{ echo "made by $(basename "$0")"; cat "$in"; } >"$out"\n'
            )
            tool.chmod(0o755)
        monkeypatch.setenv("PATH", f"{tmp_path}:{os.environ['PATH']}")
        said: list[tuple[str, Any, bytes]] = [
            ("animated", "sticker", b"tgs"), ("video", "sticker", b"webm"), ("static", "voice", b"ogg"),
            ("video", "sticker", b"broken"),
        ]  # fmt: skip
        async with town.relay() as relay:
            for sticker, kind, content in said:
                town.sandbox.say_file(
                    town.ann,
                    town.room,
                    "x",
                    content,
                    kind=kind,
                    media_type="audio/ogg",
                    sticker=sticker,  # type: ignore[arg-type]
                )
            await relay.until(lambda: len(relay.posted) == 4)
            attachments = [event.attachments[0] for event in relay.posted]
            assert [each.media_type for each in attachments] == ["image/gif", "image/gif", "audio/mp4", "image/gif"]
            driver: Any = relay.driver

            async def fetched(attachment: Attachment) -> bytes:
                async with driver.open_attachment(attachment) as chunks:
                    return b"".join([chunk async for chunk in chunks])

            assert [await fetched(each) for each in attachments[:3]] == [
                b"made by lottie_convert.py\ntgs", b"made by ffmpeg\nwebm", b"made by ffmpeg\nogg",
            ]  # fmt: skip
            error = await error_of(fetched(attachments[3]))
            assert isinstance(error, Rejected)
            assert "ffmpeg cannot convert it" in error.reason
            assert list(relay.host.folder.iterdir()) == []

    async def test_who_comes_and_goes_is_told_with_who_did_it(self, town: Town) -> None:
        """Several at once are several events; who was removed was removed by somebody."""
        bob, eve = town.sandbox.add_person("Bob"), town.sandbox.add_person("Eve")
        async with town.relay() as relay:
            town.sandbox.come(town.room, bob, eve, by=town.ann)
            town.sandbox.go(town.room, eve, by=town.ann)
            await relay.until(lambda: bool(relay.of(Left)))
            assert [event.author.name for event in relay.of(Joined)] == ["Bob", "Eve"]
            assert len({event.key for event in relay.of(Joined)}) == 2
            assert [(event.author.name, event.reason) for event in relay.of(Left)] == [
                ("Eve", "removed by Ann Perkins")
            ]

    async def test_a_forwarded_message_says_whose_it_was(self, town: Town) -> None:
        """In a line above it. (The origin is put into the update by hand: the stand-in forwards nothing.)"""
        from drivers.telegram import wire
        from drivers.telegram.albums import Albums
        from drivers.telegram.events import Reader

        host = NotingHost("tg", town.driven().host.store)

        class NoPortraits:
            async def of(self, whose: int) -> str:
                return ""

        albums: Any = Albums(host.store)
        portraits: Any = NoPortraits()
        reader = Reader(host, wire.User(1, username="relay_bot"), albums, portraits)
        message = wire.Message(
            5, town.sandbox.world.now, wire.Chat(-100123, title="Town"), wire.User(2, first_name="Ann"), text="news",
            forward_origin=wire.Origin(sender_user_name="Somebody"),
        )  # fmt: skip
        event = await reader.posted([message])
        assert PLAIN.write(event.text.blocks) == "Forwarded from Somebody\n\nnews"
        assert isinstance(event.text.blocks[0].children[0], Italic)  # type: ignore[union-attr]

    async def test_what_speaks_to_the_relay_is_marked_so(self, town: Town) -> None:
        """Its name, an answer to it; and a name that only looks like it is not."""
        async with town.relay() as relay:
            receipt = await relay.send("a question")
            assert receipt.message is not None
            texts = {"hello @relay_bot": True, "yes": True, "@relay_botany": False, "hello": False}
            for text in texts:
                reply = int(receipt.message) if text == "yes" else None
                town.sandbox.say(town.ann, town.room, text, reply_to=reply)
            await relay.received("hello")
            assert {said(event): event.addressed for event in relay.of(Posted)} == texts

    async def test_a_bot_in_privacy_mode_is_told_of(self, town: Town) -> None:
        """It hears nothing that is not meant for it, and the operator reads what to do in `check --online`."""
        shy = town.sandbox.add_bot("shy_bot")
        town.room.admit(shy.user)
        here = Town(town.sandbox, shy, town.ann, town.room)
        async with here.relay() as relay:
            wrong = [finding for finding in await relay.driver.probe() if not finding.ok]
            assert len(wrong) == 1
            assert "/setprivacy" in wrong[0].text
            town.sandbox.say(town.ann, town.room, "to nobody")
            receipt = await relay.send("a question")
            assert receipt.message is not None
            town.sandbox.say(town.ann, town.room, "an answer", reply_to=int(receipt.message))
            await relay.received("an answer")
            assert relay.texts == ["an answer"]

    async def test_chats_of_no_rule_are_told_until_the_bot_is_gone_from_them(self, town: Town) -> None:
        """With what a rule would say, topics by themselves; not those of the file, and nobody's private chat."""
        sandbox, bot = town.sandbox, town.bot
        forum = sandbox.add_supergroup("Forum", [town.ann], is_forum=True)
        elsewhere = sandbox.add_group("Elsewhere", [town.ann])
        topic = sandbox.add_topic(forum, "Plans")
        async with town.relay() as relay:
            for room in (forum, elsewhere):
                sandbox.come(room, bot.user, by=town.ann)
            sandbox.say(town.ann, forum, "in a topic", thread=topic)
            sandbox.say(town.ann, sandbox.private_chat(town.ann, bot), "psst")
            sandbox.say(town.ann, town.room, "last")
            await relay.received("last")
            assert {each.name: each.keys for each in relay.host.sightings} == {
                "Elsewhere": {"chat": elsewhere.id},
                "Forum": {"chat": forum.id},
                f"Forum / {topic}": {"chat": forum.id, "topic": topic},
            }
            sandbox.go(forum, bot.user, by=town.ann)
            sandbox.say(town.ann, town.room, "very last")
            await relay.received("very last")
            assert [each.name for each in relay.host.sightings] == ["Elsewhere"]
