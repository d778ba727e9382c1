"""One request of the REST API: who asks, within which limits, with which body; and its answer as JSON."""

from __future__ import annotations

import re
from collections.abc import Awaitable, Callable
from typing import TypeVar

import msgspec
from aiohttp import BodyPartReader, web
from msgspec import Struct

from nextbridge.sandbox.discord.buckets import Buckets, Exceeded
from nextbridge.sandbox.discord.faults import Faults
from nextbridge.sandbox.discord.records import Account, Channel
from nextbridge.sandbox.discord.refusals import Refused, missing_access, missing_permissions
from nextbridge.sandbox.discord.rights import Right
from nextbridge.sandbox.discord.world import Upload, World

__all__ = ["Asked", "Exchange", "Handler", "Route"]

T = TypeVar("T", bound=Struct)
_FILE = re.compile(r"files\[(\d+)\]")


class Asked:
    """A request. `me` is the bot that asks."""

    def __init__(self, request: web.Request, world: World, account: Account | None) -> None:
        self.request = request
        self.world = world
        self._account = account
        self.files: list[Upload] = []
        """What came with the body, once that is read."""

    @property
    def me(self) -> Account:
        """Raises Refused where the token is none."""
        if self._account is None:
            raise Refused(401, 0, "401: Unauthorized")
        return self._account

    @property
    def host(self) -> str:
        return self.request.host

    def part(self, name: str) -> str:
        """A part of the path."""
        return self.request.match_info[name]

    def query(self, name: str) -> str:
        return self.request.query.get(name, "")

    def channel(self, *rights: Right) -> Channel:
        """The channel of the path, where we see it and have these rights. Raises Refused."""
        me = self.me
        found = self.world.channel(self.part("channel"))
        mine = self.world.rights(me.id, found)
        if Right.VIEW_CHANNEL not in mine:
            raise missing_access()
        if any(each not in mine for each in rights):
            raise missing_permissions()
        return found

    async def body(self, kind: type[T]) -> T:
        """The JSON of the body, or of `payload_json` where files come with it. Raises Refused."""
        content = b"{}"
        if self.request.content_type == "multipart/form-data":
            numbered: list[tuple[int, Upload]] = []
            async for part in await self.request.multipart():
                if not isinstance(part, BodyPartReader):
                    continue
                if part.name == "payload_json":
                    content = bytes(await part.read())
                elif found := _FILE.fullmatch(part.name or ""):
                    media_type = part.headers.get("Content-Type", "application/octet-stream")
                    upload = Upload(part.filename or "unknown", bytes(await part.read()), media_type)
                    numbered.append((int(found[1]), upload))
            self.files = [upload for _, upload in sorted(numbered, key=lambda each: each[0])]
        else:
            content = await self.request.read() or b"{}"
        try:
            return msgspec.json.decode(content, type=kind)
        except msgspec.ValidationError as error:
            raise Refused(400, 50035, "Invalid Form Body", {"_errors": [{"code": "", "message": str(error)}]}) from None
        except (msgspec.DecodeError, UnicodeDecodeError):
            raise Refused(400, 50109, "The request body contains invalid JSON.") from None


Handler = Callable[[Asked], Awaitable[object]]
"""What it returns is the answer's JSON; None is 204."""
Route = tuple[str, str, Handler]
"""Method, path with names in braces, handler."""


class Exchange:
    """What every request goes through."""

    def __init__(self, world: World, buckets: Buckets, faults: Faults) -> None:
        self._world = world
        self._buckets = buckets
        self._faults = faults
        self.requests: list[str] = []
        """The routes that were asked for, in order."""

    def bound(self, route: Route) -> Callable[[web.Request], Awaitable[web.StreamResponse]]:
        """The handler for aiohttp."""
        method, path, handler = route
        name = f"{method} {path}"

        async def handle(request: web.Request) -> web.StreamResponse:
            self.requests.append(name)
            if (instead := self._faults.instead(name)) is not None:
                return instead
            return await self._answer(request, name, handler)

        return handle

    async def _answer(self, request: web.Request, name: str, handler: Handler) -> web.StreamResponse:
        token = request.headers.get("Authorization", "").removeprefix("Bot ")
        application = self._world.applications.get(token)
        if token and application is None:
            return _json({"message": "401: Unauthorized", "code": 0}, 401, {})
        asked = Asked(request, self._world, None if application is None else application.account)
        parts = request.match_info
        major = parts.get("channel") or parts.get("guild") or parts.get("webhook") or ""
        try:
            headers = self._buckets.take(token or "webhook", name, major)
        except Exceeded as exceeded:
            return _json(exceeded.body, 429, exceeded.headers | {"Via": "1.1 google"})
        try:
            answer = await handler(asked)
        except Refused as refused:
            return _json(refused.body, refused.status, headers)
        if answer is None:
            return web.Response(status=204, headers=headers)
        return _json(answer, 200, headers)


def _json(content: object, status: int, headers: dict[str, str]) -> web.Response:
    return web.Response(
        body=msgspec.json.encode(content), status=status, headers=headers, content_type="application/json"
    )
