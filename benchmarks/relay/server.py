"""A server that behaves as Mattermost for a relay, and costs so little that the relay is what is measured.

It speaks HTTP and WebSocket by hand on uvloop's protocols: one request at a time on a connection, which is how aiohttp
asks. It keeps no posts. A post is told to the socket of the account in its channel, its own posts too, as the real
server does. There is no rate limit, so no answer bears its headers.
"""

from __future__ import annotations

import asyncio
import base64
import hashlib
from collections.abc import Callable
from email.utils import formatdate
from typing import cast

import msgspec

from benchmarks.relay.records import Asked, Channel, Frame, FrameData, Post, Team, User, Where, encode, new_id, now_ms

__all__ = ["Account", "Server"]

Arrival = Callable[[str, str], None]
"""Is called with the channel and the text of each post of an account, when its request is complete."""

_WEBSOCKET = b"258EAFA5-E914-47DA-95CA-C5AB0DC85B11"
_CONFIG = encode(
    {
        "EnableFileAttachments": "true",
        "EnablePostIconOverride": "true",
        "EnablePostUsernameOverride": "true",
        "MaxFileSize": "52428800",
        "MaxPostSize": "16383",
    }
)
_VERSION = "5.37.0..1da3cc815c129c83d7d16397ca60a42a.false"
_NOT_THERE = encode({"id": "api.context.404.app_error", "message": "There is nothing here.", "status_code": 404})


class Account:
    """A bot: its token, and its socket while it has one."""

    def __init__(self, name: str) -> None:
        self.name = name
        self.token = new_id()
        self.user = User(id=new_id(), username=name, is_bot=True)
        self.connection: _Connection | None = None
        self.sequence = 0

    def tell(self, frame: bytes) -> None:
        """Send an encoded frame; nothing where there is no socket."""
        self.sequence += 1
        if self.connection is not None:
            self.connection.send_text(frame)


class Server:
    """One server with its accounts, people and channels."""

    def __init__(self, people: int = 20) -> None:
        self.accounts: dict[str, Account] = {}
        self.people = [User(id=new_id(), username=f"user{n}", nickname=f"User Number {n}") for n in range(people)]
        self.channels: dict[str, Channel] = {}
        self.members: dict[str, Account] = {}
        """The account in each channel; one each is enough here."""
        self.delays: dict[str, float] = {}
        """Seconds that a post to a channel waits for its answer; none where a channel is not named."""
        self.arrived: Arrival = lambda _channel, _text: None
        self.url = ""
        self._team = Team(new_id())
        self._users = {user.id: user for user in self.people}
        self._listening: asyncio.Server | None = None

    async def start(self) -> None:
        """Listen on a free port of 127.0.0.1."""
        self._listening = await asyncio.get_running_loop().create_server(lambda: _Connection(self), "127.0.0.1", 0)
        self.url = f"http://127.0.0.1:{self._listening.sockets[0].getsockname()[1]}"

    def stop(self) -> None:
        """Listen no more."""
        if self._listening is not None:
            self._listening.close()

    def account(self, name: str) -> Account:
        """A new account."""
        account = Account(name)
        self.accounts[account.token] = account
        self._users[account.user.id] = account.user
        return account

    def channel(self, account: Account) -> str:
        """A new channel with the account in it; its id."""
        number = len(self.channels)
        channel = Channel(new_id(), self._team.id, f"Channel {number}", f"channel-{number}")
        self.channels[channel.id] = channel
        self.members[channel.id] = account
        return channel.id

    def say(self, number: int, channel: str, text: str) -> None:
        """A person, one of them by `number`, posts."""
        author = self.people[number % len(self.people)]
        now = now_ms()
        post = Post(new_id(), now, now, author.id, channel, text)
        self._tell(post, encode(post).decode(), author)

    def _tell(self, post: Post, encoded: str, author: User) -> None:
        account, channel = self.members[post.channel_id], self.channels[post.channel_id]
        data = FrameData(
            channel_display_name=channel.display_name,
            channel_name=channel.name,
            channel_type=channel.type,
            post=encoded,
            sender_name=f"@{author.username}",
            set_online=True,
            team_id=channel.team_id,
        )
        account.tell(encode(Frame("posted", data, Where(channel.id), account.sequence)))

    # --- what a connection asks for -----------------------------------------------------------------------------

    def create(self, account: Account, asked: Asked) -> bytes:
        """Make a post of a bot and give the answer's body."""
        self.arrived(asked.channel_id, asked.message)
        now = now_ms()
        post = Post(
            new_id(), now, now, account.user.id, asked.channel_id, asked.message, asked.props, asked.pending_post_id
        )
        encoded = encode(post)
        self._tell(post, encoded.decode(), account.user)
        return encoded

    def look_up(self, account: Account, path: str) -> bytes:  # noqa: PLR0911 - one for each path
        """The answer's body to a GET; empty where there is nothing."""
        match path.partition("?")[0].removeprefix("/api/v4/").split("/"):
            case ["users", "me"]:
                return encode(account.user)
            case ["config", "client"]:
                return _CONFIG
            case ["users", "me", "teams"]:
                return encode([self._team])
            case ["users", "me", "teams", _, "channels"]:
                return encode([self.channels[each] for each, member in self.members.items() if member is account])
            case ["users", user] if user in self._users:
                return encode(self._users[user])
            case ["channels", channel] if channel in self.channels:
                return encode(self.channels[channel])
            case ["channels", channel, "members", _] if channel in self.channels:
                return encode({"channel_id": channel, "user_id": account.user.id})
            case ["channels", _, "posts"]:
                return encode({"order": [], "posts": {}, "next_post_id": "", "prev_post_id": ""})
            case _:
                return b""


