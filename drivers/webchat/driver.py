"""The web chat as a platform: rooms that live in the daemon, opened with any browser."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Sequence
from functools import partial
from html import escape
from pathlib import Path
from typing import ClassVar
from urllib.parse import quote

from aiohttp import web
from msgspec import Struct

from drivers.webchat.access import Door, TurnedAway
from drivers.webchat.authors import Authors
from drivers.webchat.frames import Message
from drivers.webchat.lobby import Lobby
from drivers.webchat.room import Room
from drivers.webchat.session import Session
from drivers.webchat.settings import LARGEST_MESSAGE, RoomSettings, WebChatSettings
from nextbridge.driver import (
    Acknowledgement,
    ConfiguredChannel,
    Driver,
    Finding,
    Guarantees,
    Host,
    Limits,
    Outgoing,
    Receipt,
    Rejected,
    Remark,
    Retry,
    RetryRecognition,
)
from nextbridge.envelope import Author, Channel, ChannelKey, MessageId, Posted, UserId
from nextbridge.markup import PLAIN

__all__ = ["WebChatDriver"]

_PAGE = Path(__file__).parent / "page"
_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}
_SHORT_TOKEN = 16


class _Open(Struct, frozen=True):
    """What there is while `run` runs."""

    lobby: Lobby
    files: dict[str, tuple[bytes, str]]
    """The page's files by their path, with their media type."""


