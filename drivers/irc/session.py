"""One registered connection, from the server's welcome to its end: what comes, and where we are."""

from __future__ import annotations

import asyncio
import re
from collections import OrderedDict
from collections.abc import Callable, Iterable

from drivers.irc import incoming
from drivers.irc.backlog import Backlog
from drivers.irc.channels import REFUSALS, Channels, ChannelState, Membership
from drivers.irc.connection import Broken, Connection
from drivers.irc.incoming import Incoming
from drivers.irc.pacing import Pacer
from drivers.irc.registration import ended
from drivers.irc.roster import Roster, is_split
from drivers.irc.sending import Sender
from drivers.irc.server import Server, quoted
from drivers.irc.settings import IrcSettings
from drivers.irc.wire import Line
from nextbridge import __version__
from nextbridge.driver import Host
from nextbridge.envelope import Author, ChannelKey, Event, Left, UserId
from nextbridge.errors import DriverError, Retry

__all__ = ["Session"]

_FLOOD = re.compile(r"flood|recvq|sendq exceeded|too fast", re.IGNORECASE)
_REPLAYS = {"chathistory", "draft/chathistory", "znc.in/playback"}
_MOST_BATCHES = 64
_MANY = 5
"""Messages on their way at once that make a lost connection look like a punishment."""
_REGAIN_INTERVAL = 60.0
_LABELLED = "labeled-response"
_SPLITS = {"netsplit", "netjoin"}


