"""An IRC network as the town has it: people who talk, and a witness who hears what the relay hears.

The witness sits in every channel with a plain client. A server tells all members of a channel the same, in one order:
so the witness knows when the relay came and went, what was said between, and what the relay said there.
"""

from __future__ import annotations

import asyncio
import re
import time
import uuid
from collections.abc import AsyncIterator, Callable, Collection, Sequence
from contextlib import asynccontextmanager, suppress

from msgspec import Struct

__all__ = ["Client", "Network", "Said", "Stay", "Witness"]

IN_FLIGHT = 5.0
"""Seconds before the end of a stay in which what is said may not have been taken yet."""
_LINE = re.compile(
    r"^(?:@(?P<tags>\S+) )?:(?P<nick>[^! ]+)\S* (?P<command>[A-Z]+) :?(?P<target>\S+)(?: :?(?P<text>.*))?$"
)
_FRAME = re.compile(r"<[^>]*> ")
"""What stands before each message of the relay, and not before the rest of one that had to be cut once more."""
_MESSAGE_ID = re.compile(r"(?:^|;)msgid=([^;]*)")


class Stay(Struct, eq=False):
    """One connection of the relay, as the others see it: from its first channel to its end."""

    nick: str
    channels: set[str]
    ended: float | None = None


class Said(Struct):
    """A line in a channel."""

    channel: str
    nick: str
    text: str
    message: str
    """The server's id of it."""
    at: float
    heard_by: Stay | None
    """The stay of the relay that it was told to; the newest, where an old one has not ended yet."""
    by: Stay | None
    """Where the relay said it."""


class Client:
    """Somebody with a plain client."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self._changed = asyncio.Event()
        self._reading: asyncio.Task[None] | None = None
        self._answers: set[str] = set()

    async def connect(self, port: int, channels: Sequence[str]) -> None:
        """Register, and join the channels."""
        reader, self._writer = await asyncio.open_connection("127.0.0.1", port)
        self._reading = asyncio.create_task(self._read(reader))
        self.send("CAP REQ :message-tags", "CAP END", f"NICK {self.nick}", f"USER {self.nick} 0 * :{self.nick}")
        await self.until(lambda: "001" in self._answers)
        for channel in channels:
            self.send(f"JOIN {channel}")
        await self.settled()

    def send(self, *lines: str) -> None:
        self._writer.write("".join(f"{line}\r\n" for line in lines).encode())

    async def settled(self) -> None:
        """Return once the server has worked through all that was sent, and what it said before is here."""
        token = uuid.uuid4().hex
        self.send(f"PING {token}")
        await self.until(lambda: token in self._answers)

    async def until(self, condition: Callable[[], bool], *, within: float = 30) -> None:
        """Return once it holds; it is looked at for each line. Raises TimeoutError."""
        async with asyncio.timeout(within):
            while not condition():
                self._changed.clear()
                await self._changed.wait()

    async def leave(self) -> None:
        if self._reading is not None:
            self._reading.cancel()
            await asyncio.wait({self._reading})
            self._writer.close()
            with suppress(ConnectionError):
                await self._writer.wait_closed()

    def take(self, line: str) -> None:
        """What a server's line means, for those who want to know."""

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.readline():
            line = data.decode("utf-8", "replace").rstrip("\r\n")
            words = line.split(" ")
            if words[0] == "PING":
                self.send("PONG " + " ".join(words[1:]))
            elif words[1] == "PONG":
                self._answers.add(words[-1].removeprefix(":"))
            elif words[1] == "001":
                self._answers.add("001")
            else:
                self.take(line)
            self._changed.set()


