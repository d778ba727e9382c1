"""What stands in messages and presences, read once into structures. Knows names of elements, and does no I/O.

Each structure's fields name their source: RFC 6120 and 6121 for the stanzas themselves, else the XEP's number
(https://xmpp.org/extensions/). What a stanza says of itself is only believed where nobody but the room can have put
it there: a room that has ids of messages and of occupants, as it says by disco, takes those out that others made up
(0359, 6; 0421, 4); one that has none lets them pass, and there they count for nothing.
"""

from __future__ import annotations

from datetime import UTC, datetime
from typing import Final
from xml.etree import ElementTree as ET

from msgspec import Struct

from nextbridge.envelope import DeliveryKey, Mark

__all__ = [
    "CHAT_STATES",
    "Failure",
    "Message",
    "Presence",
    "Retraction",
    "Shared",
    "clean",
    "element",
    "failure",
    "gives_ids",
    "marked",
    "name",
    "read_message",
    "read_presence",
    "stamp",
]

CHAT_STATES: Final = "http://jabber.org/protocol/chatstates"
CORRECT: Final = "urn:xmpp:message-correct:0"
DELAY: Final = "urn:xmpp:delay"
FALLBACK: Final = "urn:xmpp:fallback:0"
FASTEN: Final = "urn:xmpp:fasten:0"
FILE: Final = "urn:xmpp:file:metadata:0"
HINTS: Final = "urn:xmpp:hints"
IDS: Final = "urn:xmpp:sid:0"
MAM: Final = "urn:xmpp:mam:2"
MARK: Final = "urn:nextbridge:mark:1"
MUC: Final = "http://jabber.org/protocol/muc"
MUC_USER: Final = f"{MUC}#user"
OCCUPANT: Final = "urn:xmpp:occupant-id:0"
OOB: Final = "jabber:x:oob"
PHOTO: Final = "vcard-temp:x:update"
REACTIONS: Final = "urn:xmpp:reactions:0"
REFERENCE: Final = "urn:xmpp:reference:0"
REPLY: Final = "urn:xmpp:reply:0"
SHARING: Final = "urn:xmpp:sfs:0"
SIMS: Final = "urn:xmpp:sims:1"
STANZAS: Final = "urn:ietf:params:xml:ns:xmpp-stanzas"
URL_DATA: Final = "http://jabber.org/protocol/url-data"
_MODERATE: Final = ("urn:xmpp:message-moderate:1", "urn:xmpp:message-moderate:0")
_RETRACT: Final = ("urn:xmpp:message-retract:1", "urn:xmpp:message-retract:0")

_LONGEST_ID: Final = 256
_LONGEST_ADDRESS: Final = 4096
_MOST_FILES: Final = 10
_MOST_REACTIONS: Final = 30
_LONGEST_REACTION: Final = 64
_MOST_VIA: Final = 20
_NO_XML: Final = dict.fromkeys((*range(9), 11, 12, *range(14, 32), 0xFFFE, 0xFFFF, *range(0xD800, 0xE000)))


class Failure(Struct, frozen=True):
    """An error stanza: RFC 6120, 8.3."""

    condition: str
    text: str = ""


class Shared(Struct, frozen=True):
    """A file that a message bears: 0066, 0385 or 0447. Nothing of it is to be believed."""

    url: str
    name: str = ""
    media_type: str = ""
    size: int | None = None


class Retraction(Struct, frozen=True):
    """0424, or 0425 where `moderator` says who of the room did it."""

    message: str
    moderator: str | None = None


class Message(Struct, frozen=True, kw_only=True):
    """A message stanza. `sender` is the whole address that it comes from."""

    sender: str
    to: str
    kind: str
    id: str = ""
    """The sender's own: RFC 6120, 8.1.3, or 0359."""
    room_id: str = ""
    """The room's: 0359."""
    occupant: str = ""
    """0421."""
    at: int | None = None
    """Milliseconds since 1970 where it was said earlier: 0203, in the room's name."""
    body: str = ""
    """Without what stands in it for programs that do not know better: 0428."""
    subject: str | None = None
    corrects: str = ""
    """0308: a sender's id."""
    answers: str = ""
    """0461: a room's id."""
    reacts_to: str = ""
    """0444: a room's id."""
    reactions: tuple[str, ...] = ()
    retracts: Retraction | None = None
    composing: bool = False
    """0085."""
    files: tuple[Shared, ...] = ()
    mark: Mark | None = None
    error: Failure | None = None
    is_unstyled: bool = False
    """0393."""
    is_invitation: bool = False
    is_change_of_room: bool = False
    """It tells that the room's configuration changed: 0045, 10.2.1."""

    @property
    def person(self) -> str:
        """By what the room tells its people apart."""
        return self.occupant or self.sender.partition("/")[2]

    @property
    def is_new(self) -> bool:
        """It is a message of its own, and does nothing to another."""
        return bool(self.body or self.files) and not (self.corrects or self.retracts or self.reacts_to)