class Session:
    """Made after registration. `run` once; `sender` sends while it runs."""

    def __init__(
        self,
        connection: Connection,
        server: Server,
        channels: Channels,
        settings: IrcSettings,
        host: Host,
        pacer: Pacer,
        backlog: Backlog,
    ) -> None:
        self.server = server
        self.channels = channels
        self._connection = connection
        self._settings = settings
        self._host = host
        self._pacer = pacer
        self._backlog = backlog
        self._incoming = Incoming(host.instance, server)
        self._roster = Roster(server)
        self.sender = Sender(connection, server, channels, settings, pacer)
        self._receipts = self.sender.receipts
        self._batches: OrderedDict[str, tuple[str, str]] = OrderedDict()  # reference to type and label
        self._ctcp_answers = Pacer(0.1, 3)
        now = asyncio.get_running_loop().time()
        self._heard = now
        self._asked: float | None = None
        self._regain_at = now + _REGAIN_INTERVAL
        self._on: dict[str, Callable[[Line], Iterable[Event] | None]] = {
            "PING": lambda line: connection.put("PONG", line.param(-1)),
            "PONG": lambda line: self._receipts.answered(line.param(-1)),
            "ACK": lambda line: self._receipts.acknowledged(line.tags.get("label", "")),
            "FAIL": lambda line: self.sender.failed(line, self._label(line)),
            "BATCH": self._batch,
            "005": lambda line: server.support(line.params[1:-1]),
            "353": self._names,
            "396": lambda line: server.moved(line.param(1).rpartition("@")[2]),
            "470": self._forwarded,
            "CHGHOST": self._moved,
            "CAP": self._capabilities,
            "PRIVMSG": self._message,
            "NOTICE": self._message,
            "TAGMSG": self._tagged,
            "REDACT": self._redacted,
            "TOPIC": self._topic,
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
            if isinstance(reason, Broken) and self.sender.on_the_way >= _MANY:
                # a server that cuts us off for flooding may do it before its ERROR can be read
                self._pacer.doubted()
                self._slowed()
            raise
        finally:
            self.sender.close(error if isinstance(error, Retry) else Retry(error.reason))
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
        if line.command == "NICK":
            await self._renamed(line)
        elif (handler := self._on.get(line.command)) is not None:
            for event in handler(line) or ():
                await self._host.accept(event)
        elif line.command.isdigit() and "400" <= line.command <= "999":
            self._refusal(line)

    # --- what people say --------------------------------------------------------------------------------------------

    def _message(self, line: Line) -> Iterable[Event]:
        target = line.param(0)
        state = self.channels.find(target)
        if self.server.is_me(line.nick):
            # not all servers fold a target as we wrote it
            self._receipts.echoed(
                self.server.fold(target), line.param(-1), self._label(line), incoming.message_id(line)
            )
            self._host.skipped("own_message")
        elif self._kind_of_batch(line) in _REPLAYS:
            self._host.skipped("replayed_history")
        elif state is not None and "!" in line.source:
            event = self._incoming.posted(line, state)
            if event is None:
                self._host.skipped("ctcp")
            elif not event.text:
                self._host.skipped("empty_message")
            else:
                self._backlog.heard(event)
                yield event
        elif state is not None or "!" not in line.source:
            self._host.skipped("server_notice")
        elif self.server.is_me(target):
            yield from self._private(line)
        elif self.channels.find(self.server.without_status(target)) is not None:
            # said to some members only: not for everybody elsewhere
            self._host.skipped("status_message")
        else:
            self._host.skipped("other_channel")

    def _private(self, line: Line) -> Iterable[Event]:
        query = incoming.ctcp(line.param(-1))
        if query is not None and query[0] != "ACTION" and line.command != "NOTICE":
            self._host.skipped("ctcp")
            self._answer(line.nick, *query)
        elif (event := self._incoming.direct(line)) is None or not event.text:
            self._host.skipped("private_message")
        else:
            yield event

    def _answer(self, nick: str, command: str, rest: str) -> None:
        """Answer a CTCP query."""
        answer = {"VERSION": f"NextBridge {__version__}", "PING": quoted(rest)}.get(command)
        if answer is not None and self._ctcp_answers.at_once():
            self._connection.put("NOTICE", nick, f"\x01{command} {answer}\x01")

    def _tagged(self, line: Line) -> Iterable[Event]:
        state = self.channels.find(line.param(0))
        if self.server.is_me(line.nick):
            self._receipts.acknowledged(self._label(line), incoming.message_id(line))
        elif state is not None and "!" in line.source and self._kind_of_batch(line) not in _REPLAYS:
            if line.tags.get(f"+{incoming.TYPING}") == "active":
                self._host.typing(state.key, self._incoming.author(line.nick))
            elif (event := self._incoming.reacted(line, state)) is not None:
                yield event
            else:
                self._host.skipped("other_tags")

    def _redacted(self, line: Line) -> Iterable[Event]:
        state = self.channels.find(line.param(0))
        if self.server.is_me(line.nick):
            self._receipts.acknowledged(self._label(line))
        elif state is not None and (event := self._incoming.deleted(line, state)) is not None:
            yield event

    def _label(self, line: Line) -> str:
        return line.tags.get("label") or self._batches.get(line.tags.get("batch", ""), ("", ""))[1]

    def _kind_of_batch(self, line: Line) -> str:
        return self._batches.get(line.tags.get("batch", ""), ("", ""))[0]

    def _batch(self, line: Line) -> None:
        sign, reference = line.param(0)[:1], line.param(0)[1:]
        if sign == "+":
            self._batches[reference] = (line.param(1).lower(), self._label(line))
            if len(self._batches) > _MOST_BATCHES:
                self._batches.popitem(last=False)
            return
        kind, label = self._batches.pop(reference, ("", ""))
        if kind == _LABELLED:
            self._receipts.acknowledged(label)

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
            "sending_slowed",
            messages_per_second=self._pacer.rate,
            reason="the server found us too fast; set messages_per_second and burst to what the network allows",
        )

    # --- our nick and host ------------------------------------------------------------------------------------------

    async def _renamed(self, line: Line) -> None:
        self._roster.renamed(line.nick, line.param(0))
        if self.server.is_me(line.nick):
            self.server.nick = line.param(0) or self.server.nick
            await self._connected()
        elif self._is_wanted(line.nick):
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

    def _joined(self, line: Line) -> Iterable[Event]:
        state = self.channels.find(line.param(0))
        if not self.server.is_me(line.nick):
            if state is not None:
                yield from self._entered(line, state)
        elif state is None:
            # a forward took us somewhere that nobody named
            self._connection.put("PART", line.param(0))
        else:
            self._roster.begin(state.key)
            self.channels.joined(state)

    def _parted(self, line: Line) -> Iterable[Event]:
        state = self.channels.find(line.param(0))
        if state is None:
            return
        if self.server.is_me(line.nick):
            self._roster.end(state.key)
            self.channels.left(state, "the server took us out of the channel")
        else:
            yield from self._went(state, line.nick, self._incoming.left(line, state, line.param(1)))

    def _kicked(self, line: Line) -> Iterable[Event]:
        state = self.channels.find(line.param(0))
        if state is None:
            return
        if self.server.is_me(line.param(1)):
            self._roster.end(state.key)
            why = f" ({quoted(line.param(2))})" if line.param(2) else ""
            self.channels.left(state, f"{quoted(line.nick)} kicked the relay{why}: talk to them")
        else:
            yield from self._went(state, line.param(1), self._incoming.kicked(line, state))

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
        if state is not None and state.membership is Membership.JOINING:
            said = quoted(line.param(-1))
            self.channels.refused(state, f"{REFUSALS.get(line.command, 'the server does not let us in')} ({said})")
            return
        self.sender.refused(line, self._label(line))
        if state is not None and line.command in {"403", "442"} and state.membership is Membership.JOINED:
            self._roster.end(state.key)
            self.channels.left(state, f"the server says that we are not in it ({quoted(line.param(-1))})")

    # --- who is there -----------------------------------------------------------------------------------------------

    def member(self, channel: ChannelKey, name: str) -> Author | None:
        """Who in the channel is called `name`. See Members."""
        state = self.channels.by_key(channel)
        nick = None if state is None else self._roster.find(state.key, name)
        return None if nick is None or self.server.is_me(nick) else self._incoming.author(nick)

    def _names(self, line: Line) -> None:
        if (state := self.channels.find(line.param(2))) is not None:
            self._roster.names(state.key, line.param(3))

    def _entered(self, line: Line, state: ChannelState) -> Iterable[Event]:
        self._roster.entered(state.key, line.nick)
        if self._kind_of_batch(line) in _SPLITS or self._roster.is_back(line.nick):
            self._host.skipped("netjoin")
        elif self._roster.is_told(state.key):
            yield self._incoming.joined(line, state)
        else:
            self._host.skipped("crowd")

    def _went(self, state: ChannelState, nick: str, event: Left) -> Iterable[Event]:
        self._roster.left(state.key, nick)
        self._roster.met(nick)
        if self._roster.is_told(state.key):
            yield event
        else:
            self._host.skipped("crowd")

    def _quit(self, line: Line) -> Iterable[Event]:
        if self._is_wanted(line.nick):
            self._regain()
        reason = line.param(0)
        split = self._kind_of_batch(line) in _SPLITS or is_split(reason)
        for key in self._roster.gone(line.nick):
            state = self.channels.by_key(key)
            if split:
                self._host.skipped("netsplit")
            elif state is not None:
                yield from self._went(state, line.nick, self._incoming.left(line, state, reason))
        if split:
            self._roster.parted(line.nick)

    def _topic(self, line: Line) -> Iterable[Event]:
        state = self.channels.find(line.param(0))
        if self.server.is_me(line.nick):
            self._receipts.acknowledged(self._label(line))
            self._host.skipped("own_topic")
        elif state is not None and "!" in line.source:
            yield self._incoming.topic(line, state)
        else:
            self._host.skipped("server_notice")
