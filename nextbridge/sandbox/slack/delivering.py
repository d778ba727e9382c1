"""Events on their way to an app: over its WebSockets (Socket Mode) or to its request URL (Events API).

https://docs.slack.dev/apis/events-api/using-socket-mode: each envelope is acknowledged by its id, and sent again where
that does not happen in time. https://docs.slack.dev/apis/events-api: a request is answered with 2xx within 3 seconds,
else it is made again, three times at most, with `X-Slack-Retry-Num` and the reason.
"""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import json
import secrets
import time
import uuid
from collections import deque
from collections.abc import Callable, Coroutine
from contextlib import suppress

import aiohttp
from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.slack.records import App, Json

__all__ = ["Delivering", "signed"]

_MOST_RETRIES = 3


class _Envelope(Struct):
    payload: Json
    attempt: int = 0
    reason: str = ""


def signed(secret: str, body: bytes, at: int) -> dict[str, str]:
    """The headers by which an app knows a request of Slack's: https://docs.slack.dev/authentication/verifying-requests-from-slack"""
    base = b"v0:%d:%s" % (at, body)
    signature = "v0=" + hmac.new(secret.encode(), base, hashlib.sha256).hexdigest()
    return {"X-Slack-Request-Timestamp": str(at), "X-Slack-Signature": signature, "Content-Type": "application/json"}


