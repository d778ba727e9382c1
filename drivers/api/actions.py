"""What a program may do in a room, and what it is told where it may not."""

from __future__ import annotations

from collections.abc import AsyncIterator, Sequence
from contextlib import asynccontextmanager
from uuid import uuid4

from msgspec import Struct

from drivers.api.access import Caller
from drivers.api.entries import Delete, Edit, Entry, Message, Person, Reaction
from drivers.api.log import Compose, KeyReused, Log, NotThere, composed
from drivers.api.refusals import Refused
from drivers.api.requests import (
    DeleteRequest,
    EditRequest,
    MessageRequest,
    ReactionRequest,
    Request,
    cleaned,
    digest_of,
    one_line,
)
from nextbridge.emoji import read_emoji
from nextbridge.errors import JournalError
from nextbridge.media.hosted import File, FileMissing, Files

__all__ = ["Done", "Writer"]

_SOON = {"Retry-After": "5"}


class Done(Struct, frozen=True):
    """What was asked for is on disk, here and in the relay."""

    message: int
    """The message that it made, or is about."""
    entry: int | None
    """The entry that it made in the room's log; null where everything was so already."""
    repeated: bool
    """It had been done before, under the same key."""


class Writer(Struct, frozen=True):
    """A program that writes in a room."""

    log: Log
    files: Files
    caller: Caller
    longest: int
    """Characters that a text may have."""

    async def do(
        self, request: Request, key: str | None, uploaded: Sequence[File] = (), digests: Sequence[str] = ()
    ) -> Done:
        """Do what it asks for. `key` is what a repetition would have too. Raises Refused."""
        whole_key = f"api/{self.caller.name}/{key or uuid4().hex}"
        try:
            self._check_length(request)
            compose = self._compose(request, uploaded)
            entry, is_new = await self.log.append(whole_key, compose, digest_of(request, digests))
        except KeyReused:
            raise Refused(409, "Something else was asked for with this Idempotency-Key.") from None
        except NotThere:
            raise Refused(404, "There is no such message in the room (any more).") from None
        except FileMissing:
            raise Refused(409, "Its files are not here any more. Send them again.") from None
        except JournalError:
            raise Refused(
                503, "It cannot be kept just now. Ask again with the same key.", {"Retry-After": "5"}
            ) from None
        finally:
            for file in uploaded:  # those of a message that came about are not withdrawn by this
                await self.files.withdraw(self.caller.name, file.id)
        if isinstance(entry, Message):
            return Done(entry.id, entry.id, repeated=not is_new)
        assert not isinstance(request, MessageRequest)  # noqa: S101 - a message always makes an entry
        return Done(request.message, None if entry is None else entry.id, repeated=entry is not None and not is_new)

    def _check_length(self, request: Request) -> None:
        if isinstance(request, MessageRequest | EditRequest) and len(request.text) > self.longest:
            raise Refused(400, f"The text is too long: {self.longest} characters are the most.")

    def _compose(self, request: Request, uploaded: Sequence[File]) -> Compose:
        author = self._author(request)
        match request:
            case MessageRequest():
                return self._message(request, author, uploaded)
            case EditRequest():
                return composed(lambda: self._edit(request, author))
            case DeleteRequest():
                return composed(lambda: self._delete(request, author))
            case ReactionRequest():
                return composed(lambda: self._reaction(request, author))

    def _message(self, request: MessageRequest, author: Person, uploaded: Sequence[File]) -> Compose:
        @asynccontextmanager
        async def compose() -> AsyncIterator[Entry | None]:
            parent = None if request.reply_to is None else self.log.get(request.reply_to)
            files = self.files.claim(self.caller.name, [file.id for file in uploaded])
            try:
                yield Message(
                    author=author,
                    token=self.caller.name,
                    text=cleaned(request.text),
                    action=request.action,
                    reply_to=None if parent is None else parent.id,
                    thread=None if parent is None else parent.thread or parent.id,
                    files=files,
                )
            except BaseException:
                self.files.release(self.caller.name, files)
                raise
            await self.files.settle(files)

        return compose

    def _edit(self, request: EditRequest, author: Person) -> Edit | None:
        message = self._own(request.message)
        text = cleaned(request.text)
        if (message.text, message.action) == (text, request.action):
            return None
        return Edit(
            message=message.id,
            author=author,
            token=self.caller.name,
            text=text,
            action=request.action,
            files=message.files,
        )

    def _delete(self, request: DeleteRequest, author: Person) -> Delete:
        return Delete(message=self._own(request.message).id, author=author, token=self.caller.name)

    def _reaction(self, request: ReactionRequest, author: Person) -> Reaction | None:
        emoji = read_emoji(request.emoji)
        if emoji is None:
            raise Refused(404, "There is no such emoji: a reaction is one, as a character.")
        reaction = Reaction(
            message=request.message, author=author, token=self.caller.name, emoji=emoji, added=request.add
        )
        return None if self.log.has_reaction(reaction) == request.add else reaction

    def _own(self, number: int) -> Message:
        message = self.log.get(number)
        if message.token != self.caller.name:
            raise Refused(403, "A message can be changed by the token alone that posted it.")
        return message

    def _author(self, request: Request) -> Person:
        name = one_line(request.username or self.caller.name)
        return Person(
            name=name,
            id=one_line(request.user_id or name),
            avatar=request.avatar,
            bot=request.bot,
        )
