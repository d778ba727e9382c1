"""Channels of a Discord server in the town: the stand-in, which keeps sessions, nonces and the history."""

from __future__ import annotations

import random
from collections import deque

from nextbridge.sandbox.discord import Account, Channel, Message, SandboxDiscord
from tests.faults.ledger import Entry, Ledger, Shown, digest
from tests.faults.places import Place

__all__ = ["DiscordPlace", "DiscordSettlement"]

_LENGTHS = (1, 5, 30, 300)
_FILE_SIZES = (3_000, 30_000, 100_000)
_WITH_FILES = 0.04
_EDITED = 0.08
_EDITABLE = 20


class DiscordSettlement:
    """A server, the relay's bot there, and one person."""

    side = "discord"

    def __init__(self, sandbox: SandboxDiscord, identity: str) -> None:
        self._sandbox = sandbox
        self._identity = identity
        _, self.port = sandbox.address
        self._guild = sandbox.add_guild("Town")
        self._relay = sandbox.add_bot("relay", self._guild)
        self._person = sandbox.add_person("person", self._guild)

    def place(self, name: str, rule: int) -> DiscordPlace:
        return DiscordPlace(name, rule, self._sandbox, self._sandbox.add_channel(self._guild, name), self._person)

    def block(self, port: int) -> dict[str, object]:
        settings = {"token": self._relay.token, "identity": self._identity, "reconnect_delay": 0.2}
        return {"discord": {self.side: settings | {"api_url": f"http://127.0.0.1:{port}/api"}}}


class DiscordPlace(Place):
    """A channel."""

    text_alone = False

    def __init__(self, name: str, rule: int, sandbox: SandboxDiscord, channel: Channel, person: Account) -> None:
        super().__init__(name, rule)
        self._sandbox = sandbox
        self._channel = channel
        self._person = person
        self._editable: deque[tuple[Entry, Message]] = deque(maxlen=_EDITABLE)

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": DiscordSettlement.side, "channel_id": self._channel.id}

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        words = chance.choice(_LENGTHS)
        if self._editable and chance.random() < _EDITED:
            entry, message = chance.choice(self._editable)
            self._sandbox.edit(message, ledger.edit(entry.source, entry.number, words).text)
            return
        many = chance.randint(1, 3) if chance.random() < _WITH_FILES else 0
        contents = [chance.randbytes(chance.choice(_FILE_SIZES)) for _ in range(many)]
        entry = ledger.entry(self.name, words, contents)
        files = [(entry.file_name(place), content) for place, content in enumerate(contents)]
        said = self._sandbox.post_as(self._person, self._channel, entry.text, files=files)
        self._editable.append((entry, said))

    def shown(self) -> list[Shown]:
        return [
            Shown(each.content, tuple((name, digest(content)) for name, content in self._sandbox.files_of(each)))
            for each in self._sandbox.messages(self._channel)
            if each.author.id != self._person.id
        ]
