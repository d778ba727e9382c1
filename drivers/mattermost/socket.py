"""The WebSocket to a Mattermost server: opened, authenticated, kept alive, resumed, and read frame by frame.

It knows what a connection is and nothing of what the frames say. `Resumption` outlives it: by it the next socket takes
up where this one broke off, if the server still knows.
"""

from __future__ import annotations

import asyncio
from collections.abc import AsyncGenerator, AsyncIterator, Callable
from contextlib import asynccontextmanager, suppress
from urllib.parse import urlencode

import aiohttp
import msgspec
from structlog.typing import FilteringBoundLogger

from drivers.mattermost import wire
from drivers.mattermost.api import Api, bad_token
from drivers.mattermost.settings import Server
from nextbridge.errors import Paused, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable

__all__ = ["Resumption", "Socket", "SocketTimes", "open_socket"]

_LARGEST_FRAME = 32 * 1024 * 1024
"""Bytes. A post with all its props and files is far below 1 MB."""

_REFUSALS = 3
"""Sockets in a row that the server closes unread, before what was to be resumed is given up."""

_CUT = {None, aiohttp.WSCloseCode.ABNORMAL_CLOSURE}
"""Close codes of a connection that was not closed but lost."""


class SocketTimes(msgspec.Struct, frozen=True):
    """Seconds. Tests make them short."""

    hello: float = 2.0
    """How long the first frame may take before the token is sent as a challenge."""
    authentication: float = 10.0
    """How long the whole opening may take; the server itself closes an unauthenticated socket after 5."""
    heartbeat: float = 30.0
    """Between two pings. A socket on which nothing has come from one to the next is taken for dead."""


class Resumption:
    """What the server needs to send what a lost socket missed: its name, and the number of the next frame."""

    def __init__(self) -> None:
        self.connection_id: str | None = None
        self.sequence = 0
        self._refused = 0

    def query(self) -> str:
        """What is added to the socket's address; empty where there is nothing to resume."""
        if self.connection_id is None:
            return ""
        return "?" + urlencode({"connection_id": self.connection_id, "sequence_number": self.sequence})

    def greeted(self, connection_id: str, sequence: int) -> bool:
        """Take over what `hello` says. Returns whether an earlier connection was lost by it."""
        lost = self.connection_id not in {None, connection_id}
        self.connection_id, self.sequence = connection_id or None, sequence
        return lost

    def taken(self) -> None:
        """The server has taken the socket."""
        self._refused = 0

    def refused(self) -> None:
        """The server has closed it unread. Once can be the network; after three times we begin anew."""
        self._refused += 1
        if self._refused >= _REFUSALS:
            self.connection_id, self.sequence = None, 0


