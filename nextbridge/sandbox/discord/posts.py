"""The routes about messages: in channels, by webhooks, their reactions and their files."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

from aiohttp import web
from msgspec import UNSET, Struct, UnsetType, field

from nextbridge.sandbox.discord.exchange import Asked, Route
from nextbridge.sandbox.discord.mentions import AllowedMentions
from nextbridge.sandbox.discord.places import check_webhook_name
from nextbridge.sandbox.discord.records import (
    Channel,
    ChannelType,
    Message,
    MessageReference,
    User,
    Webhook,
    plain,
)
from nextbridge.sandbox.discord.refusals import Refused, invalid, missing_permissions, unknown
from nextbridge.sandbox.discord.rights import Right
from nextbridge.sandbox.discord.world import Draft, Upload, World

__all__ = ["file_of", "routes"]

_LONGEST = 2000
_MOST_FILES = 10
_MEBIBYTE = 1 << 20
_LARGEST = {0: 10 * _MEBIBYTE, 1: 10 * _MEBIBYTE, 2: 50 * _MEBIBYTE, 3: 100 * _MEBIBYTE}
"""Bytes of a file, by the guild's premium tier."""


class _Reference(Struct):
    message_id: str | int
    channel_id: str | int | UnsetType = UNSET
    guild_id: str | int | UnsetType = UNSET
    type: int = 0
    fail_if_not_exists: bool = True


class _NewAttachment(Struct):
    id: int | str
    filename: str = ""
    title: str = ""


class _NewMessage(Struct):
    content: str | None = None
    nonce: str | int | None = None
    enforce_nonce: bool = False
    tts: bool = False
    embeds: list[dict[str, Any]] | None = None
    allowed_mentions: AllowedMentions | None = None
    message_reference: _Reference | None = None
    attachments: list[_NewAttachment] = []
    username: str | None = None
    avatar_url: str | None = None
    thread_name: str | None = None


class _NewThread(Struct):
    name: str
    message: _NewMessage = field(default_factory=_NewMessage)
    type: int = 11


class _Kept(Struct):
    id: str | int


class _Revision(Struct):
    content: str | UnsetType | None = UNSET
    allowed_mentions: AllowedMentions | None = None
    attachments: list[_Kept] | UnsetType = UNSET


def routes() -> Iterator[Route]:
    """All of them."""
    yield "GET", "/channels/{channel}/messages", _list
    yield "POST", "/channels/{channel}/messages", _create
    yield "GET", "/channels/{channel}/messages/{message}", _get
    yield "PATCH", "/channels/{channel}/messages/{message}", _edit
    yield "DELETE", "/channels/{channel}/messages/{message}", _delete
    yield "PUT", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me", _react
    yield "DELETE", "/channels/{channel}/messages/{message}/reactions/{emoji}/@me", _take_back
    yield "POST", "/channels/{channel}/threads", _start_thread
    yield "POST", "/webhooks/{webhook}/{token}", _execute
    yield "GET", "/webhooks/{webhook}/{token}/messages/{message}", _get_of_webhook
    yield "PATCH", "/webhooks/{webhook}/{token}/messages/{message}", _edit_of_webhook
    yield "DELETE", "/webhooks/{webhook}/{token}/messages/{message}", _delete_of_webhook


async def _list(asked: Asked) -> object:
    channel = asked.channel()
    if Right.READ_MESSAGE_HISTORY not in asked.world.rights(asked.me.id, channel):
        return []
    limit = int(asked.query("limit") or 50)
    if not 1 <= limit <= 100:
        raise invalid("limit", "NUMBER_TYPE_MAX", "int value should be between 1 and 100.")
    messages = list(asked.world.messages[channel.id].values())
    if before := asked.query("before"):
        messages = [each for each in messages if int(each.id) < int(before)][-limit:]
    elif after := asked.query("after"):
        messages = [each for each in messages if int(each.id) > int(after)][:limit]
    return [asked.world.seen(each, asked.me.id, asked.host) for each in reversed(messages[-limit:])]


async def _get(asked: Asked) -> object:
    channel = asked.channel(Right.READ_MESSAGE_HISTORY)
    return asked.world.seen(asked.world.message(channel, asked.part("message")), asked.me.id, asked.host)


