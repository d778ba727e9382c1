"""What is sent to Telegram: files of every kind, long texts beside them, calls, and what it refuses."""

from __future__ import annotations

import asyncio
from pathlib import Path
from typing import Any

import pytest

from drivers.telegram.settings import TelegramChannel
from nextbridge.driver import LocalFile
from nextbridge.envelope import Posted
from nextbridge.errors import DriverError, FileRejected, Gone, Paused, Rejected, Retry
from nextbridge.markup import Mention, Paragraph, Text
from nextbridge.sandbox.contract.supervised import again, error_of, spooled
from tests.telegram.stage import PNG, Town, picture


def ours(town: Town) -> list[Any]:
    return [each for each in town.sandbox.messages(town.room) if each.from_ == town.bot.user]


class TestFiles:
    @pytest.mark.parametrize(
        ("media_type", "content", "kind"),
        [
            ("image/png", PNG, "photo"),
            ("image/gif", b"GIF89a", "animation"),
            ("video/mp4", b"ftyp", "video"),
            ("audio/mpeg", b"ID3", "audio"),
            ("application/pdf", b"%PDF", "document"),
        ],
    )
    async def test_each_kind_is_shown_as_what_it_is(
        self, town: Town, tmp_path: Path, media_type: str, content: bytes, kind: str
    ) -> None:
        """And as a file, byte for byte, where the operator says so."""
        file = spooled(tmp_path, "a.bin", content, media_type)
        for photos, expected in ((True, kind), (False, "document")):
            async with town.relay(photos=photos) as relay:
                await relay.send(relay.outgoing("look", files=(file,)))
                assert (ours(town)[-1].media, ours(town)[-1].caption) == (expected, "look")
                assert town.sandbox.content(ours(town)[-1]) == ("a.bin", content)

    async def test_pictures_are_an_album_and_mixed_files_are_one_of_files(self, town: Town, tmp_path: Path) -> None:
        """Telegram mixes pictures with films alone."""
        video = spooled(tmp_path, "v.mp4", b"ftyp", "video/mp4")
        text = spooled(tmp_path, "t.txt", b"text", "text/plain")
        async with town.relay() as relay:
            await relay.send(relay.outgoing("two", files=(picture(tmp_path), video)))
            await relay.send(relay.outgoing("three", files=(picture(tmp_path), video, text)))
        shown = [(each.media, each.caption) for each in ours(town)]
        assert shown == [
            ("photo", "two"), ("video", None), ("document", "three"), ("document", None), ("document", None),
        ]  # fmt: skip

    async def test_a_picture_that_is_none_is_sent_as_a_file(self, town: Town, tmp_path: Path) -> None:
        """Telegram refuses what it cannot read as a picture, and takes it as a file, alone or in an album."""
        broken = picture(tmp_path, "broken.png", b"no picture at all")
        async with town.relay() as relay:
            await relay.send(relay.outgoing("one", files=(broken,)))
            await relay.send(relay.outgoing("two", files=(picture(tmp_path), broken)))
        assert [each.media for each in ours(town)] == ["document"] * 3

    async def test_a_long_text_beside_files_is_a_message_before_them(self, town: Town, tmp_path: Path) -> None:
        """Both are one to the relay: edited where the text is, and deleted together, after a restart too."""
        long = "🚀" * 513
        async with town.relay() as relay:
            short = await relay.send(relay.outgoing("🚀" * 512, files=(picture(tmp_path),)))
            receipt = await relay.send(relay.outgoing(long, files=(picture(tmp_path), picture(tmp_path))))
            assert [(each.text, each.caption) for each in ours(town)] == [
                (None, "🚀" * 512), (long, None), (None, None), (None, None),
            ]  # fmt: skip
            store = relay.host.store
        async with town.relay(store=store) as relay:
            driver: Any = relay.driver
            await driver.edit(receipt.message, relay.outgoing("x" * 4096))
            assert ours(town)[1].text == "x" * 4096
            error = await error_of(driver.edit(short.message, relay.outgoing(long)))
            assert isinstance(error, Rejected)
            await driver.delete(relay.room(0), receipt.message)
            assert [each.message_id for each in ours(town)] == [int(short.message or 0)]

    async def test_a_retry_repeats_no_text_whose_files_alone_failed(self, town: Town, tmp_path: Path) -> None:
        """The text had been acknowledged; what failed is sent again."""
        async with town.relay() as relay:
            town.sandbox.faults.answer(502, method="sendPhoto")
            message = relay.outgoing("x" * 2000, files=(picture(tmp_path),))
            assert isinstance(await error_of(relay.send(message)), Retry)
            await relay.send(again(message))
        assert [(len(each.text or ""), each.media) for each in ours(town)] == [(2000, None), (0, "photo")]

    async def test_a_file_that_is_refused_is_named(self, town: Town, tmp_path: Path) -> None:
        """So that the core puts a label in its place: too large for the server, or of an album the one it names."""
        town.sandbox.world.files.largest_upload = 10
        files = (spooled(tmp_path, "a.bin", b"x"), spooled(tmp_path, "b.bin", b"x" * 11))
        async with town.relay() as relay:
            error = await error_of(relay.send(relay.outgoing("one", files=files[1:])))
            assert isinstance(error, FileRejected)
            body = (
                '{"ok":false,"error_code":400,"description":"Bad Request: failed to send message #2 with the error '
                'message \\"WEBPAGE_MEDIA_EMPTY\\""}'
            )
            town.sandbox.faults.answer(400, method="sendMediaGroup", body=body)
            error = await error_of(relay.send(relay.outgoing("two", files=files)))
            assert isinstance(error, FileRejected)
            assert error.index == 1

    async def test_the_limits_of_a_local_server_are_others(self, town: Town) -> None:
        """2000 MB go out, and whatever is given comes in, by a path on this machine."""
        huge = LocalFile(Path("nowhere"), "huge.bin", "application/octet-stream", 60 * 1024 * 1024)
        cloud: Any = town.driven(max_file_size=1 << 40).driver
        local: Any = town.driven(max_file_size=1 << 40, local_server=True).driver
        assert "50 MB" in (cloud.refuses_file("-1", huge) or "")
        assert local.refuses_file("-1", huge) is None
        assert (cloud.largest_file, local.largest_file) == (20 * 1024 * 1024, 1 << 40)

    async def test_a_local_servers_file_is_read_where_it_lies(self, town: Town, tmp_path: Path) -> None:
        """By the path that it gives, and only where the operator says that it is one."""
        town.sandbox.world.files.folder = tmp_path
        town.sandbox.say_file(town.ann, town.room, "plan.bin", b"the plan")
        for is_local in (True, False):
            async with town.relay(local_server=is_local) as relay:
                town.sandbox.say_file(town.ann, town.room, "plan.bin", b"the plan")
                await relay.until(lambda relay=relay: bool(relay.posted))  # type: ignore[misc]
                driver: Any = relay.driver
                opening = driver.open_attachment(relay.posted[-1].attachments[0])
                if is_local:
                    async with opening as chunks:
                        assert b"".join([chunk async for chunk in chunks]) == b"the plan"
                else:
                    assert isinstance(await error_of(opening.__aenter__()), Gone)

    async def test_what_the_cloud_does_not_give_is_told(self, town: Town) -> None:
        """A file over its limit is refused for good, with the reason."""
        town.sandbox.world.files.largest_download = 10
        async with town.relay() as relay:
            town.sandbox.say_file(town.ann, town.room, "large.bin", b"x" * 11)
            await relay.until(lambda: bool(relay.posted))
            driver: Any = relay.driver

            async def fetched() -> bytes:
                async with driver.open_attachment(relay.posted[0].attachments[0]) as chunks:
                    return b"".join([chunk async for chunk in chunks])

            error = await error_of(fetched())
            assert isinstance(error, Rejected)
            assert "20 MB" in error.reason


