"""A post as the event that it is, or the reason why it is none.

What the server itself posts of joins, leaves and headers is read in system_posts.py, changes of posts in changes.py.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Iterator

from msgspec import Struct

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal
from drivers.mattermost.people import People
from nextbridge.envelope import Attachment, Author, Channel, ChannelKey, InstanceId, MessageId, Posted, UserId
from nextbridge.errors import Retry
from nextbridge.markup import Dialect, RichText

__all__ = ["PostReader", "Skipped", "as_author", "attached_lines"]


class Skipped(Exception):
    """A post that is no event, with the short reason that is counted."""

    def __init__(self, reason: str, post: wire.Post) -> None:
        super().__init__(reason)
        self.post = post

    @property
    def message(self) -> tuple[ChannelKey, MessageId]:
        """Where it is, and its id."""
        return ChannelKey(self.post.channel_id), MessageId(self.post.id)


class Content(Struct, frozen=True):
    """What a post says."""

    text: RichText
    attachments: tuple[Attachment, ...]
    action: bool


class PostReader:
    """Makes events of posts, for one account."""

    def __init__(self, instance: InstanceId, me: wire.User, api: Api, people: People, dialect: Dialect) -> None:
        self._instance = instance
        self.me = me
        self._api = api
        self._people = people
        self._dialect = dialect

    async def event(self, post: wire.Post, data: wire.PostedData) -> Posted:
        """The event of a post and what a frame says beside it, of which there is none for one out of the history.

        Looks up the author where they are not known: where that fails it costs the name, never the message. Raises
        Skipped, and Paused where the token is refused.
        """
        if post.type.startswith("system_"):
            raise Skipped("system_post", post)
        if post.user_id == self.me.id:
            raise Skipped("own_post", post)
        props = wire.PostProps(post.props)
        content = await self.content(post)
        if not content.text and not content.attachments:
            raise Skipped("empty_post", post)
        return Posted(
            channel=self.channel(post.channel_id),
            message=MessageId(post.id),
            author=await self.author(post, data.sender_name),
            at=post.create_at,
            channel_name=data.channel_display_name,
            mark=props.mark,
            text=content.text,
            attachments=content.attachments,
            action=content.action,
            reply_to=MessageId(post.root_id) if post.root_id else None,
            thread=MessageId(post.root_id) if post.root_id else None,
            addressed=self._addressed(post, data),
            direct=data.channel_type == "D",
        )

    def _addressed(self, post: wire.Post, data: wire.PostedData) -> bool:
        if data.channel_type == "D":
            return True
        # @channel lists everybody's id, so that our name must be there too
        named = f"@{self.me.username}".casefold() in post.message.casefold()
        # what comes out of the history says nothing of whom it calls
        return named and (not data.post or self.me.id in data.mentions)

    def channel(self, channel: str) -> Channel:
        """A channel of this instance."""
        return Channel(self._instance, ChannelKey(channel))

    async def content(self, post: wire.Post) -> Content:
        """What a post says. Looks up files of which the post tells nothing."""
        attachments: tuple[Attachment, ...] = ()
        if post.file_ids or post.metadata:
            attachments = tuple([each async for each in self._attachments(post)])
        text = self._dialect.read(_words(post, wire.PostProps(post.props)))
        return Content(text, attachments, post.type == "me")

    async def author(self, post: wire.Post, sender_name: str = "") -> Author:
        """Who a post is shown to be from. `sender_name` is what a frame says, for want of better."""
        props = wire.PostProps(post.props)
        if props.says("from_webhook"):
            # shown by the server under what the props say; the account is the one that made the webhook
            name = props.text("override_username") or props.text("webhook_display_name") or sender_name or "webhook"
            return Author(
                id=UserId(post.user_id),
                username=name,
                name=name,
                avatar=wire.picture(props.text("override_icon_url")),
                bot=True,
            )
        return await self.person(post.user_id, sender_name, bot=props.says("from_bot"))

    async def person(self, user_id: str, otherwise: str = "", *, bot: bool = False) -> Author:
        """Somebody by their account. Where the look-up fails, under the name that is known `otherwise`."""
        user = await self._people.user(self._api, user_id)
        if user is None:
            name = otherwise.removeprefix("@") or user_id
            return Author(id=UserId(user_id), username=name, name=name, bot=bot)
        return as_author(user, bot=bot)

    async def _attachments(self, post: wire.Post) -> AsyncIterator[Attachment]:
        known = {file.id: file for file in (post.metadata.files or ())} if post.metadata else {}
        for file_id in post.file_ids or tuple(known):
            file = known.get(file_id) or await self._file(file_id)
            yield Attachment(
                id=file.id,
                name=file.name or file.id,
                media_type=file.mime_type or "application/octet-stream",
                size=file.size,
            )

    async def _file(self, file_id: str) -> wire.FileInfo:
        try:
            return await self._api.file_info(file_id)
        except (Refusal, Retry):
            return wire.FileInfo(file_id)


def as_author(user: wire.User, *, bot: bool = False) -> Author:
    """Somebody as the core knows people; `bot` where a post says that they are one."""
    return Author(
        id=UserId(user.id),
        username=user.username,
        name=user.name or user.id,
        bot=user.is_bot or bot,
        portrait=str(user.last_picture_update),
    )


def attached_lines(props: wire.PostProps) -> list[str]:
    """What each attachment of a post says."""
    return ["\n".join(_lines(attachment)) for attachment in props.attachments]


def _words(post: wire.Post, props: wire.PostProps) -> str:
    """The post's text, in the server's notation, with what stands in its attachments below it."""
    message = post.message
    if post.type == "me" and len(message) > 1 and message.startswith("*") and message.endswith("*"):
        message = message[1:-1]
    blocks = [message, *attached_lines(props)]
    return "\n\n".join(block for block in blocks if block.strip())


def _lines(attachment: wire.MessageAttachment) -> Iterator[str]:
    """What people see of an attachment; its fallback only where that is nothing."""
    title = attachment.title or ""
    if title and attachment.title_link:
        title = f"[{title}]({attachment.title_link})"
    shown = [
        attachment.pretext,
        attachment.author_name,
        f"**{title}**" if title else None,
        attachment.text,
        *(_field_line(field) for field in attachment.fields or () if field is not None),
        attachment.footer,
    ]
    lines = [line for line in shown if line and line.strip()]
    yield from lines or ([attachment.fallback] if attachment.fallback else [])


def _field_line(field: wire.AttachmentField) -> str:
    value = "" if field.value is None else str(field.value)
    return f"**{field.title}**: {value}" if field.title else value
