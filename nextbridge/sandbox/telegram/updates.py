"""A bot's updates: kept for a day, fetched by long polling or sent to its webhook.

As https://core.telegram.org/bots/api#getting-updates has it: an update is confirmed by a call with a higher offset; a
negative offset counts from the end and forgets what is before; only one call at a time, and none beside a webhook.
"""

from __future__ import annotations

import asyncio
import random
from collections import deque
from collections.abc import Callable

import aiohttp
import msgspec
from msgspec import Struct

from nextbridge.sandbox.telegram.records import Update, WebhookInfo
from nextbridge.sandbox.telegram.refusals import Refusal, bad_request

__all__ = ["Inbox", "Webhook"]

_KEPT_SECONDS = 24 * 3600
_KINDS = (
    "message", "edited_message", "channel_post", "edited_channel_post", "message_reaction", "my_chat_member",
    "chat_member",
)  # fmt: skip
_ON_REQUEST = frozenset({"chat_member", "message_reaction"})
"""What is told only to a bot that names it in `allowed_updates`."""
_MOST = 100
_FIRST_RETRY = 0.2
"""Seconds until an update is sent again that a webhook did not take; the real server takes longer, and doubles."""


class Webhook(Struct, frozen=True):
    """Where updates are sent to."""

    url: str
    secret: str
    connections: int


class Inbox:
    """Of one bot."""

    def __init__(self, clock: Callable[[], float]) -> None:
        self._clock = clock
        self._waiting: deque[tuple[float, Update]] = deque()
        self._next = random.randrange(1 << 20, 1 << 28)  # noqa: S311 - a number to begin with
        self._allowed: frozenset[str] = frozenset(_KINDS) - _ON_REQUEST
        self._came = asyncio.Event()
        self._polls = 0
        self.webhook: Webhook | None = None
        self.last_error: tuple[int, str] | None = None
        self._delivering: asyncio.Task[None] | None = None

    @property
    def waiting(self) -> list[Update]:
        """What is not confirmed."""
        self._forget_old()
        return [update for _, update in self._waiting]

    def add(self, **what: object) -> None:
        """Tell the bot something, by the name of the update's field, where it wants to hear of that."""
        (kind,) = what
        if kind not in self._allowed:
            return
        update = msgspec.structs.replace(Update(update_id=self._next), **what)
        self._next += 1
        self._waiting.append((self._clock(), update))
        self._wake()

    def allow(self, kinds: tuple[str, ...] | None) -> None:
        """Which updates are made from now on; None leaves it, nothing means the usual ones."""
        if kinds is not None:
            self._allowed = frozenset(kinds) & frozenset(_KINDS) if kinds else frozenset(_KINDS) - _ON_REQUEST

    async def fetch(self, offset: int, limit: int, seconds: float) -> list[Update]:
        """As `getUpdates`. Raises Refusal (409)."""
        if self.webhook is not None:
            raise Refusal(
                409,
                "Conflict: can't use getUpdates method while webhook is active; use deleteWebhook to delete the "
                "webhook first",
            )
        self._polls += 1
        mine = self._polls
        self._wake()  # the call before this one ends
        self._confirm(offset)
        loop = asyncio.get_running_loop()
        ends = loop.time() + max(seconds, 0)
        while not (found := self.waiting) and loop.time() < ends:
            came = self._came
            try:
                async with asyncio.timeout_at(ends):
                    await came.wait()
            except TimeoutError:
                break
            if mine != self._polls:
                raise Refusal(
                    409,
                    "Conflict: terminated by other getUpdates request; make sure that only one bot instance is running",
                )
        return found[: limit if 1 <= limit <= _MOST else _MOST]

    def set_webhook(self, webhook: Webhook | None, *, drop: bool) -> None:
        """Send updates there from now on, or nowhere."""
        if webhook is not None and not webhook.url.startswith(("https://", "http://127.0.0.1:")):
            raise bad_request("bad webhook: An HTTPS URL must be provided for webhook")
        self.webhook = webhook
        self.last_error = None
        if drop:
            self._waiting.clear()
        self._polls += 1
        self._wake()
        self.stop()
        if webhook is not None:
            self._delivering = asyncio.get_running_loop().create_task(self._deliver(webhook))

    def stop(self) -> None:
        """Send nothing more."""
        if self._delivering is not None:
            self._delivering.cancel()
            self._delivering = None

    @property
    def info(self) -> WebhookInfo:
        """As `getWebhookInfo`."""
        date, said = self.last_error or (None, None)
        hook = self.webhook
        return WebhookInfo(
            url=hook.url if hook else "",
            has_custom_certificate=False,
            pending_update_count=len(self.waiting),
            max_connections=hook.connections if hook else None,
            allowed_updates=tuple(sorted(self._allowed)),
            last_error_date=date,
            last_error_message=said,
        )

    def _confirm(self, offset: int) -> None:
        if offset < 0:
            while len(self._waiting) > -offset:
                self._waiting.popleft()
            return
        while self._waiting and self._waiting[0][1].update_id < offset:
            self._waiting.popleft()

    def _forget_old(self) -> None:
        oldest = self._clock() - _KEPT_SECONDS
        while self._waiting and self._waiting[0][0] < oldest:
            self._waiting.popleft()

    def _wake(self) -> None:
        self._came.set()
        self._came = asyncio.Event()

    async def _deliver(self, webhook: Webhook) -> None:
        """One update after the other, each until it is taken."""
        headers = {"Content-Type": "application/json"}
        if webhook.secret:
            headers["X-Telegram-Bot-Api-Secret-Token"] = webhook.secret
        async with aiohttp.ClientSession(headers=headers) as http:
            while True:
                came = self._came
                if not self.waiting:
                    await came.wait()
                    continue
                update = self._waiting[0][1]
                problem = await _post(http, webhook.url, update)
                if problem is None:
                    self._confirm(update.update_id + 1)
                else:
                    self.last_error = int(self._clock()), problem
                    await asyncio.sleep(_FIRST_RETRY)


async def _post(http: aiohttp.ClientSession, url: str, update: Update) -> str | None:
    """Send an update; what went wrong, or None."""
    try:
        async with http.post(url, data=msgspec.json.encode(update)) as response:
            if response.status < 300:
                return None
            return f"Wrong response from the webhook: {response.status} {response.reason}"
    except (aiohttp.ClientError, OSError, TimeoutError) as error:
        return f"Connection failed: {type(error).__name__}"
