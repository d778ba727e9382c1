"""Rooms of a Matrix homeserver in the town: a real Synapse, which remembers transaction ids and keeps the history."""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable
from typing import Any
from urllib.parse import quote

from drivers.matrix.registration import identifier
from tests.faults.ledger import Entry, Ledger, Shown, digest
from tests.faults.places import Place
from tests.matrix.synapse import Account, Synapse, unique

__all__ = ["MatrixPlace", "MatrixServiceSettlement", "MatrixSettlement"]

_CLIENT = "/_matrix/client/v3"
_LENGTHS = (1, 5, 30, 300)
_FILE_SIZES = (3_000, 30_000, 100_000)
_WITH_FILES = 0.04
_EDITED = 0.08
_EDITABLE = 20


class MatrixSettlement:
    """A homeserver, the relay's account there, and one person."""

    side: str = "matrix"

    def __init__(self, synapse: Synapse) -> None:
        self._synapse = synapse
        self.port = synapse.port
        self._relay, self._person = self.relay(), synapse.register()

    def relay(self) -> Account:
        """The relay's account."""
        return self._synapse.register()

    def place(self, name: str, rule: int) -> MatrixPlace:
        call = self._synapse.request
        body = {"preset": "private_chat", "invite": [self._relay.user], "name": name}
        room = call("POST", f"{_CLIENT}/createRoom", body, self._person.token)["room_id"]
        call("POST", f"{_CLIENT}/join/{quote(room)}", {}, self._relay.token)
        return MatrixPlace(name, rule, self._synapse, room, self._person, self.side, self.is_settled)

    def is_settled(self) -> bool:
        """Whether what is said now is told to the relay at once."""
        return True

    def block(self, port: int) -> dict[str, object]:
        account = {"user_id": self._relay.user, "access_token": self._relay.token, "reconnect_delay": 0.2}
        return {"matrix": {self.side: {"homeserver": f"http://127.0.0.1:{port}", **account}}}


class MatrixServiceSettlement(MatrixSettlement):
    """Likewise, with an account of their own for each person elsewhere: the homeserver calls the daemon."""

    def __init__(self, synapse: Synapse) -> None:
        self._service = synapse.services.take()
        self.side = self._service.name
        super().__init__(synapse)

    def relay(self) -> Account:
        name, token = self._service.name, self._service.settings.as_token.reveal()
        body = {"type": "m.login.application_service", "username": name, "inhibit_login": True}
        self._synapse.request("POST", f"{_CLIENT}/register", body, token)
        return Account(self._service.user, "", token, "")

    def is_settled(self) -> bool:
        return self._synapse.is_up(identifier(self._service.user))

    def block(self, port: int) -> dict[str, object]:
        return {
            "global": {"http": {"port": self._service.port}},
            "matrix": {self.side: self._service.written(f"http://127.0.0.1:{port}")},
        }


class MatrixPlace(Place):
    """A room."""

    text_alone = False

    def __init__(
        self,
        name: str,
        rule: int,
        synapse: Synapse,
        room: str,
        person: Account,
        side: str,
        is_settled: Callable[[], bool],
    ) -> None:
        super().__init__(name, rule)
        self._is_settled = is_settled
        self._synapse = synapse
        self._room = room
        self._person = person
        self._side = side
        self._editable: deque[tuple[Entry, str]] = deque(maxlen=_EDITABLE)
        self._read_upto = ""
        self._shown: dict[str, Shown] = {}

    @property
    def endpoint(self) -> dict[str, object]:
        return {"instance": self._side, "room_id": self._room}

    @property
    def is_whole(self) -> bool:
        return self._is_settled()

    def speak(self, ledger: Ledger, chance: random.Random) -> None:
        words = chance.choice(_LENGTHS)
        if self._editable and chance.random() < _EDITED:
            entry, event = chance.choice(self._editable)
            text = ledger.edit(entry.source, entry.number, words).text
            new = {"msgtype": "m.text", "body": text}
            relation = {"rel_type": "m.replace", "event_id": event}
            self._say({"msgtype": "m.text", "body": "* edited", "m.new_content": new, "m.relates_to": relation})
            return
        if chance.random() < _WITH_FILES:
            content = chance.randbytes(chance.choice(_FILE_SIZES))
            entry = ledger.entry(self.name, words, [content])
            place = self._synapse.upload(content, self._person.token)
            self._say({"msgtype": "m.file", "body": entry.text, "filename": entry.file_name(0), "url": place})
            return
        entry = ledger.entry(self.name, words)
        self._editable.append((entry, self._say({"msgtype": "m.text", "body": entry.text})))

    def shown(self) -> list[Shown]:
        """What the relay said: read on from where it was read up to."""
        while True:
            path = f"{_CLIENT}/rooms/{quote(self._room)}/messages?dir=f&limit=500&from={self._read_upto}"
            page = self._synapse.request("GET", path, None, self._person.token)
            for event in page["chunk"]:
                if event["sender"] != self._person.user and event["type"] == "m.room.message":
                    self._take(event)
            self._read_upto = page.get("end", self._read_upto)
            if not page["chunk"]:
                return list(self._shown.values())

    def _take(self, event: dict[str, Any]) -> None:
        content = event["content"]
        relation = content.get("m.relates_to", {})
        if relation.get("rel_type") == "m.replace":
            known = self._shown[relation["event_id"]]
            self._shown[relation["event_id"]] = known._replace(text=content["m.new_content"]["body"])
            return
        files: tuple[tuple[str, str], ...] = ()
        if "url" in content:
            files = ((content["filename"], digest(self._synapse.download(content["url"], self._person.token))),)
        self._shown[event["event_id"]] = Shown(content["body"], files)

    def _say(self, content: dict[str, Any]) -> str:
        path = f"{_CLIENT}/rooms/{quote(self._room)}/send/m.room.message/{unique('txn')}"
        return str(self._synapse.request("PUT", path, content, self._person.token)["event_id"])