class WebChatDriver(Driver[WebChatSettings, RoomSettings]):
    """Rooms by name, on a page that the daemon serves.

    A room keeps its newest `history` messages on disk. A delivery's key lives as long as its message is among them.
    """

    platform: ClassVar[str] = "webchat"
    title: ClassVar[str] = "Web chat"
    settings_type = WebChatSettings
    channel_type = RoomSettings
    dialect = PLAIN
    guarantees = Guarantees(
        acknowledged_by=Acknowledgement.RESPONSE,
        retry_recognised_by=RetryRecognition.KEY,
        history="nothing is missed: the room lives in the daemon",
    )

    def __init__(
        self, settings: WebChatSettings, channels: Sequence[ConfiguredChannel[RoomSettings]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        self._rooms = {
            str(channel.key): Room(str(channel.key), host.store, history=settings.history) for channel in channels
        }
        self._names = {str(channel.key): channel.settings.room for channel in channels}
        self._door = Door(instance=host.instance, token=settings.token, base_url=host.base_url)
        self._open: _Open | None = None
        self._headers = _security_headers(settings.embed_from)

    @classmethod
    def channel_key(cls, settings: RoomSettings) -> ChannelKey:
        return ChannelKey(settings.room.lower())

    @classmethod
    def remarks(cls, settings: WebChatSettings) -> Iterable[Remark]:
        token = settings.token
        if token is not None and len(token.reveal().strip()) < _SHORT_TOKEN:
            yield Remark(
                ("token",),
                f"the token is too short to keep strangers out; use at least {_SHORT_TOKEN} random characters, such as "
                "the output of: openssl rand -hex 16",
            )
        elif token is not None and token.reveal() != token.reveal().strip():
            yield Remark(("token",), "the token has spaces around it; remove them")

    def limits(self, channel: ChannelKey) -> Limits:  # noqa: ARG002 - every room has the same
        return Limits(text=LARGEST_MESSAGE)

    @property
    def shows_identity(self) -> bool:
        return True

    # --- the relay's side ---

    async def run(self) -> None:
        files = await asyncio.to_thread(_read_page)
        authors = await Authors.load(self.host.store)
        for room in self._rooms.values():
            await room.load()
        for channel in self.channels:
            await self.host.resolved(channel, channel.key, channel.settings.room)
        me = f"{self.platform}:{self.host.instance}"
        lobby = Lobby(self.settings, self._door, authors, self._rooms, self._relay)
        await self.host.connected(UserId(me), realm=me)
        self._open = _Open(lobby, files)
        try:
            for room in self._rooms.values():
                await room.recover(partial(self._relay, room))
            await asyncio.Event().wait()
        finally:
            self._open = None
            await asyncio.gather(*(person.dismiss() for person in tuple(lobby.people)))
            for room in self._rooms.values():
                await room.settle()

    async def _relay(self, room: Room, message: Message) -> None:
        author = message.author or ""
        event = Posted(
            channel=Channel(self.host.instance, ChannelKey(room.key)),
            message=MessageId(str(message.id)),
            author=Author(id=UserId(author), username=message.name, name=message.name),
            at=message.at,
            channel_name=self._names[room.key],
            text=PLAIN.read(message.text),
            action=message.action,
        )
        await (await self.host.accept(event))

    async def send(self, message: Outgoing) -> Receipt:
        room = self._rooms.get(message.channel)
        if room is None:
            raise Rejected(f"there is no room {message.channel} in this web chat")
        if not room.loaded:
            raise Retry("the web chat is being started")
        origin = message.platform or message.mark.origin.partition("/")[0] or "relay"

        def make(number: int, at: int) -> Message:
            name = message.name or origin
            return Message(id=number, at=at, name=name, text=message.text, origin=origin, action=message.action)

        kept = await room.add(message.key, make)
        return Receipt(MessageId(str(kept.id)))

    async def probe(self) -> list[Finding]:
        who = "everybody who has the token" if self.settings.token else "this machine only: no token is set"
        return [
            Finding(True, "access", f"the page can be opened by {who}"),
            *(Finding(True, f"room {room}", "is kept by this daemon") for room in self._rooms),
        ]

    # --- the browsers' side ---

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        """Answer a request for the page, one of its files, or its live connection."""
        try:
            return await self._answer(request, path)
        except TurnedAway as turned:
            return self._notice(turned.status, turned.text)

    async def _answer(self, request: web.Request, path: str) -> web.StreamResponse:
        needs_token = self._door.needs_token(request)
        if request.method not in {"GET", "HEAD"}:
            raise TurnedAway(405, "This page is only to be looked at.")
        if path == "":
            # Relative, so that it also holds where a reverse proxy adds a path of its own before ours.
            name = quote(request.path.rpartition("/")[2], safe="")
            return web.Response(status=308, headers={**self._headers, "Location": f"./{name}/"})
        if self._open is None:
            raise TurnedAway(503, "The web chat is being started. Try again in a moment.")
        if path == "/live":
            return await self._live(request, self._open, needs_token=needs_token)
        if (file := self._open.files.get(path)) is None:
            raise TurnedAway(404, "There is no such page.")
        body, media_type = file
        headers = {**self._headers, "Cache-Control": "no-cache"}
        return web.Response(body=body, content_type=media_type, charset="utf-8", headers=headers)

    async def _live(self, request: web.Request, opened: _Open, *, needs_token: bool) -> web.StreamResponse:
        self._door.check_origin(request)
        if not web.WebSocketResponse().can_prepare(request).ok:
            raise TurnedAway(426, "Only the page itself connects here.")
        admitted = not needs_token or self._door.opened_by_header(request)
        if opened.lobby.full(admitted=admitted):
            raise TurnedAway(503, "The web chat is full. Try again later.")
        return await Session(request, opened.lobby, self.host.log, admitted=admitted).serve()

    def _notice(self, status: int, text: str) -> web.Response:
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
            '<meta name="viewport" content="width=device-width, initial-scale=1"><title>Web chat</title></head>'
            f"<body><h1>Web chat</h1><p>{escape(text)}</p></body></html>\n"
        )
        headers = {**self._headers, "Cache-Control": "no-store"}
        return web.Response(status=status, text=page, content_type="text/html", headers=headers)


def _read_page() -> dict[str, tuple[bytes, str]]:
    files = {
        f"/{file.name}": (file.read_bytes(), media_type)
        for file in _PAGE.iterdir()
        if (media_type := _TYPES.get(file.suffix)) is not None
    }
    return files | {"/": files["/index.html"]}


def _security_headers(embed_from: Sequence[str]) -> dict[str, str]:
    framed_by = " ".join(embed_from) or "'none'"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self'; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {framed_by}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return headers if embed_from else headers | {"X-Frame-Options": "DENY"}
