"""The calls to Slack's Web API, and the one place that turns errors into what the core is to do.

What any call may meet (a refused token, a limit, trouble at Slack's) is raised as Paused or Retry. What depends on the
thing asked for is raised as `Refusal`; the caller knows what it asked for, and translates it. The names of errors are
those of https://docs.slack.dev/reference/methods, the limits of https://docs.slack.dev/apis/web-api/rate-limits.
"""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager, suppress
from email.utils import parsedate_to_datetime
from typing import IO, TYPE_CHECKING, TypeVar

import aiohttp
import msgspec
from yarl import URL

from drivers.slack import wire
from nextbridge.errors import NextBridgeError, Paused, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable

if TYPE_CHECKING:
    from drivers.slack.web import Answer, Web

__all__ = ["PATIENCE", "Api", "Refusal"]

T = TypeVar("T")

PATIENCE = 20.0
"""Seconds for a call without a file."""
_LONGEST_WAIT = 30.0
"""Seconds that a look-up waits for the rate limit; a send leaves the waiting to its lane."""
_LOOK_UP_TRIES = 5
_SLOWEST_TRANSFER = 50_000
"""Bytes a second; a file that goes slower than this is given up."""
_LIMITS_KNOWN = 1000

_REFUSED_TOKEN = {
    "account_inactive",
    "invalid_auth",
    "not_allowed_token_type",
    "not_authed",
    "org_login_required",
    "team_access_not_granted",
    "token_expired",
    "token_revoked",
    "user_removed_from_team",
}
_FOR_NOW = {
    "accesslimited",
    "fatal_error",
    "internal_error",
    "request_timeout",
    "service_unavailable",
    "team_added_to_org",
    "team_not_found",
}


class Refusal(NextBridgeError):
    """Slack refuses what was asked, by the name of an error. Never leaves the driver."""

    def __init__(self, error: str, needed: str = "") -> None:
        super().__init__(f"{error} ({needed})" if needed else error)
        self.error = error
        self.needed = needed
        """The scopes that are missing."""


