"""One registered connection, from the server's welcome to its end: it receives, keeps the channels, and sends."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable

from drivers.irc import incoming, wire
from drivers.irc.channels import REFUSALS, Channels, ChannelState, Membership
from drivers.irc.connection import Broken, Connection
from drivers.irc.formatting import without_codes
from drivers.irc.pacing import Pacer
from drivers.irc.receipts import Pending, Receipts
from drivers.irc.registration import ended
from drivers.irc.server import Server, quoted
from drivers.irc.settings import IrcSettings
from drivers.irc.wire import Line
from nextbridge import __version__
from nextbridge.driver import Host, Outgoing, Receipt
from nextbridge.envelope import MessageId, UserId
from nextbridge.errors import DriverError, Paused, Rejected, Retry

__all__ = ["Session"]

_FLOOD = re.compile(r"flood|recvq|sendq exceeded|too fast", re.IGNORECASE)
_REPLAYS = {"chathistory", "draft/chathistory", "znc.in/playback"}
_MOST_BATCHES = 64
_MANY = 5
"""Messages on their way at once that make a lost connection look like a punishment."""
_REGAIN_INTERVAL = 60.0
_UNSENDABLE = str.maketrans({"\r": " ", "\n": " ", "\0": None, "\x01": None})


class Session:
    """Made after registration. `run` once; `send` while it runs, in several channels at a time."""

    def __init__(
        self,
        connection: Connection,
        server: Server,
        channels: Channels,
        settings: IrcSettings,
        host: Host,
        pacer: Pacer,
    ) -> None:
        self.server = server
        self.channels = channels
        self._connection = connection
        self._settings = settings
        self._host = host
        self._pacer = pacer
        self._receipts = Receipts(server.caps, lambda token: connection.put("PING", token))
        self._closed: DriverError | None = None
        self._on_the_way = 0  # messages written and neither taken nor refused
        self._batches: OrderedDict[str, tuple[str, str]] = OrderedDict()  # reference to type and label
        self._ctcp_answers = Pacer(0.1, 3)
        now = asyncio.get_running_loop().time()
        self._heard = now
        self._asked: float | None = None
        self._regain_at = now + _REGAIN_INTERVAL
        self._on: dict[str, Callable[[Line], None]] = {
            "PING": lambda line: connection.put("PONG", line.param(-1)),
            "PONG": lambda line: self._receipts.answered(line.param(-1)),
            "ACK": lambda line: self._receipts.acknowledged(line.tags.get("label", "")),
            "BATCH": self._batch,
            "005": lambda line: server.support(line.params[1:-1]),
            "396": lambda line: server.moved(line.param(1).rpartition("@")[2]),
            "470": self._forwarded,
            "CHGHOST": self._moved,
            "CAP": self._capabilities,
            "JOIN": self._joined,
            "PART": self._parted,
            "KICK": self._kicked,
            "INVITE": self._invited,
            "MODE": self._mode,
            "QUIT": self._quit,
            "ERROR": self._error,
        }

    @property
    def realm(self) -> str:
        return (self.server.network or self._settings.host).lower()

    async def run(self) -> None:
        """Join and receive until the connection ends. Always raises: Retry, or Paused."""
        error: DriverError = Retry("the connection was given up")
        try:
            await self.channels.resolve()
            await self._connected()
            await self._receive()
        except DriverError as reason:
            error = reason
            if isinstance(reason, Broken) and self._on_the_way >= _MANY:
                # a server that cuts us off for flooding may do it before its ERROR can be read
                self._pacer.doubted()
                self._slowed()
            raise
        finally:
            self._closed = error if isinstance(error, Retry) else Retry(error.reason)
            self._receipts.closed(self._closed)
            self.channels.close()

    async def _connected(self) -> None:
        await self._host.connected(UserId(self.server.fold(self.server.nick)), realm=self.realm)

    # --- receiving --------------------------------------------------------------------------------------------------

    async def _receive(self) -> None:
        clock = asyncio.get_running_loop().time
        while True:
            due = self._keep(clock())
            try:
                async with asyncio.timeout_at(due):
                    line = await self._connection.read()
            except TimeoutError:
                continue
            self._heard = clock()
            self._asked = None
            while self._connection.overlong:
                self._connection.overlong -= 1
                self._host.skipped("overlong_line")
            await self._take(line)

    def _keep(self, now: float) -> float:
        """Do what is due by the clock, and say when there is something again."""
        settings = self._settings
        for parameters in self.channels.joins(now):
            self._connection.put("JOIN", *parameters)
        if self._asked is None and now - self._heard >= settings.ping_interval:
            self._asked = now
            self._connection.put("PING", "nb-there")
        if self._asked is not None and now - self._asked >= settings.answer_timeout:
            raise Retry(f"the server has not answered a PING for {settings.answer_timeout:g} s")
        if now >= self._regain_at:
            self._regain()
        silence = self._heard + settings.ping_interval if self._asked is None else self._asked + settings.answer_timeout
        return min(silence, self._regain_at, self.channels.next_at() or silence)

    async def _take(self, line: Line) -> None:
        if self.server.is_me(line.nick):
            self.server.learn(line.source)
        if line.command in {"PRIVMSG", "NOTICE"}:
            await self._message(line)
        elif line.command == "NICK":
            await self._renamed(line)
        elif (handler := self._on.get(line.command)) is not None:
            handler(line)
        elif line.command.isdigit() and "400" <= line.command <= "999":
            self._refusal(line)

    async def _message(self, line: Line) -> None:
        target = line.param(0)
        state = self.channels.find(target)
        if self.server.is_me(line.nick):
            # not all servers fold a target as we wrote it
            self._receipts.echoed(
                self.server.fold(target), line.param(-1), self._label(line), incoming.message_id(line)
            )
            self._host.skipped("own_message")
        elif self._batches.get(line.tags.get("batch", ""), ("", ""))[0] in _REPLAYS:
            self._host.skipped("replayed_history")
        elif state is not None and "!" in line.source:
            event = incoming.posted(line, self._host.instance, state, self.server)
            if event is None:
                self._host.skipped("ctcp")
            elif not event.text:
                self._host.skipped("empty_message")
            else:
                await self._host.accept(event)
        elif state is not None or "!" not in line.source:
            self._host.skipped("server_notice")
        elif self.server.is_me(target):
            self._private(line)
        elif self.channels.find(self.server.without_status(target)) is not None:
            # said to some members only: not for everybody elsewhere
            self._host.skipped("status_message")
        else:
            self._host.skipped("other_channel")

    def _private(self, line: Line) -> None:
        query = incoming.ctcp(line.param(-1))
        if query is None or line.command == "NOTICE":
            self._host.skipped("private_message")
            return
        self._host.skipped("ctcp")
        command, rest = query
        answer = {"VERSION": f"NextBridge {__version__}", "PING": quoted(rest)}.get(command)
        if answer is not None and self._ctcp_answers.at_once():
            self._connection.put("NOTICE", line.nick, f"\x01{command} {answer}\x01")

    def _label(self, line: Line) -> str:
        return line.tags.get("label") or self._batches.get(line.tags.get("batch", ""), ("", ""))[1]

    def _batch(self, line: Line) -> None:
        sign, reference = line.param(0)[:1], line.param(0)[1:]
        if sign == "+":
            self._batches[reference] = (line.param(1).lower(), self._label(line))
            if len(self._batches) > _MOST_BATCHES:
                self._batches.popitem(last=False)
        else:
            self._batches.pop(reference, None)

    def _capabilities(self, line: Line) -> None:
        if line.param(1).upper() == "DEL":
            self.server.caps.difference_update(line.param(-1).split())

    def _error(self, line: Line) -> None:
        error = ended(line)
        if _FLOOD.search(line.param(-1)):
            self._pacer.slower()
            self._slowed()
            error = Retry(error.reason)
        raise error

    def _slowed(self) -> None:
        self._host.log.warning(
            "the server found us too fast; going on slower",
            messages_per_second=self._pacer.rate,
            remedy="set messages_per_second and burst to what the network allows",
        )

    # --- our nick and host ------------------------------------------------------------------------------------------

    async def _renamed(self, line: Line) -> None:
        if self.server.is_me(line.nick):
            self.server.nick = line.param(0) or self.server.nick
            await self._connected()
        elif self._is_wanted(line.nick):
            self._regain()

    def _quit(self, line: Line) -> None:
        if self._is_wanted(line.nick):
            self._regain()

    def _is_wanted(self, nick: str) -> bool:
        return self.server.fold(nick) == self.server.fold(self._settings.nick)

    def _regain(self) -> None:
        self._regain_at = asyncio.get_running_loop().time() + _REGAIN_INTERVAL
        if not self._is_wanted(self.server.nick):
            self._connection.put("NICK", self._settings.nick)

    def _moved(self, line: Line) -> None:
        if self.server.is_me(line.nick):
            self.server.moved(line.param(1), line.param(0))

    # --- our channels -----------------------------------------------------------------------------------------------

    def _joined(self, line: Line) -> None:
        if not self.server.is_me(line.nick):
            return
        state = self.channels.find(line.param(0))
        if state is None:
            # a forward took us somewhere that nobody named
            self._connection.put("PART", line.param(0))
        else:
            self.channels.joined(state)

    def _parted(self, line: Line) -> None:
        state = self.channels.find(line.param(0))
        if state is not None and self.server.is_me(line.nick):
            self.channels.left(state, "the server took us out of the channel")

    def _kicked(self, line: Line) -> None:
        state = self.channels.find(line.param(0))
        if state is not None and self.server.is_me(line.param(1)):
            why = f" ({quoted(line.param(2))})" if line.param(2) else ""
            self.channels.left(state, f"{quoted(line.nick)} kicked the relay{why}: talk to them")

    def _invited(self, line: Line) -> None:
        state = self.channels.find(line.param(1))
        if state is not None and self.server.is_me(line.param(0)):
            self.channels.invited(state)

    def _mode(self, line: Line) -> None:
        state = self.channels.find(line.param(0))
        if state is not None:
            self.channels.changed(state)

    def _forwarded(self, line: Line) -> None:
        self.channels.forwarded(line)

    def _refusal(self, line: Line) -> None:
        state = self.channels.find(line.param(1))
        if state is None:
            return
        said = quoted(line.param(-1))
        if state.membership is Membership.JOINING:
            self.channels.refused(state, f"{REFUSALS.get(line.command, 'the server does not let us in')} ({said})")
            return
        error: DriverError
        match line.command:
            case "936":
                error = Rejected(f"the server takes no message with such words in {state.name}: {said}")
            case "439":
                error = Retry(f"the server finds us too fast in {state.name}: {said}", after=10)
            case _:
                reason = f"the server takes no message from us in {state.name} ({said}): give the relay voice there"
                error = Paused(reason, scope="channel")
        self._receipts.refused(self.server.fold(state.name), self._label(line), error)
        if line.command in {"403", "442"} and state.membership is Membership.JOINED:
            self.channels.left(state, f"the server says that we are not in it ({said})")

    # --- sending ----------------------------------------------------------------------------------------------------

    async def send(self, message: Outgoing) -> Receipt:
        """Send one message. See Driver.send."""
        state = self.channels.by_key(message.channel)
        if state is None:
            raise Paused(f"{message.channel} is no channel of this instance", scope="channel")
        # an empty line is part of what somebody wrote; IRC has none, so it is a blank one
        text = message.text.translate(_UNSENDABLE) or " "
        # the core cuts by what was known of our name when it planned; a longer one since must not cost text
        pieces = wire.cut(text, self.server.room(state.name, self._settings.nick))
        receipts = [await self._piece(state, piece, action=message.action) for piece in pieces]
        return Receipt(receipts[0])

    async def _piece(self, state: ChannelState, text: str, *, action: bool) -> MessageId | None:
        try:
            return await self._deliver(state, incoming.action(text) if action else text)
        except Paused:
            # a channel may refuse formatting (+c) or CTCP (+C) alone
            plain = without_codes(text) or " "
            if plain == text and not action:
                self._silenced(state)
                raise
        try:
            return await self._deliver(state, f"* {plain}" if action else plain)
        except Paused:
            self._silenced(state)
            raise

    def _silenced(self, state: ChannelState) -> None:
        if state.membership is Membership.JOINED:
            state.muted = True

    async def _deliver(self, state: ChannelState, text: str) -> MessageId | None:
        seconds = self._settings.answer_timeout
        try:
            async with asyncio.timeout(seconds):
                await state.settled.wait()
            await self._connection.turn()
        except TimeoutError as error:
            raise Retry(f"{state.name} is not settled after {seconds:g} s") from error
        try:
            message = await self._outcome(self._write(state, text), seconds)
        except TimeoutError as error:
            # sent again on this connection it would surely stand there twice once the server goes on
            self._connection.abort()
            raise Retry(f"the server has not acknowledged a message to {state.name} for {seconds:g} s") from error
        return MessageId(message) if message else None

    async def _outcome(self, pending: Pending, seconds: float) -> str | None:
        self._on_the_way += 1
        try:
            async with asyncio.timeout(seconds):
                await self._connection.drain()
                message = await pending.outcome
        except Broken:
            raise  # it counts as on its way: see run
        except BaseException:
            self._on_the_way -= 1
            raise
        finally:
            self._receipts.forget(pending)
        self._on_the_way -= 1
        return message

    def _write(self, state: ChannelState, text: str) -> Pending:
        if self._closed is not None:
            raise Retry(self._closed.reason)
        if state.membership is not Membership.JOINED:
            raise Paused(state.reason, scope="channel")
        pending = self._receipts.expect(self.server.fold(state.name), text)
        self._connection.send(wire.render("PRIVMSG", state.name, text, label=pending.label))
        self._receipts.sent()
        return pending
