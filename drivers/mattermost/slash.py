"""The slash command of each team that we have channels in: made on the server, and read when somebody types it.

What begins with a slash never becomes a post on Mattermost: an unknown word is refused, a known one is told to whoever
registered it, by a call to the daemon's HTTP server. Such a call is handed over as the message that it stands for.
"""

from __future__ import annotations

import asyncio
import hmac
import uuid
from collections.abc import Callable, Mapping
from urllib.parse import parse_qsl, quote

import msgspec
from aiohttp import web

from drivers.mattermost import wire
from drivers.mattermost.api import Api, Refusal
from drivers.mattermost.channels import Channels
from drivers.mattermost.events import as_author
from drivers.mattermost.people import People
from nextbridge.driver import Host
from nextbridge.envelope import Channel, ChannelKey, MessageId, Posted
from nextbridge.errors import DriverError, Retry
from nextbridge.markup import RichText
from nextbridge.redaction import redaction

__all__ = ["CommandCalls", "SlashCommand"]

_PATH = "/command"
_TAKEN = "api.command.duplicate_trigger.app_error"
_AGAIN = 60.0
"""Seconds until what failed for now is tried again."""
_LONGEST_BODY = 256 * 1024
"""Bytes of a call: the longest text that the server takes, written as a form."""
_MOST_FIELDS = 100
_LONGEST_TEXT = 1000
"""Characters; a command is far shorter, and what is longer is none whatever follows."""
_SECONDS = 10.0
"""For reading a call and for looking up who makes it; the server itself waits for 30."""


class SlashCommand:
    """Keeps one command in each team, and knows their tokens."""

    def __init__(self, host: Host) -> None:
        self._host = host
        self._trigger = host.command_prefix.lower()
        self._tokens: dict[str, str] = {}
        """By team. The server keeps them, and tells us at each connection."""

    async def offer(self, api: Api, me: wire.User, teams: Mapping[str, str]) -> None:
        """Make or find the command of each of `teams` (with a channel there, for messages to the operator).

        Nothing without `global.base_url`. Does I/O, goes on until each team has one or refuses it; raises nothing.
        """
        if self._host.base_url is None:
            return
        waiting = list(teams)
        while waiting:
            for team in tuple(waiting):
                try:
                    self._tokens[team] = await self._made(api, me, team, self._host.base_url)
                except Refusal as refusal:
                    self._refused(teams[team], me, refusal)
                except Retry as later:
                    self._host.log.debug("slash_command_later", channel=teams[team], reason=later.reason)
                    continue
                except DriverError:
                    return  # nothing passes for now, which the connection finds out as well
                waiting.remove(team)
            if waiting:
                await asyncio.sleep(_AGAIN)

    def is_genuine(self, team: str, token: str) -> bool:
        """Whether a call with this token comes from the server."""
        known = self._tokens.get(team, "")
        return hmac.compare_digest(known.encode(), token.encode("utf-8", "replace")) and bool(known)

    async def _made(self, api: Api, me: wire.User, team: str, base_url: str) -> str:
        """The token of the team's command, which is found again by the id that was noted, or by its address."""
        url = f"{base_url}/mattermost/{quote(self._host.instance, safe='')}{_PATH}"
        noted = await self._host.store.get(f"slash_command/{team}")
        ours = [
            each
            for each in await api.commands(team)
            if each.creator_id == me.id and (each.id == noted or each.url == url)
        ]
        command = next((each for each in ours if each.id == noted), ours[0] if ours else None)
        if command is None:
            command = await api.create_command(self._new(team, url))
        elif (command.trigger, command.url, command.method) != (self._trigger, url, "P"):
            # what an administrator gave it, a picture perhaps, stays
            command = await api.update_command(
                msgspec.structs.replace(command, trigger=self._trigger, url=url, method="P")
            )
        redaction.add(command.token)
        if command.id != noted:
            await self._host.store.set(f"slash_command/{team}", command.id)
        return command.token

    def _new(self, team: str, url: str) -> wire.SlashCommand:
        return wire.SlashCommand(
            team_id=team,
            trigger=self._trigger,
            url=url,
            method="P",
            auto_complete=True,
            auto_complete_desc="Speak to the relay between this and other chats",
            auto_complete_hint="help",
            display_name="NextBridge",
            description="Commands to the relay",
        )

    def _refused(self, channel: str, me: wire.User, refusal: Refusal) -> None:
        trigger = f"/{self._trigger}"
        if refusal.error_id == _TAKEN:
            self._host.log.warning(
                "slash_command_taken",
                trigger=trigger,
                channel=channel,
                reason=f"{trigger} is another integration's in that channel's team: take it away there, set "
                "global.command_prefix to another word, or slash_command to false",
            )
            return
        self._host.log.info(
            "slash_command_not_made",
            trigger=trigger,
            channel=channel,
            reason=f"the server refuses it to @{me.username} ({refusal.status}): {refusal.message}",
        )