class Presence(Struct, frozen=True, kw_only=True):
    """A presence stanza of a room: 0045."""

    sender: str
    to: str
    kind: str
    """Empty where somebody is there."""
    codes: frozenset[str] = frozenset()
    role: str = ""
    real: str = ""
    """The bare address behind the nick, where the room shows it."""
    occupant: str = ""
    nick: str = ""
    """The new one, of somebody who changes it."""
    actor: str = ""
    reason: str = ""
    destroyed: bool = False
    photo: str | None = None
    """0153: what names their picture; empty where they have none, None where nothing is said."""
    error: Failure | None = None


def name(namespace: str, tag: str) -> str:
    """An element's name as ElementTree writes it."""
    return f"{{{namespace}}}{tag}"


def clean(text: str) -> str:
    """`text` without the characters that XML has no room for: a server ends the stream for one of them."""
    return text.translate(_NO_XML)


def element(namespace: str, tag: str, text: str = "", /, **attributes: str) -> ET.Element:
    """An element, to be put into a stanza. Its text and attributes may hold anything."""
    made = ET.Element(name(namespace, tag), {key: clean(value) for key, value in attributes.items()})
    made.text = clean(text) or None
    return made


def failure(stanza: ET.Element) -> Failure | None:
    """The error that a stanza tells of; None where it tells of none."""
    if stanza.get("type") != "error":
        return None
    error = stanza.find(name(_namespace(stanza), "error"))
    condition, text = "undefined-condition", ""
    for child in () if error is None else error:
        namespace, _, tag = child.tag[1:].partition("}")
        if namespace == STANZAS and tag == "text":
            text = (child.text or "")[:300]
        elif namespace == STANZAS:
            condition = tag
    return Failure(condition, text)


# --- messages -------------------------------------------------------------------------------------------------------


def gives_ids(features: frozenset[str]) -> bool:
    """Whether a room that offers this gives messages ids of its own."""
    return IDS in features or MAM in features


def read_message(stanza: ET.Element, features: frozenset[str] = frozenset()) -> Message:
    """What a message stanza says; `features` are those of the room that it comes from."""
    namespace = _namespace(stanza)
    sender = stanza.get("from", "")
    room = sender.partition("/")[0]
    subject = stanza.find(name(namespace, "subject"))
    kind = stanza.get("type", "normal")
    user = stanza.find(name(MUC_USER, "x"))
    reactions = stanza.find(name(REACTIONS, "reactions"))
    files = _files(stanza)
    return Message(
        sender=sender,
        to=stanza.get("to", ""),
        kind=kind,
        id=_id(stanza.get("id") or _attribute(stanza, name(IDS, "origin-id"), "id")),
        room_id=_room_id(stanza, room) if gives_ids(features) else "",
        occupant=_occupant(stanza, features),
        at=_delayed(stanza, room),
        body=_body(stanza, namespace, files),
        subject=None if subject is None else subject.text or "",
        corrects=_id(_attribute(stanza, name(CORRECT, "replace"), "id")),
        answers=_id(_attribute(stanza, name(REPLY, "reply"), "id")),
        reacts_to="" if reactions is None else _id(reactions.get("id", "")),
        reactions=() if reactions is None else _reactions(reactions),
        retracts=_retraction(stanza),
        composing=stanza.find(name(CHAT_STATES, "composing")) is not None,
        files=files,
        mark=_mark(stanza),
        error=failure(stanza),
        is_unstyled=stanza.find(name("urn:xmpp:styling:0", "unstyled")) is not None,
        is_invitation=user is not None and user.find(name(MUC_USER, "invite")) is not None,
        is_change_of_room=user is not None and bool(_codes(user) & {"104", "170", "171", "172", "173", "174"}),
    )


