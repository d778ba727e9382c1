"""What we do in the workspace: send, edit, delete, react, set a topic, tell one person, look somebody up."""

from __future__ import annotations

import asyncio
import json
import re
from collections import OrderedDict

from drivers.slack import wire
from drivers.slack.api import Api, Refusal
from drivers.slack.blocks import written
from drivers.slack.channels import Channels
from drivers.slack.events import EventReader, Me
from drivers.slack.files import Uploads
from drivers.slack.marks import Marks
from drivers.slack.mrkdwn import MRKDWN
from drivers.slack.mrkdwn.notation import TONES
from drivers.slack.people import People, as_author
from drivers.slack.refusals import Refusals
from nextbridge.driver import Excerpt, Outgoing, Receipt
from nextbridge.envelope import Author, ChannelKey, MessageId, UserId
from nextbridge.errors import DriverError, Gone, Rejected
from nextbridge.markup import PLAIN, Block, Italic, Paragraph
from nextbridge.markup.emoji import shortcode

__all__ = ["LONGEST_TEXT", "Acts"]

LONGEST_TEXT = 4_000
"""Characters of a text: what `chat.update` takes at most, and Slack advises for new messages."""
_LONGEST_TOPIC = 250
_EMOJI_NAME = re.compile(r"[a-z0-9_+'\-]{1,100}")
_ROOTS_KNOWN = 10_000
_LOOK_UP = 5.0
"""Seconds that somebody waits for what is only nice to have."""
_PAGE = "1000"
_MOST_PAGES = 5
_LONGEST_ADDRESS = 2048