class Api:
    """One app's calls in one workspace. Safe to use from many tasks."""

    def __init__(
        self, session: aiohttp.ClientSession, api_url: str, bot: Web, app: Web | None, *, patience: float = PATIENCE
    ) -> None:
        """`app` calls with the app-level token, which opens connections and nothing else."""
        self.session = session
        self.api_url = URL(api_url)
        self.scopes: frozenset[str] | None = None
        """What the app may do, as Slack said with its latest answer; None until it did."""
        self._bot = bot
        self._app = app
        self._patience = patience
        self._free_at: dict[tuple[str, str], float] = {}
        """When what was limited may be asked for again: by method, and for messages by channel."""
        self._told: tuple[str, float] | None = None
        """The Date of the latest answer, and when that came."""

    def now(self) -> int:
        """Now, in milliseconds since 1970, by Slack's clock as far as it has told it (to a second)."""
        with suppress(TypeError, ValueError):
            if self._told is not None:
                date, then = self._told
                return int((parsedate_to_datetime(date).timestamp() + time.monotonic() - then) * 1000)
        return int(time.time() * 1000)

    def may(self, scope: str) -> bool:
        """Whether the app has a scope, as far as is known."""
        return self.scopes is not None and scope in self.scopes

    async def look_up(self, method: str, kind: type[T], **arguments: str) -> T:
        """As `call`, and waits where the rate limit is used up."""
        for _ in range(_LOOK_UP_TRIES - 1):
            try:
                return await self.call(method, kind, **arguments)
            except Retry as later:
                if later.after is None or later.after > _LONGEST_WAIT:
                    raise
                await asyncio.sleep(later.after)
        return await self.call(method, kind, **arguments)

    async def call(self, method: str, kind: type[T], **arguments: str) -> T:
        """Call a method. Raises Refusal, Retry and Paused."""
        return await self._call(self._bot, method, kind, arguments)

    async def connection(self) -> wire.Link:
        """The address of a new WebSocket for events, which opens one. Raises Refusal, Retry and Paused."""
        if self._app is None:
            raise Paused("there is no app_token for Socket Mode", scope="instance")
        return await self._call(self._app, "apps.connections.open", wire.Link, {})

    async def _call(self, web: Web, method: str, kind: type[T], arguments: Mapping[str, str]) -> T:
        about = (method, arguments.get("channel", "") if method == "chat.postMessage" else "")
        wait = self._free_at.get(about, 0.0) - time.monotonic()
        if wait > 0:
            raise Retry(f"Slack's rate limit of {method} is used up", after=wait)
        try:
            async with asyncio.timeout(self._patience):
                answer = await web.call(method, arguments)
        except CONNECTION_ERRORS as error:
            # aiohttp's errors may hold the request's headers, so their words are taken and they are not chained
            raise Retry(f"{self.api_url} cannot be reached: {unreachable(error)}") from None
        self._note(answer, web)
        if answer.content.get("ok") is True:
            try:
                return msgspec.convert(answer.content, kind)
            except msgspec.ValidationError as error:
                raise Retry(f"Slack's answer to {method} cannot be read: {error}") from error
        raise self._refused(answer, about)

    def _note(self, answer: Answer, web: Web) -> None:
        headers = {name.lower(): value for name, value in answer.headers.items()}
        if date := headers.get("date"):
            self._told = date, time.monotonic()
        if web is self._bot and (scopes := headers.get("x-oauth-scopes")) is not None:
            self.scopes = frozenset(scope.strip() for scope in scopes.split(","))

    def _refused(self, answer: Answer, about: tuple[str, str]) -> NextBridgeError:
        method = about[0]
        error = str(answer.content.get("error") or "")
        if answer.status == 429 or error in {"ratelimited", "rate_limited"}:
            wait = _seconds(answer.headers)
            self._limited(about, wait)
            return Retry(f"Slack's rate limit of {method} is used up", after=wait)
        if error in _REFUSED_TOKEN:
            return _bad_token(error, is_app=method == "apps.connections.open")
        if answer.status >= 500 or error in _FOR_NOW:
            return Retry(f"Slack has trouble with {method}: {error or answer.status}")
        if not error:
            reason = f"{self.api_url} answers {answer.status}, and not as Slack does"
            return Retry(f"{reason}; look at api_url and at the proxy before it")
        needed = answer.content.get("needed")
        return Refusal(error[:200], str(needed)[:200] if needed else "")

    def _limited(self, about: tuple[str, str], wait: float) -> None:
        now = time.monotonic()
        if len(self._free_at) >= _LIMITS_KNOWN:
            self._free_at = {each: at for each, at in self._free_at.items() if at > now}
        self._free_at[about] = now + wait

    # --- files --------------------------------------------------------------------------------------------------------

    async def upload(self, address: str, size: int, file: IO[bytes]) -> None:
        """Send an open file to the address that Slack gave for it; `file` is closed. Raises Retry and Refusal."""
        within = aiohttp.ClientTimeout(total=60 + size / _SLOWEST_TRANSFER, sock_connect=15, sock_read=60)
        headers = {"Content-Type": "application/octet-stream", "Content-Length": str(size)}
        try:
            async with self.session.post(address, data=file, headers=headers, timeout=within) as response:
                status = response.status
        except CONNECTION_ERRORS as error:
            raise Retry(f"the upload broke off: {unreachable(error)}") from None
        if status >= 500 or status == 429:
            raise Retry(f"Slack does not take uploads now: {status}")
        if status != 200:
            raise Refusal(f"upload_refused_{status}")

    @asynccontextmanager
    async def download(self, url: str, token: str, *, largest: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """A file's answer, its body still to be read; `largest` is what the caller will take of it, in bytes.

        The token goes to Slack alone. Raises Retry and Refusal.
        """
        if not self._is_slack(URL(url)):
            raise Refusal("file_is_elsewhere")
        within = aiohttp.ClientTimeout(total=60 + largest / _SLOWEST_TRANSFER, sock_connect=15, sock_read=60)
        headers = {"Authorization": f"Bearer {token}"}
        try:
            # a redirect is to the page where people sign in
            async with self.session.get(url, headers=headers, timeout=within, allow_redirects=False) as response:
                if response.status >= 500 or response.status == 429:
                    raise Retry(f"Slack gives no files out now: {response.status}")
                if response.status != 200:
                    raise Refusal("file_not_found" if response.status in {404, 410} else "missing_scope", "files:read")
                yield response
        except CONNECTION_ERRORS as error:
            raise Retry(f"the file cannot be fetched: {unreachable(error)}") from None

    def _is_slack(self, url: URL) -> bool:
        if url.origin() == self.api_url.origin():
            return True
        host = url.host or ""
        return url.scheme == "https" and (host == "slack.com" or host.endswith((".slack.com", ".slack-files.com")))


def _seconds(headers: Mapping[str, str]) -> float:
    """What Retry-After says; Slack always says it in whole seconds."""
    said = next((value for name, value in headers.items() if name.lower() == "retry-after"), "")
    return float(said) if said.isascii() and said.isdecimal() and len(said) < 6 else 1.0


def _bad_token(error: str, *, is_app: bool) -> Paused:
    if is_app:
        return Paused(
            f"Slack refuses the app_token ({error}). Make one under Basic Information > App-Level Tokens, with the "
            "scope connections:write, and turn Socket Mode on",
            scope="instance",
        )
    return Paused(
        f"Slack refuses the bot_token ({error}). Was the app taken out of the workspace, or the token revoked? Install "
        "the app again (OAuth & Permissions) and put the Bot User OAuth Token into the file",
        scope="instance",
    )