def _namespace(stanza: ET.Element) -> str:
    # a component's stanzas have another one
    return stanza.tag[1:].partition("}")[0] if stanza.tag.startswith("{") else ""


def _attribute(stanza: ET.Element, path: str, attribute: str) -> str:
    found = stanza.find(path)
    return "" if found is None else found.get(attribute, "")


def _id(given: str | None) -> str:
    return given if given and len(given) <= _LONGEST_ID else ""


def _occupant(stanza: ET.Element, features: frozenset[str]) -> str:
    return _id(_attribute(stanza, name(OCCUPANT, "occupant-id"), "id")) if OCCUPANT in features else ""


def _room_id(stanza: ET.Element, room: str) -> str:
    for each in stanza.iterfind(name(IDS, "stanza-id")):
        if each.get("by", "").lower() == room.lower():
            return _id(each.get("id", ""))
    return ""


def _delayed(stanza: ET.Element, room: str) -> int | None:
    """By the last one in the room's name: the room adds its own behind what the sender wrote."""
    domain = room.partition("@")[2]
    stamps = [
        each.get("stamp", "")
        for each in stanza.iterfind(name(DELAY, "delay"))
        if each.get("from", room).lower() in {room.lower(), domain.lower()}
    ]
    return stamp(stamps[-1]) if stamps else None


def stamp(text: str) -> int | None:
    """Milliseconds since 1970 of a time as 0082 has it; None for what is none."""
    try:
        moment = datetime.fromisoformat(text)
    except ValueError:
        return None
    if moment.tzinfo is None:
        moment = moment.replace(tzinfo=UTC)
    return int(moment.timestamp() * 1000) if moment.year >= 1999 else None


def _body(stanza: ET.Element, namespace: str, files: tuple[Shared, ...]) -> str:
    """The first body, without the parts that only stand for what is said otherwise in the same stanza."""
    found = stanza.find(name(namespace, "body"))
    text = "" if found is None else found.text or ""
    known = {SHARING, SIMS, OOB} if files else set()
    if stanza.find(name(REPLY, "reply")) is not None:
        known.add(REPLY)
    for fallback in stanza.iterfind(name(FALLBACK, "fallback")):
        if fallback.get("for") not in known:
            continue
        ranges = [each for each in fallback if each.tag == name(FALLBACK, "body")]
        if not ranges and fallback.get("for") != REPLY:
            return ""
        cuts = [_range(each, len(text)) for each in ranges]
        for start, end in sorted((cut for cut in cuts if cut is not None), reverse=True):
            text = text[:start] + text[end:]
        break  # what a second one counts is the text as it was
    lines = text.split("\n")
    addresses = {each.url for each in files}
    while lines and lines[-1].strip() in addresses:
        lines.pop()
    return "\n".join(lines)


def _range(part: ET.Element, length: int) -> tuple[int, int] | None:
    try:
        start, end = int(part.get("start", "0")), int(part.get("end", str(length)))
    except ValueError:
        return None
    return (start, end) if 0 <= start <= end <= length else None


def _reactions(element: ET.Element) -> tuple[str, ...]:
    texts = [(each.text or "").strip() for each in element.iterfind(name(REACTIONS, "reaction"))]
    # each is one character, as people see it; what programs add to that is a word
    kept = [text for text in texts if len(text) <= _LONGEST_REACTION and len(text.split()) == 1]
    return tuple(dict.fromkeys(kept))[:_MOST_REACTIONS]


def _retraction(stanza: ET.Element) -> Retraction | None:
    """0424 and 0425 as they are now, and as they were before 2023."""
    fastened = stanza.find(name(FASTEN, "apply-to"))
    place = stanza if fastened is None else fastened
    for retract, moderate in zip(_RETRACT, _MODERATE, strict=True):
        found = place.find(name(retract, "retract"))
        moderated = (place if found is None else found).find(name(moderate, "moderated"))
        if found is None and moderated is not None:
            found = moderated.find(name(retract, "retract"))
        elif moderated is None:
            moderated = place.find(name(moderate, "moderated"))
        if found is None:
            continue
        message = _id(found.get("id") or ("" if fastened is None else fastened.get("id")))
        return Retraction(message, None if moderated is None else moderated.get("by", "")) if message else None
    return None


