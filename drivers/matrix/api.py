"""The calls to a homeserver, and the one place that turns statuses into what the core is to do.

What any call may meet (a refused token, a limit, a broken server or proxy) is raised as Paused or Retry. What depends
on the thing asked for (no right in this room, no such event, too large) is raised as `Refusal`; the caller knows what
it asked for, and translates it.

It is a client of our own and no library's, since what a library adds is what the core does: it waits at a rate limit
while its lane should, repeats calls under transaction ids of its own, keeps the sync token before our events are on
disk, and holds every member of every room in memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from copy import copy
from typing import Any, TypeVar
from urllib.parse import quote, urlencode

import aiohttp
import msgspec
from msgspec import Raw
from yarl import URL

from drivers.matrix import wire
from drivers.matrix.settings import Homeserver
from nextbridge.envelope import ChannelKey, MessageId, UserId
from nextbridge.errors import NextBridgeError, Paused, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable
from nextbridge.http.clock import ServerClock
from nextbridge.media.content import HEAD, signature

__all__ = ["PATIENCE", "Api", "Refusal", "TokenRefused", "transfer_time"]

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds for a call without a file."""

_LOOK_UP_TRIES = 5
"""A look-up that meets the rate limit waits its turn this often; a send leaves the waiting to its lane."""
_LONGEST_WAIT = 10.0
"""Seconds that a look-up waits for its turn."""
_LONGEST_ANSWER = 16 * 1024 * 1024
_LONGEST_SYNC = 128 * 1024 * 1024
"""Bytes of an answer that is no file. The first sync of an account in thousands of rooms is the longest."""
_SLOWEST_TRANSFER = 50_000
"""Bytes a second; a file that goes slower than this is given up."""

_CLIENT = "_matrix/client/v3"
_ACCOUNT_REFUSED = {"M_USER_DEACTIVATED", "M_USER_SUSPENDED", "M_USER_LOCKED"}


class Refusal(NextBridgeError):
    """The homeserver itself refuses what was asked, in its own words. Never leaves the driver."""

    def __init__(self, status: int, code: str, message: str) -> None:
        super().__init__(message)
        self.status = status
        self.code = code
        """As `M_FORBIDDEN`; empty where it gives none."""
        self.message = message

    @property
    def about_rights(self) -> bool:
        """The thing is missing, or not for us: which of the two, a homeserver does not always tell."""
        return self.status in {403, 404}

    @property
    def is_unknown_call(self) -> bool:
        """The server is too old (or too new) for what was called."""
        return self.code == "M_UNRECOGNIZED"


class TokenRefused(Paused):
    """The access token is not valid (any more)."""


