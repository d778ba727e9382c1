"""What was said in a room a while ago, to be quoted, corrected, answered and reacted to. In memory, the newest."""

from __future__ import annotations

from collections import OrderedDict
from typing import TypeVar

from msgspec import Struct
from msgspec.structs import replace

from drivers.xmpp.stanzas import Message, Shared
from nextbridge.envelope import MessageId

__all__ = ["PREFIX", "Backlog", "Said", "message_id"]

K = TypeVar("K")
V = TypeVar("V")

PREFIX = "nb-"
"""What the ids of our own messages begin with."""
_KEPT = 500
_KEPT_IDS = 5_000
_LONGEST_TEXT = 400


class Said(Struct, frozen=True):
    """A message as it was said."""

    message: MessageId
    sender_id: str
    """The id that its sender gave it, by which corrections name it."""
    sender: str
    """Who said it, by what the room tells people apart by."""
    nick: str
    text: str = ""
    """Its beginning."""
    files: tuple[Shared, ...] = ()
    is_gone: bool = False


def message_id(message: Message) -> MessageId:
    """By what the core knows a message: the room's id, or its sender's where the room gives none."""
    return MessageId(message.room_id or f"{message.id} {message.person}")


class Backlog:
    """The newest messages of one room."""

    def __init__(self) -> None:
        self._by_id: OrderedDict[MessageId, Said] = OrderedDict()
        self._by_sender: dict[tuple[str, str], MessageId] = {}
        self._gone: OrderedDict[MessageId, None] = OrderedDict()
        self._ours: OrderedDict[str, MessageId] = OrderedDict()
        self._former: OrderedDict[str, None] = OrderedDict()
        self._reactions: OrderedDict[tuple[MessageId, str], tuple[str, ...]] = OrderedDict()

    def heard(self, message: Message, *, ours: bool) -> Said:
        """Remember a message that is new."""
        sender = message.person
        said = Said(
            message_id(message),
            message.id,
            sender,
            message.sender.partition("/")[2],
            message.body[:_LONGEST_TEXT],
            message.files,
        )
        if ours and message.id.startswith(PREFIX):
            _keep(self._ours, message.id, said.message, _KEPT_IDS)
        self._by_id[said.message] = said
        self._by_id.move_to_end(said.message)
        self._by_sender[sender, message.id] = said.message
        if len(self._by_id) > _KEPT:
            _, old = self._by_id.popitem(last=False)
            if self._by_sender.get((old.sender, old.sender_id)) == old.message:
                del self._by_sender[old.sender, old.sender_id]
        return said

    def find(self, message: MessageId) -> Said | None:
        """A message; with `is_gone` where nothing is left of it."""
        if message in self._gone:
            return Said(message, "", "", "", is_gone=True)
        return self._by_id.get(message)

    def by_sender(self, sender: str, sender_id: str) -> MessageId | None:
        """What the room calls the message to which `sender` gave this id."""
        return self._by_sender.get((sender, sender_id))

    def ours(self, sender_id: str) -> MessageId | None:
        """What became of a message of ours, where it is known to have arrived."""
        return self._ours.get(sender_id)

    def corrected(self, message: MessageId, text: str) -> None:
        """It says something else now."""
        if (said := self._by_id.get(message)) is not None:
            self._by_id[message] = replace(said, text=text[:_LONGEST_TEXT])

    def departed(self, sender: str) -> None:
        """Whoever says something under this name from now on may be somebody else: nothing said so far is theirs."""
        _keep(self._former, sender, None, _KEPT_IDS)
        for said in [each for each in self._by_id.values() if each.sender == sender]:
            self._by_sender.pop((sender, said.sender_id), None)
            self._by_id[said.message] = replace(said, sender="")

    def is_former(self, sender: str) -> bool:
        """Whether somebody else may have said under this name what is not remembered here."""
        return sender in self._former

    def retracted(self, message: MessageId) -> None:
        """It is gone."""
        _keep(self._gone, message, None, _KEPT_IDS)
        if (said := self._by_id.pop(message, None)) is not None:
            self._by_sender.pop((said.sender, said.sender_id), None)

    def reacted(self, message: MessageId, sender: str, emoji: tuple[str, ...]) -> tuple[tuple[str, bool], ...]:
        """Somebody's reactions to a message are these now: what was added and what was taken back by it."""
        before = self._reactions.pop((message, sender), ())
        if emoji:
            _keep(self._reactions, (message, sender), emoji, _KEPT_IDS)
        taken = tuple((each, False) for each in before if each not in emoji)
        return taken + tuple((each, True) for each in emoji if each not in before)


def _keep(kept: OrderedDict[K, V], key: K, value: V, most: int) -> None:
    kept[key] = value
    kept.move_to_end(key)
    if len(kept) > most:
        kept.popitem(last=False)