def _files(stanza: ET.Element) -> tuple[Shared, ...]:
    """Each file once, by its address; what the richer elements say of it goes before the plain address."""
    found: dict[str, Shared] = {}
    for shared in stanza.iterfind(name(SHARING, "file-sharing")):
        described = shared.find(name(FILE, "file"))
        for target in shared.iterfind(f"{name(SHARING, 'sources')}/{name(URL_DATA, 'url-data')}"):
            _take(found, target.get("target", ""), described)
    for reference in stanza.iterfind(name(REFERENCE, "reference")):
        sharing = reference.find(name(SIMS, "media-sharing"))
        if sharing is None:
            continue
        described = next((each for each in sharing if each.tag.endswith("}file")), None)
        for source in sharing.iterfind(f"{name(SIMS, 'sources')}/{name(REFERENCE, 'reference')}"):
            _take(found, source.get("uri", ""), described)
    for attached in stanza.iterfind(name(OOB, "x")):
        url = attached.find(name(OOB, "url"))
        _take(found, "" if url is None else (url.text or "").strip(), None)
    return tuple(found.values())[:_MOST_FILES]


def _take(found: dict[str, Shared], url: str, described: ET.Element | None) -> None:
    if url in found or len(url) > _LONGEST_ADDRESS or not url.lower().startswith(("https://", "http://")):
        return
    parts = {} if described is None else {each.tag.rpartition("}")[2]: each.text or "" for each in described}
    size = parts.get("size", "")
    found[url] = Shared(
        url,
        parts.get("name", "")[:255],
        parts.get("media-type", "")[:100],
        int(size) if size.isascii() and size.isdigit() and len(size) < 16 else None,
    )


def marked(mark: Mark) -> ET.Element:
    """A relay's mark as an element of a stanza."""
    made = element(MARK, "mark", daemon=mark.daemon, delivery=mark.delivery, origin=mark.origin)
    made.extend(element(MARK, "via", each) for each in mark.via)
    return made


def _mark(stanza: ET.Element) -> Mark | None:
    found = stanza.find(name(MARK, "mark"))
    if found is None:
        return None
    daemon, delivery, origin = (_id(found.get(each)) for each in ("daemon", "delivery", "origin"))
    if not (daemon and delivery and origin):
        return None
    via = tuple(_id(each.text) for each in found.iterfind(name(MARK, "via")))
    return Mark(daemon, DeliveryKey(delivery), origin, via[:_MOST_VIA])


# --- presences ------------------------------------------------------------------------------------------------------


def read_presence(stanza: ET.Element, features: frozenset[str] = frozenset()) -> Presence:
    """What a presence stanza says; `features` are those of the room that it comes from."""
    user = stanza.find(name(MUC_USER, "x"))
    item = None if user is None else user.find(name(MUC_USER, "item"))
    destroyed = None if user is None else user.find(name(MUC_USER, "destroy"))
    actor = None if item is None else item.find(name(MUC_USER, "actor"))
    photo = stanza.find(name(PHOTO, "x"))
    said = None if photo is None else photo.find(name(PHOTO, "photo"))
    return Presence(
        sender=stanza.get("from", ""),
        to=stanza.get("to", ""),
        kind=stanza.get("type", ""),
        codes=frozenset() if user is None else _codes(user),
        role="" if item is None else item.get("role", ""),
        real="" if item is None else item.get("jid", "").partition("/")[0].lower(),
        occupant=_occupant(stanza, features),
        nick="" if item is None else item.get("nick", ""),
        actor="" if actor is None else actor.get("nick", "") or actor.get("jid", ""),
        reason=_reason(item) or _reason(destroyed),
        destroyed=destroyed is not None,
        photo=None if said is None else (said.text or "").strip()[:64],
        error=failure(stanza),
    )


def _codes(user: ET.Element) -> frozenset[str]:
    return frozenset(each.get("code", "") for each in user.iterfind(name(MUC_USER, "status")))


def _reason(place: ET.Element | None) -> str:
    found = None if place is None else place.find(name(MUC_USER, "reason"))
    return "" if found is None else (found.text or "").strip()[:300]
