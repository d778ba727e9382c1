"""A message as the content of an event, and the transaction id that it is sent under.

A homeserver knows a repeated transaction id of one device again: Synapse for half an hour in memory, and for a day on
disk. Past that only the mark in the content tells, which is looked for in the room's history.
"""

from __future__ import annotations

import hashlib
import time
from collections import OrderedDict

from msgspec import Struct

from drivers.matrix import wire
from drivers.matrix.account import Account
from drivers.matrix.events import words_of
from drivers.matrix.html import content as written
from drivers.matrix.media import Uploaded
from nextbridge.driver import LocalFile, Outgoing
from nextbridge.envelope import ChannelKey, DeliveryKey, MessageId
from nextbridge.markup import PLAIN

__all__ = [
    "KEY_LIVES",
    "LONGEST_TEXT",
    "Marks",
    "answer_to",
    "edit_content",
    "excerpt_of",
    "message_content",
    "transaction",
    "words_in",
]

LONGEST_TEXT = 16_000
"""Bytes of a text in the dialect. An event has at most 65,536 (specification, "Size limits"): the text stands in it
twice, once without its formatting, and grows by a third where it is encrypted."""
KEY_LIVES = 1_800.0
"""Seconds for which homeservers remember a transaction id."""

_KEY_TRUSTED = 1_500.0
"""Seconds after the first attempt in which the homeserver is sure to recognise the transaction id."""
_PAGE = 100
_MOST_PAGES = 20
_CLOCKS_DIFFER = 600_000
"""Milliseconds by which the server's clock and ours may differ."""
_TRIED_AT_ONCE = 10_000
_SHORT = 200
_FILE_KINDS = {"image": "m.image", "video": "m.video", "audio": "m.audio"}

Fields = dict[str, object]


def transaction(key: str, *more: str) -> str:
    """The transaction id of what is sent under that key: the same at each attempt."""
    return hashlib.blake2s("\0".join((key, *more)).encode(), digest_size=16).hexdigest()


def message_content(message: Outgoing, file: LocalFile | None, placed: Uploaded | None) -> Fields:
    """What is sent for a message, with its file where it has one."""
    content = _words(message)
    if file is not None and placed is not None:
        name = wire.storable(file.name) or "file"
        if not message.text:
            content |= {"body": name}
        content |= {
            "msgtype": _FILE_KINDS.get(file.media_type.partition("/")[0], "m.file"),
            "filename": name,
            "info": {"mimetype": wire.storable(file.media_type), "size": file.size},
            placed.field: placed.value,
        }
    return {**content, wire.MARK_FIELD: message.mark}


def edit_content(target: MessageId, original: wire.Content, revised: Outgoing) -> Fields:
    """What is sent to give a message another text. Its file, where it has one, stays."""
    content = _words(revised)
    kept = original.raw()
    if "filename" in original and ("url" in original or "file" in original):
        if not revised.text:
            content |= {"body": original.text("filename")}
        content |= {key: kept[key] for key in ("msgtype", "filename", "info", "url", "file") if key in kept}
    body = f"* {content['body']}"
    shown = body if len(body) <= _SHORT else body[: _SHORT - 1] + "…"
    return {
        "msgtype": content["msgtype"],
        "body": shown,  # for clients that know no edits; the whole text twice could be too long for an event
        "m.new_content": {**content, wire.MARK_FIELD: revised.mark},
        "m.mentions": {},  # whom it calls was told when it was first said
        "m.relates_to": {"rel_type": "m.replace", "event_id": target},
        wire.MARK_FIELD: revised.mark,
        **{key: kept[key] for key in ("filename", "info", "url", "file") if key in content},
    }


def answer_to(event: wire.Event, reply: MessageId) -> Fields:
    """The relation to the message that is answered: in its thread, where it stands in one."""
    relates = wire.Content(event.content).part("m.relates_to")
    relation: Fields = {"m.in_reply_to": {"event_id": reply}}
    if relates.text("rel_type") == "m.thread" and (root := relates.text("event_id")):
        relation |= {"rel_type": "m.thread", "event_id": root, "is_falling_back": False}
    return relation


def words_in(text: str) -> Fields:
    """A text in the dialect as the fields of a content."""
    return written(wire.storable(text)).fields()


def _words(message: Outgoing) -> Fields:
    return {"msgtype": "m.emote" if message.action else "m.text", **words_in(message.text)}


class _Scan(Struct):
    """What was found in a room when it was first looked at: all that an earlier process can have sent there."""

    since: int
    found: dict[DeliveryKey, MessageId]


class Marks:
    """Remembers which deliveries this process tried, and finds what became of the others by the marks on them."""

    def __init__(self) -> None:
        self._tried: OrderedDict[DeliveryKey, None] = OrderedDict()
        self._earlier: dict[ChannelKey, _Scan] = {}

    def trying(self, message: Outgoing) -> None:
        """This process is about to send it."""
        self._tried[message.key] = None
        self._tried.move_to_end(message.key)
        if len(self._tried) > _TRIED_AT_ONCE:
            self._tried.popitem(last=False)

    def sent(self, message: Outgoing) -> None:
        """It has arrived; nobody will ask again."""
        self._tried.pop(message.key, None)

    async def made_before(self, message: Outgoing, account: Account) -> MessageId | None:
        """The event that an earlier attempt made, or None: there is none, or the server itself will recognise it.

        Does I/O where there was an attempt long ago. Raises as `Api.messages`.
        """
        if message.attempted is None:
            return None
        if message.key in self._tried:
            if 0 <= time.time() - message.attempted / 1000 <= _KEY_TRUSTED:
                return None
            return (await _look(message.channel, message.attempted, account)).get(message.key)
        # From before this process, as all that waits in a lane at start may be: one look serves the whole lane.
        scan = self._earlier.get(message.channel)
        if scan is None or message.attempted < scan.since:
            found = await _look(message.channel, message.attempted, account)
            scan = self._earlier[message.channel] = _Scan(message.attempted, found)
        return scan.found.pop(message.key, None)


async def _look(room: ChannelKey, since: int, account: Account) -> dict[DeliveryKey, MessageId]:
    """Our own marked messages since `since` (milliseconds since 1970), as far back as is looked."""
    found: dict[DeliveryKey, MessageId] = {}
    start: str | None = None
    for _ in range(_MOST_PAGES):
        page = await account.api.messages(room, start=start, to=None, backwards=True, most=_PAGE)
        oldest = since
        for event in wire.events_of(page.chunk):
            oldest = event.origin_server_ts
            # a mark on somebody else's message is not ours, whatever it says
            if not account.is_ours(event.sender):
                continue
            shown: wire.Event | None = event
            if event.type == "m.room.encrypted" and account.encryption is not None:
                shown = await account.encryption.decrypted(room, event)
            if shown is not None and shown.type == "m.room.message":
                content = wire.Content(shown.content)
                is_edit = content.part("m.relates_to").text("rel_type") == "m.replace"
                if content.mark is not None and not is_edit:
                    found[content.mark.delivery] = MessageId(event.event_id)
        if not page.chunk or page.end is None or oldest < since - _CLOCKS_DIFFER:
            break
        start = page.end
    return found


def excerpt_of(content: wire.Content) -> str:
    """What a message says, as plain text; of a file without a caption its name."""
    is_file = "url" in content or "file" in content
    words = PLAIN.write(words_of(content, is_file=is_file).blocks)
    return words or (content.text("filename") or content.text("body") if is_file else "")
