"""What a driver may be able to do beyond the required core: each a small protocol that its class implements.

The class says what the platform can do, and the server that we are connected to may be able to do less: it is older,
or does not let us. There is one way to say so for all of them, and the core then goes on as if the class did not have
the capability. **What is asked before says no**: `Identity.shows_identity` is false, `Threads.answers` is None, an
`Excerpt` or an `Author` is None. **What is told to do something raises `Rejected`**, with the reason for the operator:
an edit becomes a corrected copy then, a topic a line, and so on, as the rule says. That includes a right that we lack
for it alone (to set a topic, say): `Paused` would hold up the messages behind it. What is best effort does nothing.
"""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager
from typing import Literal, Protocol, runtime_checkable

from aiohttp import web

from nextbridge.driver.exchange import Cursor, Excerpt, LocalFile, Outgoing, Past, Somebody
from nextbridge.envelope import Attachment, Author, ChannelKey, MessageId, UserId

__all__ = [
    "Deletes",
    "DirectMessages",
    "Downloads",
    "Edits",
    "Forgets",
    "History",
    "Identity",
    "Members",
    "Pages",
    "Portraits",
    "Reactions",
    "Recall",
    "Threads",
    "Topics",
    "Typing",
    "Uploads",
]


@runtime_checkable
class Identity(Protocol):
    """A message can be shown under its author's own name and picture."""

    @property
    def shows_identity(self) -> bool:
        """Whether it is so on this server now. No I/O; false until it is known."""


@runtime_checkable
class Uploads(Protocol):
    """`send` uploads `Outgoing.files` and shows them with the text."""

    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None:
        """Why this file would not be taken, or None. No I/O.

        The limit that it meets, in a few words for the readers of the message: `over the 50 MB that the server takes`.
        """


@runtime_checkable
class Downloads(Protocol):
    """Attachments of received messages can be fetched."""

    @property
    def largest_file(self) -> int:
        """Bytes; a larger attachment is not fetched and shown by its label."""

    def open_attachment(self, attachment: Attachment) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The attachment's bytes, in chunks. Entering raises Retry, Rejected or Gone."""


@runtime_checkable
class Portraits(Protocol):
    """The pictures of people, which nobody else can fetch, can be fetched: see `Author.portrait`."""

    def open_portrait(self, user: UserId) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        """The picture of somebody, as it is now, in chunks.

        Entering does I/O and raises Retry, Rejected, or Gone where they have none. Called when somebody first looks at
        it, also without a connection.
        """


@runtime_checkable
class Pages(Protocol):
    """Serves pages or webhooks on the daemon's HTTP server, below `/<platform>/<instance>/`."""

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer one request. `path` is what follows the instance's name, with its slash; empty without one."""


@runtime_checkable
class Edits(Protocol):
    """A sent message can be given other text."""

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        """Make `message`, which we sent, say `revised.text`; its files stay. Idempotent.

        Does I/O. Raises as `send`: Rejected where this message cannot be changed (any more), so that the core does what
        the rule says instead. And Gone.
        """


@runtime_checkable
class Deletes(Protocol):
    """A sent message can be taken back."""

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        """Remove `message`, which we sent. Does I/O. Raises as `edit`, and Gone (which is as good)."""


@runtime_checkable
class Reactions(Protocol):
    """A reaction of our own can be put on a message, whoever sent it."""

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        """Add or remove our own reaction. Idempotent. Does I/O.

        `emoji` is a character, or the name of a custom one: Rejected where the platform does not have it. Otherwise
        raises as `send`, and Gone.
        """


@runtime_checkable
class Threads(Protocol):
    """A message can be shown as the answer to another: `send` looks at `Outgoing.reply_to`."""

    @property
    def answers(self) -> Literal["any", "root"] | None:
        """Whether any message can be answered, or only the root of a thread; None where this server has neither.

        No I/O. What was answered is quoted where it is None, and besides where `Driver.quotes_answers` says so.
        """


@runtime_checkable
class Recall(Protocol):
    """What an earlier message of a channel said can be asked for."""

    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        """What `message` says, or None where that is not to be had. Does I/O, within a few seconds; raises nothing."""


@runtime_checkable
class Topics(Protocol):
    """A channel's topic can be set."""

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        """Give the channel this topic (plain text, cut by the driver to what fits). Idempotent. Does I/O.

        Raises as `send`, and Rejected where we may not: a line about it is then shown, where the rule wants one.
        """


@runtime_checkable
class Members(Protocol):
    """Who is in a channel can be asked for, to call somebody by name."""

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        """The one in the channel whose whole handle or shown name is `name`; None where it is nobody, or several.

        The platform's own rule says which letters are equal. Does I/O where it must, within a few seconds; raises
        nothing.
        """


@runtime_checkable
class DirectMessages(Protocol):
    """Something can be said to one person alone."""

    async def tell(self, user: UserId, text: str) -> None:
        """Say it. `text` is in the driver's dialect. Does I/O; raises as `send`, and Rejected where nobody is there."""


@runtime_checkable
class History(Protocol):
    """What happened while there was no connection can be asked for.

    The cursors of such a driver are its channels', one each: it gives one with every event that it accepts and every
    thing that it skips, and tells `Host.gap`.
    """

    def history(
        self, channel: ChannelKey, cursor: Cursor, *, age: float, most: int
    ) -> AbstractAsyncContextManager[Past]:
        """What happened in `channel` after `cursor`.

        Nothing that is older than `age` seconds by the platform's own clock, and at most `most` messages, the newest
        ones. What is left out for that is counted.

        May give back again what was accepted, around the cursor. Called for many channels at a time, also while `run`
        connects anew: a driver that needs the connection for it raises Retry until there is one. Entering does I/O and
        raises Retry and Paused; Rejected where it can never be had.
        """


@runtime_checkable
class Typing(Protocol):
    """It can be shown that somebody is typing."""

    async def typing(self, channel: ChannelKey, author: Author) -> None:
        """Show it for the few seconds that the platform shows it. Best effort: raises nothing. Does I/O, briefly."""


@runtime_checkable
class Forgets(Protocol):
    """Its channels are the daemon's own: what was said there is kept by the driver, and nowhere else."""

    async def forget(self, who: Somebody, *, really: bool) -> int:
        """How many messages and reactions of `who` it keeps; with `really`, let nothing be left of them.

        Nothing is taken back elsewhere for that. For `nextbridge forget`, while it is connected. Returns once it is on
        disk. Raises Retry where it cannot be done now, and JournalError.
        """
