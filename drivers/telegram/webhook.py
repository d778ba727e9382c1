"""Updates brought by Telegram: it calls the daemon's HTTP server, one update at a time, and repeats what was not taken.

https://core.telegram.org/bots/api#setwebhook. Each call bears a secret that is made anew whenever the webhook is set;
without it nothing is heard. One connection at a time, so that the order stays.
"""

from __future__ import annotations

import asyncio
import hmac
import secrets
import time

import msgspec
from aiohttp import web

from drivers.telegram import wire
from drivers.telegram.api import Api, Refusal
from drivers.telegram.receiving import Receiver, kept
from nextbridge.driver import Host
from nextbridge.errors import Paused, Retry

__all__ = ["PATH", "Webhook", "make_way_for_polling"]

PATH = "/webhook"
_HEADER = "X-Telegram-Bot-Api-Secret-Token"
_LARGEST = 1024 * 1024
"""Bytes of an update."""
_LOOK_SECONDS = 60.0
_RECENT = 120
"""Seconds for which a failure that Telegram tells of counts as one that lasts."""


class Webhook:
    """Of one instance, for as long as the daemon runs."""

    def __init__(self, host: Host, platform: str) -> None:
        self._host = host
        self._platform = platform
        self._secret = ""
        self._receiver: Receiver | None = None
        self._failure: asyncio.Future[None] | None = None

    async def run(self, api: Api, receiver: Receiver) -> None:
        """Be called until something fails. Raises Paused and Retry."""
        base = self._host.base_url
        if base is None or not base.startswith(("https://", "http://127.0.0.1:")):
            raise Paused(
                "a webhook needs global.base_url, an https address that Telegram can reach; without one leave "
                "`webhook` out",
                scope="instance",
            )
        url = address(base, self._platform, self._host.instance)
        self._secret = secrets.token_urlsafe(32)
        try:
            await api.call(
                "setWebhook",
                msgspec.Raw,
                url=url,
                secret_token=self._secret,
                max_connections=1,
                allowed_updates=wire.ALLOWED_UPDATES,
            )
        except Refusal as refusal:
            raise Paused(f"Telegram does not take {url} ({refusal.description})", scope="instance") from refusal
        self._receiver = receiver
        self._failure = asyncio.get_running_loop().create_future()
        try:
            while True:
                await asyncio.wait({self._failure}, timeout=_LOOK_SECONDS)
                if self._failure.done():
                    self._failure.result()
                await self._look(api, url)
        finally:
            self._receiver = None
            self._failure.cancel()

    async def _look(self, api: Api, url: str) -> None:
        info = await api.call("getWebhookInfo", wire.WebhookInfo)
        if info.url != url:
            raise Retry("another program took the bot's webhook away")
        if info.pending_update_count and time.time() - info.last_error_date < _RECENT:
            self._host.log.error(
                "webhook_not_reached", waiting=info.pending_update_count, reason=info.last_error_message
            )

    async def answer(self, request: web.Request, path: str) -> web.StreamResponse:
        """As `Pages.handle`. An update is answered once it is on disk."""
        if path != PATH:
            raise web.HTTPNotFound(text="There is nothing here.\n")
        if request.method != "POST":
            return web.Response(text="Telegram brings messages for the relay here.\n")
        given = request.headers.get(_HEADER, "")
        if not self._secret or not hmac.compare_digest(given.encode(), self._secret.encode()):
            raise web.HTTPForbidden(text="This is not Telegram.\n")
        receiver, failure = self._receiver, self._failure
        if receiver is None or failure is None:
            raise web.HTTPServiceUnavailable(text="The relay is connecting.\n")
        content = bytearray()
        async for chunk in request.content.iter_chunked(65536):
            content += chunk
            if len(content) > _LARGEST:
                raise web.HTTPRequestEntityTooLarge(max_size=_LARGEST, actual_size=len(content))
        try:
            _, pending = await receiver.take(msgspec.Raw(bytes(content)))
            await kept(pending)
        except wire.UNREADABLE:
            raise web.HTTPBadRequest(text="This is no update.\n") from None
        except (Retry, Paused) as error:
            if not failure.done():
                failure.set_exception(error)
            raise web.HTTPServiceUnavailable(text="It could not be taken.\n") from error
        return web.Response()


def address(base: str, platform: str, instance: str) -> str:
    """Where Telegram is to call."""
    return f"{base}/{platform}/{instance}{PATH}"


async def make_way_for_polling(api: Api, host: Host, platform: str) -> None:
    """Take our own webhook away, from a time when `webhook` was set. Raises Paused where it is another program's."""
    info = await api.call("getWebhookInfo", wire.WebhookInfo)
    if not info.url:
        return
    ending = address("", platform, host.instance)
    if not info.url.endswith(ending):
        raise Paused(
            "another program receives this bot's messages by a webhook; stop that, or give the relay a bot of its own",
            scope="instance",
        )
    await api.call("deleteWebhook", msgspec.Raw, drop_pending_updates=False)
