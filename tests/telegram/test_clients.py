"""The stand-in is what two independent client libraries take for the Bot API: aiogram and python-telegram-bot.

What they send it understands, and what it answers they understand, refusals included; nothing of them is changed.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

import aiogram
import aiogram.exceptions
import pytest
import telegram
import telegram.error
import telegram.warnings
from aiogram.client.session.aiohttp import AiohttpSession
from aiogram.client.telegram import TelegramAPIServer
from aiogram.types import (
    BufferedInputFile,
    InputMediaDocument,
    MessageEntity,
    ReactionTypeEmoji,
    ReplyParameters,
)

from tests.telegram.stage import Town

_ALL = ["message", "edited_message", "channel_post", "message_reaction", "my_chat_member", "chat_member"]


@asynccontextmanager
async def _aiogram(town: Town, token: str | None = None) -> AsyncIterator[aiogram.Bot]:
    session = AiohttpSession(api=TelegramAPIServer.from_base(town.sandbox.url))
    async with aiogram.Bot(token or town.bot.token, session=session) as bot:
        yield bot


@asynccontextmanager
async def _ptb(town: Town, token: str | None = None) -> AsyncIterator[telegram.Bot]:
    url = town.sandbox.url
    async with telegram.Bot(token or town.bot.token, base_url=f"{url}/bot", base_file_url=f"{url}/file/bot") as bot:
        yield bot


class TestAiogram:
    async def test_it_knows_itself_and_the_chat(self, town: Town) -> None:
        """getMe, getChat, getChatMember and getChatAdministrators are what the library expects."""
        town.sandbox.promote(town.room, town.bot.user)
        async with _aiogram(town) as bot:
            me = await bot.get_me()
            assert (me.id, me.username, me.can_read_all_group_messages) == (town.bot.user.id, "relay_bot", True)
            chat = await bot.get_chat(town.room.id)
            assert (chat.title, chat.type) == ("Town", "supergroup")
            member = await bot.get_chat_member(town.room.id, town.ann.id)
            assert (member.status, member.user.full_name) == ("member", "Ann Perkins")
            (admin,) = await bot.get_chat_administrators(town.room.id)
            assert isinstance(admin, aiogram.types.ChatMemberAdministrator)
            assert admin.can_delete_messages
            assert await bot.get_chat_member_count(town.room.id) == 2

    async def test_it_receives_by_polling(self, town: Town) -> None:
        """Its dispatcher hears messages, edits and reactions in order, and confirms them by its offset."""
        heard: list[str] = []
        dispatcher = aiogram.Dispatcher()

        @dispatcher.message()
        async def message(event: aiogram.types.Message) -> None:
            heard.append(f"{event.from_user.full_name if event.from_user else ''}: {event.text or event.caption}")

        @dispatcher.edited_message()
        async def edited(event: aiogram.types.Message) -> None:
            heard.append(f"edited: {event.text}")

        @dispatcher.message_reaction()
        async def reacted(event: aiogram.types.MessageReactionUpdated) -> None:
            (reaction,) = event.new_reaction
            heard.append(f"reaction: {reaction.emoji}" if isinstance(reaction, ReactionTypeEmoji) else "?")

        town.sandbox.promote(town.room, town.bot.user)
        async with _aiogram(town) as bot:
            polling = asyncio.create_task(
                dispatcher.start_polling(bot, handle_signals=False, polling_timeout=5, allowed_updates=_ALL)
            )
            await town.sandbox.until(lambda: town.sandbox.faults.requests["getUpdates"] > 0)
            said = town.sandbox.say(town.ann, town.room, "hello 🚀 https://example.com")
            town.sandbox.edit(town.ann, town.room, said, "hello again")
            town.sandbox.react(town.ann, town.room, said.message_id, "👍")
            town.sandbox.say_file(town.ann, town.room, "a.pdf", b"pdf", caption="see here")
            await town.sandbox.until(lambda: not town.bot.inbox.waiting and len(heard) == 4)
            await dispatcher.stop_polling()
            await polling
        assert heard == [
            "Ann Perkins: hello 🚀 https://example.com",
            "edited: hello again",
            "reaction: 👍",
            "Ann Perkins: see here",
        ]

    async def test_it_sends_edits_answers_and_deletes(self, town: Town) -> None:
        """With entities in UTF-16 code units; the messages that come back are whole."""
        async with _aiogram(town) as bot:
            entity = MessageEntity(type="bold", offset=3, length=4)
            sent = await bot.send_message(town.room.id, "🚀 bold @annie", entities=[entity])
            assert sent.entities is not None
            assert [(each.type, each.extract_from(sent.text or "")) for each in sent.entities] == [
                ("bold", "bold"),
                ("mention", "@annie"),
            ]
            answer = await bot.send_message(
                town.room.id, "yes", reply_parameters=ReplyParameters(message_id=sent.message_id)
            )
            assert answer.reply_to_message is not None
            assert answer.reply_to_message.message_id == sent.message_id
            edited = await bot.edit_message_text("no", chat_id=town.room.id, message_id=answer.message_id)
            assert isinstance(edited, aiogram.types.Message)
            assert edited.edit_date is not None
            assert await bot.set_message_reaction(town.room.id, sent.message_id, [ReactionTypeEmoji(emoji="👍")])
            assert town.sandbox.reactions(town.room, sent.message_id) == ["👍"]
            assert await bot.delete_message(town.room.id, answer.message_id)
        assert [each.text for each in town.sandbox.messages(town.room)] == ["🚀 bold @annie"]

    async def test_it_sends_and_fetches_files(self, town: Town) -> None:
        """One with a caption, several as an album, and one that somebody sent."""
        async with _aiogram(town) as bot:
            one = await bot.send_document(town.room.id, BufferedInputFile(b"one", "one.txt"), caption="first")
            assert one.document is not None
            assert one.document.file_name == "one.txt"
            album = await bot.send_media_group(
                town.room.id,
                [InputMediaDocument(media=BufferedInputFile(each.encode(), f"{each}.txt")) for each in ("a", "b")],
            )
            assert len({each.media_group_id for each in album}) == 1
            theirs = town.sandbox.say_file(town.ann, town.room, "plan.bin", bytes(range(256)))
            assert theirs.document is not None
            content = await bot.download(theirs.document.file_id)
            assert content is not None
            assert content.read() == bytes(range(256))

    async def test_it_knows_the_refusals(self, town: Town) -> None:
        """Each becomes the exception that the library has for it."""
        town.bot.flood.limit(to_a_group_a_minute=2)
        group = town.sandbox.add_group("Old", [town.ann, town.bot.user])
        bigger = town.sandbox.upgrade(group)
        errors = aiogram.exceptions
        async with _aiogram(town) as bot:
            with pytest.raises(errors.TelegramMigrateToChat) as moved:
                await bot.send_message(group.id, "hello")
            assert moved.value.migrate_to_chat_id == bigger.id
            for _ in range(2):
                await bot.send_message(town.room.id, "hello")
            with pytest.raises(errors.TelegramRetryAfter) as later:
                await bot.send_message(town.room.id, "hello")
            assert 0 < later.value.retry_after <= 60
            town.bot.flood.lift()
            with pytest.raises(errors.TelegramBadRequest, match="message is too long"):
                await bot.send_message(town.room.id, "🚀" * 2049)
            with pytest.raises(errors.TelegramBadRequest, match="chat not found"):
                await bot.send_message(-100123, "hello")
            town.sandbox.go(town.room, town.bot.user, by=town.ann)
            with pytest.raises(errors.TelegramForbiddenError, match="bot was kicked"):
                await bot.send_message(town.room.id, "hello")
        async with _aiogram(town, "1:wrong") as bot:
            with pytest.raises(errors.TelegramUnauthorizedError):
                await bot.get_me()

    async def test_a_second_program_ends_the_poll_of_the_first(self, town: Town) -> None:
        """Of two calls of getUpdates the first is answered 409, and both are while there is a webhook."""
        errors = aiogram.exceptions
        async with _aiogram(town) as bot:
            first = asyncio.create_task(bot.get_updates(timeout=30))
            await town.sandbox.until(lambda: town.sandbox.faults.requests["getUpdates"] == 1)
            second = asyncio.create_task(bot.get_updates(timeout=30))
            with pytest.raises(errors.TelegramConflictError, match="terminated by other getUpdates"):
                await first
            town.sandbox.say(town.ann, town.room, "hello")
            assert [each.message.text for each in await second if each.message] == ["hello"]
            await bot.set_webhook("https://127.0.0.1:1/hook")
            with pytest.raises(errors.TelegramConflictError, match="webhook is active"):
                await bot.get_updates()
            assert (await bot.get_webhook_info()).url == "https://127.0.0.1:1/hook"
            await bot.delete_webhook()
            (update,) = await bot.get_updates()
            assert await bot.get_updates(offset=update.update_id + 1) == []


class TestPythonTelegramBot:
    async def test_it_receives_and_answers(self, town: Town) -> None:
        """Updates of every kind are read; a negative offset takes the newest and forgets the rest."""
        town.sandbox.promote(town.room, town.bot.user)
        async with _ptb(town) as bot:
            assert bot.username == "relay_bot"
            await bot.get_updates(allowed_updates=_ALL)
            said = town.sandbox.say(town.ann, town.room, "hello")
            newt = town.sandbox.add_person("Newt")
            town.sandbox.come(town.room, newt)
            town.sandbox.react(town.ann, town.room, said.message_id, "🔥")
            town.sandbox.say_album(town.ann, town.room, [("a.jpg", b"\xff\xd8\xff a"), ("b.jpg", b"b")], caption="two")
            updates = await bot.get_updates()
            first, joined, welcome, reacted, *album = updates[1:] if updates[0].my_chat_member else updates
            assert first.message is not None
            assert first.message.from_user is not None
            assert (first.message.text, first.message.from_user.full_name) == ("hello", "Ann Perkins")
            assert joined.chat_member is not None
            assert joined.chat_member.new_chat_member.status == "member"
            assert welcome.message is not None
            assert [each.first_name for each in welcome.message.new_chat_members] == ["Newt"]
            assert reacted.message_reaction is not None
            assert [each.message.caption for each in album if each.message] == ["two", None]
            assert len({each.message.media_group_id for each in album if each.message}) == 1
            (newest,) = await bot.get_updates(offset=-1)
            assert newest.update_id == updates[-1].update_id
            answer = await bot.send_message(town.room.id, "hi", reply_to_message_id=said.message_id)
            assert answer.reply_to_message is not None

    async def test_it_sends_files_edits_and_deletes(self, town: Town) -> None:
        """Photo, caption, edit of the caption, and the file back."""
        async with _ptb(town) as bot:
            photo = b"\x89PNG and so on"
            sent = await bot.send_photo(town.room.id, photo, caption="look")
            assert len(sent.photo) == 2
            edited = await bot.edit_message_caption(town.room.id, sent.message_id, caption="look there")
            assert isinstance(edited, telegram.Message)
            assert edited.caption == "look there"
            file = await bot.get_file(sent.photo[-1].file_id)
            assert bytes(await file.download_as_bytearray()) == photo
            assert await bot.delete_message(town.room.id, sent.message_id)
            assert await bot.send_chat_action(town.room.id, "typing")
            assert town.sandbox.world.actions == [(town.room.id, None, "typing")]

    async def test_it_knows_the_refusals(self, town: Town) -> None:
        """Each becomes the exception that the library has for it."""
        errors = telegram.error
        town.bot.flood.limit(to_a_group_a_minute=1)
        group = town.sandbox.add_group("Old", [town.ann, town.bot.user])
        bigger = town.sandbox.upgrade(group)
        async with _ptb(town) as bot:
            with pytest.raises(errors.ChatMigrated) as moved:
                await bot.send_message(group.id, "hello")
            assert moved.value.new_chat_id == bigger.id
            sent = await bot.send_message(town.room.id, "hello")
            with (
                pytest.raises(errors.RetryAfter, match="Retry in"),
                pytest.warns(telegram.warnings.PTBDeprecationWarning),
            ):
                await bot.send_message(town.room.id, "hello")
            with pytest.raises(errors.BadRequest, match="not modified"):
                await bot.edit_message_text("hello", town.room.id, sent.message_id)
            theirs = town.sandbox.say(town.ann, town.room, "mine")
            with pytest.raises(errors.BadRequest, match="can't be edited"):
                await bot.edit_message_text("yours", town.room.id, theirs.message_id)
            with pytest.raises(errors.Forbidden, match="can't initiate conversation"):
                town.sandbox.world.private(town.ann)
                await bot.send_message(town.ann.id, "psst")
        with pytest.raises(errors.InvalidToken):
            async with _ptb(town, "1:wrong"):
                pass
