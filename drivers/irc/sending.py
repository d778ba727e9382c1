"""What goes out over one connection, each line in its turn, and whether the server took it.

Nothing that somebody wrote becomes a command: it is the last parameter of a line, or the value of a tag, without what
would end either.
"""

from __future__ import annotations

import asyncio
from collections.abc import Mapping

from drivers.irc import incoming, wire
from drivers.irc.channels import Channels, ChannelState, Membership
from drivers.irc.connection import Broken, Connection
from drivers.irc.formatting import clean, without_codes
from drivers.irc.pacing import Pacer
from drivers.irc.receipts import Pending, Receipts
from drivers.irc.registration import REDACTION
from drivers.irc.server import Server, quoted
from drivers.irc.settings import IrcSettings
from drivers.irc.wire import Line
from nextbridge.driver import Outgoing, Receipt
from nextbridge.envelope import ChannelKey, MessageId, UserId
from nextbridge.errors import DriverError, Gone, Paused, Rejected, Retry

__all__ = ["Sender"]

_NO_TAGS: Mapping[str, str] = {}
_UNSENDABLE = str.maketrans({"\r": " ", "\n": " ", "\0": None, "\x01": None})
_NOT_IN_NICKS = frozenset(" ,*!@:\r\n\0")
_LONGEST_EMOJI = 64
_TYPING_EVERY = 3.0
"""Seconds between two signs in one channel, as the specification asks."""