class _Connection(asyncio.Protocol):
    """One connection: HTTP, until it asks to become a WebSocket."""

    def __init__(self, server: Server) -> None:
        self._server = server
        self._loop = asyncio.get_running_loop()
        self._transport: asyncio.Transport | None = None
        self._received = bytearray()
        self._account: Account | None = None
        self._is_socket = False

    def connection_made(self, transport: asyncio.BaseTransport) -> None:
        self._transport = cast("asyncio.Transport", transport)  # uvloop's own is no subclass

    def connection_lost(self, _error: Exception | None) -> None:
        self._transport = None
        if self._account is not None and self._account.connection is self:
            self._account.connection = None

    def data_received(self, data: bytes) -> None:
        self._received += data
        while (self._frame if self._is_socket else self._request)():
            pass

    # --- HTTP ---------------------------------------------------------------------------------------------------

    def _request(self) -> bool:
        """Take one whole request off what was received. Returns whether there was one."""
        end = self._received.find(b"\r\n\r\n")
        if end < 0:
            return False
        first, *lines = self._received[:end].decode("latin-1").split("\r\n")
        headers = {name.lower(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
        length = int(headers.get("content-length", "0"))
        if len(self._received) < end + 4 + length:
            return False
        body = bytes(self._received[end + 4 : end + 4 + length])
        del self._received[: end + 4 + length]
        method, path, _ = first.split(" ", 2)
        account = self._server.accounts.get(headers.get("authorization", "").removeprefix("Bearer "))
        if account is None:
            self._answer("401 Unauthorized", _NOT_THERE)
        elif path.startswith("/api/v4/websocket"):
            self._upgrade(account, headers["sec-websocket-key"])
        elif method == "POST" and path == "/api/v4/posts":
            asked = msgspec.json.decode(body, type=Asked)
            content = self._server.create(account, asked)
            if delay := self._server.delays.get(asked.channel_id):
                self._loop.call_later(delay, self._answer, "201 Created", content)
            else:
                self._answer("201 Created", content)
        elif method == "GET" and (content := self._server.look_up(account, path)):
            self._answer("200 OK", content)
        else:
            self._answer("404 Not Found", _NOT_THERE)
        return True

    def _answer(self, status: str, content: bytes) -> None:
        head = (
            f"HTTP/1.1 {status}\r\nContent-Type: application/json\r\nVary: Origin, Accept-Encoding\r\n"
            f"X-Request-Id: {new_id()}\r\nX-Version-Id: {_VERSION}\r\nDate: {formatdate(usegmt=True)}\r\n"
            f"Content-Length: {len(content)}\r\n\r\n"
        )
        if self._transport is not None:
            self._transport.write(head.encode() + content)

    # --- WebSocket ----------------------------------------------------------------------------------------------

    def _upgrade(self, account: Account, key: str) -> None:
        accept = base64.b64encode(hashlib.sha1(key.encode() + _WEBSOCKET).digest()).decode()
        head = (
            "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n"
            f"Sec-WebSocket-Accept: {accept}\r\n\r\n"
        )
        assert self._transport is not None
        self._transport.write(head.encode())
        self._is_socket = True
        self._account, account.connection, account.sequence = account, self, 0
        hello = {"connection_id": new_id(), "server_version": _VERSION}
        broadcast = {"omit_users": None, "user_id": account.user.id, "channel_id": "", "team_id": ""}
        account.tell(encode({"event": "hello", "data": hello, "broadcast": broadcast, "seq": 0}))

    def send_text(self, payload: bytes) -> None:
        """A whole text frame."""
        self._send(0x81, payload)

    def _send(self, kind: int, payload: bytes) -> None:
        size = len(payload)
        head = bytes((kind, size)) if size < 126 else bytes((kind, 126)) + size.to_bytes(2, "big")
        if self._transport is not None:
            self._transport.write(head + payload)

    def _frame(self) -> bool:
        """Take one frame, masked and short as a client's are. Returns whether there was one."""
        data = self._received
        if len(data) < 6:
            return False
        size, start = data[1] & 127, 2
        if size == 126:
            size, start = int.from_bytes(data[2:4], "big"), 4
        if len(data) < start + 4 + size:
            return False
        mask = data[start : start + 4]
        payload = bytes(byte ^ mask[place & 3] for place, byte in enumerate(data[start + 4 : start + 4 + size]))
        kind = data[0] & 15
        del data[: start + 4 + size]
        if kind == 1:
            asked = msgspec.json.decode(payload, type=dict[str, object])
            self.send_text(encode({"status": "OK", "data": {"text": "pong"}, "seq_reply": asked.get("seq")}))
        elif kind == 9:
            self._send(0x8A, payload)
        elif kind == 8 and self._transport is not None:
            self._send(0x88, payload)
            self._transport.close()
            return False
        return True
