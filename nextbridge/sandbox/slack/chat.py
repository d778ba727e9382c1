"""`chat.*` and `reactions.*`: https://docs.slack.dev/reference/methods"""

from __future__ import annotations

import json
import re
from typing import Any

from nextbridge.markup.emoji import character
from nextbridge.sandbox.slack.calls import Call, Method
from nextbridge.sandbox.slack.records import Json, Message
from nextbridge.sandbox.slack.refusals import Refusal

__all__ = ["CHAT", "blocks_of", "customized"]

_LONGEST_TEXT = 40_000
"""Characters of a new message; what is more is cut off. Of an edited one `_LONGEST_EDIT`, and more is refused."""
_LONGEST_EDIT = 4_000
_MOST_BLOCKS = 50
_LARGEST_METADATA = 8_000
_MOST_REACTIONS = 23
_STYLES = {"bold", "italic", "strike", "code", "underline"}
_PREFORMATTED = {"text", "link"}
_TONE = re.compile(r"::skin-tone-[2-6]$")


async def _post(call: Call) -> Json:
    call.needs("chat:write")
    parameters = call.parameters
    channel = call.channel_to_write()
    text, blocks = parameters.text("text")[:_LONGEST_TEXT], blocks_of(call)
    if not text and not blocks and not parameters.text("attachments"):
        raise Refusal("no_text")
    message = Message(
        call.workspace.clock.ts(),
        user=call.me,
        text=text,
        blocks=blocks,
        app=call.app,
        thread_ts=parameters.text("thread_ts"),
        metadata=_metadata(call),
    )
    customized(call, message)
    call.workspace.post(channel, message)
    shown = message.as_json(call.address, channel, call.workspace.channels)
    return {"channel": channel.id, "ts": message.ts, "message": shown}


def customized(call: Call, message: Message) -> None:
    """Show a message under the name and the picture that are asked for. Raises Refusal without the scope for it."""
    name, icon = call.parameters.text("username"), call.parameters.text("icon_url")
    if name or icon:
        call.needs("chat:write.customize")
        message.username, message.icons = name, {"image_48": icon} if icon else None
        if not message.subtype:
            message.subtype, message.user = "bot_message", ""


async def _update(call: Call) -> Json:
    call.needs("chat:write")
    channel = call.channel()
    message = call.message(channel)
    if message.app is not call.app:
        raise Refusal("cant_update_message")
    if channel.is_archived:
        raise Refusal("is_archived")
    text, blocks = call.parameters.text("text"), blocks_of(call)
    if len(text) > _LONGEST_EDIT:
        raise Refusal("msg_too_long")
    if not text and blocks is None:
        raise Refusal("no_text")
    before = call.workspace.shown(channel, message)
    if text:
        message.text, message.blocks = text, blocks
    elif blocks is not None:
        message.blocks = blocks
    if blocks is None:
        # what is changed by blocks does not bear the flag
        message.edited = {"user": call.me, "ts": call.workspace.clock.ts()}
    if (metadata := _metadata(call)) is not None:
        message.metadata = metadata
    call.workspace.changed(channel, message, before)
    return {"channel": channel.id, "ts": message.ts, "text": message.text}


async def _delete(call: Call) -> Json:
    call.needs("chat:write")
    channel = call.channel()
    message = call.message(channel)
    if message.app is not call.app:
        raise Refusal("cant_delete_message")
    call.workspace.delete(channel, message)
    return {"channel": channel.id, "ts": message.ts}


async def _react(call: Call) -> Json:
    return _reaction(call, add=True)


async def _unreact(call: Call) -> Json:
    return _reaction(call, add=False)


def _reaction(call: Call, *, add: bool) -> Json:
    call.needs("reactions:write")
    channel = call.channel_to_write()
    if re.fullmatch(r"[0-9]+\.[0-9]+", call.parameters.text("timestamp")) is None:
        raise Refusal("bad_timestamp")
    message = call.message(channel, "timestamp")
    name = call.parameters.text("name").strip(":")
    base = _TONE.sub("", name)
    if character(base) is None and base not in call.workspace.emoji:
        raise Refusal("invalid_name")
    if add and name not in message.reactions and sum(map(bool, message.reactions.values())) >= _MOST_REACTIONS:
        raise Refusal("too_many_emoji")
    call.workspace.react(call.me, channel, message, name, add=add)
    return {}


def blocks_of(call: Call) -> list[Json] | None:
    """The blocks of a message, looked at as far as rich text goes. Raises Refusal."""
    blocks = call.parameters.structure("blocks", "invalid_blocks_format")
    if blocks is None:
        return None
    if not isinstance(blocks, list) or len(blocks) > _MOST_BLOCKS:
        raise Refusal("invalid_blocks")
    for block in blocks:
        if not isinstance(block, dict) or "type" not in block:
            raise Refusal("invalid_blocks")
        if block["type"] == "rich_text":
            for element in block.get("elements", ()):
                _check(element)
    return blocks


def _check(element: Any) -> None:  # noqa: ANN401 - any JSON
    if not isinstance(element, dict) or not isinstance(element.get("elements"), list):
        raise Refusal("invalid_blocks")
    kind, children = element.get("type"), element["elements"]
    fits = {
        "rich_text_section": lambda: all(_is_inline(each) for each in children),
        "rich_text_quote": lambda: all(_is_inline(each) for each in children),
        "rich_text_preformatted": lambda: all(
            _is_inline(each) and each["type"] in {"text", "link"} for each in children
        ),
        "rich_text_list": lambda: all(each.get("type") == "rich_text_section" for each in children),
    }
    if kind not in fits or not fits[kind]():
        raise Refusal("invalid_blocks", response_metadata={"messages": [f"[ERROR] no such element: {kind}"]})
    if kind == "rich_text_list":
        for each in children:
            _check(each)


def _is_inline(element: Json) -> bool:
    style = element.get("style", {})
    if not isinstance(style, dict) or not style.keys() <= _STYLES:
        return False
    match element.get("type"):
        case "text":
            return bool(element.get("text"))
        case "link":
            return bool(element.get("url"))
        case "user":
            return bool(element.get("user_id"))
        case "emoji":
            return bool(element.get("name"))
        case "broadcast":
            return element.get("range") in {"here", "channel", "everyone"}
        case kind:
            return kind in {"channel", "usergroup", "date", "color", "team"}


def _metadata(call: Call) -> Json | None:
    metadata = call.parameters.structure("metadata", "invalid_metadata_format")
    if metadata is None:
        return None
    if not isinstance(metadata, dict) or not isinstance(metadata.get("event_payload"), dict):
        raise Refusal("invalid_metadata_format")
    if not isinstance(metadata.get("event_type"), str):
        raise Refusal("invalid_metadata_format")
    if len(json.dumps(metadata)) > _LARGEST_METADATA:
        raise Refusal("metadata_too_large")
    return metadata


CHAT: dict[str, Method] = {
    "chat.postMessage": _post,
    "chat.update": _update,
    "chat.delete": _delete,
    "reactions.add": _react,
    "reactions.remove": _unreact,
}
