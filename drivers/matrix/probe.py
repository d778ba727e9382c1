"""What `check --online` finds out: does the login work, are we in each room and may we speak, is it encrypted."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.matrix import wire
from drivers.matrix.api import Api, Refusal
from drivers.matrix.login import for_a_look
from drivers.matrix.media import upload_limit
from drivers.matrix.rooms import Unavailable, find_room, to_be_invited
from drivers.matrix.settings import MatrixRoom, MatrixSettings
from nextbridge.driver import ConfiguredChannel, Finding, Store
from nextbridge.envelope import ChannelKey
from nextbridge.errors import DriverError, Retry
from nextbridge.labels import in_words
from nextbridge.together import together

__all__ = ["probe"]

_ALONE = {"presence": {"types": list[str]()}, "account_data": {"types": list[str]()}}
_AT_ONCE = 8
"""Rooms."""
_SPEAKING = 0
_STATE = 50
"""The power levels that messages and changes of state take where a room says nothing of them (specification,
"m.room.power_levels")."""


async def probe(
    api: Api, settings: MatrixSettings, rooms: Sequence[ConfiguredChannel[MatrixRoom]], store: Store
) -> list[Finding]:
    """Look at everything; the first thing that makes the rest pointless ends it. Raises nothing, changes nothing."""
    try:
        async with for_a_look(api, settings, store):
            return await _looked_at(api, settings, rooms)
    except Retry as error:
        return [Finding(ok=False, subject="server", text=error.reason)]
    except DriverError as error:
        return [Finding(ok=False, subject="login", text=error.reason)]


async def _looked_at(
    api: Api, settings: MatrixSettings, rooms: Sequence[ConfiguredChannel[MatrixRoom]]
) -> list[Finding]:
    try:
        who = await api.whoami()
    except Refusal as refusal:
        text = f"{api.server.url} does not tell who we are ({refusal.status}: {refusal.message}); look at homeserver"
        return [Finding(ok=False, subject="login", text=text)]
    try:
        return [
            _account(api, settings, who),
            *await together(lambda room: _room(room, api, who.user_id), rooms, most=_AT_ONCE),
            await _files(api),
        ]
    except DriverError as error:
        return [Finding(ok=False, subject="server", text=error.reason)]


def _account(api: Api, settings: MatrixSettings, who: wire.WhoAmI) -> Finding:
    if who.user_id != settings.user_id:
        text = f"the access token is that of {who.user_id}, and the file says {settings.user_id}; put one of them right"
        return Finding(ok=False, subject="login", text=text)
    device = f", on the device {who.device_id}" if who.device_id else ""
    return Finding(ok=True, subject="login", text=f"{api.server.url} knows us as {who.user_id}{device}")


async def _room(configured: ConfiguredChannel[MatrixRoom], api: Api, me: str) -> Finding:
    subject = f"room {configured.key}"
    try:
        room, _ = await find_room(configured.settings, api)
    except Unavailable as error:
        return Finding(ok=False, subject=subject, text=error.reason)
    try:
        membership = (await api.state(room, "m.room.member", me)).text("membership")
    except Refusal:
        membership = ""
    if membership != "join":
        if await _is_invited(room, api) or await _is_open(room, api):
            return Finding(ok=True, subject=subject, text="the relay joins it when it runs")
        return Finding(ok=False, subject=subject, text=to_be_invited(configured.key, me))
    moved = (await _state(api, room, "m.room.tombstone")).text("replacement_room")
    if moved:
        text = f"it was upgraded to {moved}, where the relay follows it; write that as its room_id"
        return Finding(ok=True, subject=subject, text=text)
    levels = await _state(api, room, "m.room.power_levels")
    own = levels.part("users").level(me)
    own = (levels.level("users_default") or 0) if own is None else own
    encrypted = bool(await _state(api, room, "m.room.encryption"))
    needed = _needed(levels, "m.room.encrypted" if encrypted else "m.room.message", "events_default", _SPEAKING)
    if own < needed:
        text = f"{me} has the power level {own} there, and messages take {needed}; give it that"
        return Finding(ok=False, subject=subject, text=text)
    topic = "" if own >= _needed(levels, "m.room.topic", "state_default", _STATE) else "; it may not change the topic"
    kind = "encrypted" if encrypted else "not encrypted"
    return Finding(ok=True, subject=subject, text=f"we are in it ({room}) and may speak; it is {kind}{topic}")


def _needed(levels: wire.Content, kind: str, otherwise: str, default: int) -> int:
    own = levels.part("events").level(kind)
    if own is not None:
        return own
    general = levels.level(otherwise)
    return default if general is None else general


async def _state(api: Api, room: ChannelKey, kind: str) -> wire.Content:
    try:
        return await api.state(room, kind)
    except Refusal:
        return wire.Content(None)


async def _is_invited(room: ChannelKey, api: Api) -> bool:
    """Of a room that we are not in a homeserver tells this alone in a sync.

    That Synapse answers an application service with 500.
    """
    try:
        return room in (await api.sync(None, wait=0, filters=_ALONE | {"room": {"rooms": [room]}})).rooms.invite
    except (Refusal, Retry):
        return False


async def _is_open(room: ChannelKey, api: Api) -> bool:
    """Whether anybody may join; what can be seen of a room from outside is often nothing."""
    return (await _state(api, room, "m.room.join_rules")).text("join_rule") == "public"


async def _files(api: Api) -> Finding:
    limit = await upload_limit(api)
    takes = "files" if limit is None else f"files of up to {in_words(limit)}"
    return Finding(ok=True, subject="files", text=f"the homeserver takes {takes}")
