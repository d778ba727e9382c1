"""Incoming webhooks: /api/v4/hooks/incoming and /hooks/ID."""

from __future__ import annotations

import msgspec
from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.mattermost.clock import milliseconds
from nextbridge.sandbox.mattermost.records import Channel, Hook, new_id
from nextbridge.sandbox.mattermost.refusals import Refusal, forbidden
from nextbridge.sandbox.mattermost.rest.exchange import body, reply, signed_in
from nextbridge.sandbox.mattermost.world import World

__all__ = ["IntegrationRoutes"]


class NewHook(Struct):
    channel_id: str
    display_name: str = ""
    description: str = ""
    username: str = ""
    icon_url: str = ""
    channel_locked: bool = False


class HookMessage(Struct):
    text: str = ""
    username: str = ""
    icon_url: str = ""
    channel: str = ""
    props: dict[str, object] = msgspec.field(default_factory=dict)
    attachments: list[object] = msgspec.field(default_factory=list)


class IntegrationRoutes:
    """Only an administrator makes a hook; whoever has its address posts."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.post("/hooks/incoming", self.create_hook),
        ]

    async def create_hook(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        new = await body(request, NewHook, "incoming_webhook")
        channel = self._world.channels.channel(new.channel_id)
        if not user.is_admin:
            raise forbidden()
        now = milliseconds(self._world.clock)
        hook = Hook(
            id=new_id(),
            create_at=now,
            update_at=now,
            user_id=user.id,
            channel_id=channel.id,
            team_id=channel.team_id,
            display_name=new.display_name,
            description=new.description,
            username=new.username,
            icon_url=new.icon_url,
            channel_locked=new.channel_locked,
        )
        self._world.hooks[hook.id] = hook
        return reply(hook, status=201)

    async def hook(self, request: web.Request) -> web.Response:
        """No token is asked for: who knows the id may post."""
        hook = self._world.hooks.get(request.match_info["hook_id"])
        if hook is None:
            raise Refusal(400, "web.incoming_webhook.invalid.app_error", "Invalid webhook.")
        message = await self._message(request)
        if not message.text and not message.attachments:
            raise Refusal(400, "web.incoming_webhook.text.app_error", "No text specified.")
        channel = self._channel(hook, message)
        props: dict[str, object] = {
            **message.props,
            "from_webhook": "true",
            "override_icon_url": message.icon_url or hook.icon_url,
            "override_username": message.username or hook.username or "webhook",
            "webhook_display_name": hook.display_name,
        }
        if message.attachments:
            props["attachments"] = message.attachments
        user = self._world.people.user(hook.user_id)
        for text in self._pieces(message.text):
            self._world.conversation.post(
                user,
                channel,
                text,
                post_type="slack_attachment" if message.attachments else "",
                props=props,
            )
        return web.Response(body=b"ok", headers={"Content-Type": "text/plain"})

    async def _message(self, request: web.Request) -> HookMessage:
        """JSON, or a form whose `payload` is JSON."""
        if request.content_type in {"application/x-www-form-urlencoded", "multipart/form-data"}:
            payload = str((await request.post()).get("payload", "")).encode()
        else:
            payload = await request.read()
        try:
            return msgspec.json.decode(payload, type=HookMessage)
        except msgspec.DecodeError as error:
            raise Refusal(400, "web.incoming_webhook.parse.app_error", "Unable to parse incoming data.") from error

    def _channel(self, hook: Hook, message: HookMessage) -> Channel:
        if not message.channel or hook.channel_locked:
            return self._world.channels.channel(hook.channel_id)
        return self._world.channels.by_name(hook.team_id, message.channel.removeprefix("#"))

    def _pieces(self, text: str) -> list[str]:
        """A hook's text over the limit becomes several posts, unlike a user's, which is refused."""
        most = self._world.settings.max_post_size
        return [text[at : at + most] for at in range(0, len(text), most)] or [""]
