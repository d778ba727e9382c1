"""What other programs post to a hook: let in, read, and handed to the relay."""

from __future__ import annotations

import asyncio
import hashlib
import hmac
import math
import time
from typing import Any
from urllib.parse import parse_qs
from uuid import uuid4

import msgspec
from aiohttp import web

from drivers.webhook.payloads import Payload, PayloadWrong, clean_name, cleaned, read_payload, rich_text
from drivers.webhook.seen import Seen
from drivers.webhook.settings import LONGEST_TEXT, IncomingSettings
from drivers.webhook.signatures import NotSigned, key_of, verify
from nextbridge.driver import Host
from nextbridge.envelope import Author, Channel, ChannelKey, MessageId, Posted, UserId
from nextbridge.errors import EntryRefused, JournalError
from nextbridge.pace import Pace

__all__ = ["Incoming", "Refused"]

_PATIENCE = 30.0
"""Seconds for a body to come."""
_KEPT_BACK = frozenset({"authorization", "cookie", "proxy-authorization", "x-gitlab-token"})
"""Headers that a template does not see."""
_DELIVERY_HEADERS = ("Idempotency-Key", "X-GitHub-Delivery", "X-Gitlab-Event-UUID", "webhook-id")
"""What a sender names a delivery by, the same when it sends it again."""


class Refused(Exception):
    """A request that goes no further. The text is for whoever set the sender up."""

    def __init__(self, status: int, text: str, after: float | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.after = after


class Incoming:
    """One hook's. `load` comes first."""

    def __init__(self, hook: str, settings: IncomingSettings, host: Host) -> None:
        """`hook` is its name, as the operator writes it."""
        self._hook = hook
        self._settings = settings
        self._host = host
        self._channel = Channel(host.instance, ChannelKey(hook.lower()))
        self._seen = Seen(hook.lower(), host.store)
        self._pace = Pace(settings.messages_per_minute, burst=max(10, settings.messages_per_minute // 4))
        self._warnings = Pace(6, burst=5)
        self._turn = asyncio.Lock()
        self._template: Any = None

    async def load(self) -> None:
        """Read what was posted already, and the template."""
        await self._seen.load()
        if self._settings.template is not None and self._template is None:
            from drivers.webhook.templates import WebhookTemplate

            self._template = await asyncio.to_thread(WebhookTemplate, self._settings.template)

    async def take(self, request: web.Request, token: str | None) -> None:
        """Relay what a request holds. Returns once it is on disk, or is known to be there. Raises Refused.

        `token` is what stood in the address behind the hook's name.
        """
        self._check_token(request, token)
        body = await _body(request)
        delivery = self._check_signature(request, body)
        if wait := self._pace.take(""):
            raise Refused(429, "That was a lot at once.", wait)
        # one after the other, so that of two equal deliveries at once the second is known
        async with self._turn:
            if delivery is not None and self._seen.has(delivery):
                self._host.skipped("webhook_repeated")
                return
            payload = await self._read(request, body)
            if payload is None:
                self._host.skipped("webhook_template_empty")
            else:
                await self._relay(payload, delivery)
            if delivery is not None:
                await self._seen.add(delivery)

    def _check_token(self, request: web.Request, token: str | None) -> None:
        wanted = self._settings.token
        if wanted is None:
            if token is not None:
                raise Refused(404, "There is nothing here.")
            return
        if token is None:
            scheme, _, token = request.headers.get("Authorization", "").partition(" ")
            token = token.strip() if scheme.casefold() == "bearer" else request.headers.get("X-Gitlab-Token", "")
        if not hmac.compare_digest(_digest(token), _digest(wanted.reveal())):
            raise self._warned(Refused(401, "The token is not the hook's."))

    def _check_signature(self, request: web.Request, body: bytes) -> str | None:
        """What names the delivery, so far as the sender says; where it is signed, what nobody else can have named."""
        secret = self._settings.secret
        if secret is None:
            named = (request.headers.get(each) for each in _DELIVERY_HEADERS)
            found = next((each for each in named if each), None)
            return None if found is None else _digest(found).hex()
        try:
            key = key_of(secret.reveal())
            signed = verify(self._settings.signature, key, request.headers, body, now=time.time())
        except NotSigned as error:
            raise self._warned(Refused(401, str(error))) from None
        return _digest(signed).hex()

    def _warned(self, refused: Refused) -> Refused:
        if not self._warnings.take(""):
            self._host.log.warning("webhook_refused", hook=self._hook, reason=str(refused))
        return refused

    async def _read(self, request: web.Request, body: bytes) -> Payload | None:
        """The message that it is; None where a template makes none of it."""
        text = body
        if request.content_type == "application/x-www-form-urlencoded":
            text = _field(body, "payload")
        if self._template is None:
            try:
                return read_payload(text)
            except PayloadWrong as error:
                raise Refused(400, str(error)) from None
        try:
            data = msgspec.json.decode(text)
        except (msgspec.DecodeError, UnicodeDecodeError, RecursionError):
            raise Refused(400, "The body is not JSON.") from None
        headers = {name.lower(): value for name, value in request.headers.items() if name.lower() not in _KEPT_BACK}
        filled = cleaned(await self._fill({"body": data, "headers": headers}))
        return Payload(filled) if filled else None

    async def _fill(self, values: dict[str, object]) -> str:
        from drivers.webhook.templates import TemplateFailed

        try:
            made: str = await asyncio.to_thread(self._template.fill, values)
        except TemplateFailed as error:
            self._warned(Refused(422, str(error)))
            raise Refused(422, f"{error}.") from None
        return made

    async def _relay(self, payload: Payload, delivery: str | None) -> None:
        name = payload.username or clean_name(self._settings.username or "") or self._hook
        event = Posted(
            channel=self._channel,
            channel_name=self._hook,
            message=MessageId(delivery or uuid4().hex),
            author=Author(
                id=UserId(f"{self._hook.lower()}/{name}"),
                username=name,
                name=name,
                avatar=payload.picture,
                bot=self._settings.bot,
            ),
            at=time.time_ns() // 1_000_000,
            text=rich_text(_cut(payload.text)),
        )
        try:
            await (await self._host.accept(event))
        except EntryRefused:
            raise Refused(400, "It holds what is no text.") from None
        except JournalError:
            raise Refused(503, "It cannot be kept just now. Post it again later.", 5.0) from None


async def _body(request: web.Request) -> bytes:
    try:
        async with asyncio.timeout(_PATIENCE):
            return await request.read()
    except web.HTTPRequestEntityTooLarge:
        raise Refused(413, "The body is too large.") from None
    except TimeoutError:
        raise Refused(408, "The body did not come in time.") from None


def _field(body: bytes, name: str) -> bytes:
    try:
        found = parse_qs(body.decode(), max_num_fields=100).get(name)
    except (UnicodeDecodeError, ValueError):
        found = None
    if not found:
        raise Refused(400, f"The form has no field {name}.")
    return found[0].encode("utf-8", "surrogatepass")


def _cut(text: str) -> str:
    return text if len(text) <= LONGEST_TEXT else f"{text[: LONGEST_TEXT - 4]} […]"


def _digest(text: str) -> bytes:
    return hashlib.sha256(text.encode("utf-8", "surrogateescape")).digest()


def retry_after(seconds: float) -> str:
    """As a header."""
    return str(math.ceil(seconds))
