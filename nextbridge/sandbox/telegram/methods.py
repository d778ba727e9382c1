"""The methods of the Bot API that are about the bot itself, its updates, chats and people."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from msgspec import Struct
from msgspec.structs import replace

from nextbridge.sandbox.telegram.files import as_photo
from nextbridge.sandbox.telegram.parameters import Parameters
from nextbridge.sandbox.telegram.records import ChatMember, PhotoSize, Update, User, WebhookInfo
from nextbridge.sandbox.telegram.refusals import bad_request
from nextbridge.sandbox.telegram.rooms import Room
from nextbridge.sandbox.telegram.updates import Webhook
from nextbridge.sandbox.telegram.world import Account, World

__all__ = ["Methods", "room_of"]

Method = Callable[[Account, Parameters], Awaitable[object]]

_LONGEST_DESCRIPTION = 255


class _ChatPhoto(Struct):
    small_file_id: str
    small_file_unique_id: str
    big_file_id: str
    big_file_unique_id: str


class _FullChat(Struct, omit_defaults=True, kw_only=True):
    id: int
    type: str
    accent_color_id: int
    max_reaction_count: int
    accepted_gift_types: dict[str, bool]
    title: str | None = None
    username: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    is_forum: bool = False
    description: str | None = None
    photo: _ChatPhoto | None = None
    permissions: dict[str, bool] | None = None


class _Photos(Struct):
    total_count: int
    photos: tuple[tuple[PhotoSize, ...], ...]


class _File(Struct, omit_defaults=True):
    file_id: str
    file_unique_id: str
    file_size: int
    file_path: str


def room_of(world: World, parameters: Parameters) -> Room:
    """The chat that a call is about. Raises Refusal."""
    reference = parameters.text("chat_id")
    if not reference:
        raise bad_request("chat_id is empty")
    room = world.find_room(reference)
    if room is None:
        raise bad_request("chat not found")
    return room


class Methods:
    """By name, in `table`."""

    def __init__(self, world: World) -> None:
        self._world = world
        self.table: dict[str, Method] = {
            "getMe": self._me,
            "getUpdates": self._updates,
            "setWebhook": self._set_webhook,
            "deleteWebhook": self._delete_webhook,
            "getWebhookInfo": self._webhook_info,
            "getChat": self._chat,
            "getChatMember": self._member,
            "getChatAdministrators": self._administrators,
            "getChatMemberCount": self._count,
            "getUserProfilePhotos": self._portraits,
            "getFile": self._file,
            "setChatDescription": self._describe,
            "sendChatAction": self._act,
            "leaveChat": self._leave,
        }

    async def _me(self, bot: Account, _: Parameters) -> User:
        hears_all = not bot.privacy
        return replace(
            bot.user, can_join_groups=True, can_read_all_group_messages=hears_all, supports_inline_queries=False
        )

    async def _updates(self, bot: Account, parameters: Parameters) -> list[Update]:
        bot.inbox.allow(_allowed(parameters))
        limit, seconds = parameters.number("limit", 100), parameters.number("timeout")
        return await bot.inbox.fetch(parameters.number("offset"), limit, min(seconds, 50))

    async def _set_webhook(self, bot: Account, parameters: Parameters) -> bool:
        bot.inbox.allow(_allowed(parameters))
        url = parameters.text("url")
        hook = Webhook(url, parameters.text("secret_token"), parameters.number("max_connections", 40))
        bot.inbox.set_webhook(hook if url else None, drop=parameters.flag("drop_pending_updates"))
        return True

    async def _delete_webhook(self, bot: Account, parameters: Parameters) -> bool:
        bot.inbox.set_webhook(None, drop=parameters.flag("drop_pending_updates"))
        return True

    async def _webhook_info(self, bot: Account, _: Parameters) -> WebhookInfo:
        return bot.inbox.info

    async def _chat(self, bot: Account, parameters: Parameters) -> _FullChat:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        chat = room.chat
        photo = self._world.portraits.get(room.id)
        kept = self._world.files.find(photo) if photo is not None else None
        return _FullChat(
            accent_color_id=0,
            max_reaction_count=11,
            id=chat.id, type=chat.type, title=chat.title, username=chat.username, first_name=chat.first_name,
            last_name=chat.last_name, is_forum=chat.is_forum, description=room.description or None,
            accepted_gift_types=dict.fromkeys(
                ("unlimited_gifts", "limited_gifts", "unique_gifts", "premium_subscription", "gifts_from_channels"),
                False,
            ),
            photo=_ChatPhoto(kept.id, kept.unique_id, kept.id, kept.unique_id) if kept is not None else None,
            permissions=room.permissions,
        )  # fmt: skip

    async def _member(self, bot: Account, parameters: Parameters) -> ChatMember:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        user = self._world.users.get(parameters.number("user_id"))
        if user is None:
            raise bad_request("PARTICIPANT_ID_INVALID")
        return room.member(user)

    async def _administrators(self, bot: Account, parameters: Parameters) -> list[ChatMember]:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        if room.chat.type == "private":
            raise bad_request("there are no administrators in the private chat")
        # other bots are left out
        return [
            each
            for each in room.members.values()
            if each.status in {"creator", "administrator"} and (not each.user.is_bot or each.user.id == bot.user.id)
        ]

    async def _count(self, bot: Account, parameters: Parameters) -> int:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        return sum(room.is_in(each.user) for each in room.members.values())

    async def _portraits(self, _: Account, parameters: Parameters) -> _Photos:
        user = self._world.users.get(parameters.number("user_id"))
        if user is None:
            raise bad_request("user not found")
        photo = self._world.portraits.get(user.id)
        kept = self._world.files.find(photo) if photo is not None else None
        return _Photos(1, (as_photo(kept),)) if kept is not None else _Photos(0, ())

    async def _file(self, _: Account, parameters: Parameters) -> _File:
        kept = self._world.files.find(parameters.text("file_id"))
        if kept is None:
            raise bad_request("wrong file_id or the file is temporarily unavailable")
        if len(kept.content) > self._world.files.largest_download:
            raise bad_request("file is too big")
        path, folder = kept.path, self._world.files.folder
        if folder is not None:
            local = folder / path.replace("/", "_")
            await asyncio.to_thread(local.write_bytes, kept.content)
            path = str(local)
        return _File(kept.id, kept.unique_id, len(kept.content), path)

    async def _describe(self, bot: Account, parameters: Parameters) -> bool:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        if room.chat.type == "private":
            raise bad_request("can't change private chat description")
        room.require_right(bot.user, "can_change_info", bad_request("not enough rights to set chat description"))
        description = parameters.text("description").strip()[:_LONGEST_DESCRIPTION]
        if description == room.description:
            raise bad_request("chat description is not modified")
        room.description = description
        return True

    async def _act(self, bot: Account, parameters: Parameters) -> bool:
        room = room_of(self._world, parameters)
        thread = parameters.number("message_thread_id") or None
        room.require_posting(bot.user, thread)
        self._world.actions.append((room.id, thread, parameters.text("action")))
        return True

    async def _leave(self, bot: Account, parameters: Parameters) -> bool:
        room = room_of(self._world, parameters)
        room.require(bot.user)
        self._world.stand(room, bot.user, bot.user, "left")
        return True


def _allowed(parameters: Parameters) -> tuple[str, ...] | None:
    return parameters.structure("allowed_updates", tuple[str, ...], ()) if parameters.has("allowed_updates") else None