class Delivering:
    """One app's. Events go out in order; what is not acknowledged goes out again."""

    def __init__(self, app: App, changed: Callable[[], None]) -> None:
        """`changed` is called when a connection is there, and when it is acknowledged that something came."""
        self.app = app
        self._changed = changed
        self.acknowledgement_seconds = 3.0
        self.retry_seconds = (0.0, 60.0, 300.0)
        """How long after a failed request the next one is made."""
        self.lost = 0
        """Events that nobody was connected for, or that were given up."""
        self.retries = 0
        self.answers: list[int] = []
        """What the request URL answered; 0 where it did not."""
        self.tickets: set[str] = set()
        self._sockets: list[web.WebSocketResponse] = []
        self._unacknowledged: dict[str, tuple[_Envelope, web.WebSocketResponse, asyncio.TimerHandle]] = {}
        self._again: deque[_Envelope] = deque()
        self._tasks: set[asyncio.Task[None]] = set()
        self._sending = asyncio.Lock()

    # --- what is told ---

    def tell(self, event: Json) -> None:
        """Let the app know of an event."""
        payload = {
            "token": "legacy",
            "team_id": "T0SANDBOX",
            "api_app_id": self.app.id,
            "event": event,
            "type": "event_callback",
            "event_id": f"Ev0{secrets.token_hex(5).upper()}",
            "event_time": int(time.time()),
            "authorizations": [{"team_id": "T0SANDBOX", "user_id": self.app.user.id, "is_bot": True}],
        }
        envelope = _Envelope(payload)
        if not self.app.socket_mode:
            self._start(self._post(envelope))
        elif self._sockets:
            self._start(self._send(envelope))
        else:
            self.lost += 1

    def request(self, body: Json) -> None:
        """Post something that is no event to the request URL: `app_rate_limited`."""
        self._start(self._post(_Envelope(body)))

    # --- Socket Mode ---

    def ticket(self) -> str:
        """What opens one WebSocket."""
        ticket = secrets.token_hex(16)
        self.tickets.add(ticket)
        return ticket

    async def connect(self, request: web.Request) -> web.WebSocketResponse:
        """Serve one WebSocket until it is closed."""
        socket = web.WebSocketResponse()
        await socket.prepare(request)
        self._sockets.append(socket)
        try:
            await socket.send_json(
                {
                    "type": "hello",
                    "num_connections": len(self._sockets),
                    "debug_info": {"host": "applink-sandbox", "approximate_connection_time": 18060},
                    "connection_info": {"app_id": self.app.id},
                }
            )
            self._changed()
            while self._again:
                await self._send(self._again.popleft())
            async for message in socket:
                if message.type is aiohttp.WSMsgType.TEXT:
                    self._acknowledged(json.loads(message.data))
        except ConnectionError:
            pass
        finally:
            self._left(socket)
        return socket

    def ask_to_reconnect(self, reason: str = "refresh_requested") -> None:
        """Say on every open connection that it is about to be closed; nothing more is sent there."""
        leaving, self._sockets = self._sockets, []
        for socket in leaving:
            frame = {"type": "disconnect", "reason": reason, "debug_info": {"host": "applink-sandbox"}}
            self._start(_quietly(socket, frame))

    @property
    def connections(self) -> int:
        return len(self._sockets)

    @property
    def unacknowledged(self) -> int:
        return len(self._unacknowledged) + len(self._again)

    def cut(self) -> None:
        """Break every connection."""
        for socket in self._sockets:
            if (request := getattr(socket, "_req", None)) is not None and request.transport is not None:
                request.transport.abort()

    async def stop(self) -> None:
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        for _, _, timer in self._unacknowledged.values():
            timer.cancel()
        self._unacknowledged.clear()
        for socket in list(self._sockets):
            await socket.close()

    async def _send(self, envelope: _Envelope) -> None:
        async with self._sending:
            if not self._sockets:
                self._again.append(envelope)
                return
            socket = self._sockets[-1]
            envelope_id = str(uuid.uuid4())
            timer = asyncio.get_running_loop().call_later(
                self.acknowledgement_seconds, self._retry, envelope_id, "timeout"
            )
            self._unacknowledged[envelope_id] = (envelope, socket, timer)
            frame = {
                "envelope_id": envelope_id,
                "payload": envelope.payload,
                "type": "events_api",
                "accepts_response_payload": False,
                "retry_attempt": envelope.attempt,
                "retry_reason": envelope.reason,
            }
            await _quietly(socket, frame)

    def _acknowledged(self, answer: Json) -> None:
        found = self._unacknowledged.pop(str(answer.get("envelope_id")), None)
        if found is not None:
            found[2].cancel()
            self._changed()

    def _retry(self, envelope_id: str, reason: str) -> None:
        found = self._unacknowledged.pop(envelope_id, None)
        if found is None:
            return
        envelope, _, timer = found
        timer.cancel()
        if envelope.attempt >= _MOST_RETRIES:
            self.lost += 1
            return
        self.retries += 1
        self._start(self._send(_Envelope(envelope.payload, envelope.attempt + 1, reason)))

    def _left(self, socket: web.WebSocketResponse) -> None:
        if socket in self._sockets:
            self._sockets.remove(socket)
        for envelope_id, (_, where, _) in list(self._unacknowledged.items()):
            if where is socket:
                self._retry(envelope_id, "connection_failed")

    # --- the Events API ---

    async def _post(self, envelope: _Envelope) -> None:
        body = json.dumps(envelope.payload).encode()
        async with aiohttp.ClientSession() as http:
            for attempt in range(_MOST_RETRIES + 1):
                headers = signed(self.app.signing_secret, body, int(time.time()))
                if attempt:
                    self.retries += 1
                    headers |= {"X-Slack-Retry-Num": str(attempt), "X-Slack-Retry-Reason": envelope.reason}
                try:
                    async with asyncio.timeout(3), http.post(self.app.request_url, data=body, headers=headers) as got:
                        self.answers.append(got.status)
                        self._changed()
                        if got.status < 300:
                            return
                        envelope.reason = "http_error"
                        if got.headers.get("X-Slack-No-Retry") == "1":
                            break
                except TimeoutError:
                    self.answers.append(0)
                    envelope.reason = "http_timeout"
                except aiohttp.ClientError:
                    self.answers.append(0)
                    envelope.reason = "connection_failed"
                if attempt < _MOST_RETRIES:
                    await asyncio.sleep(self.retry_seconds[attempt])
        self.lost += 1

    def _start(self, doing: Coroutine[object, object, None]) -> None:
        task = asyncio.get_running_loop().create_task(doing)
        self._tasks.add(task)
        task.add_done_callback(self._tasks.discard)


async def _quietly(socket: web.WebSocketResponse, frame: Json) -> None:
    with suppress(ConnectionError):  # it was lost meanwhile: what is not acknowledged goes out again
        await socket.send_json(frame)
