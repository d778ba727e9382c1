"""The calls to the Bot API, and the one place that turns its answers into what the core is to do.

What any call may meet (a refused token, a limit, a broken server or proxy) is raised as Paused or Retry. What depends
on the thing asked for (no such chat, no right, too long) is raised as `Refusal`; the caller knows what it asked for,
and translates it. The token is a part of every address, so no address is ever told.
"""

from __future__ import annotations

from collections.abc import AsyncIterator, Mapping, Sequence
from contextlib import asynccontextmanager
from typing import IO, TypeVar

import aiohttp
import msgspec

from drivers.telegram import wire
from drivers.telegram.pacing import Pacer
from drivers.telegram.settings import TelegramSettings
from nextbridge.errors import NextBridgeError, Paused, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable

__all__ = ["Api", "Migrated", "Part", "Refusal"]

T = TypeVar("T")

_PATIENCE = 25.0
"""Seconds for a call without a file."""
_SLOWEST_TRANSFER = 50_000
"""Bytes a second; a file that goes slower than this is given up."""
_LONGEST_ANSWER = 16 * 1024 * 1024
"""Bytes of an answer that is no file: a hundred updates of the longest kind are a tenth of it."""
_CHUNK = 65536


class Refusal(NextBridgeError):
    """The server refuses what was asked, in its own words. Never leaves the driver."""

    def __init__(self, status: int, description: str) -> None:
        super().__init__(description)
        self.status = status
        self.description = description

    def says(self, *words: str) -> bool:
        """Whether any of these stands in the description, in whatever letters."""
        return any(each.lower() in self.description.lower() for each in words)


class Migrated(NextBridgeError):
    """The group is a supergroup now, with another id. Never leaves the driver."""

    def __init__(self, chat: int) -> None:
        super().__init__(str(chat))
        self.chat = chat


class Part(msgspec.Struct, frozen=True):
    """A file of a call."""

    field: str
    name: str
    media_type: str
    file: IO[bytes]


