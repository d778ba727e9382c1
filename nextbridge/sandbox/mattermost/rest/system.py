"""The ping, the client config, typing, roles and custom emoji: the rest of what a client asks a server."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.mattermost.refusals import Refusal, forbidden
from nextbridge.sandbox.mattermost.rest.exchange import body, reply, reply_ok, signed_in, token_of, user_id_in_path
from nextbridge.sandbox.mattermost.rights import ROLES
from nextbridge.sandbox.mattermost.world import World

__all__ = ["SystemRoutes"]

PING = {
    "AndroidLatestVersion": "",
    "AndroidMinVersion": "",
    "DesktopLatestVersion": "",
    "DesktopMinVersion": "",
    "IosLatestVersion": "",
    "IosMinVersion": "",
    "status": "OK",
}


class TypingIn(Struct):
    channel_id: str = ""
    parent_id: str = ""


class Role(Struct):
    name: str
    permissions: list[str]


class SystemRoutes:
    """The ping and a part of the client config are for strangers too."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/system/ping", self.ping),
            web.get("/config/client", self.client_config),
            web.post("/users/{user_id}/typing", self.typing),
            web.post("/roles/names", self.roles),
            web.get("/emoji/name/{name}", self.emoji),
        ]

    async def ping(self, _request: web.Request) -> web.Response:
        return reply(PING)

    async def client_config(self, request: web.Request) -> web.Response:
        if request.query.get("format") != "old":
            raise Refusal(
                501,
                "api.config.client.old_format.app_error",
                "New format for the client configuration is not supported yet. Please specify format=old in the query.",
            )
        is_stranger = self._world.people.signed_in(token_of(request)) is None
        return reply(self._world.settings.told(to_stranger=is_stranger))

    async def typing(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        if user_id_in_path(request, user) != user.id:
            raise forbidden()
        typing = await body(request, TypingIn, "typing")
        channel = self._world.channels.require_place_in(typing.channel_id, user)
        self._world.conversation.type(user, channel, typing.parent_id)
        return reply_ok()

    async def roles(self, request: web.Request) -> web.Response:
        signed_in(self._world, request)
        names = await body(request, list[str], "rolenames")
        return reply([Role(name, self._world.rights.of(name)) for name in names if name in ROLES])

    async def emoji(self, request: web.Request) -> web.Response:
        signed_in(self._world, request)
        name = request.match_info["name"]
        if name not in self._world.emoji:
            raise Refusal(404, "app.emoji.get_by_name.no_result", "We couldn\u2019t find the emoji.")
        return reply({"id": name, "name": name})
