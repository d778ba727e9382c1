"""The REST calls to a Mattermost server, and the one place that turns statuses into what the core is to do.

What any call may meet (a refused token, a limit, a broken server or proxy) is raised as Paused or Retry. What depends
on the thing asked for (no right to this channel, no such file, too long) is raised as `Refusal`; the caller knows what
it asked for, and translates it.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import IO, TypeVar
from urllib.parse import quote

import aiohttp
import msgspec
from aiohttp import hdrs

from drivers.mattermost import wire
from drivers.mattermost.settings import Server
from nextbridge.envelope import ChannelKey, MessageId, UserId
from nextbridge.errors import NextBridgeError, Paused, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable
from nextbridge.http.clock import ServerClock

__all__ = ["PATIENCE", "Api", "RateGovernor", "Refusal", "TooLong", "bad_token"]

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds for a call without a file."""

_LOOK_UP_TRIES = 5
"""A look-up that meets the rate limit waits its turn this often; a send leaves the waiting to its lane."""

_SLOWEST_TRANSFER = 50_000
"""Bytes a second; a file that goes slower than this is given up."""

_MOST_FOUND = 100
"""People who are found under a part of a name."""

_LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer that is no file. A page of 60 posts of the longest kind is a quarter of it."""


class Refusal(NextBridgeError):
    """The server itself refuses what was asked, in its own words. Never leaves the driver."""

    def __init__(self, status: int, error_id: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.error_id = error_id
        self.message = message

    @property
    def about_rights(self) -> bool:
        """The thing is missing, or not for us: which of the two, the server does not always tell."""
        return self.status in {403, 404}


class TooLong(Retry):
    """An answer is longer than any that can be taken."""


class RateGovernor:
    """Keeps calls under the server's limit, by what its headers say beforehand.

    While they say that nothing is left, one call a pace goes out; the pace is the time in which the server earns one.
    """

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._free_at = 0.0
        self._pace = 0.0
        self._under_way = 0

    async def begin(self) -> None:
        """Wait for a turn; `end` it once the answer was `heard`. Raises Retry rather than wait for long."""
        if self._pace or self._free_at > time.monotonic() or self._turn.locked():
            await self._wait()
        self._under_way += 1

    def end(self) -> None:
        """The call is over."""
        self._under_way -= 1

    async def _wait(self) -> None:
        async with self._turn:
            wait = self._free_at - time.monotonic()
            if wait > _LONGEST_WAIT:
                raise Retry("the server's rate limit is used up", after=wait)
            if wait > 0:
                await asyncio.sleep(wait)
            if self._pace:
                self._free_at = time.monotonic() + self._pace

    def heard(self, status: int, headers: Mapping[str, str]) -> float | None:
        """Take note of an answer's headers. After a 429: the seconds to wait, else None."""
        if status != 429 and "X-RateLimit-Remaining" not in headers:
            return None
        remaining, limit = _number(headers.get("X-RateLimit-Remaining")), _number(headers.get("X-RateLimit-Limit"))
        reset, after = _number(headers.get("X-RateLimit-Reset")), _number(headers.get("Retry-After"))
        now = time.monotonic()
        if status == 429:
            wait = after or reset or 1.0
            self._free_at = max(self._free_at, now + wait)
            self._pace = self._pace or 0.1
            return wait
        if remaining is not None:
            # calls under way have not been counted yet
            spent = remaining < self._under_way
            self._pace = (reset or 1.0) / max(limit or 1.0, 1.0) if spent else 0.0
            if spent:
                self._free_at = max(self._free_at, now + self._pace)
        return None


_LONGEST_WAIT = 10.0
"""Seconds that a call waits for its turn."""


