"""The stand-in Mattermost itself: what a test or the demo starts, fills, and looks at."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Iterable
from types import TracebackType
from typing import Self

from aiohttp import web
from msgspec import UNSET

from nextbridge.sandbox.mattermost.clock import Clock, milliseconds, system_clock
from nextbridge.sandbox.mattermost.faults import Faults, Handler
from nextbridge.sandbox.mattermost.listener import Listener
from nextbridge.sandbox.mattermost.page import Page
from nextbridge.sandbox.mattermost.ratelimit import RateLimit, Verdict, limited
from nextbridge.sandbox.mattermost.records import (
    Account,
    Channel,
    ChannelId,
    FileId,
    FileInfo,
    Post,
    SlashCommand,
    Team,
    User,
    UserId,
    new_id,
)
from nextbridge.sandbox.mattermost.refusals import Refusal
from nextbridge.sandbox.mattermost.rest.channels import ChannelRoutes
from nextbridge.sandbox.mattermost.rest.commands import CommandRoutes
from nextbridge.sandbox.mattermost.rest.exchange import refused
from nextbridge.sandbox.mattermost.rest.files import FileRoutes
from nextbridge.sandbox.mattermost.rest.integrations import IntegrationRoutes
from nextbridge.sandbox.mattermost.rest.posts import PostRoutes
from nextbridge.sandbox.mattermost.rest.system import SystemRoutes
from nextbridge.sandbox.mattermost.rest.users import UserRoutes
from nextbridge.sandbox.mattermost.settings import VERSION_ID, ServerSettings
from nextbridge.sandbox.mattermost.websocket import Sockets
from nextbridge.sandbox.mattermost.world import World

__all__ = ["SandboxMattermost"]


class SandboxMattermost:
    """A Mattermost server to run against: `async with SandboxMattermost() as sandbox`, or `start` and `stop`.

    What it holds may be set up before it is started. A stop and a start are a restart: the same port, all posts and
    people still there, and what a real server has in memory only (lost connections, remembered `pending_post_id`s,
    who is online) forgotten.
    """

    def __init__(
        self,
        *,
        host: str = "127.0.0.1",
        port: int = 0,
        subpath: str = "",
        clock: Clock = system_clock,
        **settings: str,
    ) -> None:
        """`port` 0 takes a free one. `subpath` is like `/chat`. `settings` are values of the client config."""
        self.settings = ServerSettings(**settings)
        self._clock = clock
        self._subpath = "/" + subpath.strip("/") if subpath.strip("/") else ""
        self._world = World(clock, self.settings)
        self._changed = asyncio.Event()
        self._sockets = Sockets(self._world, self._change)
        self._listener = Listener(host, port)
        self._rate_limit: RateLimit | None = None
        self.faults = Faults(self._listener, self._sockets)

    # --- running --------------------------------------------------------------------------------------------------

    @property
    def url(self) -> str:
        """What an operator writes as `server_url`, without a trailing slash."""
        return f"http://{self._listener.host}:{self._listener.port}{self._subpath}"

    async def start(self) -> None:
        """Raises OSError when the port cannot be had."""
        await self._listener.start(await self._app())

    async def stop(self) -> None:
        self.faults.release()
        self._sockets.cut()
        await self._listener.stop()
        self._world.hub.forget_all()
        self._world.pending.forget_all()

    async def __aenter__(self) -> Self:
        await self.start()
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self.stop()

    async def until(self, condition: Callable[[], bool], *, within: float = 10.0) -> None:
        """Return once `condition()` holds.

        It is looked at whenever a request comes and when it is answered, and for each socket that comes or goes.

        Raises TimeoutError after `within` seconds.
        """
        async with asyncio.timeout(within):
            while not condition():
                await self._changed.wait()

    # --- setting up -----------------------------------------------------------------------------------------------

    def add_team(self, name: str, *, display_name: str = "", team_id: str | None = None) -> Team:
        return self._world.people.add_team(name, display_name or name.capitalize(), team_id)

    def add_user(  # noqa: PLR0913 - each is a name that a person has
        self,
        username: str,
        *,
        nickname: str = "",
        first_name: str = "",
        last_name: str = "",
        team: Team | None = None,
        is_admin: bool = False,
        user_id: str | None = None,
        token: str | None = None,
    ) -> Account:
        """A person without a password, and a token to act as them. Raises ValueError when the username is taken."""
        now = milliseconds(self._clock)
        user = User(
            id=UserId(user_id or new_id()),
            create_at=now,
            update_at=now,
            username=username,
            email=f"{username}@example.com",
            nickname=nickname,
            first_name=first_name,
            last_name=last_name,
            roles="system_user system_admin" if is_admin else "system_user",
            last_password_update=now,
        )
        return self._add(user, team, token)

    def add_bot(
        self,
        username: str,
        *,
        display_name: str = "",
        description: str = "",
        team: Team | None = None,
        user_id: str | None = None,
        token: str | None = None,
    ) -> Account:
        """A bot account with its token. A real server keeps a bot's display name as its first name."""
        now = milliseconds(self._clock)
        user = User(
            id=UserId(user_id or new_id()),
            create_at=now,
            update_at=now,
            username=username,
            email=f"{username}@localhost",
            first_name=display_name,
            is_bot=True,
            bot_description=description,
            last_password_update=now,
        )
        return self._add(user, team, token)

    def _add(self, user: User, team: Team | None, token: str | None) -> Account:
        account = self._world.people.add_user(user, token or new_id())
        if team is not None:
            self._world.people.join_team(team.id, user.id)
        return account

    def add_token(self, account: Account) -> Account:
        """One more token of the same user."""
        token = new_id()
        self._world.people.add_token(account.id, token)
        return Account(account.id, account.username, token)

    def revoke_token(self, account: Account) -> None:
        self._world.people.revoke(account.token)

    def add_channel(
        self,
        team: Team,
        name: str,
        *,
        display_name: str = "",
        is_private: bool = False,
        header: str = "",
        members: Iterable[Account] = (),
        channel_id: str | None = None,
    ) -> Channel:
        """Open unless `is_private`. The members join without a word being posted."""
        now = milliseconds(self._clock)
        everyone = list(members)
        channel = self._world.channels.add(
            Channel(
                id=ChannelId(channel_id or new_id()),
                create_at=now,
                update_at=now,
                team_id=team.id,
                type="P" if is_private else "O",
                display_name=display_name or name.capitalize(),
                name=name,
                header=header,
                creator_id=everyone[0].id if everyone else "",
            )
        )
        for member in everyone:
            self._world.channels.join(channel.id, member.id)
        return channel

    def add_direct_channel(self, one: Account, other: Account) -> Channel:
        """The same one again when there is one already."""
        return self._world.conversation.open_direct(self._user(one), [one.id, other.id])

    def add_group_channel(self, *accounts: Account) -> Channel:
        return self._world.conversation.open_direct(self._user(accounts[0]), [account.id for account in accounts])

    def add_member(self, channel: Channel, account: Account, *, by: Account | None = None) -> None:
        """In silence, or as an act of somebody: then it is posted and told to the members."""
        if by is None:
            self._world.channels.join(channel.id, account.id)
        else:
            self._world.conversation.join(channel, self._user(account), self._user(by))

    def remove_member(self, channel: Channel, account: Account, *, by: Account | None = None) -> None:
        if by is None:
            self._world.channels.leave(channel.id, account.id)
        else:
            self._world.conversation.leave(channel, self._user(account), self._user(by))

    def add_emoji(self, name: str) -> None:
        """A custom one."""
        self._world.emoji.add(name)

    def take_right(self, permission: str) -> None:
        """From everybody: `edit_post`, `delete_post`, `add_reaction`, `manage_public_channel_properties`."""
        self._world.rights.taken.add(permission)

    def give_right(self, permission: str) -> None:
        """To everybody in a team: `manage_slash_commands`, which only administrators have by default."""
        self._world.rights.given.add(permission)

    def limit_rate(self, *, per_second: float, burst: int) -> None:
        """Answer 429 to what is more, from now on."""
        self._rate_limit = RateLimit(self._clock, per_second=per_second, burst=burst)

    def lift_rate_limit(self) -> None:
        self._rate_limit = None

    # --- acting as somebody ---------------------------------------------------------------------------------------

    def post_as(  # noqa: PLR0913 - each is a part of a post
        self,
        account: Account,
        channel: Channel,
        message: str,
        *,
        root: Post | None = None,
        props: dict[str, object] | None = None,
        files: Iterable[FileInfo] = (),
        type: str = "",  # noqa: A002
        create_at: int | None = None,
    ) -> Post:
        """A post, told to the sockets like any. Raises Refusal where the real server refuses.

        `create_at`, in milliseconds, makes it one of an earlier time, or of another post's very millisecond.
        """
        post = self._world.conversation.post(
            self._user(account),
            self._world.channels.channel(channel.id),
            message,
            root_id="" if root is None else root.id,
            post_type=type,
            props=props,
            file_ids=[file.id for file in files],
            create_at=create_at,
        )
        self._world.hub.set_online(account.id)
        self._change()
        return post

    def upload_as(self, account: Account, channel: Channel, name: str, content: bytes) -> FileInfo:
        return self._world.files.add(account.id, channel.id, name, content)

    def edit(
        self,
        post: Post,
        message: str | None = None,
        *,
        files: Iterable[FileInfo] | None = None,
        props: dict[str, object] | None = None,
    ) -> Post:
        """Give it another text, other files or other props."""
        file_ids = None if files is None else [file.id for file in files]
        found = self._world.posts.post(post.id)
        return self._world.conversation.change(found, message=message, file_ids=file_ids, props=props)

    def pin(self, post: Post) -> Post:
        return self._world.conversation.change(self._world.posts.post(post.id), is_pinned=True)

    def delete(self, post: Post) -> None:
        found = self._world.posts.post(post.id)
        self._world.conversation.delete(found, self._world.people.user(found.user_id))

    def react_as(self, account: Account, post: Post, emoji_name: str) -> None:
        self._world.conversation.react(self._user(account), self._world.posts.post(post.id), emoji_name)

    def take_back_reaction(self, account: Account, post: Post, emoji_name: str) -> None:
        found = self._world.posts.post(post.id)
        self._world.conversation.take_back_reaction(self._user(account), found, emoji_name)

    def type_as(self, account: Account, channel: Channel) -> None:
        self._world.conversation.type(self._user(account), channel, "")

    def change_header(self, account: Account, channel: Channel, header: str) -> None:
        self._world.conversation.patch_channel(channel, self._user(account), header=header)

    def rename(self, account: Account, **names: str) -> None:
        """Change `username`, `nickname`, `first_name`, `last_name`; told to everyone."""
        self._world.conversation.rename(self._user(account), **names)

    def change_picture(self, account: Account, *, removed: bool = False) -> None:
        """They give themselves another picture, or take theirs away; told to everyone."""
        self._world.conversation.change_picture(self._user(account), removed=removed)

    # --- looking --------------------------------------------------------------------------------------------------

    def header(self, channel: Channel) -> str:
        return self._world.channels.channel(channel.id).header

    def posts(self, channel: Channel) -> list[Post]:
        """Those that are not deleted, oldest first, system posts included."""
        return [self._world.posts.as_shown(post) for post in self._world.posts.live(channel.id)]

    def messages(self, channel: Channel) -> list[str]:
        """The texts of the posts, oldest first, without those of system posts."""
        return [post.message for post in self._world.posts.live(channel.id) if not post.is_system]

    async def shown(self, channel: Channel, text: str, *, within: float = 10.0) -> Post:
        """The post with this text, once there is one. Raises TimeoutError after `within` seconds."""
        await self.until(lambda: text in self.messages(channel), within=within)
        return next(post for post in self.posts(channel) if post.message == text)

    def reactions_of(self, post: Post) -> list[str]:
        """The emoji names that the post bears now, one for each person's."""
        return [each.emoji_name for each in self._world.posts.reactions(post.id)]

    def files_of(self, post: Post) -> list[tuple[str, bytes]]:
        """Name and content of each file of the post."""
        ids: list[FileId] = [] if post.file_ids is UNSET else post.file_ids
        return [(info.name, self._world.files.content(info.id)) for info in self._world.files.infos(ids)]

    def commands(self, team: Team) -> list[SlashCommand]:
        """The custom slash commands of a team."""
        return [each for each in self._world.commands.values() if each.team_id == team.id]

    def is_online(self, account: Account) -> bool:
        return self._world.hub.is_online(account.id)

    @property
    def open_sockets(self) -> int:
        """WebSockets that are open now, authenticated or not yet."""
        return len(self._sockets)

    def _user(self, account: Account) -> User:
        return self._world.people.user(account.id)

    # --- serving --------------------------------------------------------------------------------------------------

    async def _app(self) -> web.Application:
        app = web.Application(middlewares=[self._middleware], client_max_size=1024 * 1024)
        integrations = IntegrationRoutes(self._world)
        api = [
            *UserRoutes(self._world).routes(),
            *ChannelRoutes(self._world).routes(),
            *PostRoutes(self._world, self.faults).routes(),
            *FileRoutes(self._world).routes(),
            *integrations.routes(),
            *CommandRoutes(self._world).routes(),
            *SystemRoutes(self._world).routes(),
            web.get("/websocket", self._sockets.handle),
        ]
        for route in api:
            app.router.add_route(route.method, f"{self._subpath}/api/v4{route.path}", route.handler)
        app.router.add_post(f"{self._subpath}/hooks/{{hook_id}}", integrations.hook)
        page = await asyncio.to_thread(Page)
        for route in page.routes():
            app.router.add_route(route.method, f"{self._subpath}{route.path}", route.handler)
        return app

    @web.middleware
    async def _middleware(self, request: web.Request, handler: Handler) -> web.StreamResponse:
        async def answer(request: web.Request) -> web.StreamResponse:
            verdict = None if self._rate_limit is None else self._rate_limit.judge(request.remote or "")
            return await self._answer(request, handler, verdict)

        route = self._route_of(request)
        self.faults.requests[route] += 1
        self._change()
        try:
            return await self.faults.around(route, request, answer)
        finally:
            self._change()

    async def _answer(self, request: web.Request, handler: Handler, verdict: Verdict | None) -> web.StreamResponse:
        if verdict is not None and not verdict.is_allowed:
            return limited(verdict)
        try:
            response = await handler(request)
        except Refusal as refusal:
            response = refused(refusal)
        except (web.HTTPNotFound, web.HTTPMethodNotAllowed):
            response = refused(Refusal(404, "api.context.404.app_error", "Sorry, we could not find the page."))
        if not response.prepared:
            response.headers["X-Version-Id"] = VERSION_ID
            response.headers["X-Request-Id"] = new_id()
            if verdict is not None:
                response.headers.update(verdict.headers)
        return response

    def _route_of(self, request: web.Request) -> str:
        resource = request.match_info.route.resource
        path = request.path if resource is None else resource.canonical
        return f"{request.method} {path.removeprefix(self._subpath)}"

    def _change(self) -> None:
        self._changed.set()
        self._changed = asyncio.Event()
