"""`conversations.*`, `users.*`, `emoji.list` and `auth.test`: https://docs.slack.dev/reference/methods"""

from __future__ import annotations

import base64
from collections.abc import Sequence
from typing import TypeVar

from nextbridge.sandbox.slack.calls import Call, Method
from nextbridge.sandbox.slack.records import Channel, Json, Message
from nextbridge.sandbox.slack.refusals import Refusal

__all__ = ["CONVERSATIONS"]

T = TypeVar("T")

_LONGEST_TOPIC = 250


async def _test(call: Call) -> Json:
    return {
        "url": "https://sandbox.slack.com/",
        "team": "Sandbox",
        "user": call.app.user.name,
        "team_id": "T0SANDBOX",
        "user_id": call.me,
        "bot_id": call.app.bot_id,
        "is_enterprise_install": False,
    }


async def _info(call: Call) -> Json:
    call.needs("channels:read", "groups:read", "im:read")
    return {"channel": call.channel().as_json(call.me)}


async def _list(call: Call) -> Json:
    call.needs("channels:read", "groups:read", "im:read")
    channels = [each for each in call.workspace.channels.values() if not each.is_private or call.me in each.members]
    return _channels(call, channels)


async def _joined(call: Call) -> Json:
    call.needs("channels:read", "groups:read", "im:read")
    return _channels(call, [each for each in call.workspace.channels.values() if call.me in each.members])


def _channels(call: Call, channels: list[Channel]) -> Json:
    kinds = {"channel": "public_channel", "group": "private_channel", "im": "im"}
    wanted = call.parameters.text("types", "public_channel").split(",")
    fitting = [
        each
        for each in channels
        if kinds[each.type] in wanted and not (each.is_archived and call.parameters.flag("exclude_archived"))
    ]
    page, more = _page(call, fitting, 100, 1000)
    return {"channels": [each.as_json(call.me) for each in page], **more}


async def _members(call: Call) -> Json:
    call.needs("channels:read", "groups:read", "im:read")
    page, more = _page(call, call.channel().members, 100, 1000)
    return {"members": page, **more}


async def _history(call: Call) -> Json:
    call.needs("channels:history", "groups:history", "im:history")
    channel = call.channel_to_read()
    shown = [each for each in channel.messages.values() if _stands_in_channel(each)]
    found = [each for each in reversed(shown) if _is_within(call, each)]
    page, more = _page(call, found, 100, 999)
    return {"messages": _shown(call, channel, page), "has_more": "response_metadata" in more, **more}


async def _replies(call: Call) -> Json:
    call.needs("channels:history", "groups:history", "im:history")
    channel = call.channel_to_read()
    named = channel.messages.get(call.parameters.text("ts"))
    if named is None:
        raise Refusal("thread_not_found")
    root = channel.messages.get(named.thread_ts, named) if named.thread_ts else named
    found = [each for each in channel.answers(root.ts) if _is_within(call, each)]
    page, more = _page(call, found, 1000, 1000)
    return {"messages": _shown(call, channel, [root, *page]), "has_more": "response_metadata" in more, **more}


def _stands_in_channel(message: Message) -> bool:
    return message.thread_ts in {"", message.ts} or message.subtype == "thread_broadcast"


def _is_within(call: Call, message: Message) -> bool:
    oldest, latest = call.parameters.text("oldest", "0"), call.parameters.text("latest", "9999999999.0")
    at, (after, before) = _number(message.ts), map(_number, (oldest, latest))
    if call.parameters.flag("inclusive"):
        return after <= at <= before
    return after < at < before


def _number(ts: str) -> tuple[int, int]:
    seconds, _, rest = ts.partition(".")
    if not seconds.isdecimal() or not rest.isdecimal():
        if rest or not seconds.isdecimal():
            raise Refusal("invalid_ts_oldest")
        rest = "0"
    return int(seconds), int(rest.ljust(6, "0")[:6])


def _shown(call: Call, channel: Channel, messages: Sequence[Message]) -> list[Json]:
    metadata = call.parameters.flag("include_all_metadata")
    return [each.as_json(call.address, channel, call.workspace.channels, metadata=metadata) for each in messages]


def _page(call: Call, items: Sequence[T], default: int, most: int) -> tuple[list[T], Json]:
    limit = min(call.parameters.number("limit", default), most)
    if limit < 1:
        raise Refusal("invalid_limit")
    start = 0
    if cursor := call.parameters.text("cursor"):
        try:
            start = int(base64.b64decode(cursor).decode().removeprefix("next:"))
        except ValueError:
            raise Refusal("invalid_cursor") from None
    page = list(items[start : start + limit])
    if start + limit >= len(items):
        return page, {}
    following = base64.b64encode(f"next:{start + limit}".encode()).decode()
    return page, {"response_metadata": {"next_cursor": following}}


async def _open(call: Call) -> Json:
    call.needs("im:write")
    users = call.parameters.text("users").split(",")
    if len(users) != 1 or users[0] not in call.workspace.users:
        raise Refusal("user_not_found")
    channel = call.workspace.direct_channel(call.app.user, call.workspace.users[users[0]])
    return {"channel": {"id": channel.id}}


async def _set_topic(call: Call) -> Json:
    call.needs("channels:write.topic", "groups:write.topic")
    channel = call.channel_to_write()
    topic = call.parameters.text("topic")
    if len(topic) > _LONGEST_TOPIC:
        raise Refusal("too_long")
    call.workspace.set_topic(call.me, channel, topic)
    return {"channel": channel.as_json(call.me)}


async def _user(call: Call) -> Json:
    call.needs("users:read")
    user = call.workspace.users.get(call.parameters.text("user"))
    if user is None:
        raise Refusal("user_not_found")
    return {"user": user.as_json()}


async def _users(call: Call) -> Json:
    call.needs("users:read")
    page, more = _page(call, list(call.workspace.users.values()), 100, 1000)
    return {"members": [each.as_json() for each in page], "cache_ts": 1, **more}


async def _emoji(call: Call) -> Json:
    call.needs("emoji:read")
    return {"emoji": dict(call.workspace.emoji)}


CONVERSATIONS: dict[str, Method] = {
    "auth.test": _test,
    "conversations.history": _history,
    "conversations.info": _info,
    "conversations.list": _list,
    "conversations.members": _members,
    "conversations.open": _open,
    "conversations.replies": _replies,
    "conversations.setTopic": _set_topic,
    "emoji.list": _emoji,
    "users.conversations": _joined,
    "users.info": _user,
    "users.list": _users,
}
