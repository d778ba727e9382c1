"""A channel of the town, on whatever platform: people say things there, and it shows what came from elsewhere."""

from __future__ import annotations

import random
from abc import ABC, abstractmethod
from collections import deque

from nextbridge.sandbox.mattermost import Account, Channel, Post, SandboxMattermost
from tests.faults.ledger import Entry, Ledger, Shown, digest
from tests.faults.network import Network

__all__ = ["IrcPlace", "MattermostPlace", "Place"]

_LENGTHS = (1, 5, 30, 300)
"""Words of what people say, each of 15 to 20 characters."""
_FILE_SIZES = (3_000, 3_000, 3_000, 3_000, 30_000, 30_000, 100_000, 1_000_000)
_WITH_FILES = 0.04
_EDITED = 0.08
_EDITABLE = 20
"""Posts of a place that somebody may still edit."""


class Place(ABC):
    """One channel."""

    text_alone: bool
    """It shows neither files nor edits: see `Ledger.verdict`."""

    def __init__(self, name: str, rule: int) -> None:
        """`name` is what the ledger calls it as a source."""
        self.name = name
        self.rule = rule

    @property
    @abstractmethod
    def endpoint(self) -> dict[str, object]:
        """The channel as the daemon's file names it."""

    @abstractmethod
    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        """Somebody says or does something."""

    @abstractmethod
    def shown(self) -> list[Shown]:
        """All that stands there, in its order."""

    @property
    def is_whole(self) -> bool:
        """Whether the relay is in it; where that takes no time it always is."""
        return True

    @property
    def repeated_as_stated(self) -> int:
        """Messages that were left out of `shown` because the platform's guarantee lets them be repeated."""
        return 0


class MattermostPlace(Place):
    """A channel of a Mattermost stand-in."""

    text_alone = False

    def __init__(self, name: str, rule: int, server: SandboxMattermost, channel: Channel, person: Account) -> None:
        super().__init__(name, rule)
        self._server = server
        self._channel = channel
        self._person = person
        self._editable: deque[tuple[Entry, Post]] = deque(maxlen=_EDITABLE)
        self._files: dict[str, tuple[tuple[str, str], ...]] = {}

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": self.name.partition("-")[0], "channel_id": self._channel.id}

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        words = chance.choice(_LENGTHS)
        if self._editable and chance.random() < _EDITED:
            entry, post = chance.choice(self._editable)
            self._server.edit(post, ledger.edit(entry.source, entry.number, words).text)
            return
        many = chance.randint(1, 3) if chance.random() < _WITH_FILES else 0
        contents = [chance.randbytes(chance.choice(_FILE_SIZES)) for _ in range(many)]
        entry = ledger.entry(self.name, words, contents)
        files = [
            self._server.upload_as(self._person, self._channel, entry.file_name(place), content)
            for place, content in enumerate(contents)
        ]
        post = self._server.post_as(self._person, self._channel, entry.text, files=files)
        self._editable.append((entry, post))

    def shown(self) -> list[Shown]:
        return [Shown(post.message, self._files_of(post)) for post in self._server.posts(self._channel)]

    def _files_of(self, post: Post) -> tuple[tuple[str, str], ...]:
        """A post keeps its files."""
        if post.id not in self._files:
            found = self._server.files_of(post)
            self._files[post.id] = tuple((name, digest(content)) for name, content in found)
        return self._files[post.id]


class IrcPlace(Place):
    """A channel of the IRC network."""

    text_alone = True

    def __init__(self, name: str, rule: int, network: Network, channel: str) -> None:
        super().__init__(name, rule)
        self._network = network
        self.channel = channel

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": "irc", "channel": self.channel}

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        entry = ledger.entry(self.name, chance.randint(1, 20))
        self._network.speaker.send(f"PRIVMSG {self.channel} :{entry.text}")

    @property
    def is_whole(self) -> bool:
        return self._network.witness.present({self.channel})

    def shown(self) -> list[Shown]:
        texts, _ = self._network.witness.by_relay(self.channel)
        return [Shown(text) for text in texts]

    @property
    def repeated_as_stated(self) -> int:
        _, repeated = self._network.witness.by_relay(self.channel)
        return repeated
