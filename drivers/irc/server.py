"""What a server says about itself and about us: the facts that the rest of the driver goes by.

Source of the ISUPPORT tokens: https://modern.ircdocs.horse/#rplisupport-parameters. A server is not trusted: a value
that makes no sense is not taken.
"""

from __future__ import annotations

import re

from drivers.irc.casemapping import RFC1459, CaseMapping
from drivers.irc.formatting import clean, without_codes

__all__ = ["Server", "quoted"]

_ESCAPED = re.compile(r"\\x([0-9A-Fa-f]{2})")
_LONGEST_USER = 20
_LONGEST_HOST = 64
"""The longest that common servers show; what holds until we have seen our own."""
_ACTION = len("\x01ACTION \x01")


def quoted(text: str) -> str:
    """What a server or a person said, as a short line for the operator."""
    line = clean(without_codes(text)).strip()
    return line if len(line) <= 200 else line[:199] + "…"


class Server:
    """The facts of one connection. Starts with what holds where a server says nothing."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.caps: set[str] = set()
        self.casemapping: CaseMapping = RFC1459
        self.network: str | None = None
        self.channel_types = "#&"
        self.status_signs = ""
        self.member_signs = "@+"
        self.line_length = 512
        self.joins_at_once: int | None = None
        self._longest_topic = 390
        self._tags_denied: frozenset[str] = frozenset()
        self._longest_nick = 30
        self._longest_user = _LONGEST_USER
        self._longest_host = _LONGEST_HOST
        self._address: str | None = None

    def fold(self, name: str) -> str:
        """The one spelling of a nick or channel on this server."""
        return self.casemapping.fold(name)

    def is_me(self, nick: str) -> bool:
        return self.fold(nick) == self.fold(self.nick)

    def is_channel(self, name: str) -> bool:
        return name[:1] != "" and name[0] in self.channel_types

    def without_status(self, target: str) -> str:
        """A message's target without the sign that limits it to some members (`@#ops`: the operators)."""
        return target[1:] if target[:1] and target[0] in self.status_signs else target

    def support(self, tokens: tuple[str, ...]) -> None:
        """Take the tokens of one line 005."""
        for token in tokens:
            name, _, value = token.partition("=")
            if name.endswith("LEN"):
                self._length(name, value)
                continue
            match name:
                case "CASEMAPPING":
                    self.casemapping = CaseMapping.named(value)
                case "NETWORK":
                    self.network = _ESCAPED.sub(lambda found: chr(int(found[1], 16)), value).strip() or None
                case "CHANTYPES":
                    self.channel_types = value
                case "STATUSMSG":
                    self.status_signs = value
                case "PREFIX":
                    self.member_signs = value.rpartition(")")[2]
                case "CLIENTTAGDENY":
                    self._tags_denied = frozenset(value.split(",")[:100])
                case "TARGMAX":
                    self._targets(value)

    def _length(self, name: str, value: str) -> None:
        match name:
            case "TOPICLEN":
                self._longest_topic = _number(value, 4, 8192) or self._longest_topic
            case "LINELEN":
                self.line_length = _number(value, 512, 16384) or self.line_length
            case "NICKLEN" | "MAXNICKLEN":
                self._longest_nick = _number(value, 1, 128) or self._longest_nick
            case "USERLEN":
                self._longest_user = _number(value, 1, 128) or self._longest_user
            case "HOSTLEN":
                self._longest_host = _number(value, 1, 255) or self._longest_host

    def _targets(self, value: str) -> None:
        for part in value.split(","):
            command, _, most = part.partition(":")
            if command.upper() == "JOIN":
                self.joins_at_once = _number(most, 1, 1000)

    def passes(self, tag: str) -> bool:
        """Whether the server hands a client-only tag (without its `+`) on to others."""
        if "message-tags" not in self.caps:
            return False
        return f"-{tag}" in self._tags_denied or not {"*", tag} & self._tags_denied

    @property
    def names_messages(self) -> bool:
        """Whether we learn the ids of what we say, so that others can refer to it."""
        return {"message-tags", "echo-message"} <= self.caps

    def learn(self, source: str) -> None:
        """Take our own `nick!user@host` from a line that came from us, as others see it."""
        _, bang, address = source.partition("!")
        if bang and "@" in address:
            self._address = address

    def moved(self, host: str, user: str = "") -> None:
        """Our host (and user) as others see it is another from now on."""
        if self._address is not None and host:
            old, _, _ = self._address.partition("@")
            self._address = f"{user or old}@{host}"

    def room(self, channel: str, wanted_nick: str) -> int:
        """Bytes of text that fit in one message to `channel`, once the server has put our name before it."""
        if self._address is None:
            # not seen yet: the user name may get a ~
            address = self._longest_user + 1 + 1 + self._longest_host
            nick = max(self._longest_nick, len(self.nick))
        else:
            address = len(self._address.encode())
            nick = max(len(self.nick.encode()), len(wanted_nick.encode()))
        prefix = len(":!") + nick + address + len(" PRIVMSG  :") + len(channel.encode())
        return max(self.line_length - len("\r\n") - prefix - _ACTION, 64)

    def topic_room(self, channel: str, wanted_nick: str) -> int:
        """Bytes of a topic that fit."""
        return min(self._longest_topic, self.room(channel, wanted_nick))


def _number(text: str, least: int, most: int) -> int | None:
    if not (text.isascii() and text.isdigit() and len(text) < 8):
        return None
    return int(text) if least <= int(text) <= most else None
