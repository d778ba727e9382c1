"""Messages out: as the bot or by a webhook, in a channel, a thread or a forum, recognisable when they are repeated.

A webhook bears the author's name and picture, and has neither a nonce nor a reply of Discord's kind; the operator
chooses (`identity`, `answers`). By a webhook an answer begins with a line in small letters that leads to its question.
"""

from __future__ import annotations

import re
from collections import OrderedDict
from typing import Any

from msgspec import UNSET, Struct

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from drivers.discord.attempts import Attempts, nonce_of
from drivers.discord.files import named, opened
from drivers.discord.markdown import MARKDOWN
from drivers.discord.places import Home, Place, Places, located, message_id
from drivers.discord.refusals import UNKNOWN_WEBHOOK, of_change, of_message
from drivers.discord.settings import DiscordSettings
from drivers.discord.webhooks import Webhooks, username
from nextbridge.driver import Host, Outgoing, Receipt, Unit
from nextbridge.envelope import ChannelKey, MessageId
from nextbridge.errors import Gone, Paused, Rejected, Retry
from nextbridge.markup import PLAIN, Mention, MentionKind, Paragraph, RichText, Text
from nextbridge.markup.plain import one_line

__all__ = ["LONGEST", "Sender", "header_of"]

LONGEST = 2000
"""Characters of a message; counted in UTF-16 units, which are never fewer."""
_LONGEST_TITLE = 90
_ROOM_OF_LINK = 130
_ROOM_OF_NAME = 220
_KEPT = 10_000
_LINK = re.compile(r"-# ↪ https://discord\.com/channels/\d+/\d+/\d+\n")
_CUSTOM = re.compile(r"<:([A-Za-z0-9_]{2,32}):0>")


class Answered(Struct, frozen=True):
    """What a message answers, in the place where it goes."""

    place: Place
    message: str = ""
    """Empty where the place itself, a thread, says it all."""


class Made(Struct, frozen=True):
    """How a message of ours was made."""

    webhook: wire.Webhook | None
    header: str = ""


def header_of(text: str) -> str:
    """The line at the beginning of what a webhook of ours says that leads to what it answers; empty without one."""
    found = _LINK.match(text)
    return found[0] if found is not None else ""