class Witness(Client):
    """Who only listens."""

    def __init__(self, nick: str, relay: str) -> None:
        """`relay` is the nick that the relay wants; it may take one that begins so."""
        super().__init__(nick)
        self.said: list[Said] = []
        self.stays: list[Stay] = []
        self._relay = relay

    def present(self, channels: Collection[str]) -> bool:
        """Whether the relay is in all of these now."""
        return any(stay.ended is None and stay.channels >= set(channels) for stay in self.stays)

    def take(self, line: str) -> None:
        found = _LINE.match(line)
        if found is None:
            return
        nick, target = found["nick"], found["target"]
        match found["command"]:
            case "JOIN" if nick.startswith(self._relay):
                stay = self._stay(nick)
                if stay is None:
                    self.stays.append(stay := Stay(nick, set()))
                stay.channels.add(target)
            case "NICK" if (stay := self._stay(nick)) is not None:
                stay.nick = target
            case "QUIT" if (stay := self._stay(nick)) is not None:
                stay.ended = time.monotonic()
            case "PRIVMSG":
                self._heard(nick, target, found["text"] or "", found["tags"] or "")
            case _:
                pass

    def _heard(self, nick: str, channel: str, text: str, tags: str) -> None:
        message = _MESSAGE_ID.search(tags)
        here = [stay for stay in self.stays if stay.ended is None and channel in stay.channels]
        by = self._stay(nick)
        listening = here[-1] if here and by is None else None
        self.said.append(Said(channel, nick, text, message[1] if message else "", time.monotonic(), listening, by))

    def _stay(self, nick: str) -> Stay | None:
        return next((stay for stay in reversed(self.stays) if stay.ended is None and stay.nick == nick), None)

    # --- what follows from it -------------------------------------------------------------------------------------

    def by_relay(self, channel: str) -> tuple[list[str], int]:
        """What the relay said in a channel, and how many messages of it are there twice, as they may: once left out.

        A stay may begin with the message that the one before ended with: that was sent, and its acknowledgement was not
        on disk when the connection or the daemon ended. No other message may be there twice.
        """
        texts: list[str] = []
        repeated: set[Stay] = set()
        last: Stay | None = None
        begins = False
        for stay, text in self._whole(channel):
            begins = bool(texts) and (begins or stay is not last)
            last = stay
            if begins and text in texts[-1]:
                repeated.add(stay)
            elif begins and text.startswith(texts[-1]):
                repeated.add(stay)
                texts[-1] = text  # the first time it was cut off
            else:
                begins = False
                texts.append(text)
        return texts, len(repeated)

    def _whole(self, channel: str) -> list[tuple[Stay, str]]:
        """What the relay said in a channel, without names, each with its stay."""
        whole: list[tuple[Stay, str]] = []
        for each in self.said:
            if each.channel != channel or each.by is None:
                continue
            framed = _FRAME.match(each.text)
            if framed is not None:
                whole.append((each.by, each.text[framed.end() :]))
            elif whole:  # the server's limit was narrower than it had been when the text was cut
                stay, text = whole[-1]
                whole[-1] = (stay, text + each.text)
        return whole

    def unheard(self, was_taken: Callable[[Said], bool]) -> list[Said]:
        """What people said that need not arrive: while the relay was away, or just before it was gone.

        What is said in a stay comes to the relay by one connection, in this order. So of what it did not take the last
        alone may be missing, and only so much as was said right before the stay ended.
        """
        excused = [each for each in self.said if each.by is None and each.heard_by is None]
        for stay in self.stays:
            told = [each for each in self.said if each.heard_by is stay]
            while told and stay.ended is not None and not was_taken(told[-1]):
                if told[-1].at >= stay.ended - IN_FLIGHT:
                    excused.append(told[-1])
                told.pop()
        return excused


class Network(Struct, frozen=True):
    """The server's port, the nick that the relay is to have there, and who else is there."""

    port: int
    relay: str
    witness: Witness
    speaker: Client

    @classmethod
    @asynccontextmanager
    async def joined(cls, port: int, channels: Sequence[str]) -> AsyncIterator[Network]:
        """Both people in all the channels."""
        name = uuid.uuid4().hex[:7]
        network = cls(port, f"r{name}", Witness(f"w{name}", f"r{name}"), Client(f"s{name}"))
        try:
            await asyncio.gather(network.witness.connect(port, channels), network.speaker.connect(port, channels))
            yield network
        finally:
            await network.witness.leave()
            await network.speaker.leave()
