"""Channels of a stand-in Slack in the town: an event that nobody is connected for is lost there, the history is not."""

from __future__ import annotations

import random
from collections import deque

from nextbridge.sandbox.slack import Channel, Message, SandboxSlack, User
from tests.faults.ledger import Entry, Ledger, Shown, digest
from tests.faults.places import Place

__all__ = ["SlackPlace", "SlackSettlement"]

_LENGTHS = (1, 5, 30, 300)
_FILE_SIZES = (3_000, 30_000, 100_000)
_WITH_FILES = 0.04
_EDITED = 0.08
_EDITABLE = 20


class SlackSettlement:
    """A workspace, the relay's app there, and one person."""

    side = "slack"

    def __init__(self, sandbox: SandboxSlack) -> None:
        self._sandbox = sandbox
        self.port = sandbox.port
        self._app = sandbox.add_app("relay")
        self._person = sandbox.add_user("slacker")

    def place(self, name: str, rule: int) -> SlackPlace:
        channel = self._sandbox.add_channel(name, self._app, self._person)
        return SlackPlace(name, rule, self._sandbox, channel, self._person)

    def block(self, port: int) -> dict[str, object]:
        tokens = {"bot_token": self._app.token, "app_token": self._app.app_token}
        return {"slack": {self.side: {**tokens, "api_url": f"http://127.0.0.1:{port}/api/", "reconnect_delay": 0.2}}}


class SlackPlace(Place):
    """A channel."""

    text_alone = False

    def __init__(self, name: str, rule: int, sandbox: SandboxSlack, channel: Channel, person: User) -> None:
        super().__init__(name, rule)
        self._sandbox = sandbox
        self._channel = channel
        self._person = person
        self._editable: deque[tuple[Entry, Message]] = deque(maxlen=_EDITABLE)

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": SlackSettlement.side, "channel_id": self._channel.id}

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        words = chance.choice(_LENGTHS)
        if self._editable and chance.random() < _EDITED:
            entry, message = chance.choice(self._editable)
            text = ledger.edit(entry.source, entry.number, words).text
            self._sandbox.edit_as(self._person, self._channel, message, text)
            return
        many = chance.randint(1, 3) if chance.random() < _WITH_FILES else 0
        contents = [chance.randbytes(chance.choice(_FILE_SIZES)) for _ in range(many)]
        entry = ledger.entry(self.name, words, contents)
        files = tuple(
            self._sandbox.upload_as(self._person, entry.file_name(place), content)
            for place, content in enumerate(contents)
        )
        said = self._sandbox.post_as(self._person, self._channel, entry.text, files=files)
        self._editable.append((entry, said))

    def shown(self) -> list[Shown]:
        """A message with files and a long text: the text stands in its blocks alone."""
        return [
            Shown(_text(each), tuple((file.name, digest(file.content or b"")) for file in each.files))
            for each in self._sandbox.messages(self._channel)
            if each.app is not None
        ]


def _text(message: Message) -> str:
    sections = [section for block in message.blocks or () for section in block["elements"]]
    return "".join(element["text"] for section in sections for element in section["elements"]) or message.text
