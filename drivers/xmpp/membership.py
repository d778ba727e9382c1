"""What it means that a room does not let us in, or puts us out: reasons for the operator. Source: XEP-0045."""

from __future__ import annotations

from typing import Final

from drivers.xmpp.stanzas import Failure, Presence
from nextbridge.markup.legible import one_line

__all__ = ["Out", "refusal", "why_put_out"]

_REFUSALS: Final = {
    "conflict": "every nick that the relay tried is in use: set nick",
    "forbidden": "the relay is banned from the room: ask an owner of the room to lift the ban",
    "not-authorized": "the room has a password: set the room's password, or correct it",
    "registration-required": "the room is for members only: make the relay's address a member",
    "service-unavailable": "the room is full: ask an owner of the room to raise its limit",
    "not-allowed": "the server does not let the relay make or enter the room: check its address",
    "not-acceptable": "the room takes no such nick: set nick",
    "jid-malformed": "the server takes no such nick: set nick",
    "item-not-found": "there is no such room: check its address, or make the room with a chat program",
    "remote-server-not-found": "the room's server is not found: check the room's address",
    "remote-server-timeout": "the room's server does not answer; it is tried again",
    "gone": "the room has moved or is no more: correct its address",
    "policy-violation": "the server does not let the relay in: its policy is against it",
    "resource-constraint": "the room's server is too busy; it is tried again",
}
_PUT_OUT: Final = {
    "301": "banned the relay",
    "307": "kicked the relay",
    "321": "took the relay's membership away",
    "322": "made the room members-only, and the relay is no member: make it one",
    "332": "the room's server is shutting down; the room is joined again",
    "333": "the relay lost its place by an error on the way; the room is joined again",
}


class Out(Exception):
    """We are not in the room, and why, for the operator. `soon`: there is no need to wait before it is tried again."""

    def __init__(self, reason: str, *, soon: bool = False) -> None:
        super().__init__(reason)
        self.reason = reason
        self.soon = soon


def refusal(error: Failure) -> str:
    """What is to be done about the error that answers a joining."""
    said = f" ({one_line(error.text, 200)})" if error.text else ""
    return _REFUSALS.get(error.condition, f"the room does not let the relay in: {error.condition}") + said


def why_put_out(presence: Presence) -> str:
    """What the presence says that ends our own."""
    reason = f": {one_line(presence.reason, 200)}" if presence.reason else ""
    if presence.destroyed:
        return f"the room was destroyed{reason}; make it again, or take it out of the rules"
    who = one_line(presence.actor, 80) or "somebody"
    for code, what in _PUT_OUT.items():
        if code in presence.codes:
            subject = f"{who} " if code in {"301", "307", "321", "322"} else ""
            return f"{subject}{what}{reason}" + ("; talk to them" if code in {"301", "307"} else "")
    return f"the relay is not in the room any more{reason}; it is joined again"