class Sender:
    """Used while its session runs, in several channels at a time."""

    def __init__(
        self, connection: Connection, server: Server, channels: Channels, settings: IrcSettings, pacer: Pacer
    ) -> None:
        self.on_the_way = 0
        """Commands written and neither taken nor refused."""
        self.receipts = Receipts(server.caps, lambda token: connection.put("PING", token))
        self._connection = connection
        self._server = server
        self._channels = channels
        self._settings = settings
        self._pacer = pacer
        self._typed: dict[ChannelKey, float] = {}
        self._closed: DriverError | None = None

    def close(self, error: DriverError) -> None:
        """The connection is gone: nothing more is sent or acknowledged."""
        self._closed = error
        self.receipts.closed(error)

    # --- messages ---------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """Send one message. See Driver.send."""
        state = self._channel(message.channel)
        # an empty line is part of what somebody wrote; IRC has none, so it is a blank one
        text = message.text.translate(_UNSENDABLE) or " "
        # the core cuts by what was known of our name when it planned; a longer one since must not cost text
        pieces = wire.cut(text, self._server.room(state.name, self._settings.nick))
        tags = _NO_TAGS
        if message.reply_to is not None and self.shows_answers and incoming.is_servers(message.reply_to):
            tags = {f"+{incoming.REPLY}": message.reply_to}
        receipts = [await self._piece(state, piece, tags, action=message.action) for piece in pieces]
        return Receipt(receipts[0])

    @property
    def shows_answers(self) -> bool:
        """Whether others are told what a message answers, and we learn by which id our own can be answered."""
        return self._server.names_messages and self._server.passes(incoming.REPLY)

    async def _piece(
        self, state: ChannelState, text: str, tags: Mapping[str, str], *, action: bool
    ) -> MessageId | None:
        try:
            return await self._in_channel("PRIVMSG", state, incoming.action(text) if action else text, tags=tags)
        except Paused:
            # a channel may refuse formatting (+c) or CTCP (+C) alone
            plain = without_codes(text) or " "
            if plain == text and not action:
                self._silenced(state)
                raise
        try:
            return await self._in_channel("PRIVMSG", state, f"* {plain}" if action else plain, tags=tags)
        except Paused:
            self._silenced(state)
            raise

    def _silenced(self, state: ChannelState) -> None:
        if state.membership is Membership.JOINED:
            state.muted = True

    async def tell(self, user: UserId, text: str) -> None:
        """Say something to one person. See DirectMessages."""
        if not user or _NOT_IN_NICKS & {*user} or self._server.is_channel(user):
            raise Rejected(f"{quoted(user)!r} is no nick")
        for line in text.split("\n"):
            for piece in wire.cut(line.translate(_UNSENDABLE) or " ", self._server.room(user, self._settings.nick)):
                await self._perform("PRIVMSG", user, piece)

    # --- what else can be done --------------------------------------------------------------------------------------

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        """Give a channel its topic. See Topics."""
        state = self._channel(channel)
        text, *_ = wire.cut(" ".join(clean(topic).split()), self._server.topic_room(state.name, self._settings.nick))
        await self._in_channel("TOPIC", state, text)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        """Take a message back. See Deletes."""
        if REDACTION not in self._server.caps or not incoming.is_servers(message):
            raise Rejected("this server takes back no message")
        if " " in message or message.startswith(":"):
            raise Gone("there is no such message")
        await self._in_channel("REDACT", self._channel(channel), message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        """Put our reaction on a message, or take it back. See Reactions."""
        if not self._settings.reactions:
            raise Rejected("few people would see it: reactions is not set")
        tag = incoming.REACT if add else incoming.UNREACT
        if not (self._server.passes(tag) and self._server.passes(incoming.REPLY) and incoming.is_servers(message)):
            raise Rejected("this server hands on no reactions")
        if emoji.isascii() or len(emoji) > _LONGEST_EMOJI:
            raise Rejected("there are no emoji by name on IRC")
        tags = {f"+{incoming.REPLY}": message, f"+{tag}": emoji}
        await self._in_channel("TAGMSG", self._channel(channel), tags=tags)

    def typing(self, channel: ChannelKey) -> None:
        """Show that somebody is typing, unless it would make a message wait. See Typing."""
        state = self._channels.by_key(channel)
        now = asyncio.get_running_loop().time()
        if (
            state is None
            or state.membership is not Membership.JOINED
            or self._closed is not None
            or not self._server.passes(incoming.TYPING)
            or now - self._typed.get(state.key, -_TYPING_EVERY) < _TYPING_EVERY
            or not self._pacer.to_spare()
        ):
            return
        self._typed[state.key] = now
        tags = {f"+{incoming.TYPING}": "active"}
        if "labeled-response" in self._server.caps:
            tags["label"] = "nb-typing"  # what is said against it is then not taken for a message's refusal
        self._connection.send(wire.render("TAGMSG", state.name, tags=tags))

    # --- refusals ---------------------------------------------------------------------------------------------------

    def refused(self, line: Line, label: str) -> None:
        """Take a numeric that refuses something."""
        pending = self.receipts.refused(self._server.fold(line.param(1)), label)
        if pending is not None:
            pending.refused(self._meaning(pending, line))

    def failed(self, line: Line, label: str) -> None:
        """Take a FAIL: https://ircv3.net/specs/extensions/standard-replies."""
        pending = self.receipts.refused(self._server.fold(line.param(2)), label)
        if pending is None:
            return
        said = quoted(line.param(-1))
        if line.param(1) == "UNKNOWN_MSGID":
            pending.refused(Gone(f"the server knows the message no more: {said}"))
        else:
            pending.refused(Rejected(f"the server does not do it: {said}"))

    def _meaning(self, pending: Pending, line: Line) -> DriverError:
        state = self._channels.find(line.param(1))
        name = quoted(line.param(1)) if state is None else state.name
        said = quoted(line.param(-1))
        match pending.command, line.command:
            case _, "439" | "263":
                return Retry(f"the server finds us too fast in {name}: {said}", after=10)
            case "PRIVMSG", _ if state is None:
                return Rejected(f"the server takes no message from us to {name} ({said})")
            case "PRIVMSG", "936":
                return Rejected(f"the server takes no message with such words in {name}: {said}")
            case "PRIVMSG", _:
                reason = f"the server takes no message from us in {name} ({said}): give the relay voice there"
                return Paused(reason, scope="channel")
            case _, "403" | "442":
                return Paused(f"we are not in {name} ({said})", scope="channel")
            case "TOPIC", _:
                return Rejected(
                    f"the server does not let us set the topic of {name} ({said}): make the relay an operator there, "
                    "or let everybody set it (MODE -t)"
                )
            case _:
                return Rejected(f"the server does not let us do that in {name} ({said})")

    # --- one command ------------------------------------------------------------------------------------------------

    def _channel(self, key: ChannelKey) -> ChannelState:
        state = self._channels.by_key(key)
        if state is None:
            raise Paused(f"{key} is no channel of this instance", scope="channel")
        return state

    async def _in_channel(
        self, command: str, state: ChannelState, *params: str, tags: Mapping[str, str] = _NO_TAGS
    ) -> MessageId | None:
        """Do it once it is known whether we are in the channel."""
        seconds = self._settings.answer_timeout
        try:
            async with asyncio.timeout(seconds):
                await state.settled.wait()
        except TimeoutError as error:
            raise Retry(f"{state.name} is not settled after {seconds:g} s") from error
        return await self._perform(command, state.name, *params, tags=tags, state=state)

    async def _perform(
        self,
        command: str,
        target: str,
        *params: str,
        tags: Mapping[str, str] = _NO_TAGS,
        state: ChannelState | None = None,
    ) -> MessageId | None:
        seconds = self._settings.answer_timeout
        await self._connection.turn()
        try:
            message = await self._outcome(self._write(command, target, params, tags, state), seconds)
        except TimeoutError as error:
            if command == "PRIVMSG":
                # sent again on this connection it would surely stand there twice once the server goes on
                self._connection.abort()
            raise Retry(f"the server has not acknowledged a {command} to {target} for {seconds:g} s") from error
        return MessageId(message) if message else None

    async def _outcome(self, pending: Pending, seconds: float) -> str | None:
        self.on_the_way += 1
        try:
            async with asyncio.timeout(seconds):
                await self._connection.drain()
                message = await pending.outcome
        except Broken:
            raise  # it counts as on its way: see Session.run
        except BaseException:
            self.on_the_way -= 1
            raise
        finally:
            self.receipts.forget(pending)
        self.on_the_way -= 1
        return message

    def _write(
        self, command: str, target: str, params: tuple[str, ...], tags: Mapping[str, str], state: ChannelState | None
    ) -> Pending:
        if self._closed is not None:
            raise Retry(self._closed.reason)
        if state is not None and state.membership is not Membership.JOINED:
            raise Paused(state.reason, scope="channel")
        pending = self.receipts.expect(command, self._server.fold(target), params[-1] if params else "")
        if pending.label:
            tags = {"label": pending.label, **tags}
        self._connection.send(wire.render(command, target, *params, tags=tags))
        self.receipts.sent()
        return pending
