"""Groups of a stand-in Telegram in the town: it knows no message again, so the last one may be there twice."""

from __future__ import annotations

import random
import re
from collections import deque

from msgspec import Struct

from nextbridge.sandbox.telegram import Account, Message, Room, SandboxTelegram, User
from tests.faults.ledger import Entry, Ledger, Shown, digest
from tests.faults.places import Place

__all__ = ["TelegramPlace", "TelegramSettlement"]

_LENGTHS = (1, 5, 30, 120)
"""Words; a caption takes 30 of them."""
_FILE_SIZES = (3_000, 30_000, 100_000)
_WITH_FILES = 0.04
_EDITED = 0.08
_EDITABLE = 20
_CORRECTED = re.compile(r"\(edited\) ([a-z0-9-]+\.[0-9]+)\.([0-9]+)\.")


class TelegramSettlement:
    """The stand-in, the relay's bot there, and one person."""

    side = "telegram"

    def __init__(self, sandbox: SandboxTelegram) -> None:
        self._sandbox = sandbox
        self.port = sandbox.port
        self._bot = sandbox.add_bot("relay_bot", privacy=False)
        self._person = sandbox.add_person("Telegrapher")
        self.places: list[TelegramPlace] = []

    def place(self, name: str, rule: int) -> TelegramPlace:
        room = self._sandbox.add_supergroup(name, [self._person, self._bot.user])
        self.places.append(TelegramPlace(name, rule, self._sandbox, room, self._person, self._bot))
        return self.places[-1]

    def block(self, port: int) -> dict[str, object]:
        fast = {"messages_per_minute": 1_000_000, "messages_per_second": 100_000, "reconnect_delay": 0.2}
        bot = {"token": self._bot.token, "api_url": f"http://127.0.0.1:{port}", **fast}
        return {"telegram": {self.side: bot}}


class _Unit(Struct):
    """What was sent by one call: a message or an album."""

    said: str
    """As it was sent; edits change what is there."""
    files: list[tuple[str, str]]
    numbers: list[int]

    def looks_like(self, other: _Unit) -> bool:
        return (self.said, self.files) == (other.said, other.files)


class TelegramPlace(Place):
    """A supergroup."""

    text_alone = False

    def __init__(self, name: str, rule: int, sandbox: SandboxTelegram, room: Room, person: User, bot: Account) -> None:
        super().__init__(name, rule)
        self._sandbox = sandbox
        self._room = room
        self._person = person
        self._bot = bot
        self._editable: deque[tuple[Entry, Message]] = deque(maxlen=_EDITABLE)
        self._units: list[_Unit] = []
        self._album: str | None = None
        self.repeated = 0
        """Messages that are there twice, as they may be: right behind each other, with nothing between."""
        sandbox.world.listeners.append(self._listen)

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": TelegramSettlement.side, "chat": self._room.id}

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        if self._editable and chance.random() < _EDITED:
            entry, message = chance.choice(self._editable)
            text = ledger.edit(entry.source, entry.number, chance.choice(_LENGTHS)).text
            self._sandbox.edit(self._person, self._room, message, text)
            return
        if chance.random() < _WITH_FILES:
            contents = [chance.randbytes(chance.choice(_FILE_SIZES)) for _ in range(chance.randint(1, 3))]
            entry = ledger.entry(self.name, chance.choice(_LENGTHS[:3]), contents)
            files = [(entry.file_name(place), content) for place, content in enumerate(contents)]
            if len(files) == 1:
                self._sandbox.say_file(self._person, self._room, *files[0], caption=entry.text)
            else:
                self._sandbox.say_album(self._person, self._room, files, caption=entry.text, kind="document")
            return
        entry = ledger.entry(self.name, chance.choice(_LENGTHS))
        self._editable.append((entry, self._sandbox.say(self._person, self._room, entry.text)))

    def shown(self) -> list[Shown]:
        """What the relay said. Of what is there twice the later one counts: the relay knows of that alone."""
        units = self._units[:]
        self.repeated = 0
        place = 0
        while place < len(units):
            # a long text and the files that stand behind it are sent one after the other, and repeated so
            for length in (1, 2):
                before, after = units[place : place + length], units[place + length : place + 2 * length]
                if len(after) == length and all(map(_Unit.looks_like, before, after)):
                    del units[place : place + length]
                    self.repeated += 1
                    break
            else:
                place += 1
        texts = [self._text(unit) for unit in units]
        for place, text in enumerate(texts):
            copy = _CORRECTED.search(text)
            if copy is not None:
                _put_back(texts, place, copy[1], copy[2])
        return [Shown(text, tuple(unit.files)) for text, unit in zip(texts, units, strict=True)]

    @property
    def repeated_as_stated(self) -> int:
        return self.repeated

    def _listen(self, room: Room, message: Message) -> None:
        if room is not self._room or message.from_ is None or message.from_.id != self._bot.user.id:
            return
        kept = self._sandbox.content(message)
        file = [] if kept is None else [(kept[0], digest(kept[1]))]
        if message.media_group_id is not None and message.media_group_id == self._album:
            self._units[-1].files += file
            self._units[-1].numbers.append(message.message_id)
            return
        self._album = message.media_group_id
        self._units.append(_Unit(message.text or message.caption or "", file, [message.message_id]))

    def _text(self, unit: _Unit) -> str:
        said = [self._room.said[number].message for number in unit.numbers if number in self._room.said]
        return "".join(each.text or each.caption or "" for each in said)


def _put_back(texts: list[str], place: int, entry: str, version: str) -> None:
    """A text that has become too long to stand beneath files was said anew: the copy counts, where the text was."""
    words = re.compile(rf"{re.escape(entry)}\.{version}\.[0-9]+")
    older = re.compile(rf"{re.escape(entry)}\.[0-9]+\.[0-9]+")
    copy = " ".join(found for each in texts[place:] for found in words.findall(each))
    texts[place:] = [words.sub("", each) for each in texts[place:]]
    first = next((at for at, each in enumerate(texts[:place]) if older.search(each)), place)
    texts[:place] = [older.sub("", each) for each in texts[:place]]
    texts[first] += copy