class Socket:
    """An open, authenticated socket. Iterate over `frames` once."""

    def __init__(
        self,
        connection: aiohttp.ClientWebSocketResponse,
        server: Server,
        resumption: Resumption,
        log: FilteringBoundLogger,
        times: SocketTimes,
    ) -> None:
        self._connection = connection
        self._server = server
        self._resumption = resumption
        self._log = log
        self._times = times
        self._first: wire.Frame | None = None
        self._asked = 0
        self._heard = 0
        self._listening = False
        self._silent = False

    async def authenticate(self, token: str) -> None:
        """Return once the server takes us for who we are.

        With the header on the upgrade the server says `hello` at once, or goes on with what was missed. Silence means
        that a proxy has taken the header off, or that we resumed and missed nothing: a challenge and a ping after it
        tell, since a socket that is authenticated ignores the challenge and answers the ping.
        """
        try:
            async with asyncio.timeout(self._times.hello):
                self._first = await self._receive()
        except TimeoutError:
            await self._ask("authentication_challenge", {"token": token})
            await self._ask("ping")
            try:
                async with asyncio.timeout(self._times.authentication):
                    self._first = await self._receive()
            except TimeoutError:
                raise Retry(f"{self._server.websocket} opens but says nothing") from None
        if self._first is None:
            self._resumption.refused()
            reason = f"{self._server.websocket} closes as soon as it is open"
            raise Retry(f"{reason}; a proxy before the server must let WebSocket connections through")
        self._resumption.taken()

    async def frames(self, *, anew: Callable[[], None], missed: Callable[[], None]) -> AsyncGenerator[wire.Frame, None]:
        """The events in the server's order, until the connection is closed. Raises Retry where it breaks off.

        `anew` is called before the first event of a connection that resumes none, `missed` before one that others
        should have come before.
        """
        pings = asyncio.create_task(self._keep_asking())
        try:
            frame = self._first
            while frame is not None:
                if frame.event:
                    self._note(frame, anew, missed)
                    yield frame
                    self._resumption.sequence = frame.seq + 1
                elif frame.error is not None and frame.error.status_code == 401:
                    # the token was revoked: the server closes no socket for that, it only falls silent
                    raise bad_token(self._server)
                frame = await self._receive()
        finally:
            pings.cancel()
            with suppress(asyncio.CancelledError):
                await pings

    def _note(self, frame: wire.Frame, anew: Callable[[], None], missed: Callable[[], None]) -> None:
        if frame.event == "hello":
            self._greeted(frame)
            anew()
        elif frame.seq > self._resumption.sequence:
            self._log.info("gap", missed=frame.seq - self._resumption.sequence, before=frame.seq)
            missed()

    def _greeted(self, frame: wire.Frame) -> None:
        try:
            hello = msgspec.json.decode(frame.data, type=wire.Hello)
        except wire.UNREADABLE:
            hello = wire.Hello()
        if self._resumption.greeted(hello.connection_id, frame.seq):
            self._log.info("gap", reason="the server did not resume the connection")
        self._log.info("socket_open", server_version=hello.server_version)

    async def _keep_asking(self) -> None:
        # Pings of the WebSocket protocol are answered by any proxy on the way, and also for a token that was revoked;
        # these the server itself has to answer.
        with suppress(*CONNECTION_ERRORS):
            while not self._silent:
                await asyncio.sleep(self._times.heartbeat)
                heard = self._heard
                await self._ask("ping")
                await asyncio.sleep(self._times.heartbeat)
                self._silent = self._listening and self._heard == heard
            await self._connection.close()

    async def tell_typing(self, channel: str) -> None:
        """Let it be shown in a channel that we are typing. What comes in between is no error."""
        with suppress(*CONNECTION_ERRORS):
            await self._ask("user_typing", {"channel_id": channel})

    async def _ask(self, action: str, data: dict[str, str] | None = None) -> None:
        self._asked += 1
        request = {"seq": self._asked, "action": action, "data": data or {}}
        await self._connection.send_str(msgspec.json.encode(request).decode())

    async def _receive(self) -> wire.Frame | None:
        """The next frame; None once the connection was closed in order."""
        while True:
            self._listening = True
            message = await self._connection.receive()
            self._listening = False
            self._heard += 1
            match message.type:
                case aiohttp.WSMsgType.TEXT:
                    try:
                        return msgspec.json.decode(message.data, type=wire.Frame)
                    except wire.UNREADABLE:
                        self._log.warning("frame_unreadable", size=len(message.data))
                case aiohttp.WSMsgType.CLOSE | aiohttp.WSMsgType.CLOSING | aiohttp.WSMsgType.CLOSED:
                    if self._first is not None and self._connection.close_code in _CUT:
                        raise Retry(f"the connection to {self._server.url} broke off: {self._trouble()}")
                    return None
                case aiohttp.WSMsgType.ERROR:
                    raise Retry(f"the connection to {self._server.url} broke off: {self._trouble()}")
                case _:
                    continue

    def _trouble(self) -> str:
        error = self._connection.exception()
        if self._silent:
            return "it fell silent"
        return "it was cut" if error is None else unreachable(error)


@asynccontextmanager
async def open_socket(
    api: Api, resumption: Resumption, log: FilteringBoundLogger, times: SocketTimes
) -> AsyncIterator[Socket]:
    """Open a socket and authenticate it. Raises Retry where that fails, and Paused where the token is refused."""
    server = api.server
    try:
        async with asyncio.timeout(times.authentication * 2):
            await api.governor.begin()
            try:
                connection = await api.session.ws_connect(
                    server.websocket + resumption.query(),
                    headers=api.authorization,
                    heartbeat=times.heartbeat,
                    max_msg_size=_LARGEST_FRAME,
                    timeout=aiohttp.ClientWSTimeout(ws_close=3.0),
                )
            finally:
                api.governor.end()
    except aiohttp.WSServerHandshakeError as error:
        raise _refused(error, api, resumption) from None
    except CONNECTION_ERRORS as error:
        raise Retry(f"{server.websocket} cannot be reached: {unreachable(error)}") from None
    try:
        socket = Socket(connection, server, resumption, log, times)
        try:
            await socket.authenticate(api.token)
        except CONNECTION_ERRORS as error:
            raise Retry(f"{server.websocket} broke off: {unreachable(error)}") from None
        yield socket
    finally:
        await connection.close()


def _refused(error: aiohttp.WSServerHandshakeError, api: Api, resumption: Resumption) -> Retry | Paused:
    """What an answer means that is no upgrade. The error itself holds the request's headers, and is not passed on."""
    resumption.refused()
    wait = api.governor.heard(error.status, error.headers or {})
    if wait is not None:
        return Retry("the server's rate limit is used up", after=wait)
    if error.status == 401:
        return bad_token(api.server)
    reason = f"{api.server.websocket} answers {error.status} instead of opening a WebSocket"
    return Retry(f"{reason}; a proxy before the server must let WebSocket connections through")
