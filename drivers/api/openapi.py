"""The OpenAPI document of an instance, made of the structures that its requests are read into."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, TypeAlias

import msgspec
from msgspec import Struct

from drivers.api.actions import Done
from drivers.api.entries import Entry
from drivers.api.readers import Page
from drivers.api.refusals import Problem
from drivers.api.requests import KEY_HEADER, DeleteRequest, EditRequest, MessageRequest, ReactionRequest
from drivers.api.rooms import LONGEST_WAIT, MOST_ENTRIES, RoomView
from drivers.api.settings import ROOM_PATTERN, ApiSettings
from nextbridge import __version__
from nextbridge.media.hosted import MOST_FILES

__all__ = ["document"]

_Schema: TypeAlias = dict[str, Any]

_ABOUT = """\
A room of the relay, for any program. Each room has a log: one entry for each message, edit, deletion, reaction and \
topic, numbered from 1. The number of the last entry that you have read is your cursor: what is asked for `after` it \
follows it, also after either side was restarted. The newest {history} entries of each room are kept, however old they \
are; where some that you had not read are gone, the answer says `gap`.

What you post is on disk, here and in the relay, when you have the answer. Where you get none, ask again with the same \
`{key}`: it is done once. A key lives as long as the entry that it made."""

_REFUSALS = {
    400: "It is not as it should be.",
    401: "No token, or a wrong one.",
    403: "The token may not do this.",
    404: "There is no such room for the token, or no such message (any more), or no such emoji.",
    405: "Another method is meant.",
    408: "The body did not come in time.",
    409: "The key was used for something else.",
    413: "It is too large.",
    415: "The body is of a kind that is not read.",
    426: "Only a WebSocket can be opened here.",
    429: "That was a lot at once. `Retry-After` says when to go on.",
    503: "Not now. `Retry-After` says when to ask again.",
    507: "There is no room on the disk.",
}


def document(settings: ApiSettings, address: str) -> _Schema:
    """It says what the instance at `address` takes. It names neither rooms nor tokens: anybody may read it."""
    kinds = (MessageRequest, EditRequest, DeleteRequest, ReactionRequest, Page, Done, RoomView, Problem, Entry)
    _, components = msgspec.json.schema_components(kinds, ref_template="#/components/schemas/{name}")
    for name in (MessageRequest.__name__, EditRequest.__name__):
        components[name]["properties"]["text"]["maxLength"] = settings.max_message
    return {
        "openapi": "3.1.0",
        "info": {
            "title": "NextBridge",
            "version": __version__,
            "description": _ABOUT.format(history=settings.history, key=KEY_HEADER),
        },
        "servers": [{"url": address}],
        "security": [{"token": []}],
        "paths": {
            "/rooms": {"get": _rooms()},
            "/rooms/{room}/messages": {"get": _messages()},
            "/rooms/{room}/stream": {"get": _stream()},
            "/rooms/{room}/socket": {"get": _socket()},
            "/rooms/{room}/message": {"post": _linked(_write("message", MessageRequest, _form(components, settings)))},
            "/rooms/{room}/edit": {"post": _write("edit", EditRequest)},
            "/rooms/{room}/delete": {"post": _write("delete", DeleteRequest)},
            "/rooms/{room}/reaction": {"post": _write("reaction", ReactionRequest)},
            "/rooms/{room}/files/{file}": {"get": _file()},
        },
        "components": {
            "schemas": components,
            "securitySchemes": {"token": {"type": "http", "scheme": "bearer"}},
        },
    }


def _operation(name: str, summary: str, answer: _Schema, refusals: tuple[int, ...], **more: object) -> _Schema:
    return {
        "operationId": name,
        "summary": summary,
        **more,
        "responses": {"200": answer, **{str(status): _refusal(status) for status in refusals}},
    }


def _write(name: str, kind: type[Struct], form: _Schema | None = None) -> _Schema:
    content: _Schema = {"application/json": {"schema": _ref(kind)}}
    if form is not None:
        content["multipart/form-data"] = {"schema": form}
    return _operation(
        name,
        (kind.__doc__ or "").strip(),
        _json(Done),
        (400, 401, 403, 404, 405, 408, 409, 413, 415, 429, 503, 507),
        parameters=[
            _ROOM,
            {
                "name": KEY_HEADER,
                "in": "header",
                "description": "The same for each attempt at the same thing, and for nothing else.",
                "schema": {"type": "string", "pattern": r"^[\x21-\x7e]{1,255}$"},
            },
        ],
        requestBody={"required": True, "content": content},
    )


def _linked(posting: _Schema) -> _Schema:
    """What a message's id is good for."""
    room = {"room": "$request.path.room"}
    body = {"message": "$response.body#/message"}
    posting["responses"]["200"]["links"] = {
        **{
            each: {"operationId": each, "parameters": room, "requestBody": body}
            for each in ("edit", "reaction", "delete")
        },
        "messages": {"operationId": "messages", "parameters": {**room, "after": "$response.body#/entry"}},
    }
    return posting


