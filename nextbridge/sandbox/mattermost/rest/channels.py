"""/api/v4/channels, and a team's channels: finding them, changing them, and who is in them."""

from __future__ import annotations

from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.mattermost.channels import no_channel_of_that_name
from nextbridge.sandbox.mattermost.records import UserId
from nextbridge.sandbox.mattermost.refusals import Refusal, forbidden, invalid_body_parameter
from nextbridge.sandbox.mattermost.rest.exchange import (
    body,
    id_in_path,
    reply,
    reply_ok,
    signed_in,
    user_id_in_path,
)
from nextbridge.sandbox.mattermost.settings import VERSION
from nextbridge.sandbox.mattermost.world import World

__all__ = ["ChannelRoutes"]

LARGEST_GROUP = 8
LONGEST_HEADER = 1024
"""Characters."""


class ChannelPatch(Struct):
    name: str | None = None
    display_name: str | None = None
    header: str | None = None
    purpose: str | None = None


class NewMember(Struct):
    user_id: str


class ChannelRoutes:
    """Reading needs a place in the channel or, for an open one, in its team."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/channels/{channel_id}", self.channel),
            web.delete("/channels/{channel_id}", self.archive),
            web.put("/channels/{channel_id}/patch", self.patch),
            web.get("/channels/{channel_id}/members", self.members),
            web.post("/channels/{channel_id}/members", self.add_member),
            web.get("/channels/{channel_id}/members/{user_id}", self.member),
            web.delete("/channels/{channel_id}/members/{user_id}", self.remove_member),
            web.post("/channels/direct", self.direct),
            web.post("/channels/group", self.group),
            web.get("/teams/{team_id}/channels/name/{channel_name}", self.by_name),
            web.get("/teams/name/{team_name}/channels/name/{channel_name}", self.by_names),
            web.get("/users/{user_id}/teams/{team_id}/channels", self.mine),
        ]

    async def channel(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.channel(id_in_path(request, "channel_id"))
        return reply(self._world.channels.require_sight_of(channel, user))

    async def by_name(self, request: web.Request) -> web.Response:
        return self._by_name(request, id_in_path(request, "team_id"))

    async def by_names(self, request: web.Request) -> web.Response:
        signed_in(self._world, request)
        return self._by_name(request, self._world.people.team_by_name(request.match_info["team_name"]).id)

    def _by_name(self, request: web.Request, team_id: str) -> web.Response:
        user = signed_in(self._world, request)
        name = request.match_info["channel_name"]
        channel = self._world.channels.by_name(team_id, name)
        try:
            return reply(self._world.channels.require_sight_of(channel, user))
        except Refusal:
            if channel.type == "P":
                # By its name a private channel is not even admitted to exist.
                raise no_channel_of_that_name() from None
            raise

    async def mine(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        user_id = user_id_in_path(request, user)
        team_id = id_in_path(request, "team_id")
        if user_id != user.id and not user.is_admin:
            raise forbidden()
        if not self._world.people.is_in_team(team_id, user.id):
            raise forbidden()
        channels = self._world.channels.of_user(user_id, team_id)
        latest = max(channels, key=lambda channel: channel.last_post_at, default=None)
        tag = f"{latest.id}.{latest.last_post_at}" if latest else "0.0"
        return reply(channels, headers={"Etag": f"{VERSION}.{tag}.0.{len(channels)}"})

    async def patch(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.channel(id_in_path(request, "channel_id"))
        self._world.channels.require_place_in(channel.id, user)
        if channel.type in {"O", "P"}:
            kind = "public" if channel.type == "O" else "private"
            self._world.rights.require(f"manage_{kind}_channel_properties")
        patch = await body(request, ChannelPatch, "channel")
        if patch.header is not None and len(patch.header) > LONGEST_HEADER:
            raise Refusal(400, "model.channel.is_valid.header.app_error", "Invalid header.")
        patched = self._world.conversation.patch_channel(
            channel,
            user,
            name=patch.name,
            display_name=patch.display_name,
            header=patch.header,
            purpose=patch.purpose,
        )
        return reply(patched)

    async def archive(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.channel(id_in_path(request, "channel_id"))
        self._world.channels.require_place_in(channel.id, user)
        if channel.type in {"D", "G"}:
            raise Refusal(
                400,
                "api.channel.delete_channel.type.invalid",
                "Unable to delete direct or group message channels.",
            )
        self._world.conversation.archive_channel(channel, user)
        return reply_ok()

    async def members(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.require_place_in(id_in_path(request, "channel_id"), user)
        return reply(self._world.channels.members(channel.id))

    async def member(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.require_place_in(id_in_path(request, "channel_id"), user)
        return reply(self._world.channels.member(channel.id, user_id_in_path(request, user)))

    async def add_member(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.channel(id_in_path(request, "channel_id"))
        added = self._world.people.user((await body(request, NewMember, "user_id")).user_id)
        if channel.type in {"D", "G"}:
            raise Refusal(
                400,
                "api.channel.add_members_to_channel.direct_or_group.app_error",
                "Unable to add users to direct or group message channels.",
            )
        if added.id == user.id:
            self._world.channels.require_sight_of(channel, user)
        else:
            self._world.channels.require_place_in(channel.id, user)
        return reply(self._world.conversation.join(channel, added, user), status=201)

    async def remove_member(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.channel(id_in_path(request, "channel_id"))
        removed = self._world.people.user(user_id_in_path(request, user))
        if channel.type in {"D", "G"}:
            raise Refusal(
                400,
                "api.channel.remove_channel_member.type.app_error",
                "Unable to remove user from direct or group message channels.",
            )
        if removed.id != user.id:
            self._world.channels.require_place_in(channel.id, user)
        self._world.channels.member(channel.id, removed.id)
        self._world.conversation.leave(channel, removed, user)
        return reply_ok()

    async def direct(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        ids = await body(request, list[str], "user_ids")
        if len(ids) != 2:
            raise invalid_body_parameter("user_ids")
        return self._open_direct(request, ids, is_allowed=user.id in ids or user.is_admin)

    async def group(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        ids = {*await body(request, list[str], "user_ids"), user.id}
        if not 3 <= len(ids) <= LARGEST_GROUP:
            raise Refusal(
                400,
                "api.channel.create_group.bad_size.app_error",
                "Group message channels must contain at least 3 and no more than 8 users.",
            )
        return self._open_direct(request, sorted(ids), is_allowed=True)

    def _open_direct(self, request: web.Request, ids: list[str], *, is_allowed: bool) -> web.Response:
        user = signed_in(self._world, request)
        if not is_allowed:
            raise forbidden()
        users: list[UserId] = [self._world.people.user(user_id).id for user_id in ids]
        creator = user if user.id in users else self._world.people.user(users[0])
        return reply(self._world.conversation.open_direct(creator, users), status=201)