class Sender:
    """One bot's."""

    def __init__(self, settings: DiscordSettings, places: Places, webhooks: Webhooks, host: Host) -> None:
        self._settings = settings
        self._places = places
        self._webhooks = webhooks
        self._attempts = Attempts(host.store, places)
        self._made: OrderedDict[str, Made] = OrderedDict()
        self.me = wire.User("")

    # --- what is chosen -------------------------------------------------------------------------------------------

    def identity(self, home: Home) -> str:
        """`webhook` or `bot`: what the operator wants, as far as it can be had."""
        wanted = self._settings.identity if home.settings.identity is UNSET else home.settings.identity
        return wanted if wanted == "bot" or self._webhooks.may(home) else "bot"

    def answers(self, home: Home) -> str:
        """`link` or `reply`."""
        return self._settings.answers if home.settings.answers is UNSET else home.settings.answers

    def room(self, home: Home | None, *, named: bool) -> int:
        """Characters of a text. `named`: the core hands over names, which may have to stand in the text."""
        if home is None or not named:
            return LONGEST
        by_bot = self.identity(home) == "bot" or self.answers(home) == "reply"
        return LONGEST - (_ROOM_OF_NAME if by_bot else _ROOM_OF_LINK)

    # --- new messages ---------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing, api: Api) -> Receipt:
        """As `Driver.send`."""
        home = self._home(message.channel)
        answered = await self._answered(message, home, api)
        webhook = None
        replies = bool(answered.message) and self.answers(home) == "reply"
        if self.identity(home) == "webhook" and message.name and not replies:
            webhook = await self._webhooks.of(home, self.me, api)
        header = self._header(answered) if webhook is not None else ""
        text = self._text(message, home, header=header, by_bot=webhook is None)
        try:
            made = await self._attempts.made_before(
                message, answered.place, text, api, {self.me.id, *self._webhooks.ids}
            )
            if made is None:
                await self._attempts.begin(message, answered.place)
                made = await self._post(message, answered, text, webhook, api)
        except Refused as refused:
            if refused.code == UNKNOWN_WEBHOOK:
                self._webhooks.lost(home)
                raise Retry("the webhook was deleted; another is made", after=0.0) from refused
            error = of_message(refused, message, home, answered.place.thread)
            if isinstance(error, Paused):
                self._places.refused(home, error.reason)
            raise error from refused
        number = made.rpartition("/")[2]
        self._remember(number, Made(webhook, header))
        self._attempts.done(number)
        self._places.reached(answered.place, number)
        return Receipt(made)

    def _home(self, channel: ChannelKey) -> Home:
        home = self._places.home(channel)
        if home is None:
            raise Rejected("the channel is none of the file's")
        if home.unavailable:
            raise Paused(home.unavailable, scope="channel")
        return home

    async def _answered(self, message: Outgoing, home: Home, api: Api) -> Answered:
        """Where it goes, and what it answers there. Raises Gone where that cannot be there."""
        if message.reply_to is None:
            first = None if message.follows is None else located(message.follows)
            return Answered(Place(home, "" if first is None else first[0]))
        found = located(message.reply_to)
        if found is None:
            raise Gone("the message that it answers is not there")
        thread, number = found
        if not thread and self._places.has_thread(number, home.channel.id):
            return Answered(Place(home, number))  # that message has a thread: there it is answered
        place = Place(home, thread)
        if thread == number:
            return Answered(place)
        if self.identity(home) == "webhook" and self.answers(home) == "link":
            try:  # a link may lead nowhere, and Discord does not say so
                await api.message(place.channel, number)
            except Refused as refused:
                raise of_change(refused, "read the history") from refused
        return Answered(place, number)

    @staticmethod
    def _header(answered: Answered) -> str:
        if not answered.message:
            return ""
        guild = answered.place.home.channel.guild_id
        return f"-# ↪ https://discord.com/channels/{guild}/{answered.place.channel}/{answered.message}\n"

    async def _post(
        self, message: Outgoing, answered: Answered, text: str, webhook: wire.Webhook | None, api: Api
    ) -> MessageId:
        place = answered.place
        content: dict[str, Any] = {"content": text, "allowed_mentions": _allowed(text)}
        if message.files:
            content["attachments"] = named(message.files)
        is_new_post = place.home.channel.is_forum and not place.thread
        size = sum(file.size for file in message.files)
        if webhook is not None:
            content["username"] = username(message.name or message.author.name)
            if message.avatar:
                content["avatar_url"] = message.avatar
            if is_new_post:
                content["thread_name"] = _title(message)
            async with opened(message.files, content) as body:
                made = await api.execute(webhook, place.thread_of_webhook, body, size)
            return message_id(made.id, made.channel_id if is_new_post else place.thread)
        if is_new_post:
            async with opened(message.files, {"name": _title(message), "message": content}) as body:
                thread = await api.start_post(place.channel, body, size)
            self._places.met_thread(thread)
            return message_id(thread.id, thread.id)
        content |= {"nonce": nonce_of(message.key), "enforce_nonce": True}
        if answered.message:
            content["message_reference"] = {"message_id": answered.message, "fail_if_not_exists": True}
        async with opened(message.files, content) as body:
            made = await api.send(place.channel, body, size)
        return message_id(made.id, place.thread)

    # --- what it says ---------------------------------------------------------------------------------------------

    def _text(self, message: Outgoing, home: Home, *, header: str = "", by_bot: bool) -> str:
        """The text with what stands before it, within what a message may hold."""
        text = wire.storable(message.text)
        room = LONGEST - len(header)
        before = ""
        if by_bot and message.name:
            name = MARKDOWN.write((Paragraph((Text(message.name),)),))
            before = f"**{name}** " if message.action else f"**{name}**: "
            if text.startswith(("> ", "```", "# ", "- ", "1. ")):
                before = f"{before.rstrip()}\n"
        if message.action and text and _measure(before) + _measure(text) + 2 <= room:
            text = f"_{text}_"
        whole = before + text if _measure(before) + _measure(text) <= room else text
        return header + self._with_emoji(whole, home, room)

    def _with_emoji(self, text: str, home: Home, room: int) -> str:
        """Custom emoji by the guild's own numbers; one that it has not, or that does not fit, by its name."""
        guild = self._places.guild(home.channel.guild_id or "")
        numbers = {each.name: each.id for each in guild.emojis if each.available} if guild is not None else {}
        left = room - _measure(_CUSTOM.sub(r":\1:", text))

        def number(found: re.Match[str]) -> str:
            nonlocal left
            known = numbers.get(found[1])
            if known is None or left < len(known) + 3:
                return f":{found[1]}:"
            left -= len(known) + 3
            return f"<:{found[1]}:{known}>"

        return _CUSTOM.sub(number, text) if "<:" in text else text

    # --- changes --------------------------------------------------------------------------------------------------

    async def edit(self, message: MessageId, revised: Outgoing, api: Api) -> None:
        """As `Edits.edit`."""
        home = self._home(revised.channel)
        place, number = self._located(message, home)
        try:
            made = await self._made_by(place, number, api)
            text = self._text(revised, home, header=made.header, by_bot=made.webhook is None)
            change = {"content": text, "allowed_mentions": _allowed(text)}
            if made.webhook is None:
                await api.edit(place.channel, number, change)
            else:
                await api.edit_of(made.webhook, place.thread_of_webhook, number, change)
        except Refused as refused:
            raise of_change(refused, "edit its messages") from refused

    async def delete(self, channel: ChannelKey, message: MessageId, api: Api) -> str:
        """As `Deletes.delete`; Discord's id of what is gone."""
        place, number = self._located(message, self._home(channel))
        try:
            made = await self._made_by(place, number, api)
            if made.webhook is None:
                await api.delete(place.channel, number)
            else:
                await api.delete_of(made.webhook, place.thread_of_webhook, number)
        except Refused as refused:
            raise of_change(refused, "delete its messages") from refused
        return number

    @staticmethod
    def _located(message: MessageId, home: Home) -> tuple[Place, str]:
        found = located(message)
        if found is None:
            raise Gone("there is no such message")
        return Place(home, found[0]), found[1]

    async def _made_by(self, place: Place, number: str, api: Api) -> Made:
        """How a message was made. Raises Refused, and Rejected where it is somebody else's."""
        if (known := self._made.get(number)) is not None:
            return known
        found = await api.message(place.channel, number)
        if found.author is not None and found.author.id == self.me.id:
            made = Made(None)
        elif (webhook := self._webhooks.own(found.webhook_id)) is not None:
            made = Made(webhook, header_of(found.content))
        else:
            raise Rejected("the message is somebody else's")
        self._remember(number, made)
        return made

    def _remember(self, number: str, made: Made) -> None:
        self._made[number] = made
        if len(self._made) > _KEPT:
            self._made.popitem(last=False)


def _allowed(text: str) -> dict[str, object]:
    """Whom a text calls: those alone whom the writer let through, which is read off it as a client reads it."""
    users: dict[str, None] = {}
    parse: list[str] = []
    for node in _mentions(MARKDOWN.read(text)):
        if node.kind is not MentionKind.USER:
            parse = ["everyone"]
        elif node.user is not None:
            users[node.user] = None
    return {"parse": parse, "users": list(users)[:100], "replied_user": False}


def _mentions(text: RichText) -> list[Mention]:
    found: list[Mention] = []
    waiting: list[Any] = [*text.blocks]
    while waiting:
        node = waiting.pop()
        if isinstance(node, Mention):
            found.append(node)
        waiting += getattr(node, "children", ())
        waiting += [each for item in getattr(node, "items", ()) for each in item]
    return found


def _title(message: Outgoing) -> str:
    """What a forum's post is called: its first words."""
    words = one_line(PLAIN.write(MARKDOWN.read(message.text).blocks), _LONGEST_TITLE)
    return words or (one_line(message.files[0].name, _LONGEST_TITLE) if message.files else "") or message.author.name


def _measure(text: str) -> int:
    return Unit.UTF16.measure(text)