async def _create(asked: Asked) -> object:
    channel = asked.channel()
    is_thread = channel.is_thread
    if (Right.SEND_MESSAGES_IN_THREADS if is_thread else Right.SEND_MESSAGES) not in asked.world.rights(
        asked.me.id, channel
    ):
        raise missing_permissions()
    if channel.type in {ChannelType.FORUM, ChannelType.CATEGORY}:
        raise Refused(400, 50008, "Cannot send messages in a non-text channel")
    new = await asked.body(_NewMessage)
    if asked.files and Right.ATTACH_FILES not in asked.world.rights(asked.me.id, channel):
        raise missing_permissions()
    draft = _draft(asked, channel, new, asked.me.user)
    return asked.world.seen(asked.world.post(channel, draft, asked.host), asked.me.id, asked.host)


def _draft(asked: Asked, channel: Channel, new: _NewMessage, author: User, webhook: Webhook | None = None) -> Draft:
    """What is to be posted. Raises Refused."""
    content = new.content or ""
    if len(content) > _LONGEST:
        raise invalid("content", "BASE_TYPE_MAX_LENGTH", f"Must be {_LONGEST} or fewer in length.")
    if not content.strip() and not asked.files and not new.embeds:
        raise Refused(400, 50006, "Cannot send an empty message")
    check_files(asked.world, channel, asked.files)
    return Draft(
        content=content,
        author=author,
        files=[_told(upload, place, new.attachments) for place, upload in enumerate(asked.files)],
        answers=_answered(asked, channel, new.message_reference),
        allowed=new.allowed_mentions,
        webhook=webhook,
        embeds=[{"type": "rich"} | each for each in new.embeds or []],
        nonce=new.nonce,
        enforce_nonce=new.enforce_nonce,
    )


def _told(upload: Upload, place: int, attachments: Sequence[_NewAttachment]) -> Upload:
    """A file with what the message says of it."""
    told = next((each for each in attachments if str(each.id) == str(place)), None)
    if told is None:
        return upload
    return Upload(told.filename or upload.name, upload.content, upload.content_type, told.title)


def check_files(world: World, channel: Channel, files: Sequence[Upload]) -> None:
    """Raises Refused where there are too many, or one is too large for the guild."""
    if len(files) > _MOST_FILES:
        raise invalid("files", "BASE_TYPE_MAX_LENGTH", f"Must be {_MOST_FILES} or fewer in length.")
    tier = 0 if channel.guild_id is UNSET else world.guilds[channel.guild_id].premium_tier
    if any(len(each.content) > _LARGEST[tier] for each in files):
        raise Refused(413, 40005, "Request entity too large")


def _answered(asked: Asked, channel: Channel, reference: _Reference | None) -> MessageReference | None:
    if reference is None:
        return None
    message = str(reference.message_id)
    if message not in asked.world.messages[channel.id]:
        if reference.fail_if_not_exists:
            raise invalid("message_reference", "REPLIES_UNKNOWN_MESSAGE", "Unknown message")
        return None
    if Right.READ_MESSAGE_HISTORY not in asked.world.rights(asked.me.id, channel):
        raise Refused(400, 160002, "Cannot reply without permission to read message history")
    return MessageReference(message_id=message, channel_id=channel.id, guild_id=channel.guild_id)


async def _edit(asked: Asked) -> object:
    channel = asked.channel()
    message = asked.world.message(channel, asked.part("message"))
    if message.author.id != asked.me.id:
        raise Refused(403, 50005, "Cannot edit a message authored by another user")
    return await _revised(asked, channel, message, asked.me.id)


async def _revised(asked: Asked, channel: Channel, message: Message, viewer: str) -> object:
    revision = await asked.body(_Revision)
    content = message.content if revision.content is UNSET else revision.content or ""
    if len(content) > _LONGEST:
        raise invalid("content", "BASE_TYPE_MAX_LENGTH", f"Must be {_LONGEST} or fewer in length.")
    if revision.attachments is not UNSET:
        kept = {str(each.id) for each in revision.attachments}
        message.attachments = [each for each in message.attachments if each.id in kept]
    if not content.strip() and not message.attachments and not message.embeds:
        raise Refused(400, 50006, "Cannot send an empty message")
    asked.world.edit(channel, message, content, revision.allowed_mentions, asked.host)
    return asked.world.seen(message, viewer, asked.host)


async def _delete(asked: Asked) -> None:
    channel = asked.channel()
    message = asked.world.message(channel, asked.part("message"))
    if message.author.id != asked.me.id and Right.MANAGE_MESSAGES not in asked.world.rights(asked.me.id, channel):
        raise missing_permissions()
    asked.world.delete(channel, message)


async def _react(asked: Asked) -> None:
    await _change_reaction(asked, add=True)


async def _take_back(asked: Asked) -> None:
    await _change_reaction(asked, add=False)