class Api:
    """One account's calls to one server. Safe to use from many tasks."""

    def __init__(
        self, session: aiohttp.ClientSession, server: Server, token: str, *, patience: float = PATIENCE
    ) -> None:
        self.session = session
        self.server = server
        self.token = token
        self.governor = RateGovernor()
        self.clock = ServerClock()
        """The server's."""
        self._patience = aiohttp.ClientTimeout(total=patience, sock_connect=patience)

    @property
    def authorization(self) -> dict[str, str]:
        """The header that says who we are."""
        return {"Authorization": f"Bearer {self.token}"}

    # --- what is asked for ---

    async def me(self) -> wire.User:
        """Our own account."""
        return await self._look_up("users/me", wire.User)

    async def client_config(self) -> wire.ClientConfig:
        """What the server allows. The defaults where it does not say."""
        try:
            return await self._look_up("config/client?format=old", wire.ClientConfig)
        except Refusal:
            return wire.ClientConfig()

    async def user(self, user: str) -> wire.User:
        """A person or bot."""
        return await self._look_up(f"users/{_segment(user)}", wire.User)

    async def channel(self, channel: ChannelKey) -> wire.ChannelInfo:
        """A channel by its id; found also where it is public and we are no member."""
        return await self._look_up(f"channels/{_segment(channel)}", wire.ChannelInfo)

    async def channel_by_name(self, team: str, channel: str) -> wire.ChannelInfo:
        """A channel by its team's name and its own."""
        path = f"teams/name/{_segment(team)}/channels/name/{_segment(channel)}"
        return await self._look_up(path, wire.ChannelInfo)

    async def teams(self) -> list[wire.Team]:
        """The teams that we are in."""
        return await self._look_up("users/me/teams", list[wire.Team])

    async def joined(self, team: str) -> list[wire.ChannelInfo]:
        """The channels of a team that we are in, and our direct messages."""
        return await self._look_up(f"users/me/teams/{_segment(team)}/channels", list[wire.ChannelInfo])

    async def membership(self, channel: ChannelKey) -> wire.Member:
        """Our own membership of a channel. Refusal (404) where there is none."""
        return await self._look_up(f"channels/{_segment(channel)}/members/me", wire.Member)

    async def posts(self, channel: ChannelKey, *, page: int, per_page: int) -> wire.PostList:
        """A channel's posts, the newest first, by pages from 0."""
        return await self._look_up(f"channels/{_segment(channel)}/posts?page={page}&per_page={per_page}", wire.PostList)

    async def posts_before(self, channel: ChannelKey, post: str, *, most: int) -> wire.PostPage:
        """A channel's posts that are older than `post`, or all where that is empty: the newest of them first.

        Posts of the very millisecond of `post` are left out.
        """
        query = f"per_page={most}&skipFetchThreads=true{f'&before={_segment(post)}' if post else ''}"
        return await self._look_up(f"channels/{_segment(channel)}/posts?{query}", wire.PostPage)

    async def file_info(self, file: str) -> wire.FileInfo:
        """What is known of a file."""
        return await self._look_up(f"files/{_segment(file)}/info", wire.FileInfo)

    async def posts_since(self, channel: ChannelKey, since: int) -> wire.PostPage:
        """What was posted, edited, deleted or reacted to after `since` (milliseconds): 1,000 rows at most.

        Raises TooLong where that is more than can be taken.
        """
        return await self._look_up(f"channels/{_segment(channel)}/posts?since={since}", wire.PostPage)

    async def post(self, post: MessageId) -> wire.Post:
        """A post. Refusal (404) where it is not there any more, 400 where no post can have that id."""
        return await self._look_up(f"posts/{_segment(post)}", wire.Post)

    async def search_members(self, channel: ChannelKey, term: str) -> list[wire.User]:
        """Those in the channel of whose names each word of `term` is the beginning."""
        body = {"term": term, "in_channel_id": channel, "limit": _MOST_FOUND}
        return await self._call("POST", "users/search", list[wire.User], body=msgspec.json.encode(body))

    async def roles(self, names: Sequence[str]) -> list[wire.Role]:
        """What the roles of these names allow."""
        return await self._call("POST", "roles/names", list[wire.Role], body=msgspec.json.encode(names))

    async def custom_emoji(self, name: str) -> None:
        """Return where there is one of that name. Refusal where there is none."""
        await self._look_up(f"emoji/name/{_segment(name)}", wire.Nothing)

    async def edit_post(self, post: MessageId, text: str) -> None:
        """Give a post another text. Its props and files stay: what a patch does not name is left alone."""
        body = msgspec.json.encode({"message": text})
        await self._call("PUT", f"posts/{_segment(post)}/patch", wire.Nothing, body=body)

    async def delete_post(self, post: MessageId) -> None:
        """Delete a post, and all that answers it."""
        await self._call("DELETE", f"posts/{_segment(post)}", wire.Nothing)

    async def add_reaction(self, me: UserId, post: MessageId, name: str) -> None:
        """Put an emoji of ours on a post; once more changes nothing."""
        body = msgspec.json.encode({"user_id": me, "post_id": post, "emoji_name": name})
        await self._call("POST", "reactions", wire.Nothing, body=body)

    async def remove_reaction(self, me: UserId, post: MessageId, name: str) -> None:
        """Take it away; where it is not there nothing happens."""
        path = f"users/{_segment(me)}/posts/{_segment(post)}/reactions/{_segment(name)}"
        await self._call("DELETE", path, wire.Nothing)

    async def set_header(self, channel: ChannelKey, header: str) -> None:
        """Give a channel another header."""
        body = msgspec.json.encode({"header": header})
        await self._call("PUT", f"channels/{_segment(channel)}/patch", wire.Nothing, body=body)

    async def commands(self, team: str) -> list[wire.SlashCommand]:
        """The custom slash commands of a team, as far as we may see them."""
        path = f"commands?team_id={_segment(team)}&custom_only=true"
        return await self._look_up(path, list[wire.SlashCommand])

    async def create_command(self, command: wire.SlashCommand) -> wire.SlashCommand:
        """Make a slash command; the server adds its id and token."""
        return await self._call("POST", "commands", wire.SlashCommand, body=msgspec.json.encode(command))

    async def update_command(self, command: wire.SlashCommand) -> wire.SlashCommand:
        """Make the slash command of that id say this; its token stays."""
        path = f"commands/{_segment(command.id)}"
        return await self._call("PUT", path, wire.SlashCommand, body=msgspec.json.encode(command))

    async def direct_channel(self, me: UserId, other: UserId) -> ChannelKey:
        """The channel of us and one other, made where there is none."""
        body = msgspec.json.encode([me, other])
        return ChannelKey((await self._call("POST", "channels/direct", wire.ChannelInfo, body=body)).id)

    async def create_post(self, post: wire.NewPost) -> MessageId:
        """Make a post. Raises Retry at the rate limit, without waiting."""
        created = await self._call("POST", "posts", wire.Post, body=msgspec.json.encode(post))
        return MessageId(created.id)

    async def upload(self, channel: ChannelKey, name: str, size: int, file: IO[bytes]) -> str:
        """Upload an open file of `size` bytes, streamed, and give its id. `file` is closed.

        The body is the file alone and the name stands in the address, where no quoting can harm it.
        """
        path = f"files?channel_id={_segment(channel)}&filename={_segment(name)}"
        uploaded = await self._call("POST", path, wire.Uploaded, body=file, length=size, timeout=transfer_time(size))
        if not uploaded.file_infos:
            raise Retry("the server's answer to an upload names no file")
        return uploaded.file_infos[0].id

    @asynccontextmanager
    async def download(self, file: str, *, largest: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """A file's answer, its body still to be read; `largest` is what the caller will take of it, in bytes."""
        async with self._opened(f"files/{_segment(file)}", transfer_time(largest)) as response:
            yield response

    @asynccontextmanager
    async def portrait(self, user: UserId) -> AsyncIterator[aiohttp.ClientResponse]:
        """The answer with somebody's picture, its body still to be read."""
        async with self._opened(f"users/{_segment(user)}/image", self._patience) as response:
            yield response

    # --- how it is asked ---

    @asynccontextmanager
    async def _opened(self, path: str, within: aiohttp.ClientTimeout) -> AsyncIterator[aiohttp.ClientResponse]:
        async with await self._answer("GET", path, timeout=within) as response:
            if response.status >= 300:
                await self._refuse(response)
            yield response

    async def _look_up(self, path: str, kind: type[T]) -> T:
        for _ in range(_LOOK_UP_TRIES - 1):
            try:
                return await self._call("GET", path, kind)
            except Retry as later:
                if later.after is None or later.after > _LONGEST_WAIT:
                    raise
                await asyncio.sleep(later.after)
        return await self._call("GET", path, kind)

    async def _call(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: bytes | IO[bytes] | None = None,
        length: int | None = None,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp's own kind of timeout
    ) -> T:
        answer = await self._answer(method, path, body=body, length=length, timeout=timeout or self._patience)
        async with answer as response:
            if response.status >= 300:
                await self._refuse(response)
            content = await self._whole(response)
        try:
            return msgspec.json.decode(content, type=kind)
        except wire.UNREADABLE as error:
            reason = f"{self.server.url} answers {response.status} with something that is not Mattermost's JSON"
            raise Retry(f"{reason}; look at server_url and at the proxy before the server") from error

    async def _answer(
        self,
        method: str,
        path: str,
        *,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own kind of timeout
        body: bytes | IO[bytes] | None = None,
        length: int | None = None,
    ) -> aiohttp.ClientResponse:
        """The answer, its body still to be read; the caller closes it."""
        headers = self.authorization
        if body is not None:
            headers["Content-Type"] = "application/json" if isinstance(body, bytes) else "application/octet-stream"
        if length is not None:
            headers["Content-Length"] = str(length)
        await self.governor.begin()
        try:
            response = await self.session.request(
                method, f"{self.server.api}/{path}", headers=headers, data=body, timeout=timeout, allow_redirects=False
            )
            wait = self.governor.heard(response.status, response.headers)
        except CONNECTION_ERRORS as error:
            raise self._unreachable(error) from None
        finally:
            self.governor.end()
        self.clock.heard(response.headers.get("Date"))
        if wait is not None:
            response.release()
            raise Retry("the server's rate limit is used up", after=wait)
        return response

    async def chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """An answer's body as it arrives. Raises Retry where it breaks off."""
        try:
            async for chunk in response.content.iter_chunked(65536):
                yield chunk
        except CONNECTION_ERRORS as error:
            raise self._unreachable(error) from None

    async def _whole(self, response: aiohttp.ClientResponse) -> bytes:
        length = response.content_length
        if length is not None and length <= _LONGEST_ANSWER and hdrs.CONTENT_ENCODING not in response.headers:
            try:
                return await response.read()
            except CONNECTION_ERRORS as error:
                raise self._unreachable(error) from None
        content = bytearray()
        async for chunk in self.chunks(response):
            content += chunk
            if len(content) > _LONGEST_ANSWER:
                raise TooLong("the server's answer is too long to be one")
        return bytes(content)

    def _unreachable(self, error: BaseException) -> Retry:
        # aiohttp's errors may hold the request's headers, so their words are taken and they are not chained
        return Retry(f"{self.server.url} cannot be reached: {unreachable(error)}")

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        """Raise what an answer of 300 or more means."""
        status = response.status
        if status == 401:
            raise bad_token(self.server)
        if status < 400:
            raise Paused(_moved(self.server, response.headers.get("Location", "")), scope="instance")
        content = await self._whole(response)
        try:
            said = msgspec.json.decode(content, type=wire.ServerError)
        except wire.UNREADABLE:
            if status == 413:
                raise Refusal(status, "", "a proxy before the server refuses it as too large") from None
            reason = f"{self.server.url} answers {status}, and not as Mattermost does"
            raise Retry(f"{reason}; look at server_url and at the proxy before the server") from None
        if said.id == "api.post.deduplicate_create_post.pending":
            raise Retry("the server is still making this post", after=1.0)
        if (status >= 500 and status != 501) or status == 408:
            raise Retry(f"the server answers {status}: {said.message[:300]}")
        raise Refusal(status, said.id, said.message[:300])


def transfer_time(size: int) -> aiohttp.ClientTimeout:
    """How long a file of `size` bytes may take."""
    return aiohttp.ClientTimeout(total=60 + size / _SLOWEST_TRANSFER, sock_connect=15, sock_read=60)


def bad_token(server: Server) -> Paused:
    """What a 401 means, and what to look at."""
    return Paused(
        f"{server.url} refuses the token. Was it revoked or the bot disabled, is it of another server, "
        "was it copied whole and without spaces, or was a new one made since? Put the right one into the file",
        scope="instance",
    )


def _moved(server: Server, target: str) -> str:
    return f"{server.url} sends us elsewhere ({target[:200]}); write the address that it ends at as server_url"


def _segment(text: str) -> str:
    return quote(text, safe="")


def _number(text: str | None) -> float | None:
    try:
        return None if text is None else max(0.0, float(text))
    except ValueError:
        return None