class Acts:
    """One app's. Everything raises as `Driver.send`, and what its own contract says beside that."""

    def __init__(self, api: Api, me: Me, channels: Channels, people: People, marks: Marks, uploads: Uploads) -> None:
        self.api = api
        self.me = me
        self._people = people
        self._marks = marks
        self._uploads = uploads
        self._refusals = Refusals(me, channels)
        self._there: OrderedDict[tuple[str, str], None] = OrderedDict()
        """Messages that are known to be there, and can be answered."""
        self._members: dict[str, frozenset[str]] = {}

    def heard(self, channel: str, ts: str) -> None:
        """A message is there."""
        self._there[channel, ts] = None
        self._there.move_to_end((channel, ts))
        if len(self._there) > _ROOTS_KNOWN:
            self._there.popitem(last=False)

    def gone(self, channel: str, ts: str) -> None:
        """A message is there no more."""
        self._there.pop((channel, ts), None)

    def moved(self, channel: str) -> None:
        """Somebody came into a channel, or went."""
        self._members.pop(channel, None)

    # --- sending ------------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """As `Driver.send`."""
        try:
            if message.reply_to is not None:
                await self._find_root(message.channel, message.reply_to)
            made = await (self._send_files(message) if message.files else self._send_text(message))
        except Refusal as refusal:
            answers = message.reply_to is not None
            raise self._refusals.of_message(message.channel, refusal, answers=answers) from refusal
        self.heard(message.channel, made)
        return Receipt(made)

    async def _send_text(self, message: Outgoing) -> MessageId:
        made = await self._marks.made_before(message, self.api, self.me)
        if made is None:
            self._marks.trying(message)
            made = await self._post(message)
        self._marks.sent(message)
        return made

    async def _post(self, message: Outgoing) -> MessageId:
        arguments = {"channel": str(message.channel), "metadata": wire.metadata_of(message.mark)}
        if message.reply_to is not None:
            arguments["thread_ts"] = str(message.reply_to)
        if message.name:
            arguments["username"] = wire.storable(message.name)
            if message.avatar and len(message.avatar) <= _LONGEST_ADDRESS:
                arguments["icon_url"] = message.avatar
        return MessageId((await self._say("chat.postMessage", message, arguments)).ts)

    async def _send_files(self, message: Outgoing) -> MessageId:
        blocks: list[object] = [*written(_tree(message))]
        return await self._uploads.send(message, blocks, self.api)

    async def _say(self, method: str, message: Outgoing, arguments: dict[str, str]) -> wire.Posted:
        text, blocks = _text(message), written(_tree(message))
        if blocks:
            try:
                return await self.api.call(method, wire.Posted, text=text, blocks=json.dumps(blocks), **arguments)
            except Refusal as refusal:
                if refusal.error not in {"invalid_blocks", "invalid_blocks_format", "msg_blocks_too_long"}:
                    raise
        return await self.api.call(method, wire.Posted, text=text, **arguments)

    async def _find_root(self, channel: ChannelKey, root: MessageId) -> None:
        """Return where it is there. Slack posts an answer to what is not there all the same."""
        if (channel, root) in self._there:
            return
        if await self._message(channel, root) is None:
            raise Gone("the message that it answers is not there any more")
        self.heard(channel, root)

    async def _message(self, channel: ChannelKey, ts: MessageId) -> wire.Message | None:
        """A message by its ts, in whatever thread; None where it is gone. Raises Refusal and as a call."""
        if not wire.milliseconds(ts):
            return None
        try:
            page = await self.api.look_up(
                "conversations.replies",
                wire.Messages,
                channel=channel,
                ts=ts,
                oldest=ts,
                latest=ts,
                inclusive="true",
                limit="2",
                include_all_metadata="true",
            )
        except Refusal as refusal:
            if refusal.error in {"thread_not_found", "message_not_found"}:
                return None
            raise
        for each in page.messages:
            if isinstance(each, dict) and each.get("ts") == ts and each.get("subtype") != "tombstone":
                return wire.message(each)
        return None

    # --- changing -----------------------------------------------------------------------------------------------------

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        """As `Edits.edit`."""
        self._check(message)
        try:
            await self._say("chat.update", revised, {"channel": str(revised.channel), "ts": str(message)})
        except Refusal as refusal:
            raise self._refusals.of_change(revised.channel, refusal, "edit its messages") from refusal

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        """As `Deletes.delete`."""
        self._check(message)
        self.gone(channel, message)
        try:
            await self.api.call("chat.delete", wire.Nothing, channel=channel, ts=message)
        except Refusal as refusal:
            raise self._refusals.of_change(channel, refusal, "delete its messages") from refusal

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        """As `Reactions.react`."""
        name = _reaction_name(emoji)
        self._check(message)
        method = "reactions.add" if add else "reactions.remove"
        try:
            await self.api.call(method, wire.Nothing, channel=channel, timestamp=message, name=name)
        except Refusal as refusal:
            if refusal.error not in {"already_reacted", "no_reaction"}:
                raise self._refusals.of_change(channel, refusal, "react to messages") from refusal

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        """As `Topics.set_topic`."""
        line = " ".join("".join(each if each.isprintable() else " " for each in topic).split())[:_LONGEST_TOPIC]
        try:
            await self.api.call("conversations.setTopic", wire.Nothing, channel=channel, topic=wire.storable(line))
        except Refusal as refusal:
            raise self._refusals.of_change(channel, refusal, "set the topic") from refusal

    async def tell(self, user: UserId, text: str) -> None:
        """As `DirectMessages.tell`."""
        try:
            opened = await self.api.call("conversations.open", wire.Opened, users=user)
            blocks = json.dumps(written(MRKDWN.read(text).blocks))
            await self.api.call(
                "chat.postMessage", wire.Posted, channel=opened.channel.id, text=wire.storable(text), blocks=blocks
            )
        except Refusal as refusal:
            raise Rejected(f"they cannot be told anything: {refusal}") from refusal

    @staticmethod
    def _check(message: MessageId) -> None:
        if not wire.milliseconds(message):
            raise Gone("there is no such message")

    # --- looking ------------------------------------------------------------------------------------------------------

    async def recall(self, channel: ChannelKey, ts: MessageId, reader: EventReader) -> Excerpt | None:
        """As `Recall.recall`."""
        try:
            async with asyncio.timeout(_LOOK_UP):
                found = await self._message(channel, ts)
                if found is None:
                    return None
                author, content = await reader.author(found), await reader.content(found)
        except (Refusal, DriverError, TimeoutError):
            return None
        return Excerpt(author.name, PLAIN.write(content.text.blocks))

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        """As `Members.member`."""
        if not name.strip() or len(name) > 200:
            return None
        try:
            async with asyncio.timeout(_LOOK_UP):
                named = await self._people.called(self.api, name)
                if not named:
                    return None
                inside = await self._inside(channel)
        except (Refusal, DriverError, TimeoutError):
            return None
        found = [user for user in named if user.id in inside]
        return as_author(found[0]) if len(found) == 1 else None

    async def _inside(self, channel: ChannelKey) -> frozenset[str]:
        known = self._members.get(channel)
        if known is None:
            members: set[str] = set()
            cursor = ""
            for _ in range(_MOST_PAGES):
                more = {"cursor": cursor} if cursor else {}
                page = await self.api.call(
                    "conversations.members", wire.MemberList, channel=channel, limit=_PAGE, **more
                )
                members |= {*page.members}
                cursor = page.response_metadata.next_cursor if page.response_metadata else ""
                if not cursor:
                    break
            known = self._members[channel] = frozenset(members)
        return known


def _tree(message: Outgoing) -> tuple[Block, ...]:
    """What a message is to show."""
    blocks = MRKDWN.read(wire.storable(message.text)).blocks
    if not message.action:
        return blocks
    return tuple(Paragraph((Italic(each.children),)) if isinstance(each, Paragraph) else each for each in blocks)


def _text(message: Outgoing) -> str:
    """The text beside the blocks, which notifications show."""
    text = wire.storable(message.text)
    is_short = len(text.encode("utf-16-le")) // 2 + 2 <= LONGEST_TEXT
    return f"_{text}_" if message.action and is_short and "\n" not in text else text


def _reaction_name(emoji: str) -> str:
    """Slack's name for an emoji, whether it comes as a character or as a name. Raises Rejected."""
    name = shortcode(emoji) or emoji
    for ending, tone in TONES.items():
        if name.endswith(ending):
            name = f"{name.removesuffix(ending)}::skin-tone-{tone}"
            break
    if _EMOJI_NAME.fullmatch(name.partition("::")[0]) is None:
        raise Rejected("Slack has no such emoji")
    return name
