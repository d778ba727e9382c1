"""From the first byte to the welcome: capabilities, SASL, the server's password and a nick that is free.

Sources: https://ircv3.net/specs/extensions/capability-negotiation, https://ircv3.net/specs/extensions/sasl-3.1.
"""

from __future__ import annotations

import asyncio
import base64
import re

from drivers.irc.connection import Connection
from drivers.irc.names import alternatives
from drivers.irc.server import Server, quoted
from drivers.irc.settings import IrcSettings
from drivers.irc.wire import Line
from nextbridge.errors import DriverError, Paused, Retry

__all__ = ["REDACTION", "ended", "register"]

REDACTION = "draft/message-redaction"
_WANTED = ("message-tags", "server-time", "echo-message", "labeled-response", "batch", "chghost", REDACTION)
_TIMEOUT = 60.0
"""Seconds; servers look up our host and ident first, which takes some of them half a minute."""
_NICKS = {"432", "433", "436", "437"}
_REFUSED = re.compile(r"\bban|banned|\b[dgkz][-:]?lined?\b|password|access denied|not authori[sz]ed", re.IGNORECASE)
_LONGEST_CHUNK = 400


def ended(line: Line) -> DriverError:
    """What a server's ERROR means for the connection."""
    text = quoted(line.param(-1))
    if _REFUSED.search(text):
        return Paused(
            f"the server refuses us: {text!r}. Check password and nick, or ask the network's staff", scope="instance"
        )
    return Retry(f"the server closed the connection: {text!r}")


async def register(connection: Connection, settings: IrcSettings, nick: str) -> Server:
    """Register as `nick`, or as another while it is in use, and return what is known of the server at its welcome.

    Raises Retry, and Paused where the server refuses us (password, account, ban, nick).
    """
    registration = _Registration(connection, settings, nick)
    try:
        async with asyncio.timeout(_TIMEOUT):
            return await registration.run()
    except TimeoutError as error:
        raise Retry(f"{settings.host} did not welcome us within {_TIMEOUT:.0f} s") from error


class _Registration:
    def __init__(self, connection: Connection, settings: IrcSettings, nick: str) -> None:
        self._connection = connection
        self._settings = settings
        self._wanted = nick
        self._server = Server(nick)
        self._others = alternatives(nick)
        self._offered: dict[str, str] = {}
        self._unanswered = 0
        self._authenticated = settings.sasl is None
        self._welcomed = False

    async def run(self) -> Server:
        connection, settings = self._connection, self._settings
        connection.put("CAP", "LS", "302")
        if settings.password is not None:
            connection.put("PASS", settings.password.reveal())
        connection.put("NICK", self._wanted)
        connection.put("USER", settings.username or self._wanted, "0", "*", settings.realname)
        while True:
            line = await connection.read()
            if line.command in {"376", "422"} and self._welcomed:
                return self._server
            self._take(line)

    def _take(self, line: Line) -> None:
        match line.command:
            case "PING":
                self._connection.put("PONG", line.param(-1))
            case "CAP":
                self._capabilities(line)
            case "AUTHENTICATE":
                self._authenticate(line)
            case "903" | "907":
                self._authenticated = True
                self._connection.put("CAP", "END")
            case "902" | "904" | "905" | "906" | "908":
                raise Paused(
                    f"SASL failed: {quoted(line.param(-1))!r}. Check sasl's username and password (or the certificate)",
                    scope="instance",
                )
            case command if command in _NICKS:
                self._next_nick(line)
            case "464" | "465":
                what = "password" if line.command == "464" else "ban"
                raise Paused(
                    f"the server refuses us: {quoted(line.param(-1))!r}. "
                    + ("Check password, the server's own" if what == "password" else "Ask the network's staff"),
                    scope="instance",
                )
            case "001":
                self._welcome(line)
            case "005":
                self._server.support(line.params[1:-1])
            case "ERROR":
                raise ended(line)

    def _welcome(self, line: Line) -> None:
        if not self._authenticated:
            raise Paused("the server offers no SASL: remove sasl, or check host", scope="instance")
        self._welcomed = True
        self._server.nick = line.param(0) or self._server.nick

    def _capabilities(self, line: Line) -> None:
        capabilities = line.param(-1).split()
        match line.param(1).upper():
            case "LS":
                for capability in capabilities[:200]:
                    name, _, value = capability.partition("=")
                    self._offered[name] = value
                if line.param(2) != "*" and not self._welcomed:
                    self._request()
            case "ACK":
                for name in capabilities:
                    (self._server.caps.discard if name.startswith("-") else self._server.caps.add)(name.lstrip("-"))
                self._answered("sasl" in capabilities)
            case "NAK":
                if "sasl" in capabilities:
                    raise Paused("the server does not let us use SASL: remove sasl, or check host", scope="instance")
                self._answered(False)

    def _request(self) -> None:
        wanted = [name for name in _WANTED if name in self._offered]
        if wanted:
            self._connection.put("CAP", "REQ", " ".join(wanted))
            self._unanswered += 1
        if not self._authenticated:
            self._check_sasl()
            # on its own, so that a refusal of it is told from a refusal of the others
            self._connection.put("CAP", "REQ", "sasl")
            self._unanswered += 1
        if not self._unanswered:
            self._connection.put("CAP", "END")

    def _check_sasl(self) -> None:
        sasl = self._settings.sasl
        mechanisms = self._offered.get("sasl")
        if mechanisms is None:
            raise Paused(
                "the server offers no SASL now: its services may be down; otherwise remove sasl, or check host and tls",
                scope="instance",
            )
        if sasl is not None and mechanisms and sasl.mechanism not in mechanisms.upper().split(","):
            raise Paused(
                f"the server offers SASL {quoted(mechanisms)}, not {sasl.mechanism}: choose another mechanism",
                scope="instance",
            )

    def _answered(self, sasl: bool) -> None:
        self._unanswered -= 1
        if sasl and self._settings.sasl is not None:
            self._connection.put("AUTHENTICATE", self._settings.sasl.mechanism)
        elif self._unanswered <= 0 and self._authenticated and not self._welcomed:
            self._connection.put("CAP", "END")

    def _authenticate(self, line: Line) -> None:
        sasl = self._settings.sasl
        if sasl is None or line.param(0) != "+":
            return
        payload = b""
        if sasl.mechanism == "PLAIN" and sasl.password is not None:
            payload = b"\0".join((b"", (sasl.username or "").encode(), sasl.password.reveal().encode()))
        text = base64.b64encode(payload).decode()
        chunks = [text[start : start + _LONGEST_CHUNK] for start in range(0, len(text), _LONGEST_CHUNK)]
        if not chunks or len(chunks[-1]) == _LONGEST_CHUNK:
            chunks.append("+")
        for chunk in chunks:
            self._connection.put("AUTHENTICATE", chunk)

    def _next_nick(self, line: Line) -> None:
        if self._welcomed:
            return
        tried = self._server.nick
        if line.command == "432":
            if len(tried) <= 9 and tried == self._wanted[: len(tried)]:
                raise Paused(
                    f"the server takes no nick like {tried!r} ({quoted(line.param(-1))}): choose another",
                    scope="instance",
                )
            following: str | None = self._wanted[:9] if len(tried) > 9 else next(self._others, None)
        else:
            following = next(self._others, None)
        if following is None:
            raise Retry(f"the nick {self._wanted!r} and all that stand in for it are in use")
        self._server.nick = following
        self._connection.put("NICK", following)