class Call(msgspec.Struct, frozen=True, kw_only=True):
    """What the server says when somebody types the command: the fields that are used of it."""

    team_id: str
    channel_id: str
    user_id: str
    token: str
    text: str = ""


class CommandCalls:
    """Answers the server's calls. What is answered is shown to the one who typed it, and to nobody else."""

    def __init__(
        self,
        command: SlashCommand | None,
        host: Host,
        people: People,
        channels: Channels,
        account: Callable[[], tuple[Api, wire.User] | None],
    ) -> None:
        """`account` gives what was last connected with."""
        self._command = command
        self._host = host
        self._people = people
        self._channels = channels
        self._account = account

    async def answer(self, request: web.Request, path: str) -> web.Response:
        """Take one call. Raises what aiohttp answers with where it is none of the server's."""
        if path != _PATH or self._command is None:
            raise web.HTTPNotFound(text="There is nothing here.\n")
        if request.method in {"GET", "HEAD"}:
            return web.Response(text="Mattermost calls this address when somebody types the relay's slash command.\n")
        if request.method != "POST":
            raise web.HTTPMethodNotAllowed(request.method, ["GET", "HEAD", "POST"])
        try:
            async with asyncio.timeout(_SECONDS):
                call = _decoded(await _body(request))
        except TimeoutError:
            raise web.HTTPRequestTimeout from None
        account = self._account()
        if call is None or account is None or not self._command.is_genuine(call.team_id, call.token):
            raise web.HTTPForbidden(text="")
        return _ephemeral(await self._take(call, *account))

    async def _take(self, call: Call, api: Api, me: wire.User) -> str:
        """Hand it over; what the one who typed it is told at once. The answer itself comes as answers do."""
        try:
            async with asyncio.timeout(_SECONDS):
                user = await self._people.user(api, call.user_id)
                direct = await self._is_direct(call, api, me)
        except (DriverError, TimeoutError):
            user, direct = None, False
        if user is None:
            return "The relay cannot find out who you are right now. Try again in a moment."
        if user.is_bot:
            return "The relay takes commands from people alone."
        if not direct and not self._channels.knows(call.channel_id):
            return "This channel is not bridged. The relay takes commands in bridged channels, and alone."
        words = " ".join(f"!{self._host.command_prefix} {call.text[:_LONGEST_TEXT]}".split())
        await self._host.accept(
            Posted(
                channel=Channel(self._host.instance, ChannelKey(call.channel_id)),
                message=MessageId(f"command-{uuid.uuid4().hex}"),
                author=as_author(user),
                at=api.clock.now(),
                text=RichText.plain(words),
                addressed=True,
                direct=direct,
            )
        )
        return ""

    async def _is_direct(self, call: Call, api: Api, me: wire.User) -> bool:
        """Whether it was typed where only the two of us are."""
        if self._channels.knows(call.channel_id):
            return False
        try:
            found = await api.channel(ChannelKey(call.channel_id))
        except Refusal:
            return False
        return found.type == "D" and set(found.name.split("__")) == {me.id, call.user_id}


async def _body(request: web.Request) -> bytes:
    """The call's body. Raises HTTPRequestEntityTooLarge before more than that is in memory."""
    content = bytearray()
    async for chunk in request.content.iter_chunked(16384):
        content += chunk
        if len(content) > _LONGEST_BODY:
            raise web.HTTPRequestEntityTooLarge(_LONGEST_BODY, len(content))
    return bytes(content)


def _decoded(body: bytes) -> Call | None:
    try:
        fields = dict(parse_qsl(body.decode(), keep_blank_values=True, max_num_fields=_MOST_FIELDS))
        return msgspec.convert(fields, Call)
    except (ValueError, msgspec.ValidationError):
        return None


def _ephemeral(text: str) -> web.Response:
    answer = {"response_type": "ephemeral", "text": text}
    return web.Response(body=msgspec.json.encode(answer), content_type="application/json")
