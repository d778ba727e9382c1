"""/api/v4/posts and /api/v4/reactions, and a channel's posts."""

from __future__ import annotations

import asyncio
import re

import msgspec
from aiohttp import web
from msgspec import UNSET, Struct, field

from nextbridge.sandbox.mattermost.faults import Faults
from nextbridge.sandbox.mattermost.records import Channel, FileId, Post, PostList, User
from nextbridge.sandbox.mattermost.refusals import (
    Refusal,
    forbidden,
    invalid_body_parameter,
    invalid_url_parameter,
)
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

__all__ = ["PostRoutes"]

MOST_PER_PAGE = 200
EMOJI_NAME = re.compile(r"[a-zA-Z0-9+_-]{1,64}")


class NewPost(Struct):
    channel_id: str = ""
    message: str = ""
    root_id: str = ""
    type: str = ""
    props: dict[str, object] = field(default_factory=dict)
    file_ids: list[FileId] = field(default_factory=list)
    pending_post_id: str = ""


class PostPatch(Struct):
    message: str | None = None
    props: dict[str, object] | None = None
    file_ids: list[FileId] | None = None
    is_pinned: bool | None = None


class NewReaction(Struct):
    user_id: str = ""
    post_id: str = ""
    emoji_name: str = ""


class PostRoutes:
    """All of it is for members of the channel, and for administrators."""

    def __init__(self, world: World, faults: Faults) -> None:
        self._world = world
        self._faults = faults

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/posts", self.create),
            web.get("/posts/{post_id}", self.post),
            web.delete("/posts/{post_id}", self.delete),
            web.put("/posts/{post_id}/patch", self.patch),
            web.post("/posts/{post_id}/pin", self.pin),
            web.post("/posts/{post_id}/unpin", self.unpin),
            web.get("/posts/{post_id}/thread", self.thread),
            web.get("/posts/{post_id}/reactions", self.reactions),
            web.get("/channels/{channel_id}/posts", self.of_channel),
            web.get("/channels/{channel_id}/pinned", self.pinned),
            web.post("/reactions", self.react),
            web.delete("/users/{user_id}/posts/{post_id}/reactions/{emoji_name}", self.take_back_reaction),
        ]

    async def create(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        new = await body(request, NewPost, "post")
        channel = self._world.channels.require_place_in(new.channel_id, user)
        if new.type.startswith("system_"):
            raise Refusal(400, "api.context.invalid_param.app_error", "Invalid or missing post.type parameter.")
        response = await self._create(user, channel, new)
        if request.query.get("set_online") != "false":
            self._world.hub.set_online(user.id)
        return response

    async def _create(self, user: User, channel: Channel, new: NewPost) -> web.Response:
        if not new.pending_post_id:
            return reply(await self._make(user, channel, new), status=201)
        pending = self._world.pending
        made = pending.claim(new.pending_post_id)
        if made is not None:
            # Told again it comes without metadata, as recorded.
            again = self._world.posts.as_shown(self._world.posts.post(made))
            return reply(msgspec.structs.replace(again, metadata=UNSET), status=201)
        try:
            post = await self._make(user, channel, new)
        except BaseException:
            pending.failed(new.pending_post_id)
            raise
        pending.made(new.pending_post_id, post.id)
        return reply(post, status=201)

    async def _make(self, user: User, channel: Channel, new: NewPost) -> Post:
        if self._faults.post_creation_delay:
            await asyncio.sleep(self._faults.post_creation_delay)
        return self._world.conversation.post(
            user,
            channel,
            new.message,
            root_id=new.root_id,
            post_type=new.type,
            props=new.props,
            file_ids=new.file_ids,
            pending_post_id=new.pending_post_id,
        )

    async def post(self, request: web.Request) -> web.Response:
        post = self._readable(request)
        headers = {"Etag": f"{VERSION}.{post.id}.{post.update_at}"}
        return reply(self._world.posts.as_shown(post), headers=headers)

    async def thread(self, request: web.Request) -> web.Response:
        return reply(self._world.posts.whole_thread(self._readable(request)))

    async def reactions(self, request: web.Request) -> web.Response:
        return reply(self._world.posts.reactions(self._readable(request).id))

    async def patch(self, request: web.Request) -> web.Response:
        post, user = self._own(request)
        self._world.rights.require("edit_post")
        if post.user_id != user.id:
            raise forbidden()
        patch = await body(request, PostPatch, "post")
        limit = self._world.settings.post_edit_time_limit
        if limit >= 0 and self._world.clock() * 1000 > post.create_at + limit * 1000:
            raise Refusal(
                400,
                "api.post.update_post.permissions_time_limit.app_error",
                f"Post edit is only allowed for {limit} seconds. Please ask your System Administrator for details.",
            )
        changed = self._world.conversation.change(
            post, message=patch.message, props=patch.props, file_ids=patch.file_ids, is_pinned=patch.is_pinned
        )
        return reply(changed)

    async def delete(self, request: web.Request) -> web.Response:
        post, user = self._own(request)
        self._world.rights.require("delete_post")
        if post.user_id != user.id and not user.is_admin:
            raise forbidden()
        self._world.conversation.delete(post, user)
        return reply_ok()

    async def pin(self, request: web.Request) -> web.Response:
        self._world.conversation.change(self._readable(request), is_pinned=True)
        return reply_ok()

    async def unpin(self, request: web.Request) -> web.Response:
        self._world.conversation.change(self._readable(request), is_pinned=False)
        return reply_ok()

    async def of_channel(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.require_place_in(id_in_path(request, "channel_id"), user)
        if since := _number(request, "since", 0):
            return reply(self._world.posts.since(channel.id, since))
        page = _number(request, "page", 0)
        per_page = min(_number(request, "per_page", 60), MOST_PER_PAGE)
        headers = {"Etag": f"{VERSION}.{self._world.posts.last_change(channel.id)}"}
        found: PostList
        if after := request.query.get("after"):
            found = self._world.posts.after(channel.id, _id(after, "after"), page, per_page)
        elif before := request.query.get("before"):
            found = self._world.posts.before(channel.id, _id(before, "before"), page, per_page)
        else:
            found = self._world.posts.page(channel.id, page, per_page)
        return reply(found, headers=headers)

    async def pinned(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        channel = self._world.channels.require_place_in(id_in_path(request, "channel_id"), user)
        return reply(self._world.posts.pinned(channel.id))

    async def react(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        new = await body(request, NewReaction, "reaction")
        post = self._world.posts.find(new.post_id)
        if new.user_id != user.id or post is None:
            raise forbidden()
        self._world.channels.require_place_in(post.channel_id, user)
        self._world.rights.require("add_reaction")
        if not EMOJI_NAME.fullmatch(new.emoji_name):
            raise Refusal(400, "model.reaction.is_valid.emoji_name.app_error", "Invalid emoji name.")
        return reply(self._world.conversation.react(user, post, new.emoji_name))

    async def take_back_reaction(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        post = self._readable(request)
        if user_id_in_path(request, user) != user.id:
            raise forbidden()
        self._world.conversation.take_back_reaction(user, post, request.match_info["emoji_name"])
        return reply_ok()

    def _readable(self, request: web.Request) -> Post:
        user = signed_in(self._world, request)
        post = self._world.posts.post(id_in_path(request, "post_id"))
        self._world.channels.require_place_in(post.channel_id, user)
        return post

    def _own(self, request: web.Request) -> tuple[Post, User]:
        """Where a post is to be changed, one that does not exist is refused as one that is not yours."""
        user = signed_in(self._world, request)
        post = self._world.posts.find(id_in_path(request, "post_id"))
        if post is None:
            raise forbidden()
        self._world.channels.require_place_in(post.channel_id, user)
        return post, user


def _number(request: web.Request, name: str, otherwise: int) -> int:
    text = request.query.get(name, "")
    if not text:
        return otherwise
    if not text.isdecimal():
        raise invalid_body_parameter(name)
    return int(text)


def _id(text: str, name: str) -> str:
    if len(text) != 26:
        raise invalid_url_parameter(name)
    return text