class Api:
    """One account's calls to one homeserver. Safe to use from many tasks."""

    def __init__(
        self, session: aiohttp.ClientSession, server: Homeserver, token: str = "", *, patience: float = PATIENCE
    ) -> None:
        """Without a token it can only log in, and ask for versions."""
        self.session = session
        self.server = server
        self.token = token
        self.user = ""
        """The puppet that the calls are made as; empty where they are the account's own."""
        self.clock = ServerClock()
        """The server's."""
        self._patience = aiohttp.ClientTimeout(total=patience, sock_connect=patience)

    def acting_as(self, user: str) -> Api:
        """The calls of a puppet, under the token of the application service."""
        acting = copy(self)
        acting.user = user
        return acting

    # --- the account ---

    async def versions(self) -> wire.Versions:
        """Which versions of the specification the server keeps to. Needs no token."""
        return await self.look_up("_matrix/client/versions", wire.Versions)

    async def login(self, user: str, password: str, device: str | None) -> wire.LoggedIn:
        """Log in, as that device where one is named. Refusal (403) where the password is wrong. Needs no token."""
        body: dict[str, object] = {
            "type": "m.login.password",
            "identifier": {"type": "m.id.user", "user": user},
            "password": password,
            "initial_device_display_name": "NextBridge",
        }
        if device is not None:
            body["device_id"] = device
        return await self.call("POST", f"{_CLIENT}/login", wire.LoggedIn, body=body)

    async def logout(self) -> None:
        """End the token, and the device that it is of."""
        await self.call("POST", f"{_CLIENT}/logout", wire.Nothing, body={})

    async def whoami(self) -> wire.WhoAmI:
        """Whose token it is."""
        return await self.look_up(f"{_CLIENT}/account/whoami", wire.WhoAmI)

    async def profile(self, user: str) -> wire.Profile:
        """Somebody's name and picture. Refusal (404) where there is nobody of that id."""
        return await self.look_up(f"{_CLIENT}/profile/{_segment(user)}", wire.Profile)

    async def register(self, name: str) -> None:
        """Make the account of a puppet. Refusal where it is there already. For application services."""
        body = {"type": "m.login.application_service", "username": name, "inhibit_login": True}
        await self.call("POST", f"{_CLIENT}/register", wire.Nothing, body=body)

    async def set_profile(self, user: str, field: str, value: str) -> None:
        """Give an account a name (`displayname`) or a picture (`avatar_url`)."""
        path = f"{_CLIENT}/profile/{_segment(user)}/{field}"
        await self.call("PUT", path, wire.Nothing, body={field: value})

    async def upload_picture(self, content: bytes) -> str:
        """Keep a picture on the server, and its address there."""
        # the server makes small ones of what it is told to be a picture
        headers = {"Content-Type": signature(content[:HEAD]) or "application/octet-stream"}
        path, within = "_matrix/media/v3/upload", transfer_time(len(content))
        async with self.opened("POST", path, data=content, headers=headers, within=within) as answer:
            return self.decoded(await self._whole(answer), wire.Uploaded, answer.status).content_uri

    async def ping(self, registration: str, number: str) -> None:
        """Have the server call us with that number, as the application service of that id.

        Refusal or Retry where it does not reach us. Synapse then sends what it could not send before.
        """
        path = f"_matrix/client/v1/appservice/{_segment(registration)}/ping"
        await self.call("POST", path, wire.Nothing, body={"transaction_id": number})

    async def account_data(self, me: UserId, kind: str) -> Raw:
        """What the account keeps on the server under that name. Refusal (404) where there is nothing."""
        return await self.look_up(f"{_CLIENT}/user/{_segment(me)}/account_data/{_segment(kind)}", Raw)

    async def set_account_data(self, me: UserId, kind: str, data: object) -> None:
        """Keep it there."""
        path = f"{_CLIENT}/user/{_segment(me)}/account_data/{_segment(kind)}"
        await self.call("PUT", path, wire.Nothing, body=data)

    # --- receiving ---

    async def sync(self, since: str | None, *, wait: float, filters: Mapping[str, object]) -> wire.Sync:
        """What happened since that token; it waits for so many seconds for something to happen."""
        query = {"timeout": str(int(wait * 1000)), "filter": _json(filters), "set_presence": "offline"}
        if since is not None:
            query["since"] = since
        within = aiohttp.ClientTimeout(total=wait + 90, sock_connect=PATIENCE, sock_read=wait + PATIENCE)
        path = f"{_CLIENT}/sync?{urlencode(query)}"
        return await self.call("GET", path, wire.Sync, timeout=within, longest=_LONGEST_SYNC)

    async def messages(
        self, room: ChannelKey, *, start: str | None, to: str | None, backwards: bool, most: int
    ) -> wire.Page:
        """A part of a room's history from the token `start` (or from its newest end) as far as the token `to`."""
        query = {"dir": "b" if backwards else "f", "limit": str(most)}
        query |= {key: token for key, token in (("from", start), ("to", to)) if token}
        return await self.look_up(f"{_room(room)}/messages?{urlencode(query)}", wire.Page)

    async def event(self, room: ChannelKey, event: str) -> wire.Event:
        """One event. Refusal (404) where there is none, or where we may not see it."""
        return await self.look_up(f"{_room(room)}/event/{_segment(event)}", wire.Event)

    async def context(self, room: ChannelKey, event: str) -> wire.Context:
        """Where an event stands in its room. Refusal (404) where there is none, or where we may not see it."""
        return await self.look_up(f"{_room(room)}/context/{_segment(event)}?limit=0", wire.Context)

    async def annotations(self, room: ChannelKey, event: MessageId, *, after: str | None) -> wire.Annotations:
        """The reactions to an event, a hundred at a time."""
        query = urlencode({"limit": "100", **({"from": after} if after else {})})
        path = f"_matrix/client/v1/rooms/{_segment(room)}/relations/{_segment(event)}/m.annotation/m.reaction"
        return await self.look_up(f"{path}?{query}", wire.Annotations)

    async def state(self, room: ChannelKey, kind: str, key: str = "") -> wire.Content:
        """The content of a piece of a room's state. Refusal (404) where there is none."""
        return wire.Content(await self.look_up(f"{_room(room)}/state/{_segment(kind)}/{_segment(key)}", Raw))

    async def joined_rooms(self) -> list[str]:
        """The rooms that we are in."""
        return (await self.look_up(f"{_CLIENT}/joined_rooms", wire.JoinedRooms)).joined_rooms

    async def joined_members(self, room: ChannelKey) -> wire.JoinedMembers:
        """Who is in a room. Refusal (403) where we are not."""
        return await self.look_up(f"{_room(room)}/joined_members", wire.JoinedMembers)

    async def members(self, room: ChannelKey) -> wire.Page:
        """The memberships of a room, those of whoever left aside. Refusal (403) where we are not in it."""
        return await self.look_up(f"{_room(room)}/members?not_membership=leave", wire.Page)

    # --- rooms ---

    async def room_of(self, alias: str) -> wire.Aliased:
        """The room that an alias names. Refusal (404) where there is none."""
        return await self.look_up(f"{_CLIENT}/directory/room/{_segment(alias)}", wire.Aliased)

    async def join(self, room: str, via: tuple[str, ...] = ()) -> ChannelKey:
        """Join a room by its id or alias, by way of these servers; nothing happens where we are in it."""
        query = urlencode([(name, server) for server in via for name in ("via", "server_name")])
        path = f"{_CLIENT}/join/{_segment(room)}?{query}"
        return ChannelKey((await self.call("POST", path, wire.Room, body={}, timeout=_joining())).room_id)

    async def invite(self, room: ChannelKey, user: str) -> None:
        """Invite somebody to a room."""
        await self.call("POST", f"{_room(room)}/invite", wire.Nothing, body={"user_id": user})

    async def leave(self, room: ChannelKey) -> None:
        """Leave a room, or decline an invitation."""
        await self.call("POST", f"{_room(room)}/leave", wire.Nothing, body={})

    async def create_direct(self, user: UserId) -> ChannelKey:
        """A new room for us and one other, whom it invites."""
        body = {"preset": "trusted_private_chat", "is_direct": True, "invite": [user]}
        return ChannelKey((await self.call("POST", f"{_CLIENT}/createRoom", wire.Room, body=body)).room_id)

    # --- sending ---

    async def send(self, room: ChannelKey, kind: str, transaction: str, content: object) -> MessageId:
        """Send an event. Once more with the same transaction id is the same event, for a while."""
        path = f"{_room(room)}/send/{_segment(kind)}/{_segment(transaction)}"
        return MessageId((await self.call("PUT", path, wire.Sent, body=content)).event_id)

    async def redact(self, room: ChannelKey, event: str, transaction: str) -> None:
        """Take an event back."""
        path = f"{_room(room)}/redact/{_segment(event)}/{_segment(transaction)}"
        await self.call("PUT", path, wire.Sent, body={})

    async def set_state(self, room: ChannelKey, kind: str, content: object) -> None:
        """Set a piece of a room's state."""
        await self.call("PUT", f"{_room(room)}/state/{_segment(kind)}/", wire.Sent, body=content)

    async def typing(self, room: ChannelKey, me: UserId, seconds: float) -> None:
        """Show that we are typing, for so long."""
        body = {"typing": True, "timeout": int(seconds * 1000)}
        await self.call("PUT", f"{_room(room)}/typing/{_segment(me)}", wire.Nothing, body=body)

    # --- how it is asked ---

    async def look_up(self, path: str, kind: type[T]) -> T:
        """Ask for something that changes nothing; waits where it meets the rate limit."""
        for _ in range(_LOOK_UP_TRIES - 1):
            try:
                return await self.call("GET", path, kind)
            except Retry as later:
                if later.after is None or later.after > _LONGEST_WAIT:
                    raise
                await asyncio.sleep(later.after)
        return await self.call("GET", path, kind)

    async def call(
        self,
        method: str,
        path: str,
        kind: type[T],
        *,
        body: object = None,
        timeout: aiohttp.ClientTimeout | None = None,  # noqa: ASYNC109 - aiohttp's own kind of timeout
        longest: int = _LONGEST_ANSWER,
    ) -> T:
        """One request with a JSON body and a JSON answer."""
        data = None if body is None else msgspec.json.encode(body)
        headers = {} if body is None else {"Content-Type": "application/json"}
        async with self.opened(method, path, data=data, headers=headers, within=timeout) as response:
            content = await self._whole(response, longest)
        return self.decoded(content, kind, response.status)

    def decoded(self, content: bytes, kind: type[T], status: int) -> T:
        """An answer's JSON. Raises Retry where it is none."""
        try:
            return msgspec.json.decode(content, type=kind)
        except wire.UNREADABLE as error:
            reason = f"{self.server.url} answers {status} with something that is not Matrix's JSON"
            raise Retry(f"{reason}; look at homeserver and at the proxy before the server") from error

    @asynccontextmanager
    async def opened(
        self,
        method: str,
        path: str,
        *,
        data: Any = None,  # noqa: ANN401 - whatever aiohttp sends
        headers: Mapping[str, str] | None = None,
        within: aiohttp.ClientTimeout | None = None,
    ) -> AsyncIterator[aiohttp.ClientResponse]:
        """An answer, its body still to be read. Raises Refusal, Retry and Paused for one that is none."""
        if self.user:
            path += ("&" if "?" in path else "?") + urlencode({"user_id": self.user})
        authorization = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            response = await self.session.request(
                method,
                URL(f"{self.server.url}/{path}", encoded=True),
                headers={**authorization, **(headers or {})},
                data=data,
                timeout=within or self._patience,
                allow_redirects=False,
            )
        except CONNECTION_ERRORS as error:
            raise self._unreachable(error) from None
        async with response:
            self.clock.heard(response.headers.get("Date"))
            if response.status >= 300:
                await self._refuse(response)
            yield response

    async def chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """An answer's body as it arrives. Raises Retry where it breaks off."""
        try:
            async for chunk in response.content.iter_chunked(65536):
                yield chunk
        except CONNECTION_ERRORS as error:
            raise self._unreachable(error) from None

    async def _whole(self, response: aiohttp.ClientResponse, longest: int = _LONGEST_ANSWER) -> bytes:
        content = bytearray()
        async for chunk in self.chunks(response):
            content += chunk
            if len(content) > longest:
                raise Retry("the homeserver's answer is too long to be one")
        return bytes(content)

    def _unreachable(self, error: BaseException) -> Retry:
        # aiohttp's errors may hold the request's headers, so their words are taken and they are not chained
        return Retry(f"{self.server.url} cannot be reached: {unreachable(error)}")

    async def _refuse(self, response: aiohttp.ClientResponse) -> None:
        """Raise what an answer of 300 or more means."""
        status = response.status
        if status < 400:
            target = response.headers.get("Location", "")[:200]
            reason = f"{self.server.url} sends us elsewhere ({target}); write the address that it ends at as homeserver"
            raise Paused(reason, scope="instance")
        content = await self._whole(response)
        try:
            said = msgspec.json.decode(content, type=wire.Failure)
        except wire.UNREADABLE:
            if status == 413:
                raise Refusal(status, "", "a proxy before the homeserver refuses it as too large") from None
            if status == 429:
                raise _limited(response, None) from None
            reason = f"{self.server.url} answers {status}, and not as Matrix does"
            raise Retry(f"{reason}; look at homeserver and at the proxy before the server") from None
        if status == 429:
            raise _limited(response, said.retry_after_ms)
        if said.errcode in _ACCOUNT_REFUSED:
            raise Paused(f"{self.server.url} has closed the account: {said.error[:300]}", scope="instance")
        if status == 401 and said.errcode in {"M_UNKNOWN_TOKEN", "M_MISSING_TOKEN"}:
            raise TokenRefused(
                f"{self.server.url} refuses the access token. Was it logged out, is it of another server, or was it "
                "not copied whole? Put a new one into the file, or the account's password in its place",
                scope="instance",
            )
        if status >= 500 or status == 408:
            raise Retry(f"the homeserver answers {status}: {said.error[:300]}")
        raise Refusal(status, said.errcode, said.error[:300])


def transfer_time(size: int) -> aiohttp.ClientTimeout:
    """How long a file of `size` bytes may take."""
    return aiohttp.ClientTimeout(total=60 + size / _SLOWEST_TRANSFER, sock_connect=15, sock_read=60)


def _joining() -> aiohttp.ClientTimeout:
    """To join a large room of other servers can take a homeserver a minute."""
    return aiohttp.ClientTimeout(total=120, sock_connect=PATIENCE)


def _limited(response: aiohttp.ClientResponse, milliseconds: float | None) -> Retry:
    """At a rate limit; the header is the newer of the two ways to say how long."""
    after = 1.0 if milliseconds is None else milliseconds / 1000
    with suppress(ValueError):
        after = max(after, float(response.headers.get("Retry-After", "0")))
    return Retry("the homeserver's rate limit is used up", after=after)


def _room(room: str) -> str:
    return f"{_CLIENT}/rooms/{_segment(room)}"


def _segment(text: str) -> str:
    # two segments would be taken for steps in the path
    return text.replace(".", "%2E") if text in {".", ".."} else quote(text, safe="")


def _json(value: object) -> str:
    return msgspec.json.encode(value).decode()
