"""The workspace: who is there, what was said, and the acts of people and apps that events tell of."""

from __future__ import annotations

import uuid
from collections.abc import Callable

from nextbridge.sandbox.slack.delivering import Delivering
from nextbridge.sandbox.slack.records import SCOPES, App, Channel, Clock, File, Json, Message, User, new_id
from nextbridge.sandbox.slack.refusals import Refusal
from nextbridge.sandbox.slack.typed import escaped, typed

__all__ = ["Workspace"]

_TOMBSTONE = "This message was deleted."


class Workspace:
    """What holds for everybody, and what people do. Each act is told to the apps that may know of it."""

    def __init__(self) -> None:
        self.clock = Clock()
        self.users: dict[str, User] = {}
        self.apps: dict[str, App] = {}
        self.channels: dict[str, Channel] = {}
        self.files: dict[str, File] = {}
        self.emoji: dict[str, str] = {"partyparrot": "https://emoji.example.com/parrot.gif"}
        self.deliveries: dict[str, Delivering] = {}
        self.watchers: list[Callable[[Channel, Message], None]] = []
        """Told of each new message."""
        self.address = ""
        """Where the server is reached, for addresses in events."""

    def notify(self) -> None:
        """Something happened that somebody may wait for."""

    # --- who is there ---

    def add_user(self, name: str, *, real_name: str = "", display_name: str = "") -> User:
        user = User(new_id("U"), name, real_name or name.capitalize(), display_name)
        self.users[user.id] = user
        return user

    def add_app(self, name: str, *, scopes: set[str] | None = None) -> App:
        """Install an app; it has all scopes, unless some are named."""
        user = User(new_id("U"), name, name.capitalize(), is_bot=True)
        bot = new_id("B")
        app = App(
            id=new_id("A"),
            name=name,
            bot_id=bot,
            user=user,
            token=f"xoxb-{uuid.uuid4().hex}",
            app_token=f"xapp-1-{uuid.uuid4().hex}",
            signing_secret=uuid.uuid4().hex,
            scopes=set(SCOPES if scopes is None else scopes),
        )
        user.app = app.id
        self.users[user.id] = user
        self.apps[app.id] = app
        self.deliveries[app.id] = Delivering(app, self.notify)
        return app

    def add_channel(self, name: str, *members: User | App, is_private: bool = False) -> Channel:
        ids = [each.user.id if isinstance(each, App) else each.id for each in members]
        channel = Channel(new_id("C"), name, is_private=is_private, members=ids)
        self.channels[channel.id] = channel
        return channel

    def direct_channel(self, one: User, other: User) -> Channel:
        """The conversation of two, made where there is none."""
        both = [one.id, other.id]
        for channel in self.channels.values():
            if channel.is_im and sorted(channel.members) == sorted(both):
                return channel
        channel = Channel(new_id("D"), is_im=True, members=both)
        self.channels[channel.id] = channel
        return channel

    # --- what people do ---

    def post_as(
        self,
        user: User,
        channel: Channel,
        text: str,
        *,
        thread: str = "",
        blocks: list[Json] | None = None,
        files: tuple[File, ...] = (),
        subtype: str = "",
    ) -> Message:
        """Type something. With `blocks`, `text` is what the program sends beside them, as it is."""
        written, made = (text, blocks) if blocks is not None else typed(text)
        message = Message(
            self.clock.ts(),
            user=user.id,
            text=written,
            blocks=made if text or blocks else None,
            subtype="file_share" if files else subtype,
            thread_ts=thread,
            files=list(files),
            client_msg_id=str(uuid.uuid4()),
        )
        return self.post(channel, message)

    def edit_as(self, user: User, channel: Channel, message: Message, text: str) -> None:
        before = self.shown(channel, message)
        message.text, message.blocks = typed(text)
        message.edited = {"user": user.id, "ts": self.clock.ts()}
        self.changed(channel, message, before)

    def unfurl(self, channel: Channel, message: Message) -> None:
        """Slack itself adds the preview of a link: the message is changed and says what it said."""
        before = self.shown(channel, message)
        message.attachments = [{"id": 1, "title": "A page", "from_url": "https://example.com", "fallback": "A page"}]
        self.changed(channel, message, before)

    def delete(self, channel: Channel, message: Message) -> None:
        """Take a message away; what was answered leaves a stone in its place."""
        before = self.shown(channel, message)
        if channel.answers(message.ts):
            message.text, message.blocks, message.files = _TOMBSTONE, None, []
            message.user, message.subtype, message.app = "USLACKBOT", "tombstone", None
            message.more = {"hidden": True}
            self.changed(channel, message, before)
            return
        del channel.messages[message.ts]
        self._tell_message(
            channel,
            {
                "type": "message",
                "subtype": "message_deleted",
                "hidden": True,
                "deleted_ts": message.ts,
                "previous_message": before,
                "ts": self.clock.ts(),
            },
        )

    def react(self, user: str, channel: Channel, message: Message, name: str, *, add: bool) -> None:
        """Raises Refusal where it is so already."""
        users = message.reactions.setdefault(name, [])
        if (user in users) is add:
            raise Refusal("already_reacted" if add else "no_reaction")
        if add:
            users.append(user)
        else:
            users.remove(user)
        event = {
            "type": "reaction_added" if add else "reaction_removed",
            "user": user,
            "reaction": name,
            "item": {"type": "message", "channel": channel.id, "ts": message.ts},
            "item_user": message.user,
            "event_ts": self.clock.ts(),
        }
        self._tell(channel, event)

    def join(self, user: User, channel: Channel) -> None:
        channel.members.append(user.id)
        text = f"<@{user.id}> has joined the channel"
        self.post(channel, Message(self.clock.ts(), user=user.id, text=text, subtype="channel_join"))
        self._tell(channel, self._membership("member_joined_channel", user, channel))

    def leave(self, user: User, channel: Channel) -> None:
        if user.app:  # an app that is out of the channel is told of that alone
            self.deliveries[user.app].tell({"type": "channel_left", "channel": channel.id})
        self._tell(channel, self._membership("member_left_channel", user, channel))
        channel.members.remove(user.id)
        text = f"<@{user.id}> has left the channel"
        self.post(channel, Message(self.clock.ts(), user=user.id, text=text, subtype="channel_leave"))

    def set_topic(self, user: str, channel: Channel, topic: str) -> None:
        channel.topic = escaped(topic)
        message = Message(
            self.clock.ts(),
            user=user,
            text=f"<@{user}> set the channel topic: {channel.topic}",
            subtype="channel_topic",
            more={"topic": channel.topic},
        )
        self.post(channel, message)

    def archive(self, channel: Channel, *, archived: bool = True) -> None:
        channel.is_archived = archived
        kind = "channel_archive" if archived else "channel_unarchive"
        self._tell(channel, {"type": kind, "channel": channel.id, "event_ts": self.clock.ts()})

    def upload_as(self, user: User, name: str, content: bytes, mimetype: str = "application/octet-stream") -> File:
        file = File(new_id("F"), name, len(content), user.id, 1, mimetype=mimetype, content=content, completed=True)
        self.files[file.id] = file
        return file

    # --- what every act ends in ---

    def post(self, channel: Channel, message: Message) -> Message:
        """Put a message into a channel."""
        channel.messages[message.ts] = message
        for file in message.files:
            file.shares.setdefault(channel.id, []).append(message.ts)
        self._tell_message(channel, self.shown(channel, message))
        for watcher in self.watchers:
            watcher(channel, message)
        return message

    def changed(self, channel: Channel, message: Message, before: Json) -> None:
        """Tell that a message is not as it was."""
        event = {
            "type": "message",
            "subtype": "message_changed",
            "hidden": True,
            "message": self.shown(channel, message),
            "previous_message": before,
            "ts": self.clock.ts(),
        }
        self._tell_message(channel, event)

    def shown(self, channel: Channel, message: Message) -> Json:
        return message.as_json(self.address, channel, self.channels)

    def _membership(self, kind: str, user: User, channel: Channel) -> Json:
        return {
            "type": kind,
            "user": user.id,
            "channel": channel.id,
            "channel_type": "G" if channel.is_private else "C",
            "team": "T0SANDBOX",
            "event_ts": self.clock.ts(),
        }

    def event_of(self, channel: Channel, message: Message) -> Json:
        """The event of a new message."""
        return self._placed(channel, self.shown(channel, message))

    @staticmethod
    def _placed(channel: Channel, event: Json) -> Json:
        return {**event, "channel": channel.id, "event_ts": event["ts"], "channel_type": channel.type}

    def _tell_message(self, channel: Channel, event: Json) -> None:
        self._tell(channel, self._placed(channel, event))

    def _tell(self, channel: Channel, event: Json) -> None:
        for app in self.apps.values():
            if app.user.id in channel.members:
                self.deliveries[app.id].tell(event)