def _form(components: Mapping[str, _Schema], settings: ApiSettings) -> _Schema:
    fields = {
        name: next((each for each in found.get("anyOf", ()) if each.get("type") != "null"), found)
        for name, found in components[MessageRequest.__name__]["properties"].items()
    }
    binary = {"type": "string", "format": "binary", "maxLength": settings.max_file_size}
    files = {"type": "array", "items": binary, "minItems": 1, "maxItems": MOST_FILES}
    return {
        "type": "object",
        "description": f"A message with files: up to {MOST_FILES} parts of the name `file`. There may be no text then.",
        "properties": {**fields, "file": files},
        "anyOf": [{"required": ["text"]}, {"required": ["file"]}],
        "additionalProperties": False,
    }


def _rooms() -> _Schema:
    return _operation("rooms", "The rooms that the token may use.", _list(RoomView), (401, 405, 503))


def _messages() -> _Schema:
    return _operation(
        "messages",
        "What follows a cursor.",
        _json(Page),
        (400, 401, 403, 404, 405, 503),
        parameters=[
            _ROOM,
            _number("after", "The cursor; without it the answer begins with the oldest entry that is kept.", 2**53 - 1),
            _number("limit", "The most entries of the answer.", MOST_ENTRIES, least=1),
            _number("wait", "Seconds to wait for an entry, where none follows the cursor.", LONGEST_WAIT),
        ],
    )


def _stream() -> _Schema:
    content = {"text/event-stream": {"schema": {"type": "string"}}}
    return _operation(
        "stream",
        "What follows a cursor and what happens from then on, as server-sent events.",
        {
            "description": "Each event is named like the entry's `kind`; `gap` where some are missing.",
            "content": content,
        },
        (400, 401, 403, 404, 405, 503),
        parameters=[
            _ROOM,
            _number("after", "The cursor; without it the stream begins with what happens from now on.", 2**53 - 1),
            {
                "name": "Last-Event-ID",
                "in": "header",
                "description": "The cursor, as clients of server-sent events give it when they come back.",
                "schema": {"type": "string"},
            },
        ],
    )


def _socket() -> _Schema:
    found = _operation(
        "socket",
        "The same by a WebSocket: each frame is an entry.",
        {},
        (400, 401, 403, 404, 405, 426, 503),
        parameters=[
            _ROOM,
            _number("after", "The cursor; without it the stream begins with what happens from now on.", 2**53 - 1),
        ],
    )
    del found["responses"]["200"]
    return found | {"responses": {"101": {"description": "The WebSocket is open."}, **found["responses"]}}


def _file() -> _Schema:
    content = {"*/*": {"schema": {"type": "string", "format": "binary"}}}
    return _operation(
        "file",
        "A file of a message.",
        {"description": "The file.", "content": content},
        (401, 403, 404, 405, 503),
        parameters=[
            _ROOM,
            {"name": "file", "in": "path", "required": True, "schema": {"type": "string", "pattern": "^[0-9a-f]{32}$"}},
        ],
    )


_ROOM = {
    "name": "room",
    "in": "path",
    "required": True,
    "description": "The room's name in the operator's file.",
    "schema": {"type": "string", "pattern": ROOM_PATTERN},
}


def _number(name: str, description: str, most: int, *, least: int = 0) -> _Schema:
    schema = {"type": "integer", "minimum": least, "maximum": most}
    return {"name": name, "in": "query", "description": description, "schema": schema}


def _ref(kind: type) -> _Schema:
    return {"$ref": f"#/components/schemas/{kind.__name__}"}


def _json(kind: type) -> _Schema:
    description = (kind.__doc__ or "").strip().partition("\n")[0]
    return {"description": description, "content": {"application/json": {"schema": _ref(kind)}}}


def _list(kind: type) -> _Schema:
    found = _json(kind)
    found["content"]["application/json"]["schema"] = {"type": "array", "items": _ref(kind)}
    return found


def _refusal(status: int) -> _Schema:
    found = {**_json(Problem), "description": _REFUSALS[status]}
    if status in {429, 503}:
        found["headers"] = {"Retry-After": {"description": "Seconds.", "schema": {"type": "integer", "minimum": 0}}}
    return found
