"""One request and its answer: whose it is, what it carries, and the form of the answer."""

from __future__ import annotations

from typing import TypeVar

import msgspec
from aiohttp import web

from nextbridge.sandbox.mattermost.records import User, UserId, is_id, new_id
from nextbridge.sandbox.mattermost.refusals import Refusal, RefusalBody, invalid_body_parameter, invalid_url_parameter
from nextbridge.sandbox.mattermost.world import World

__all__ = ["Decoded", "body", "id_in_path", "refused", "reply", "reply_ok", "signed_in", "token_of", "user_id_in_path"]

Decoded = TypeVar("Decoded")


def token_of(request: web.Request) -> str:
    """As sent: the real server trims nothing, so a token with a space before it is a wrong one."""
    header = request.headers.get("Authorization", "")
    if header[:6].upper() == "BEARER":
        return header[7:]
    return request.query.get("access_token", "")


def signed_in(world: World, request: web.Request) -> User:
    """The user whose token came along. Raises Refusal (401) where there is none."""
    user = world.people.signed_in(token_of(request))
    if user is None:
        raise Refusal(401, "api.context.session_expired.app_error", "Invalid or expired session, please login again.")
    return user


def id_in_path(request: web.Request, name: str) -> str:
    """Raises Refusal (400) for what has not the form of an id."""
    value = request.match_info[name]
    if not is_id(value):
        raise invalid_url_parameter(name)
    return value


def user_id_in_path(request: web.Request, user: User) -> UserId:
    """`me` is the one who asks."""
    if request.match_info["user_id"] == "me":
        return user.id
    return UserId(id_in_path(request, "user_id"))


async def body(request: web.Request, kind: type[Decoded], name: str) -> Decoded:
    """The JSON of the request. Raises Refusal (400) naming what it was to be."""
    try:
        return msgspec.json.decode(await request.read(), type=kind)
    except msgspec.DecodeError as error:
        raise invalid_body_parameter(name) from error


def reply(record: object, *, status: int = 200, headers: dict[str, str] | None = None) -> web.Response:
    """`record` as JSON."""
    return web.Response(
        status=status, body=msgspec.json.encode(record), content_type="application/json", headers=headers
    )


def reply_ok() -> web.Response:
    """What most acts are answered with."""
    return reply({"status": "OK"})


def refused(refusal: Refusal) -> web.Response:
    """The refusal as JSON, with a request id as the real server gives."""
    return reply(RefusalBody(refusal.error_id, refusal.message, "", new_id(), refusal.status), status=refusal.status)
