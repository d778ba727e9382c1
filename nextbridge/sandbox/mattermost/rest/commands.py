"""Slash commands (/api/v4/commands): those that integrations make, and the running of what somebody types."""

from __future__ import annotations

import base64
from urllib.parse import urlencode

import aiohttp
import msgspec
from aiohttp import web
from msgspec import Struct

from nextbridge.sandbox.mattermost.clock import milliseconds
from nextbridge.sandbox.mattermost.records import Channel, SlashCommand, User, is_id, new_id
from nextbridge.sandbox.mattermost.refusals import (
    Refusal,
    forbidden,
    invalid_body_parameter,
)
from nextbridge.sandbox.mattermost.rest.exchange import body, id_in_path, reply, reply_ok, signed_in
from nextbridge.sandbox.mattermost.world import World

__all__ = ["CommandRoutes"]

_BUILT_IN = frozenset({"away", "code", "echo", "header", "help", "invite", "join", "leave", "me", "msg", "shrug"})
"""Some of those that the server has itself; only `/me` does something here."""
_LONGEST_TRIGGER = 128
_SECONDS = 30.0
"""How long an integration may take."""
_MAY_MANAGE = "manage_slash_commands"


class Typed(Struct):
    channel_id: str = ""
    command: str = ""
    team_id: str = ""
    root_id: str = ""


class CommandResponse(Struct):
    response_type: str = "in_channel"
    text: str = ""
    username: str = ""
    channel_id: str = ""
    icon_url: str = ""
    type: str = ""
    props: None = None
    goto_location: str = ""
    trigger_id: str = ""
    skip_slack_parsing: bool = False
    attachments: None = None
    extra_responses: None = None


