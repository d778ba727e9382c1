"""The routes about users, guilds and channels."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from msgspec import UNSET, Struct, UnsetType

from nextbridge.sandbox.discord.exchange import Asked, Route
from nextbridge.sandbox.discord.records import Channel, ChannelType, Guild, MessageType, Webhook, plain
from nextbridge.sandbox.discord.refusals import Refused, invalid, missing_access, unknown
from nextbridge.sandbox.discord.rights import Right
from nextbridge.sandbox.discord.world import Draft, is_active

__all__ = ["check_webhook_name", "routes"]

_LONGEST_TOPIC = 1024
_MOST_WEBHOOKS = 15
_MOST_GUILDS = 200


class _Recipient(Struct):
    recipient_id: str | int


class _Changes(Struct):
    topic: str | UnsetType | None = UNSET
    name: str | UnsetType = UNSET
    archived: bool | UnsetType = UNSET


class _NewWebhook(Struct):
    name: str
    avatar: str | None = None


class _NewThread(Struct):
    name: str
    type: int = 11
    auto_archive_duration: int = 1440


def routes() -> Iterator[Route]:
    """All of them."""
    yield "GET", "/gateway", _gateway
    yield "GET", "/gateway/bot", _gateway_of_bot
    yield "GET", "/users/@me", _myself
    yield "GET", "/users/@me/guilds", _my_guilds
    yield "GET", "/users/{user}", _user
    yield "GET", "/applications/@me", _application
    yield "GET", "/oauth2/applications/@me", _application
    yield "POST", "/users/@me/channels", _open_conversation
    yield "GET", "/guilds/{guild}", _guild
    yield "GET", "/guilds/{guild}/channels", _guild_channels
    yield "GET", "/guilds/{guild}/threads/active", _active_threads
    yield "GET", "/guilds/{guild}/members/search", _search
    yield "GET", "/guilds/{guild}/members/{user}", _member
    yield "GET", "/channels/{channel}", _channel
    yield "PATCH", "/channels/{channel}", _change_channel
    yield "POST", "/channels/{channel}/typing", _typing
    yield "GET", "/channels/{channel}/webhooks", _webhooks
    yield "POST", "/channels/{channel}/webhooks", _create_webhook
    yield "DELETE", "/webhooks/{webhook}", _delete_webhook
    yield "GET", "/channels/{channel}/threads/archived/public", _archived_threads
    yield "POST", "/channels/{channel}/messages/{message}/threads", _thread_of_message


async def _gateway(asked: Asked) -> object:
    return {"url": f"ws://{asked.host}"}


async def _gateway_of_bot(asked: Asked) -> object:
    total = 1000
    _ = asked.me
    limit = {
        "total": total,
        "remaining": total - asked.world.gateway.identified,
        "reset_after": 86_400_000,
        "max_concurrency": 1,
    }
    return {"url": f"ws://{asked.host}", "shards": 1, "session_start_limit": limit}


async def _myself(asked: Asked) -> object:
    return asked.world.myself(asked.me)


async def _my_guilds(asked: Asked) -> object:
    mine = sorted((guild for guild, user in asked.world.members if user == asked.me.id), key=int)
    limit, after = int(asked.query("limit") or _MOST_GUILDS), int(asked.query("after") or 0)
    if not 1 <= limit <= _MOST_GUILDS:
        raise invalid("limit", "NUMBER_TYPE_MAX", f"int value should be less than or equal to {_MOST_GUILDS}.")
    guilds = (asked.world.guilds[each] for each in mine if int(each) > after)
    return [
        {
            "id": each.id,
            "name": each.name,
            "icon": None,
            "banner": None,
            "owner": each.owner_id == asked.me.id,
            "features": [],
        }
        for each in list(guilds)[:limit]
    ]


async def _user(asked: Asked) -> object:
    _ = asked.me
    user = asked.world.users.get(asked.part("user"))
    if user is None:
        raise unknown("user")
    return plain(user)


async def _application(asked: Asked) -> object:
    me = asked.me
    privileged = asked.world.applications[me.token].privileged
    limited = {1: 1 << 15, 8: 1 << 13, 15: 1 << 19}
    return {
        "id": me.id,
        "name": me.user.username,
        "icon": None,
        "description": "",
        "bot_public": True,
        "bot_require_code_grant": False,
        "verify_key": "00" * 32,
        "owner": plain(me.user),
        "team": None,
        "flags": sum(flag for bit, flag in limited.items() if privileged & 1 << bit),
        "bot": plain(me.user),
    }


async def _open_conversation(asked: Asked) -> object:
    me, recipient = asked.me, str((await asked.body(_Recipient)).recipient_id)
    if not recipient.isdecimal():
        raise invalid("recipient_id", "NUMBER_TYPE_COERCE", f'Value "{recipient}" is not snowflake.')
    if recipient not in asked.world.users:
        raise Refused(400, 50033, "Invalid Recipient(s)")
    channel = asked.world.conversation(me.user, asked.world.users[recipient])
    return plain(channel) | {"recipients": [plain(asked.world.users[recipient])]}


def _found_guild(asked: Asked) -> Guild:
    me = asked.me
    guild = asked.world.guilds.get(asked.part("guild"))
    if guild is None:
        raise unknown("guild")
    if (guild.id, me.id) not in asked.world.members:
        raise missing_access()
    return guild


async def _guild(asked: Asked) -> object:
    return plain(_found_guild(asked))


def _seen(asked: Asked, guild: Guild) -> Iterator[Channel]:
    for channel in asked.world.channels.values():
        if channel.guild_id == guild.id and Right.VIEW_CHANNEL in asked.world.rights(asked.me.id, channel):
            yield channel


async def _guild_channels(asked: Asked) -> object:
    return [plain(each) for each in _seen(asked, _found_guild(asked)) if not each.is_thread]


async def _active_threads(asked: Asked) -> object:
    threads = [each for each in _seen(asked, _found_guild(asked)) if each.is_thread and is_active(each)]
    threads.sort(key=lambda each: int(each.id), reverse=True)
    return {"threads": [plain(each) for each in threads], "members": []}


async def _search(asked: Asked) -> object:
    guild, query = _found_guild(asked), asked.query("query").casefold()
    if not query:
        raise invalid("query", "BASE_TYPE_REQUIRED", "This field is required")
    limit = int(asked.query("limit") or 1)
    found = [
        member
        for (place, _), member in asked.world.members.items()
        if place == guild.id
        and member.user is not UNSET
        and any(name and name.casefold().startswith(query) for name in (member.user.username, member.nick))
    ]
    return [plain(each) for each in found[:limit]]


async def _member(asked: Asked) -> object:
    guild = _found_guild(asked)
    member = asked.world.members.get((guild.id, asked.part("user")))
    if member is None:
        raise unknown("member")
    return plain(member)


async def _channel(asked: Asked) -> object:
    return plain(asked.channel())


async def _change_channel(asked: Asked) -> object:
    channel, changes = asked.channel(Right.MANAGE_CHANNELS), await asked.body(_Changes)
    if changes.topic is not UNSET:
        topic = changes.topic or ""
        if len(topic) > _LONGEST_TOPIC:
            raise invalid("topic", "BASE_TYPE_MAX_LENGTH", "Must be 1024 or fewer in length.")
        asked.world.set_topic(channel, topic)
    if changes.archived is not UNSET and channel.thread_metadata is not UNSET:
        channel.thread_metadata.archived = changes.archived
        asked.world.tell("THREAD_UPDATE", channel, plain(channel))
    return plain(channel)


async def _typing(asked: Asked) -> None:
    asked.world.type_in(asked.channel(Right.SEND_MESSAGES), asked.me.user)


async def _webhooks(asked: Asked) -> object:
    channel, me = asked.channel(Right.MANAGE_WEBHOOKS), asked.me
    found = [each for each in asked.world.webhooks.values() if each.channel_id == channel.id]
    return [_shown(each, me.id) for each in found]


def _shown(webhook: Webhook, viewer: str) -> dict[str, Any]:
    shown = plain(webhook)
    if webhook.application_id not in {None, viewer}:
        del shown["token"]  # another application's is not shown
    return shown


async def _create_webhook(asked: Asked) -> object:
    channel, made = asked.channel(Right.MANAGE_WEBHOOKS), await asked.body(_NewWebhook)
    if channel.type not in {ChannelType.TEXT, ChannelType.FORUM}:
        raise Refused(400, 50024, "Cannot execute action on this channel type")
    if sum(each.channel_id == channel.id for each in asked.world.webhooks.values()) >= _MOST_WEBHOOKS:
        raise Refused(400, 30007, f"Maximum number of webhooks reached ({_MOST_WEBHOOKS})")
    check_webhook_name(made.name, "name")
    webhook = asked.world.add_webhook(channel, made.name, asked.me.user, asked.me.id)
    return plain(webhook)


def check_webhook_name(name: str, field: str) -> None:
    """Raises Refused for a name that a webhook may not have (Webhook Resource, "Create Webhook")."""
    for word in ("clyde", "discord"):
        if word in name.lower():
            raise invalid(field, "USERNAME_INVALID_CONTAINS", f'Username cannot contain "{word}"')
    if name.strip().lower() in {"everyone", "here"}:
        raise invalid(field, "USERNAME_INVALID_EQUAL", f'Username cannot be "{name.strip().lower()}"')
    if not 1 <= len(name.strip()) <= 80:
        raise invalid(field, "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 80 in length.")


async def _delete_webhook(asked: Asked) -> None:
    webhook = asked.world.webhooks.pop(asked.part("webhook"), None)
    if webhook is None:
        raise unknown("webhook")


async def _archived_threads(asked: Asked) -> object:
    parent = asked.channel(Right.READ_MESSAGE_HISTORY)
    threads = [
        each
        for each in asked.world.channels.values()
        if each.is_thread and each.parent_id == parent.id and not is_active(each)
    ]
    return {"threads": [plain(each) for each in threads], "members": [], "has_more": False}


async def _thread_of_message(asked: Asked) -> object:
    channel, made = asked.channel(Right.CREATE_PUBLIC_THREADS), await asked.body(_NewThread)
    message = asked.world.message(channel, asked.part("message"))
    if message.id in asked.world.channels:
        raise Refused(400, 160004, "A thread has already been created for this message")
    if not 1 <= len(made.name) <= 100:
        raise invalid("name", "BASE_TYPE_BAD_LENGTH", "Must be between 1 and 100 in length.")
    thread = asked.world.start_thread(channel, made.name, asked.me.user, on=message.id)
    notice = Draft(content=made.name, author=asked.me.user, type=MessageType.THREAD_CREATED)
    asked.world.post(channel, notice, asked.host)
    return plain(thread)
