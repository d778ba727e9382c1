"""Discord's REST API: every call that the driver makes, within the rate limits, with errors in the contract's words.

Plain aiohttp: hikari and discord.py keep the gateway's session to themselves, count an event as received before it is
on disk, and wait for rate limits where a lane has to be told. What Discord refuses is a `Refused`, which the caller
translates.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Callable, Mapping
from contextlib import asynccontextmanager
from email.utils import parsedate_to_datetime
from typing import TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from msgspec import Struct

from drivers.discord import wire
from drivers.discord.pace import Pace
from nextbridge import __version__
from nextbridge.errors import Paused, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable

__all__ = ["Api", "Body", "Refused", "bad_token"]

T = TypeVar("T")
Body = Callable[[], bytes | aiohttp.FormData]
"""Makes a request's body, anew for each attempt."""

_USER_AGENT = f"DiscordBot (NextBridge, {__version__})"
"""The documentation asks for this form."""
_LONGEST_ANSWER = 32 * 1024 * 1024
_SLOWEST_TRANSFER = 65536
"""Bytes a second."""
_PATIENCE = aiohttp.ClientTimeout(total=20, sock_connect=10, sock_read=20)
_TRIES = 3
_LONGEST_WAIT = 5.0
_MOST_MESSAGES = 100


class Refused(Exception):
    """An answer of 400 to 499 other than 401 and 429: the status, and Discord's own code and words."""

    def __init__(self, status: int, said: wire.Refusal) -> None:
        super().__init__(f"{status} {said.code} {said.message}")
        self.status = status
        self.code = said.code
        self.message = said.message[:300]
        self.errors = bytes(said.errors)

    @property
    def about_rights(self) -> bool:
        return self.code in {50001, 50013} or (self.status == 403 and self.code != 50005)


class _Request(Struct, frozen=True):
    """What is asked for: `parts` fill the braces of `path`, and the first of them is what a rate limit goes by."""

    method: str
    path: str
    parts: tuple[str, ...] = ()
    query: Mapping[str, str] | None = None
    json: object = None
    body: Body | None = None
    size: int = 0
    """Bytes of the files in the body."""

    @property
    def route(self) -> str:
        return f"{self.method} {self.path}"

    @property
    def major(self) -> str:
        return self.parts[0] if self.parts else ""

    @property
    def has_token(self) -> bool:
        """A webhook's own address holds its token."""
        return not self.path.startswith("/webhooks/{}/{}")