async def _change_reaction(asked: Asked, *, add: bool) -> None:
    channel, emoji = asked.channel(Right.READ_MESSAGE_HISTORY), asked.part("emoji")
    asked.world.check_emoji(channel, emoji)
    message = asked.world.message(channel, asked.part("message"))
    if add and not any(asked.world.reactions.get(message.id, {}).values()):
        asked.channel(Right.ADD_REACTIONS)
    asked.world.react(channel, message, asked.me.user, emoji, add=add)


async def _start_thread(asked: Asked) -> object:
    """A post of a forum: a thread with its first message. (Threads without one are not made here.)"""
    forum, made = asked.channel(Right.SEND_MESSAGES), await asked.body(_NewThread)
    if forum.type is not ChannelType.FORUM:
        return plain(asked.world.start_thread(forum, made.name, asked.me.user))
    draft = _draft(asked, forum, made.message, asked.me.user)
    thread, message = _forum_post(asked, forum, made.name, draft)
    return plain(thread) | {"message": asked.world.seen(message, asked.me.id, asked.host)}


def _forum_post(asked: Asked, forum: Channel, name: str, draft: Draft) -> tuple[Channel, Message]:
    if not 1 <= len(name.strip()) <= 100:
        raise invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    return asked.world.post_in_forum(forum, name.strip(), draft, asked.host)


# --- webhooks -------------------------------------------------------------------------------------------------------


def _webhook(asked: Asked) -> Webhook:
    """That of the path, which knows it by its token alone. Raises Refused."""
    webhook = asked.world.webhooks.get(asked.part("webhook"))
    if webhook is None:
        raise unknown("webhook")
    if webhook.token != asked.part("token"):
        raise Refused(401, 50027, "Invalid Webhook Token")
    return webhook


def _place(asked: Asked, webhook: Webhook) -> Channel:
    """The channel, or the thread of it that the query names."""
    home = asked.world.channel(webhook.channel_id)
    if not (named := asked.query("thread_id")):
        return home
    thread = asked.world.channel(named)
    if thread.parent_id != home.id:
        raise unknown("channel")
    return thread


async def _execute(asked: Asked) -> object:
    webhook = _webhook(asked)
    channel, new = _place(asked, webhook), await asked.body(_NewMessage)
    if new.username is not None:
        check_webhook_name(new.username, "username")
    if new.message_reference is not None:
        new.message_reference = None  # a webhook answers nothing
    name = new.username or webhook.name
    author = User(id=webhook.id, username=name.strip(), discriminator="0000", bot=True)
    if new.avatar_url:
        author.avatar = f"{abs(hash(new.avatar_url)):032x}"[:32]
    new.nonce, new.enforce_nonce = None, False
    draft = _draft(asked, channel, new, author, webhook)
    if channel.type is ChannelType.FORUM:
        if new.thread_name is None:
            raise Refused(400, 220001, "Webhooks posted to forum channels must have a thread_name or thread_id")
        _, message = _forum_post(asked, channel, new.thread_name, draft)
    elif new.thread_name is not None:
        raise Refused(400, 220003, "Webhooks can only create threads in forum channels")
    else:
        message = asked.world.post(channel, draft, asked.host)
    return asked.world.seen(message, "", asked.host) if asked.query("wait").lower() in {"true", "1"} else None


def _own(asked: Asked) -> tuple[Channel, Message]:
    webhook = _webhook(asked)
    channel = _place(asked, webhook)
    message = asked.world.message(channel, asked.part("message"))
    if message.webhook_id != webhook.id:
        raise unknown("message")
    return channel, message


async def _get_of_webhook(asked: Asked) -> object:
    _, message = _own(asked)
    return asked.world.seen(message, "", asked.host)


async def _edit_of_webhook(asked: Asked) -> object:
    channel, message = _own(asked)
    return await _revised(asked, channel, message, "")


async def _delete_of_webhook(asked: Asked) -> None:
    channel, message = _own(asked)
    asked.world.delete(channel, message)


# --- files ----------------------------------------------------------------------------------------------------------


def file_of(world: World, request: web.Request) -> web.Response:
    """What the CDN answers: a file, to whoever has an address that is signed and not expired."""
    content = world.contents.get(request.match_info["attachment"])
    if content is None:
        return web.Response(status=404, text="This content is no longer available.")
    if not request.query.get("hm") or int(request.query.get("ex", "0"), 16) <= world.cdn_time():
        return web.Response(status=404, text="This content is no longer available.")
    if "Authorization" in request.headers:
        return web.Response(status=400, text="a token is none of the CDN's business")
    return web.Response(body=content, content_type="application/octet-stream")
