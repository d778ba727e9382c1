"""What a person at a browser may do in a room, and what is said where they may not.

Who they are is the author id of their session; nothing that the browser says of itself counts.
"""

from __future__ import annotations

import re
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager
from functools import partial

from msgspec import Struct
from msgspec.structs import replace

from drivers.webchat.frames import Delete, Edit, Post, React, Request, Sent, Unsent
from drivers.webchat.lobby import Lobby
from drivers.webchat.messages import Change, Message, Reactor, emptied, reacted
from drivers.webchat.room import NotThere, Room
from nextbridge.emoji import read_emoji
from nextbridge.errors import JournalError
from nextbridge.media.hosted import FileMissing

__all__ = ["Actor", "answer", "read_text"]

_TRY_AGAIN = 5.0
"""Seconds after which a page asks again for what could not be kept."""

_CONTROL = re.compile(r"[\x00-\x08\x0b-\x1f\x7f-\x9f]")


class _Refusal(Exception):
    """What is not done; the text is for the person. To be asked for again `after` seconds, or never."""

    def __init__(self, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.after = after


class Actor(Struct, frozen=True):
    """Somebody in a room."""

    lobby: Lobby
    room: Room
    author: str
    name: str


def read_text(typed: str) -> tuple[str, bool]:
    """What was typed, without control characters and blank ends; and whether it is an action (`/me waves`)."""
    text = _CONTROL.sub("", typed.replace("\r\n", "\n").replace("\r", "\n")).strip()
    action = text.startswith("/me ")
    return (text[4:].strip(), True) if action else (text, False)


async def answer(request: Request, actor: Actor) -> Sent | Unsent:
    """Do what the browser asks for. Returns once it is on disk, here and in the relay, or with why it is not."""
    try:
        match request:
            case Post():
                done = await _post(request, actor)
            case Edit():
                done = await _edit(request, actor)
            case Delete():
                done = await _delete(request, actor)
            case React():
                done = await _react(request, actor)
    except _Refusal as refusal:
        return Unsent(request.id, str(refusal), refusal.after)
    except JournalError:
        return Unsent(request.id, "It cannot be kept just now; it is tried again.", _TRY_AGAIN)
    return Sent(request.id, done)


async def _post(post: Post, actor: Actor) -> int:
    lobby, room, author = actor.lobby, actor.room, actor.author
    text, action = _text(post.text, actor, may_be_empty=bool(post.files))
    _keep_pace(actor)

    @asynccontextmanager
    async def compose() -> AsyncIterator[Message]:
        files = lobby.files.claim(author, post.files)
        try:
            parent = None if post.reply_to is None else room.get(post.reply_to)
            yield Message(
                actor.name,
                text,
                author=author,
                action=action,
                reply_to=None if parent is None else parent.id,
                thread=None if parent is None else parent.thread or parent.id,
                files=files,
            )
        except BaseException:
            lobby.files.release(author, files)
            raise
        await lobby.files.settle(files)

    try:
        return (await room.post(f"{author}/{post.id}", compose, partial(lobby.relay, room))).id
    except FileMissing:
        raise _Refusal("Its files are not here any more. Add them again.") from None


async def _edit(edit: Edit, actor: Actor) -> int:
    message = _own(edit.message, actor)
    text, action = _text(edit.text, actor, may_be_empty=bool(message.files))
    _keep_pace(actor)

    def revised(now: Message) -> Message:
        if (now.text, now.action) == (text, action):
            return now
        return replace(now, text=text, action=action, edited=True)

    try:
        done = Change("edited", actor.author, actor.name)
        await actor.room.change(message.id, revised, done=done, relay=partial(actor.lobby.relay, actor.room))
    except NotThere:
        raise _Refusal("The message is not there any more.") from None
    return message.id


async def _delete(delete: Delete, actor: Actor) -> int:
    _own(delete.message, actor)
    _keep_pace(actor)
    try:
        done = Change("deleted", actor.author, actor.name)
        await actor.room.change(delete.message, emptied, done=done, relay=partial(actor.lobby.relay, actor.room))
    except NotThere:
        pass  # as good: it was asked for twice
    return delete.message


async def _react(react: React, actor: Actor) -> int:
    emoji = read_emoji(react.emoji)
    if emoji is None:
        raise _Refusal("A reaction is one emoji.")
    if wait := actor.lobby.reactions.take(actor.author):
        raise _slow_down(wait)

    def changed(now: Message) -> Message:
        found = reacted(now, emoji, Reactor(actor.author, actor.name), add=react.add)
        if found is None:
            raise _Refusal("There are too many reactions to this message.")
        return found

    try:
        done = Change("added" if react.add else "removed", actor.author, actor.name, emoji)
        await actor.room.change(react.message, changed, done=done, relay=partial(actor.lobby.relay, actor.room))
    except NotThere:
        raise _Refusal("The message is not there any more.") from None
    return react.message


def _own(number: int, actor: Actor) -> Message:
    message = actor.room.get(number)
    if message is None:
        raise _Refusal("The message is not there any more.")
    if message.author != actor.author:
        raise _Refusal("Only who wrote a message can change it.")
    return message


def _text(typed: str, actor: Actor, *, may_be_empty: bool) -> tuple[str, bool]:
    text, action = read_text(typed)
    most = actor.lobby.settings.max_message
    if not text and not may_be_empty:
        raise _Refusal("There is nothing in it.")
    if len(text) > most:
        raise _Refusal(f"It is too long: {len(text)} characters, and {most} are the most.")
    return text, action and bool(text)


def _keep_pace(actor: Actor) -> None:
    if wait := actor.lobby.posts.take(actor.author):
        raise _slow_down(wait)


def _slow_down(wait: float) -> _Refusal:
    return _Refusal("That was a lot at once; it goes out in a moment.", round(wait + 0.1, 1))