class TestCalls:
    async def test_who_has_no_name_is_called_by_what_people_see(self, town: Town) -> None:
        """With an entity that calls them, while whoever has a @name is called by that."""
        bob = town.sandbox.add_person("Bob 🚀", "B")
        town.room.admit(bob)
        async with town.relay() as relay:
            town.sandbox.say(bob, town.room, "hello")
            town.sandbox.say(town.ann, town.room, "hi")
            await relay.received("hi")
            driver: Any = relay.driver
            found = await driver.member(relay.room(0), "bob 🚀 b")
            assert (found.id, found.username) == (str(bob.id), str(bob.id))
            ann = await driver.member(relay.room(0), "annie")
            calls = [Mention(each.username, user=each.id) for each in (found, ann)]
            words = (Text("x "), calls[0], Text(" and "), calls[1], Text("!"))
            await relay.send(relay.outgoing(driver.dialect.write((Paragraph(words),))))
        (sent,) = ours(town)
        assert sent.text == "x Bob 🚀 B and @annie!"
        assert [(each.type, each.user.id if each.user else None) for each in sent.entities] == [
            ("text_mention", bob.id),
            ("mention", None),
        ]

    async def test_who_left_is_called_no_more(self, town: Town) -> None:
        """Nobody is found who is not there."""
        async with town.relay() as relay:
            town.sandbox.say(town.ann, town.room, "bye")
            await relay.received("bye")
            driver: Any = relay.driver
            assert await driver.member(relay.room(0), "annie") is not None
            town.room.admit(town.ann, "left")
            assert await driver.member(relay.room(0), "annie") is None