class Api:
    """One bot's calls. Safe to use from many tasks."""

    def __init__(self, session: aiohttp.ClientSession, settings: TelegramSettings, pacer: Pacer) -> None:
        self.session = session
        self.pacer = pacer
        self.is_local = settings.local_server
        self._settings = settings
        self._base = f"{settings.server}/bot{settings.token.reveal().strip()}"
        self._files = f"{settings.server}/file/bot{settings.token.reveal().strip()}"

    async def me(self) -> wire.User:
        """Our own account."""
        return await self.call("getMe", wire.User)

    async def updates(self, offset: int, *, seconds: int) -> list[msgspec.Raw]:
        """What happened since the update before `offset`, which is confirmed; waits so long for something to happen."""
        return await self.call(
            "getUpdates",
            list[msgspec.Raw],
            patience=seconds + 10.0,
            offset=offset,
            timeout=seconds,
            allowed_updates=wire.ALLOWED_UPDATES,
        )

    async def call(self, method: str, kind: type[T], *, patience: float = _PATIENCE, **parameters: object) -> T:
        """The result of a call. Parameters that are None are left out."""
        return await self.call_with(method, kind, parameters, patience=patience)

    async def call_with(
        self, method: str, kind: type[T], parameters: Mapping[str, object], *, patience: float = _PATIENCE
    ) -> T:
        """The same with parameters that stand together already."""
        body = msgspec.json.encode({name: value for name, value in parameters.items() if value is not None})
        headers = {"Content-Type": "application/json"}
        timeout = aiohttp.ClientTimeout(total=patience, sock_connect=15)
        return self._result(await self._posted(method, body, timeout, headers), kind, parameters.get("chat_id"))

    async def upload(
        self, method: str, kind: type[T], parts: Sequence[Part], size: int, parameters: Mapping[str, object]
    ) -> T:
        """The result of a call with files, `size` bytes in all, which are read as they are sent."""
        form = aiohttp.FormData(quote_fields=False)
        for name, value in parameters.items():
            if value is not None:
                form.add_field(name, value if isinstance(value, str) else msgspec.json.encode(value).decode())
        for part in parts:
            form.add_field(part.field, part.file, filename=part.name, content_type=part.media_type)
        timeout = aiohttp.ClientTimeout(total=60 + size / _SLOWEST_TRANSFER, sock_connect=15, sock_read=60)
        return self._result(await self._posted(method, form, timeout, {}), kind, parameters.get("chat_id"))

    @asynccontextmanager
    async def download(self, path: str, *, largest: int) -> AsyncIterator[aiohttp.ClientResponse]:
        """A file's answer, its body still to be read; `largest` is what the caller will take of it, in bytes."""
        timeout = aiohttp.ClientTimeout(total=60 + largest / _SLOWEST_TRANSFER, sock_connect=15, sock_read=60)
        try:
            response = await self.session.get(f"{self._files}/{path}", timeout=timeout, allow_redirects=False)
        except CONNECTION_ERRORS as error:
            raise self._unreachable(error) from None
        async with response:
            if response.status != 200:
                raise Refusal(response.status, "the file cannot be fetched")
            yield response

    async def chunks(self, response: aiohttp.ClientResponse) -> AsyncIterator[bytes]:
        """An answer's body as it arrives. Raises Retry where it breaks off."""
        try:
            async for chunk in response.content.iter_chunked(_CHUNK):
                yield chunk
        except CONNECTION_ERRORS as error:
            raise self._unreachable(error) from None

    async def _posted(
        self,
        method: str,
        body: bytes | aiohttp.FormData,
        timeout: aiohttp.ClientTimeout,  # noqa: ASYNC109 - aiohttp's own kind of timeout
        headers: Mapping[str, str],
    ) -> wire.Answer:
        try:
            async with self.session.post(
                f"{self._base}/{method}", data=body, headers=headers, timeout=timeout, allow_redirects=False
            ) as response:
                status, content = response.status, bytearray()
                async for chunk in response.content.iter_chunked(_CHUNK):
                    content += chunk
                    if len(content) > _LONGEST_ANSWER:
                        raise Retry(f"an answer of {self._settings.host} is too long to be one")
        except CONNECTION_ERRORS as error:
            raise self._unreachable(error) from None
        try:
            return msgspec.json.decode(content, type=wire.Answer)
        except wire.UNREADABLE:
            if status == 413:
                return wire.Answer(ok=False, error_code=413, description="Request Entity Too Large")
            raise Retry(
                f"{self._settings.host} answers {status}, and not as the Bot API does; look at api_url and at the proxy"
            ) from None

    def _result(self, answer: wire.Answer, kind: type[T], chat: object) -> T:
        if not answer.ok:
            raise self._error(answer, chat)
        try:
            return msgspec.json.decode(answer.result, type=kind)
        except wire.UNREADABLE as error:
            raise Retry(f"{self._settings.host} answers with something that is not the Bot API's: {error}") from error

    def _error(self, answer: wire.Answer, chat: object) -> NextBridgeError:
        """What an answer that is not ok means."""
        code, said, advice = answer.error_code, answer.description[:300], answer.parameters
        host = self._settings.host
        if code in {401, 404} and "method not found" not in said:
            # a token that no bot can have makes the address one that is not there
            return Paused(
                f"{host} refuses the token. Was it revoked, or is it not whole? @BotFather shows it under /mybots. "
                "Put the right one into the file",
                scope="instance",
            )
        if advice.migrate_to_chat_id is not None:
            return Migrated(advice.migrate_to_chat_id)
        if code == 409:
            return Retry(
                f"another program receives this bot's messages ({said}); stop it, or give the relay a bot of its own"
            )
        if code == 429:
            wait = advice.retry_after or 1.0
            if isinstance(chat, int | str):
                self.pacer.held(chat, wait)
            return Retry("Telegram's limit of messages is reached", after=wait)
        if code >= 500:
            return Retry(f"{host} answers {code}: {said}")
        return Refusal(code, said)

    def _unreachable(self, error: BaseException) -> Retry:
        # aiohttp's errors may hold the address, and with it the token
        return Retry(f"{self._settings.host} cannot be reached: {unreachable(error)}")