class Api:
    """One bot's. `session` is closed by whoever opened it."""

    def __init__(self, session: aiohttp.ClientSession, url: str, token: str) -> None:
        self.session = session
        self.url = url
        self.token = token
        self.pace = Pace()
        self._told: tuple[str, float] | None = None

    def now(self) -> int:
        """The time by Discord's clock, in milliseconds since 1970; to the second, by its latest answer."""
        if self._told is not None:
            date, then = self._told
            try:
                return int((parsedate_to_datetime(date).timestamp() + time.monotonic() - then) * 1000)
            except ValueError:
                pass
        return int(time.time() * 1000)

    # --- what is asked for ---

    async def me(self) -> wire.User:
        return await self._ask(wire.User, _Request("GET", "/users/@me"))

    async def application(self) -> wire.Application:
        return await self._ask(wire.Application, _Request("GET", "/applications/@me"))

    async def gateway(self) -> wire.Gateway:
        return await self._ask(wire.Gateway, _Request("GET", "/gateway/bot"))

    async def channel(self, channel: str) -> wire.Channel:
        return await self._ask(wire.Channel, _Request("GET", "/channels/{}", (channel,)))

    async def guild(self, guild: str) -> wire.Guild:
        return await self._ask(wire.Guild, _Request("GET", "/guilds/{}", (guild,)))

    async def guilds(self) -> list[wire.Guild]:
        """Those that we are in, the first 200: their ids and names."""
        return await self._ask(list[wire.Guild], _Request("GET", "/users/@me/guilds", query={"limit": "200"}))

    async def channels_of(self, guild: str) -> list[wire.Channel]:
        """Those that we see, without threads."""
        return await self._ask(list[wire.Channel], _Request("GET", "/guilds/{}/channels", (guild,)))

    async def threads_of(self, guild: str) -> tuple[wire.Channel, ...]:
        """Those that are not archived."""
        return (await self._ask(wire.Threads, _Request("GET", "/guilds/{}/threads/active", (guild,)))).threads

    async def archived_threads(self, channel: str) -> tuple[wire.Channel, ...]:
        """Those of a channel that were archived last."""
        path = "/channels/{}/threads/archived/public"
        return (await self._ask(wire.Threads, _Request("GET", path, (channel,), query={"limit": "50"}))).threads

    async def member(self, guild: str, user: str) -> wire.Member:
        return await self._ask(wire.Member, _Request("GET", "/guilds/{}/members/{}", (guild, user)))

    async def search_members(self, guild: str, beginning: str) -> list[wire.Member]:
        """Those whose username or nick begins so."""
        query = {"query": beginning, "limit": "100"}
        return await self._ask(list[wire.Member], _Request("GET", "/guilds/{}/members/search", (guild,), query=query))

    async def message(self, place: str, message: str) -> wire.Message:
        return await self._ask(wire.Message, _Request("GET", "/channels/{}/messages/{}", (place, message)))

    async def messages(
        self, place: str, *, before: str = "", after: str = "", most: int = _MOST_MESSAGES
    ) -> list[wire.Message]:
        """The newest before that one, or the oldest after it; the newest first. Those that cannot be read are left out.

        Without the right to read the history there are none.
        """
        query = {"limit": str(most)} | ({"before": before} if before else {"after": after} if after else {})
        found = await self._ask(list[msgspec.Raw], _Request("GET", "/channels/{}/messages", (place,), query=query))
        messages = []
        for raw in found:
            try:
                messages.append(msgspec.json.decode(raw, type=wire.Message))
            except wire.UNREADABLE:
                continue
        return messages

    async def webhooks(self, channel: str) -> list[wire.Webhook]:
        return await self._ask(list[wire.Webhook], _Request("GET", "/channels/{}/webhooks", (channel,)))

    # --- what is done ---

    async def create_webhook(self, channel: str, name: str) -> wire.Webhook:
        return await self._ask(wire.Webhook, _Request("POST", "/channels/{}/webhooks", (channel,), json={"name": name}))

    async def send(self, place: str, body: Body, size: int) -> wire.Message:
        """Make a message as the bot. `size` is that of its files, in bytes."""
        return await self._ask(wire.Message, _Request("POST", "/channels/{}/messages", (place,), body=body, size=size))

    async def start_post(self, forum: str, body: Body, size: int) -> wire.Channel:
        """Make a post of a forum as the bot: its thread, whose first message has its id."""
        return await self._ask(wire.Channel, _Request("POST", "/channels/{}/threads", (forum,), body=body, size=size))

    async def execute(self, webhook: wire.Webhook, thread: str, body: Body, size: int) -> wire.Message:
        """Make a message by a webhook; in a thread of its channel where one is named."""
        query = {"wait": "true"} | ({"thread_id": thread} if thread else {})
        path = ("/webhooks/{}/{}", (webhook.id, webhook.token or ""))
        return await self._ask(wire.Message, _Request("POST", *path, query=query, body=body, size=size))

    async def edit(self, place: str, message: str, change: Mapping[str, object]) -> None:
        await self._do(_Request("PATCH", "/channels/{}/messages/{}", (place, message), json=change))

    async def edit_of(self, webhook: wire.Webhook, thread: str, message: str, change: Mapping[str, object]) -> None:
        """Change what a webhook said."""
        query = {"thread_id": thread} if thread else {}
        path = ("/webhooks/{}/{}/messages/{}", (webhook.id, webhook.token or "", message))
        await self._do(_Request("PATCH", *path, query=query, json=change))

    async def delete(self, place: str, message: str) -> None:
        await self._do(_Request("DELETE", "/channels/{}/messages/{}", (place, message)))

    async def delete_of(self, webhook: wire.Webhook, thread: str, message: str) -> None:
        """Take back what a webhook said."""
        query = {"thread_id": thread} if thread else {}
        path = ("/webhooks/{}/{}/messages/{}", (webhook.id, webhook.token or "", message))
        await self._do(_Request("DELETE", *path, query=query))

    async def react(self, place: str, message: str, emoji: str, *, add: bool) -> None:
        """Put our own reaction on a message, or take it away: a character, or `name:id`."""
        path = ("/channels/{}/messages/{}/reactions/{}/@me", (place, message, emoji))
        await self._do(_Request("PUT" if add else "DELETE", *path))

    async def set_topic(self, channel: str, topic: str) -> None:
        await self._do(_Request("PATCH", "/channels/{}", (channel,), json={"topic": topic}))

    async def type_in(self, channel: str) -> None:
        await self._do(_Request("POST", "/channels/{}/typing", (channel,)))

    async def conversation(self, user: str) -> wire.Channel:
        """The channel of us and one other."""
        return await self._ask(wire.Channel, _Request("POST", "/users/@me/channels", json={"recipient_id": user}))

    @asynccontextmanager
    async def download(self, url: str, largest: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer of Discord's CDN, its body still to be read. Our token does not go there."""
        try:
            response = await self.session.get(url, timeout=_transfer_time(largest))
        except (aiohttp.InvalidURL, ValueError):
            raise Retry("Discord names no address for the file") from None
        except CONNECTION_ERRORS as error:
            raise Retry(f"Discord's file server cannot be reached: {unreachable(error)}") from None
        async with response:
            yield response

    async def chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """An answer's body as it arrives. Raises Retry where it breaks off."""
        try:
            async for chunk in response.content.iter_chunked(65536):
                yield chunk
        except CONNECTION_ERRORS as error:
            raise Retry(f"Discord's file server cannot be reached: {unreachable(error)}") from None

    # --- how it is asked ---

    async def _ask(self, kind: type[T], request: _Request) -> T:
        """The answer, decoded. Raises Refused, Retry and Paused."""
        content = await self._do(request)
        try:
            return msgspec.json.decode(content, type=kind)
        except wire.UNREADABLE as error:
            reason = f"{self.url} answers with something that is not Discord's JSON"
            raise Retry(f"{reason}; look at api_url and at the proxy before it") from error

    async def _do(self, request: _Request) -> bytes:
        """The answer. Short rate limits are waited out, but by what makes a message: who repeats that looks first."""
        tries = 1 if request.body is not None else _TRIES
        while True:
            tries -= 1
            try:
                return await self._once(request)
            except Retry as later:
                if tries <= 0 or later.after is None or later.after > _LONGEST_WAIT:
                    raise
                await asyncio.sleep(later.after)

    async def _once(self, request: _Request) -> bytes:
        headers = {"User-Agent": _USER_AGENT}
        if request.has_token:
            headers["Authorization"] = f"Bot {self.token}"
        await self.pace.begin(request.route, request.major, has_token=request.has_token)
        data = request.body() if request.body is not None else None
        if request.json is not None:
            data = msgspec.json.encode(request.json)
        if isinstance(data, bytes):
            headers["Content-Type"] = "application/json"
        try:
            async with self.session.request(
                request.method,
                self.url + request.path.format(*(quote(each, safe="@") for each in request.parts)),
                params=request.query,
                headers=headers,
                data=data,
                timeout=_transfer_time(request.size) if request.size else _PATIENCE,
                allow_redirects=False,
            ) as response:
                content = await _whole(response)
        except CONNECTION_ERRORS as error:
            # aiohttp's errors may hold the request's headers, so their words are taken and they are not chained
            raise Retry(f"{self.url} cannot be reached: {unreachable(error)}") from None
        if date := response.headers.get("Date"):
            self._told = date, time.monotonic()
        self.pace.heard(request.route, request.major, response.headers)
        if response.status >= 300:
            self._refuse(response.status, content, request)
        return content

    def _refuse(self, status: int, content: bytes, request: _Request) -> None:
        """Raise what an answer of 300 or more means."""
        if status == 401 and request.has_token:
            raise bad_token()
        if status < 400:
            raise Paused(f"{self.url} sends us elsewhere; look at api_url", scope="instance")
        try:
            said = msgspec.json.decode(content, type=wire.Refusal)
        except wire.UNREADABLE:
            if status == 429:
                raise Retry("Discord, or what stands before it, refuses our address for now", after=60.0) from None
            if status == 413:
                raise Refused(status, wire.Refusal("it is too large", 40005)) from None
            raise Retry(f"{self.url} answers {status}, and not as Discord does; look at api_url") from None
        if status == 429:
            wait = said.retry_after if said.retry_after is not None else 5.0
            self.pace.refused(request.route, request.major, wait, is_global=said.is_global)
            raise Retry("Discord's rate limit is used up", after=wait)
        if status >= 500 or said.code == 30046:
            raise Retry(f"Discord answers {status}: {said.message[:300]}")
        raise Refused(status, said)


def bad_token() -> Paused:
    """What a 401 means, and what to look at."""
    return Paused(
        "Discord refuses the token. Was it reset, or not copied whole? The developer portal "
        "(https://discord.com/developers/applications) makes a new one under Bot > Reset Token",
        scope="instance",
    )


def _transfer_time(size: int) -> aiohttp.ClientTimeout:
    return aiohttp.ClientTimeout(total=60 + size / _SLOWEST_TRANSFER, sock_connect=15, sock_read=60)


async def _whole(response: aiohttp.ClientResponse) -> bytes:
    content = bytearray()
    async for chunk in response.content.iter_chunked(65536):
        content += chunk
        if len(content) > _LONGEST_ANSWER:
            raise Retry("the answer is too long to be Discord's")
    return bytes(content)
