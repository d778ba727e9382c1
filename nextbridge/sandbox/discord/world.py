"""What there is on the stand-in, and what happens there: whoever does something, a person or a bot, does it here.

Each act is told to the gateway's sessions that may hear of it.
"""

from __future__ import annotations

import base64
import re
import secrets
import time
from collections.abc import Callable, Sequence
from pathlib import PurePath
from typing import Any

import emoji as emoji_list
from msgspec import UNSET, Struct, field
from msgspec.structs import replace

from nextbridge.sandbox.discord.gateway import Application, Gateway, Intent, Ready, Session
from nextbridge.sandbox.discord.mentions import AllowedMentions, called
from nextbridge.sandbox.discord.records import (
    Account,
    Attachment,
    Channel,
    ChannelType,
    CustomEmoji,
    Guild,
    Member,
    Message,
    MessageReference,
    MessageType,
    Role,
    User,
    Webhook,
    plain,
    thread_metadata,
)
from nextbridge.sandbox.discord.refusals import invalid, unknown
from nextbridge.sandbox.discord.rights import Right, of_everybody, rights_in
from nextbridge.sandbox.discord.snowflakes import Snowflakes, moment, timestamp

__all__ = ["Draft", "Upload", "World", "emoji_of", "is_active"]

_NONCE_LIVES = 300.0
"""Seconds for which a nonce is remembered: the documentation says "a few minutes"."""
_CUSTOM = re.compile(r"[A-Za-z0-9_~]{2,32}:\d+")
_HIDDEN = {"content": "", "embeds": [], "attachments": [], "components": []}
"""What a message is without the message content intent."""


class Upload(Struct, frozen=True):
    """A file that comes with a message."""

    name: str
    content: bytes
    content_type: str = "application/octet-stream"
    title: str = ""
    """What it is called before its name is made fit for an address; without its ending."""


class Draft(Struct, kw_only=True):
    """What a message is made of."""

    content: str = ""
    author: User
    files: Sequence[Upload] = ()
    answers: MessageReference | None = None
    allowed: AllowedMentions | None = None
    webhook: Webhook | None = None
    embeds: list[dict[str, Any]] = field(default_factory=list)
    nonce: str | int | None = None
    enforce_nonce: bool = False
    type: MessageType = MessageType.DEFAULT


