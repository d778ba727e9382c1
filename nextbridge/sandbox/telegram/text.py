"""Texts and their entities as the server checks and completes them: lengths in UTF-16 code units, what it finds itself.

See https://core.telegram.org/bots/api#formatting-options and https://core.telegram.org/api/entities. `parse_mode` is
not played: a bot that uses it is refused, and not shown as if its text had been understood.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from nextbridge.sandbox.telegram.records import Entity
from nextbridge.sandbox.telegram.refusals import bad_request

__all__ = ["LONGEST_CAPTION", "LONGEST_TEXT", "checked", "cleaned", "length", "stretch"]

LONGEST_TEXT = 4096
LONGEST_CAPTION = 1024
"""UTF-16 code units, after the entities were understood."""

_GIVEN = frozenset({
    "bold", "italic", "underline", "strikethrough", "spoiler", "blockquote", "expandable_blockquote",
    "code", "pre", "text_link", "text_mention", "custom_emoji",
})  # fmt: skip
_FOUND = (
    ("mention", re.compile(r"(?<!\w)@[A-Za-z0-9_]{2,32}(?!\w)")),
    ("bot_command", re.compile(r"(?<![\w/<>])/[A-Za-z0-9_]{1,64}(?:@[A-Za-z0-9_]{3,32})?(?![\w/])")),
    ("hashtag", re.compile(r"(?<![\w#])#\w*[^\W\d]\w*")),
    (
        "url",
        re.compile(
            r"https?://[^\s<>\"]+|(?<![\w@.])[a-z0-9-]+(?:\.[a-z0-9-]+)*\.(?:com|org|net)(?![\w])", re.IGNORECASE
        ),
    ),
    ("email", re.compile(r"(?<!\w)[\w.+-]+@[\w-]+(?:\.[\w-]+)+")),
)
_LITERAL = frozenset({"code", "pre"})
_CONTROLS = {code: " " for code in range(32) if code != 10} | {13: "", 0x202E: "", 0x2028: "", 0x2029: ""}


def length(text: str) -> int:
    """UTF-16 code units."""
    return len(text.encode("utf-16-le", "surrogatepass")) // 2


def stretch(text: str, entity: Entity) -> str:
    """What of a text an entity is about."""
    units = text.encode("utf-16-le", "surrogatepass")
    return units[2 * entity.offset : 2 * (entity.offset + entity.length)].decode("utf-16-le", "replace")


def cleaned(text: str) -> str:
    """What the server makes of it before anything else: controls are spaces, the code units stay as many but for CR."""
    try:
        text.encode()
    except UnicodeEncodeError as error:
        raise bad_request("strings must be encoded in UTF-8") from error
    return text.translate(_CONTROLS)


def checked(text: str, given: Sequence[Entity], *, most: int, what: str) -> tuple[str, tuple[Entity, ...]]:
    """A text of a bot or a person with all its entities. Raises Refusal where it is too long or they are wrong."""
    said, given = _trimmed(cleaned(text), given)
    if length(said) > most:
        raise bad_request(f"{what} is too long")
    size = length(said)
    entities = []
    for entity in given:
        if entity.type not in _GIVEN:
            continue  # what is found by the server cannot be given to it
        if entity.offset < 0 or entity.length <= 0 or entity.offset + entity.length > size:
            raise bad_request("entity beginning or end is outside of the text")
        if _splits(said, entity.offset) or _splits(said, entity.offset + entity.length):
            raise bad_request("entity starts or ends inside of a UTF-16 pair")
        entities.append(entity)
    literal = [entity for entity in entities if entity.type in _LITERAL or entity.type in {"text_link", "text_mention"}]
    entities += [each for each in _found(said) if not any(_overlap(each, other) for other in literal)]
    return said, tuple(sorted(entities, key=lambda each: (each.offset, -each.length)))


def _trimmed(text: str, given: Sequence[Entity]) -> tuple[str, list[Entity]]:
    """Without white space around it; entities move along, and those of nothing else go."""
    start = length(text) - length(text.lstrip())
    said = text.strip()
    size = length(said)
    moved = []
    for entity in given:
        first = max(entity.offset - start, 0)
        last = min(entity.offset + entity.length - start, size)
        beyond = entity.offset + entity.length > length(text)
        if last > first or beyond:
            count = entity.length if beyond else last - first
            moved.append(Entity(type=entity.type, offset=first, length=count, url=entity.url, user=entity.user,
                                language=entity.language, custom_emoji_id=entity.custom_emoji_id))  # fmt: skip
    return said, moved


def _found(text: str) -> Iterator[Entity]:
    taken: list[Entity] = []
    for kind, pattern in reversed(_FOUND):
        for found in pattern.finditer(text):
            entity = Entity(type=kind, offset=length(text[: found.start()]), length=length(found[0]))
            if not any(_overlap(entity, other) for other in taken):
                taken.append(entity)
    yield from taken


def _overlap(one: Entity, other: Entity) -> bool:
    return one.offset < other.offset + other.length and other.offset < one.offset + one.length


def _splits(text: str, place: int) -> bool:
    unit = text.encode("utf-16-le", "surrogatepass")[2 * place : 2 * place + 2]
    return len(unit) == 2 and 0xDC <= unit[1] <= 0xDF
