"""Messages on their way to the addresses of hooks, and what the answers mean."""

from __future__ import annotations

import asyncio
import re
import time
from collections.abc import Mapping
from email.utils import parsedate_to_datetime
from typing import Any

import msgspec

from drivers.webhook.settings import OutgoingSettings
from drivers.webhook.signatures import key_of, sign
from nextbridge.driver import Outgoing
from nextbridge.errors import Paused, Rejected, Retry
from nextbridge.http.guarded import GuardedSession

__all__ = ["Sender"]

_SECONDS = 30.0
_LONGEST_WAIT = 3600.0
"""Seconds; a longer one that a server asks for is not believed."""
_CALLS = re.compile(r"@(?=(?:all|channel|here|everyone|room)\b)|<(?=[!@])", re.IGNORECASE)
"""What calls everybody on Mattermost, whose webhooks also read Slack's `<!channel>` and `<@id>`."""
_BLANK = "\N{ZERO WIDTH SPACE}"


class Sender:
    """One hook's. `load` comes first."""

    def __init__(self, hook: str, settings: OutgoingSettings) -> None:
        self._hook = hook
        self._settings = settings
        self._template: Any = None
        self._turn = asyncio.Lock()

    async def load(self) -> None:
        """Read the template."""
        if self._settings.template is not None and self._template is None:
            from drivers.webhook.templates import WebhookTemplate

            self._template = await asyncio.to_thread(WebhookTemplate, self._settings.template)

    async def send(self, message: Outgoing, session: GuardedSession) -> None:
        """Post it. Raises Retry, Rejected and Paused."""
        settings = self._settings
        body, kind = await self._body(message)
        headers = {"Content-Type": kind, "Idempotency-Key": message.key}
        headers |= {name: value.reveal() for name, value in settings.headers.items()}
        if settings.secret is not None:
            key = key_of(settings.secret.reveal())
            headers |= sign(settings.signature, key, id=message.key, at=int(time.time()), body=body)
        try:
            async with session.ask(
                settings.method, settings.url.reveal(), data=body, headers=headers, seconds=_SECONDS
            ) as response:
                status, answered = response.status, response.headers
        except Rejected as error:
            # the address is, and no other message would pass either
            raise Paused(f"the address of the hook {self._hook}: {error.reason}", scope="channel") from None
        _judge(status, answered)

    async def _body(self, message: Outgoing) -> tuple[bytes, str]:
        text = f"* {message.text}" if message.action else message.text
        if self._template is None:
            escape = _for_slack if self._settings.style == "slack" else _for_mattermost
            made = {"text": escape(text), "username": message.name, "icon_url": message.avatar}
            return msgspec.json.encode({name: each for name, each in made.items() if each}), "application/json"
        return await self._filled(message), self._settings.content_type

    async def _filled(self, message: Outgoing) -> bytes:
        from drivers.webhook.templates import TemplateFailed

        values = {
            "text": message.text,
            "action": message.action,
            "name": message.name or message.author.name,
            "username": message.author.username,
            "user_id": message.author.id,
            "avatar": message.avatar,
            "bot": message.author.bot,
            "platform": message.platform,
            "hook": self._hook,
            "key": message.key,
        }
        try:
            async with self._turn:
                made = await asyncio.to_thread(self._template.fill, values)
        except TemplateFailed as error:
            raise Rejected(f"the hook {self._hook}: {error}") from None
        if "json" in self._settings.content_type:
            try:
                msgspec.json.decode(made)
            except msgspec.DecodeError:
                raise Rejected(
                    f"the template of the hook {self._hook} made no JSON; write a value as {{{{ text|tojson }}}}"
                ) from None
        return str(made).encode("utf-8", "replace")


def _judge(status: int, headers: Mapping[str, str]) -> None:
    """Raises what an answer means that is not a yes."""
    if 200 <= status < 300:
        return
    if status in {408, 425, 429} or status >= 500:
        raise Retry(f"the server answers {status}", after=_after(headers.get("Retry-After", "")))
    if status in {401, 403, 404, 405, 407, 410}:
        raise Paused(f"the server answers {status}: look at the address, the token and the method", scope="channel")
    if 300 <= status < 400:
        raise Paused(f"the server answers {status}: write the address that it leads to", scope="channel")
    raise Rejected(f"the server does not take it: it answers {status}")


def _after(value: str) -> float | None:
    """Seconds that a Retry-After means: a number, or a date (RFC 9110, 10.2.3)."""
    if value.strip().isascii() and value.strip().isdecimal():
        return min(float(value), _LONGEST_WAIT)
    try:
        return min(max(0.0, parsedate_to_datetime(value).timestamp() - time.time()), _LONGEST_WAIT)
    except (ValueError, TypeError, OverflowError):
        return None


def _for_slack(text: str) -> str:
    """Nothing in it is notation of Slack's that calls somebody or hides an address."""
    return text.replace("&", "&amp;").replace("<", "&lt;").replace(">", "&gt;")


def _for_mattermost(text: str) -> str:
    """Nothing in it calls everybody."""
    return _CALLS.sub(rf"\g<0>{_BLANK}", text)