class World:
    """One Discord."""

    def __init__(self) -> None:
        self.snowflakes = Snowflakes()
        self.applications: dict[str, Application] = {}
        """By token."""
        self.users: dict[str, User] = {}
        self.guilds: dict[str, Guild] = {}
        self.members: dict[tuple[str, str], Member] = {}
        self.channels: dict[str, Channel] = {}
        self.messages: dict[str, dict[str, Message]] = {}
        """By channel, in order."""
        self.reactions: dict[str, dict[str, list[str]]] = {}
        """By message and emoji, who reacted."""
        self.webhooks: dict[str, Webhook] = {}
        self.contents: dict[str, bytes] = {}
        """Of attachments."""
        self.watchers: list[Callable[[str, dict[str, Any]], None]] = []
        """Called with every event, as somebody hears it who may see everything."""
        self.gateway = Gateway(self.applications.get, self._ready)
        self.cdn_ahead = 0.0
        """Seconds; by a day, every address that was given out so far has expired."""
        self._nonces: dict[tuple[str, str], tuple[float, Message]] = {}

    def now(self) -> str:
        return timestamp(int(time.time() * 1000))

    # --- making ---------------------------------------------------------------------------------------------------

    def add_account(self, username: str, *, name: str | None, bot: bool) -> Account:
        user = User(id=self.snowflakes.next(), username=username, global_name=name, bot=True if bot else UNSET)
        self.users[user.id] = user
        account = Account(user, _token(user) if bot else "")
        if bot:
            self.applications[account.token] = Application(account)
        return account

    def add_guild(self, name: str, owner: Account) -> Guild:
        made = self.snowflakes.next()
        everybody = Role(id=made, name="@everyone", permissions=str(int(of_everybody)))
        guild = self.guilds[made] = Guild(id=made, name=name, owner_id=owner.id, roles=[everybody])
        self.add_member(guild, owner, [])
        return guild

    def add_member(self, guild: Guild, account: Account, roles: list[str], nick: str | None = None) -> None:
        member = Member(user=account.user, nick=nick, roles=roles, joined_at=self.now())
        self.members[guild.id, account.id] = member
        if account.token:
            self.gateway.tell(
                "GUILD_CREATE",
                Intent.GUILDS,
                lambda session: self._whole(guild, account) if session.application.account == account else None,
            )

    def remove_member(self, guild: Guild, account: Account) -> None:
        """Somebody is in the guild no more; a bot is told that the guild is gone."""
        self.gateway.tell(
            "GUILD_DELETE",
            Intent.GUILDS,
            lambda session: {"id": guild.id} if session.application.account == account else None,
        )
        del self.members[guild.id, account.id]

    def add_channel(self, channel: Channel) -> Channel:
        self.channels[channel.id] = channel
        self.messages[channel.id] = {}
        if channel.guild_id is not UNSET:
            if channel.is_thread:
                self.tell("THREAD_CREATE", channel, plain(channel) | {"newly_created": True})
            else:
                self.tell("CHANNEL_CREATE", channel, plain(channel))
        return channel

    def start_thread(self, parent: Channel, name: str, owner: User, *, on: str | None = None) -> Channel:
        """A public thread, on a message or on none."""
        made = on or self.snowflakes.next()
        thread = Channel(
            id=made,
            type=ChannelType.PUBLIC_THREAD,
            guild_id=parent.guild_id,
            parent_id=parent.id,
            name=name,
            owner_id=owner.id,
            message_count=0,
            member_count=1,
            total_message_sent=0,
            rate_limit_per_user=0,
            thread_metadata=thread_metadata(moment(made)),
        )
        return self.add_channel(thread)

    # --- looking --------------------------------------------------------------------------------------------------

    def channel(self, channel: str) -> Channel:
        """Raises Refused."""
        _check_snowflake("channel_id", channel)
        if channel not in self.channels:
            raise unknown("channel")
        return self.channels[channel]

    def message(self, channel: Channel, message: str) -> Message:
        """Raises Refused."""
        _check_snowflake("message_id", message)
        found = self.messages[channel.id].get(message)
        if found is None:
            raise unknown("message")
        return found

    def rights(self, user: str, channel: Channel) -> Right:
        """What a user may do there; nothing where they do not see it."""
        if channel.type is ChannelType.DM:
            mine = channel.recipients is not UNSET and any(each.id == user for each in channel.recipients)
            return of_everybody if mine else Right(0)
        guild = self.guilds[str(channel.guild_id)]
        member = self.members.get((guild.id, user))
        home = self.channels[str(channel.parent_id)] if channel.is_thread else channel
        return Right(0) if member is None else rights_in(guild, member, user, home)

    def conversation(self, one: User, other: User) -> Channel:
        """The channel of the two, made where there is none."""
        for channel in self.channels.values():
            if channel.recipients is not UNSET and {each.id for each in channel.recipients} == {one.id, other.id}:
                return channel
        return self.add_channel(Channel(id=self.snowflakes.next(), type=ChannelType.DM, recipients=[one, other]))

    def seen(self, message: Message, viewer: str, host: str = "") -> dict[str, Any]:
        """A message as somebody sees it whom REST answers; addresses of files are on `host`."""
        shown = plain(message)
        shown.pop("nonce", None)
        for attachment in shown["attachments"]:
            address = f"/attachments/{message.channel_id}/{attachment['id']}/{attachment['filename']}"
            expires = f"{int(time.time()) + 86400:x}"
            attachment["url"] = f"http://{host}{address}?ex={expires}&is=0&hm={secrets.token_hex(8)}"
            attachment["proxy_url"] = attachment["url"]
        if reactions := self.reactions.get(message.id):
            shown["reactions"] = [
                {
                    "emoji": emoji_of(emoji),
                    "count": len(who),
                    "count_details": {"burst": 0, "normal": len(who)},
                    "me": viewer in who,
                    "me_burst": False,
                    "burst_colors": [],
                }
                for emoji, who in reactions.items()
                if who
            ]
        reference = message.message_reference
        if reference is not UNSET and reference.type == 0:
            answered = self.messages.get(reference.channel_id, {}).get(reference.message_id)
            shown["referenced_message"] = None if answered is None else plain(answered)
        if message.id in self.channels:
            shown["thread"] = plain(self.channels[message.id])
        return shown

    # --- doing ----------------------------------------------------------------------------------------------------

    def post(self, channel: Channel, draft: Draft, host: str) -> Message:
        """Make a message. Raises Refused where the content of the draft cannot be one."""
        if draft.nonce is not None and len(str(draft.nonce)) > 25:
            raise invalid("nonce", "BASE_TYPE_MAX_LENGTH", "Must be 25 or fewer in length.")
        known = self._nonces.get((draft.author.id, str(draft.nonce)))
        if draft.enforce_nonce and draft.nonce is not None and known and time.monotonic() - known[0] < _NONCE_LIVES:
            return known[1]
        message = self.made(channel, draft)
        if draft.nonce is not None:
            message.nonce = draft.nonce
            self._nonces[draft.author.id, str(draft.nonce)] = (time.monotonic(), message)
        return self.put(channel, message, host)

    def made(self, channel: Channel, draft: Draft) -> Message:
        """A message that does not stand anywhere yet."""
        content = draft.content.strip()
        if channel.type is ChannelType.DM:
            everyone = False
        else:
            # a webhook's rights are everybody's
            user = str(channel.guild_id) if draft.webhook else draft.author.id
            everyone = draft.webhook is not None or Right.MENTION_EVERYONE in self.rights(user, channel)
        calls = called(content, draft.allowed, everyone=everyone)
        message = Message(
            id=self.snowflakes.next(),
            channel_id=channel.id,
            author=draft.author,
            content=content,
            timestamp="",
            mention_everyone=calls.everyone,
            mentions=[self.users[each] for each in calls.users if each in self.users],
            mention_roles=list(calls.roles),
            attachments=[self._attach(each) for each in draft.files],
            embeds=draft.embeds,
            type=MessageType.REPLY if draft.answers and draft.answers.type == 0 else draft.type,
        )
        message.timestamp = timestamp(moment(message.id))
        if draft.answers is not None:
            message.message_reference = draft.answers
        if draft.webhook is not None:
            message.webhook_id = draft.webhook.id
            if draft.webhook.application_id is not None:
                message.application_id = draft.webhook.application_id
        return message

    def put(self, channel: Channel, message: Message, host: str) -> Message:
        """Let a message that is made stand in its channel."""
        self.messages[channel.id][message.id] = message
        channel.last_message_id = message.id
        if channel.thread_metadata is not UNSET:
            channel.message_count = int(channel.message_count or 0) + 1
            channel.total_message_sent = int(channel.total_message_sent or 0) + 1
            if channel.thread_metadata.archived:
                channel.thread_metadata.archived = False
                self.tell("THREAD_UPDATE", channel, plain(channel))
        self.tell_message("MESSAGE_CREATE", channel, message, host)
        return message

    def post_in_forum(self, forum: Channel, name: str, draft: Draft, host: str) -> tuple[Channel, Message]:
        """A new thread of a forum with its first message, which has the thread's id."""
        thread = self.start_thread(forum, name, draft.author)
        forum.last_message_id = thread.id
        message = self.made(thread, draft)
        message.id = thread.id
        return thread, self.put(thread, message, host)

    def add_webhook(self, channel: Channel, name: str, user: User, application: str | None) -> Webhook:
        made = Webhook(
            id=self.snowflakes.next(),
            guild_id=str(channel.guild_id),
            channel_id=channel.id,
            user=user,
            name=name,
            token=secrets.token_urlsafe(51),
            application_id=application,
        )
        self.webhooks[made.id] = made
        self.tell("WEBHOOKS_UPDATE", channel, {"channel_id": channel.id})
        return made

    def cdn_time(self) -> float:
        """What the CDN compares an address's end with, in seconds since 1970."""
        return time.time() + self.cdn_ahead

    def forget_nonces(self) -> None:
        """As after the few minutes."""
        self._nonces.clear()

    def edit(
        self, channel: Channel, message: Message, content: str, allowed: AllowedMentions | None, host: str
    ) -> None:
        calls = called(content, allowed, everyone=False)
        message.content = content.strip()
        message.mentions = [self.users[each] for each in calls.users if each in self.users]
        message.edited_timestamp = self.now()
        self.tell_message("MESSAGE_UPDATE", channel, message, host)

    def pin(self, channel: Channel, message: Message, host: str) -> None:
        message.pinned = True
        self.tell_message("MESSAGE_UPDATE", channel, message, host)
        self.tell("CHANNEL_PINS_UPDATE", channel, {"channel_id": channel.id, "last_pin_timestamp": self.now()})

    def delete(self, channel: Channel, message: Message) -> None:
        del self.messages[channel.id][message.id]
        self.reactions.pop(message.id, None)
        self.tell("MESSAGE_DELETE", channel, {"id": message.id, "channel_id": channel.id}, _messages_of(channel))

    def react(self, channel: Channel, message: Message, user: User, emoji: str, *, add: bool) -> None:
        """Raises Refused where there is no such emoji."""
        self.check_emoji(channel, emoji)
        who = self.reactions.setdefault(message.id, {}).setdefault(emoji, [])
        if add == (user.id in who):
            return
        who.append(user.id) if add else who.remove(user.id)
        data: dict[str, Any] = {
            "user_id": user.id,
            "channel_id": channel.id,
            "message_id": message.id,
            "emoji": emoji_of(emoji),
            "burst": False,
            "type": 0,
        }
        if add and channel.guild_id is not UNSET:
            data |= {"member": plain(self.members[str(channel.guild_id), user.id])}
            if message.webhook_id is UNSET:
                data["message_author_id"] = message.author.id
        intent = Intent.DIRECT_MESSAGE_REACTIONS if channel.type is ChannelType.DM else Intent.GUILD_MESSAGE_REACTIONS
        self.tell(f"MESSAGE_REACTION_{'ADD' if add else 'REMOVE'}", channel, data, intent)

    def check_emoji(self, channel: Channel, emoji: str) -> None:
        """Raises Refused where there is no such emoji."""
        if _CUSTOM.fullmatch(emoji):
            emojis = self.guilds[str(channel.guild_id)].emojis if channel.guild_id is not UNSET else []
            if any(emoji == f"{each.name}:{each.id}" for each in emojis):
                return
        elif emoji_list.is_emoji(emoji):
            return
        raise unknown("emoji")

    def type_in(self, channel: Channel, user: User) -> None:
        data: dict[str, Any] = {"channel_id": channel.id, "user_id": user.id, "timestamp": int(time.time())}
        member = self.members.get((str(channel.guild_id), user.id))
        if member is not None:
            data["member"] = plain(member)
        self.tell("TYPING_START", channel, data, Intent.GUILD_MESSAGE_TYPING)

    def set_topic(self, channel: Channel, topic: str) -> None:
        channel.topic = topic or None
        self.tell("CHANNEL_UPDATE", channel, plain(channel))

    def add_emoji(self, guild: Guild, name: str) -> CustomEmoji:
        made = CustomEmoji(id=self.snowflakes.next(), name=name)
        guild.emojis = [*guild.emojis, made]
        emojis = {"guild_id": guild.id, "emojis": [plain(each) for each in guild.emojis]}
        self.gateway.tell(
            "GUILD_EMOJIS_UPDATE",
            None,
            lambda session: emojis if (guild.id, session.application.account.id) in self.members else None,
        )
        return made

    # --- telling --------------------------------------------------------------------------------------------------

    def tell(self, event: str, channel: Channel, data: dict[str, Any], intent: Intent = Intent.GUILDS) -> None:
        if channel.guild_id is not UNSET:
            data = data | {"guild_id": channel.guild_id}
        for watcher in self.watchers:
            watcher(event, data)

        def seen(session: Session) -> dict[str, Any] | None:
            return data if Right.VIEW_CHANNEL in self.rights(session.application.account.id, channel) else None

        self.gateway.tell(event, intent, seen)

    def tell_message(self, event: str, channel: Channel, message: Message, host: str) -> None:
        whole = self.seen(message, "", host)
        if event == "MESSAGE_CREATE" and message.nonce is not UNSET:
            whole["nonce"] = message.nonce
        member = self.members.get((str(channel.guild_id), message.author.id))
        if channel.guild_id is not UNSET:
            whole["guild_id"] = channel.guild_id
        if member is not None:
            whole["member"] = plain(replace(member, user=UNSET))
        for mentioned in whole["mentions"]:
            if (known := self.members.get((str(channel.guild_id), mentioned["id"]))) is not None:
                mentioned["member"] = plain(replace(known, user=UNSET))
        for watcher in self.watchers:
            watcher(event, whole)

        def seen(session: Session) -> dict[str, Any] | None:
            me = session.application.account.id
            if Right.VIEW_CHANNEL not in self.rights(me, channel):
                return None
            concerns = message.author.id == me or channel.type is ChannelType.DM
            concerns = concerns or any(each.id == me for each in message.mentions)
            return whole if concerns or session.hears(Intent.MESSAGE_CONTENT) else whole | _HIDDEN

        self.gateway.tell(event, _messages_of(channel), seen)

    def _ready(self, account: Account, host: str) -> Ready:
        mine = [self.guilds[guild] for guild, user in self.members if user == account.id]
        event = {
            "v": 10,
            "user": self.myself(account),
            "guilds": [{"id": each.id, "unavailable": True} for each in mine],
            "resume_gateway_url": f"ws://{host}/resuming",
            "application": {"id": account.id, "flags": 1 << 19},
            "private_channels": [],
            "session_type": "normal",
        }
        return Ready(event, [self._whole(each, account) for each in mine])

    def myself(self, account: Account) -> dict[str, Any]:
        """A bot's own user, with what only it sees."""
        more = {"verified": True, "email": None, "mfa_enabled": True, "flags": 0, "locale": "en-US"}
        return plain(account.user) | more

    def _whole(self, guild: Guild, account: Account) -> dict[str, Any]:
        """A guild as GUILD_CREATE shows it."""
        here = [
            each
            for each in self.channels.values()
            if each.guild_id == guild.id and Right.VIEW_CHANNEL in self.rights(account.id, each)
        ]
        members = [member for (place, _), member in self.members.items() if place == guild.id]
        return plain(guild) | {
            "joined_at": self.members[guild.id, account.id].joined_at,
            "large": False,
            "unavailable": False,
            "member_count": len(members),
            "voice_states": [],
            "members": [plain(each) for each in members],
            "channels": [plain(each) for each in here if not each.is_thread],
            "threads": [plain(each) for each in here if each.is_thread and is_active(each)],
            "presences": [],
            "stage_instances": [],
            "guild_scheduled_events": [],
            "soundboard_sounds": [],
        }

    def _attach(self, upload: Upload) -> Attachment:
        path = PurePath(upload.name)
        stored = re.sub(r"[^A-Za-z0-9_.-]", "", upload.name.replace(" ", "_")).lstrip(".") or "unknown"
        attachment = Attachment(
            id=self.snowflakes.next(), filename=stored, size=len(upload.content), content_type=upload.content_type
        )
        if upload.title or stored != upload.name:
            attachment.title = upload.title or path.stem
        self.contents[attachment.id] = upload.content
        return attachment


def _token(user: User) -> str:
    """As real ones: the id, when it was made, and what nobody guesses."""
    of_user = base64.urlsafe_b64encode(user.id.encode()).decode().rstrip("=")
    return f"{of_user}.{secrets.token_urlsafe(4)}.{secrets.token_urlsafe(28)}"


def emoji_of(emoji: str) -> dict[str, Any]:
    """An emoji as reactions show it."""
    if _CUSTOM.fullmatch(emoji):
        name, _, number = emoji.partition(":")
        return {"id": number, "name": name, "animated": False}
    return {"id": None, "name": emoji}


def is_active(thread: Channel) -> bool:
    """Whether a thread is not archived."""
    return thread.thread_metadata is not UNSET and not thread.thread_metadata.archived


def _messages_of(channel: Channel) -> Intent:
    return Intent.DIRECT_MESSAGES if channel.type is ChannelType.DM else Intent.GUILD_MESSAGES


def _check_snowflake(field_name: str, value: str) -> None:
    if not (value.isascii() and value.isdecimal() and int(value) < 1 << 63):
        raise invalid(field_name, "NUMBER_TYPE_COERCE", f'Value "{value}" is not snowflake.')