class TestRefusals:
    async def test_a_limit_is_waited_for(self, town: Town) -> None:
        """For as long as Telegram says, and nothing is sent to that chat meanwhile; other chats go on."""
        other = town.sandbox.add_supergroup("Other", [town.ann, town.bot.user])
        channels = [TelegramChannel(chat=town.room.id), TelegramChannel(chat=other.id)]
        body = '{"ok":false,"error_code":429,"description":"Too Many Requests: retry after 77","parameters":{"retry_after":77}}'  # noqa: E501
        async with town.relay(channels) as relay:
            town.sandbox.faults.answer(429, method="sendMessage", body=body)
            error = await error_of(relay.send("too much"))
            assert isinstance(error, Retry)
            assert error.after == 77
            asked = town.sandbox.faults.requests["sendMessage"]
            error = await error_of(relay.send("again"))
            assert isinstance(error, Retry)
            assert 70 < (error.after or 0) <= 77
            assert town.sandbox.faults.requests["sendMessage"] == asked
            await relay.send("elsewhere", 1)

    async def test_a_group_gets_no_more_than_it_may(self, town: Town) -> None:
        """With the usual settings the twenty-first message of a minute waits, and Telegram refuses none."""
        town.bot.flood.limit()
        async with town.relay(messages_per_minute=20, messages_per_second=25) as relay:
            for number in range(20):
                await relay.send(f"line {number}")
            error = await error_of(relay.send("one more"))
            assert isinstance(error, Retry)
            assert 30 < (error.after or 0) <= 60
        assert town.bot.flood.refused == 0
        assert len(ours(town)) == 20

    @pytest.mark.parametrize(
        ("description", "kind"),
        [
            ("Forbidden: bot was kicked from the supergroup chat", Paused),
            ("Bad Request: not enough rights to send text messages to the chat", Paused),
            ("Bad Request: message thread not found", Paused),
            ("Bad Request: TOPIC_CLOSED", Paused),
            ("Bad Request: chat not found", Paused),
            ("Bad Request: message to be replied not found", Gone),
            ("Bad Request: message is too long", Rejected),
        ],
    )
    async def test_a_refusal_is_told_as_what_it_means(
        self, town: Town, description: str, kind: type[DriverError]
    ) -> None:
        """For all of the chat, for what is answered, or for this message alone."""
        status = 403 if description.startswith("Forbidden") else 400
        async with town.relay() as relay:
            body = f'{{"ok":false,"error_code":{status},"description":"{description}"}}'
            town.sandbox.faults.answer(status, method="sendMessage", body=body)
            error = await error_of(relay.send("hello"))
            assert isinstance(error, kind)
            if isinstance(error, Paused):
                assert error.scope == "channel"
            await relay.send("it goes on")

    async def test_what_is_older_than_two_days_is_not_deleted(self, town: Town) -> None:
        """Telegram refuses it; the core is told so, to say it in a line where the rule wants that."""
        async with town.relay() as relay:
            receipt = await relay.send("old")
            said = town.room.said[int(receipt.message or 0)]
            said.message = type(said.message)(
                message_id=said.message.message_id, date=said.message.date - 49 * 3600, chat=said.message.chat,
                from_=said.message.from_, text="old",
            )  # fmt: skip
            driver: Any = relay.driver
            error = await error_of(driver.delete(relay.room(0), receipt.message))
            assert isinstance(error, Rejected)
            assert "48 hours" in error.reason
            await driver.edit(receipt.message, relay.outgoing("older"))
            assert ours(town)[0].text == "older"

    async def test_the_token_is_in_no_reason(self, town: Town) -> None:
        """Though it is a part of every address: whatever fails, the operator reads it without."""
        relay = town.driven(api_url="http://127.0.0.1:1")
        relay.start()
        await relay.until(lambda: bool(relay.ends))
        await relay.close()
        told = [str(relay.ends[0])]
        async with town.relay() as relay:
            for status, body in ((502, "<html>"), (400, "{}"), (404, "Not Found"), (200, "[]")):
                town.sandbox.faults.answer(status, method="sendMessage", body=body)
                told.append(str(await error_of(relay.send("hello"))))
        assert all(each != "None" for each in told), told
        assert all(town.bot.token not in each for each in told)

    async def test_a_second_reaction_is_refused_while_the_first_is_there(self, town: Town) -> None:
        """A bot can put one on a message; when it is taken back another can follow, after a restart too."""
        async with town.relay() as relay:
            town.sandbox.say(town.ann, town.room, "news")
            message = (await relay.received("news")).message
            driver: Any = relay.driver
            await driver.react(relay.room(0), message, "❤️", add=True)
            assert isinstance(await error_of(driver.react(relay.room(0), message, "👍", add=True)), Rejected)
            await driver.react(relay.room(0), message, "👍", add=False)
            assert town.sandbox.reactions(town.room, int(message)) == ["❤"]
            store = relay.host.store
        async with town.relay(store=store) as relay:
            driver = relay.driver
            await driver.react(relay.room(0), message, "❤", add=False)
            await driver.react(relay.room(0), message, "👍", add=True)
            assert town.sandbox.reactions(town.room, int(message)) == ["👍"]

    async def test_a_person_who_blocked_the_bot_is_told_nothing(self, town: Town) -> None:
        """It is refused for good, and says what they have to do."""
        async with town.relay() as relay:
            driver: Any = relay.driver
            town.sandbox.private_chat(town.ann, town.bot)
            await driver.tell(str(town.ann.id), "psst")
            town.sandbox.block(town.ann, town.bot)
            error = await error_of(driver.tell(str(town.ann.id), "psst"))
            assert isinstance(error, Rejected)
            assert "write to the bot first" in error.reason


class TestPortraits:
    async def test_a_picture_is_asked_for_once(self, town: Town) -> None:
        """Not with each message; who has none is not asked for again either."""
        town.sandbox.give_portrait(town.ann.id, PNG)
        bob = town.sandbox.add_person("Bob")
        town.room.admit(bob)
        async with town.relay() as relay:
            for number in range(3):
                town.sandbox.say(town.ann, town.room, f"{number}")
                town.sandbox.say(bob, town.room, f"{number} too")
            await relay.received("2 too")
            assert town.sandbox.faults.requests["getUserProfilePhotos"] == 2
            assert {event.author.name: bool(event.author.portrait) for event in relay.of(Posted)} == {
                "Ann Perkins": True,
                "Bob": False,
            }

    async def test_a_slow_answer_holds_up_no_message_for_long(self, town: Town) -> None:
        """The message comes without the picture."""
        town.sandbox.give_portrait(town.ann.id, PNG)
        town.sandbox.faults.hang(method="getUserProfilePhotos")
        async with town.relay() as relay:
            town.sandbox.say(town.ann, town.room, "hello")
            async with asyncio.timeout(15):
                assert (await relay.received("hello")).author.portrait == ""
            town.sandbox.faults.release()