class CommandRoutes:
    """A command belongs to a team. To see and make them takes a right that members do not have by default."""

    def __init__(self, world: World) -> None:
        self._world = world

    def routes(self) -> list[web.RouteDef]:
        return [
            web.get("/commands", self.commands),
            web.post("/commands", self.create),
            web.put("/commands/{command_id}", self.update),
            web.delete("/commands/{command_id}", self.delete),
            web.post("/commands/execute", self.execute),
        ]

    async def commands(self, request: web.Request) -> web.Response:
        """The custom ones, as with `custom_only`."""
        user = signed_in(self._world, request)
        team_id = request.query.get("team_id", "")
        if not is_id(team_id):
            raise invalid_body_parameter("team_id")
        self._require_in(team_id, user)
        self._require_enabled()
        return reply([each for each in self._world.commands.values() if each.team_id == team_id])

    async def create(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        command = await body(request, SlashCommand, "command")
        self._require_in(command.team_id, user)
        self._require_enabled()
        now = milliseconds(self._world.clock)
        made = msgspec.structs.replace(
            command,
            id=new_id(),
            token=new_id(),
            create_at=now,
            update_at=now,
            delete_at=0,
            creator_id=user.id,
            trigger=command.trigger.lower(),
        )
        self._require_free(made)
        _require_valid(made)
        self._world.commands[made.id] = made
        return reply(made, status=201)

    async def update(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        command = await body(request, SlashCommand, "command")
        if command.id != id_in_path(request, "command_id"):
            raise invalid_body_parameter("command")
        old = self._command(command.id)
        if command.team_id != old.team_id:
            raise Refusal(400, "api.command.team_mismatch.app_error", "Unable to update commands across teams.")
        self._require_in(old.team_id, user)
        self._require_enabled()
        made = msgspec.structs.replace(
            command,
            token=old.token,
            create_at=old.create_at,
            update_at=milliseconds(self._world.clock),
            delete_at=0,
            creator_id=old.creator_id,
            trigger=command.trigger.lower(),
        )
        _require_valid(made)
        self._world.commands[made.id] = made
        return reply(made)

    async def delete(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        command = self._command(id_in_path(request, "command_id"))
        self._require_in(command.team_id, user)
        self._require_enabled()
        del self._world.commands[command.id]
        return reply_ok()

    def _command(self, command_id: str) -> SlashCommand:
        if (found := self._world.commands.get(command_id)) is None:
            raise Refusal(404, "store.sql_command.get.missing.app_error", "Command does not exist.")
        return found

    def _require_in(self, team_id: str, user: User) -> None:
        if user.is_admin:
            return
        if not self._world.people.is_in_team(team_id, user.id) or _MAY_MANAGE not in self._world.rights.given:
            raise forbidden()

    def _require_enabled(self) -> None:
        if not self._world.settings.takes_commands:
            raise Refusal(501, "api.command.disabled.app_error", "Commands have been disabled by the system admin.")

    def _require_free(self, command: SlashCommand) -> None:
        used = {each.trigger for each in self._world.commands.values() if each.team_id == command.team_id}
        if command.trigger in used | _BUILT_IN:
            raise Refusal(
                400,
                "api.command.duplicate_trigger.app_error",
                "This trigger word is already in use. Please choose another word.",
            )

    # --- what somebody types --------------------------------------------------------------------------------------

    async def execute(self, request: web.Request) -> web.Response:
        user = signed_in(self._world, request)
        typed = await body(request, Typed, "command")
        if not typed.command.startswith("/") or len(typed.command) < 2:
            raise invalid_body_parameter("command")
        channel = self._world.channels.require_place_in(typed.channel_id, user)
        trigger, _, rest = typed.command.partition(" ")
        if trigger == "/me":
            return self._me(user, channel, rest, typed.root_id)
        # in a direct message it is the team that is told, else the channel's, so that no team has another's commands
        team_id = channel.team_id or typed.team_id
        if not channel.team_id and not self._world.people.is_in_team(team_id, user.id):
            raise forbidden()
        for command in self._world.commands.values():
            if (command.team_id, f"/{command.trigger}") == (team_id, trigger.lower()):
                return reply(await self._called(command, user, channel, rest))
        raise Refusal(
            404,
            "api.command.execute_command.not_found.app_error",
            f"Command with a trigger of '{trigger}' not found. To send a message beginning with \"/\", try adding "
            "an empty space at the beginning of the message.",
        )

    def _me(self, user: User, channel: Channel, text: str, root_id: str) -> web.Response:
        shown = f"*{text}*"
        self._world.conversation.post(
            user, channel, shown, root_id=root_id, post_type="me", props={"override_icon_url": ""}
        )
        return reply(CommandResponse(text=shown, type="me"))

    async def _called(self, command: SlashCommand, user: User, channel: Channel, text: str) -> CommandResponse:
        """Ask the integration, and show its answer to the one who asked."""
        now = milliseconds(self._world.clock)
        trigger_id = base64.b64encode(f"{new_id()}:{user.id}:{now}:".encode()).decode()
        form = {
            "token": command.token,
            "team_id": command.team_id,
            "team_domain": self._world.people.team(command.team_id).name,
            "channel_id": channel.id,
            "channel_name": channel.name,
            "user_id": user.id,
            "user_name": user.username,
            "command": f"/{command.trigger}",
            "text": text,
            "trigger_id": trigger_id,
            "response_url": f"http://localhost/hooks/commands/{new_id()}",
        }
        headers = {
            "Accept": "application/json",
            "Authorization": f"Token {command.token}",
            "Content-Type": "application/x-www-form-urlencoded",
        }
        try:
            async with (
                aiohttp.ClientSession(timeout=aiohttp.ClientTimeout(total=_SECONDS)) as http,
                http.post(command.url, data=urlencode(form), headers=headers) as answer,
            ):
                status, content = answer.status, await answer.read()
        except (aiohttp.ClientError, TimeoutError) as error:
            raise Refusal(
                500,
                "api.command.execute_command.failed.app_error",
                f"Command with a trigger of '{command.trigger}' failed.",
            ) from error
        if status != 200:
            raise Refusal(
                500,
                "api.command.execute_command.failed_resp.app_error",
                f"Command with a trigger of '{command.trigger}' returned response {status}.",
            )
        try:
            response = msgspec.json.decode(content, type=CommandResponse)
        except msgspec.DecodeError as error:
            raise Refusal(
                500,
                "api.command.execute_command.failed_empty.app_error",
                f"Command with a trigger of '{command.trigger}' returned an empty response.",
            ) from error
        if response.response_type == "in_channel" and response.text:
            self._world.conversation.post(user, channel, response.text, props={"from_webhook": "true"})
        response.trigger_id = trigger_id
        return response


def _require_valid(command: SlashCommand) -> None:
    trigger = command.trigger
    if not 1 <= len(trigger) <= _LONGEST_TRIGGER or trigger.startswith("/") or " " in trigger:
        raise Refusal(400, "model.command.is_valid.trigger.app_error", "Invalid trigger.")
    if not command.url.startswith(("http://", "https://")):
        raise Refusal(
            400, "model.command.is_valid.url_http.app_error", "Invalid URL. Must be a valid URL and start with http://."
        )
    if command.method not in {"P", "G"}:
        raise Refusal(400, "model.command.is_valid.method.app_error", "Invalid Method.")
    for name, longest in (("display_name", 64), ("description", 128)):
        if len(getattr(command, name)) > longest:
            raise Refusal(400, f"model.command.is_valid.{name}.app_error", f"Invalid {name}.")
