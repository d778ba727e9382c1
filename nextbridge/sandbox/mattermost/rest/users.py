"""/api/v4/users and /api/v4/teams: who there is."""

from __future__ import annotations

import struct
import zlib

from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.mattermost.people import as_others_see
from nextbridge.sandbox.mattermost.records import User
from nextbridge.sandbox.mattermost.refusals import forbidden, invalid_body_parameter
from nextbridge.sandbox.mattermost.rest.exchange import body, id_in_path, reply, signed_in, user_id_in_path
from nextbridge.sandbox.mattermost.settings import VERSION
from nextbridge.sandbox.mattermost.world import World

__all__ = ["UserRoutes"]


class UserPatch(Struct):
    username: str | None = None
    nickname: str | None = None
    first_name: str | None = None
    last_name: str | None = None
    position: str | None = None


class UserSearch(Struct):
    term: str = ""
    in_channel_id: str = ""
    limit: int = 100


class UserRoutes:
    """Everyone who is signed in may look at everyone."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/users/{user_id}", self.user),
            web.get("/users/username/{username}", self.by_username),
            web.get("/users/{user_id}/image", self.image),
            web.get("/users/{user_id}/status", self.status),
            web.get("/users/{user_id}/teams", self.teams),
            web.put("/users/{user_id}/patch", self.patch),
            web.post("/users/ids", self.by_ids),
            web.post("/users/usernames", self.by_usernames),
            web.post("/users/search", self.search),
            web.get("/teams/{team_id}", self.team),
            web.get("/teams/name/{team_name}", self.team_by_name),
        ]

    async def user(self, request: web.Request) -> web.Response:
        asking = signed_in(self._world, request)
        return _answer(self._world.people.user(user_id_in_path(request, asking)), asking)

    async def by_username(self, request: web.Request) -> web.Response:
        asking = signed_in(self._world, request)
        user = self._world.people.by_username(request.match_info["username"])
        return _answer(user or self._world.people.user(""), asking)

    async def by_ids(self, request: web.Request) -> web.Response:
        signed_in(self._world, request)
        ids = await body(request, list[str], "user_ids")
        return reply([as_others_see(user) for user in self._world.people.users(ids)])

    async def by_usernames(self, request: web.Request) -> web.Response:
        signed_in(self._world, request)
        names = await body(request, list[str], "usernames")
        return reply([as_others_see(user) for user in self._world.people.by_usernames(names)])

    async def search(self, request: web.Request) -> web.Response:
        """Each word of the term begins one of a user's names."""
        asking = signed_in(self._world, request)
        search = await body(request, UserSearch, "props")
        if not search.term:
            raise invalid_body_parameter("term")
        if search.in_channel_id:
            self._world.channels.require_place_in(search.in_channel_id, asking)
        words = search.term.lower().replace("*", "").lstrip("@").split()
        found = [
            user
            for user in self._world.people.everyone()
            if all(any(name.lower().startswith(word) for name in _names(user)) for word in words)
            and (not search.in_channel_id or self._world.channels.is_member(search.in_channel_id, user.id))
        ]
        return reply([as_others_see(user) for user in found[: search.limit]])

    async def image(self, request: web.Request) -> web.Response:
        asking = signed_in(self._world, request)
        user = self._world.people.user(user_id_in_path(request, asking))
        return web.Response(
            body=_picture(user),
            content_type="image/png",
            headers={"Cache-Control": "max-age=86400, private", "Etag": str(user.last_picture_update or 0)},
        )

    async def status(self, request: web.Request) -> web.Response:
        asking = signed_in(self._world, request)
        user = self._world.people.user(user_id_in_path(request, asking))
        status = "online" if self._world.hub.is_online(user.id) else "offline"
        return reply({"user_id": user.id, "status": status, "manual": False, "last_activity_at": 0})

    async def patch(self, request: web.Request) -> web.Response:
        asking = signed_in(self._world, request)
        user = self._world.people.user(user_id_in_path(request, asking))
        if user.id != asking.id and not asking.is_admin:
            raise forbidden()
        patch = await body(request, UserPatch, "user")
        given = {name: value for name in patch.__struct_fields__ if (value := getattr(patch, name)) is not None}
        self._world.conversation.rename(user, **given)
        return reply(user)

    async def teams(self, request: web.Request) -> web.Response:
        asking = signed_in(self._world, request)
        user_id = user_id_in_path(request, asking)
        if user_id != asking.id and not asking.is_admin:
            raise forbidden()
        return reply(self._world.people.teams_of(user_id))

    async def team(self, request: web.Request) -> web.Response:
        asking = signed_in(self._world, request)
        team = self._world.people.team(id_in_path(request, "team_id"))
        if not (asking.is_admin or self._world.people.is_in_team(team.id, asking.id)):
            raise forbidden()
        return reply(team)

    async def team_by_name(self, request: web.Request) -> web.Response:
        asking = signed_in(self._world, request)
        team = self._world.people.team_by_name(request.match_info["team_name"])
        if not (asking.is_admin or self._world.people.is_in_team(team.id, asking.id)):
            raise forbidden()
        return reply(team)


def _answer(user: User, asking: User) -> web.Response:
    etag = f"{VERSION}.{user.id}.{user.update_at}..0.true.true.0"
    return reply(user if user.id == asking.id else as_others_see(user), headers={"Etag": etag})


def _names(user: User) -> list[str]:
    return [user.username, user.nickname, user.first_name, user.last_name]


def _picture(user: User) -> bytes:
    """A square PNG of one colour, which follows from the id and from when it was changed."""
    side = 32
    colour = bytes(
        64 + byte % 128
        for byte in zlib.crc32(f"{user.id}{user.last_picture_update or 0}".encode()).to_bytes(4, "big")[:3]
    )
    rows = (b"\x00" + colour * side) * side
    header = struct.pack(">IIBBBBB", side, side, 8, 2, 0, 0, 0)
    chunks = ((b"IHDR", header), (b"IDAT", zlib.compress(rows)), (b"IEND", b""))
    return b"\x89PNG\r\n\x1a\n" + b"".join(
        struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data)) for kind, data in chunks
    )
