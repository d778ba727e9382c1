"""An event as the target is to show it: the template filled, names and labels, cut into parts that fit.

What a chat user wrote (text, names, file names) is data: it goes through the target dialect's writer, which escapes it.
The template's own words are the operator's, in the target's notation, and go out as they are.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from functools import lru_cache
from typing import Any

import msgspec
from msgspec import Struct

from nextbridge.config.model import MessageSettings, Terms
from nextbridge.driver import Driver, Excerpt, Limits
from nextbridge.envelope import Author, ChannelKey, Posted
from nextbridge.journal import PlannedPart
from nextbridge.labels import Missing, label, label_in
from nextbridge.markup import (
    PLAIN,
    Block,
    Bold,
    Dialect,
    Inline,
    Italic,
    LineBreak,
    Mention,
    MentionKind,
    Paragraph,
    Quote,
    RichText,
    Text,
)
from nextbridge.markup.legible import legible, one_line
from nextbridge.markup.rewrite import reworded
from nextbridge.markup.split import lines, split
from nextbridge.media.links import Links
from nextbridge.names import same_name, unframed
from nextbridge.template import VARIABLES, Header, Literal, Part, Template, Variable, parse

__all__ = ["Origin", "Rendered", "excerpt", "one_line", "render", "terms_of"]

_LONGEST_NAME = 80
"""Characters of a name that are shown; a longer one is cut, so that no name can push a message out of its limits."""
_LONGEST_EXCERPT = 80
"""Characters of a message that is quoted."""
_LABEL_ROOM = 200
"""What is left free beside a file in a part that is fixed when it is planned: the file may turn out to be refused."""
_NAME_VARIABLES = VARIABLES - {"msg"}


class Origin(Struct, frozen=True):
    """Where an event comes from, by the names of the operator's file."""

    platform: str
    instance: str
    links: Links | None = None
    """For pictures that have no address; None where there is no media server."""

    def avatar(self, author: Author) -> str | None:
        """The address of the author's picture, for anybody; None where there is none."""
        if author.avatar is None and author.portrait and self.links is not None:
            return self.links.picture(self.instance, author.id, author.portrait)
        return author.avatar


class Rendered(Struct, frozen=True):
    """Everything about a message that the target shows."""

    parts: tuple[PlannedPart, ...]
    name: str | None = None
    """The name to show it under, where the target shows identities."""
    avatar: str | None = None
    action: bool = False


class _Style(Struct, frozen=True):
    """How one target shows one message: decided once for all its parts."""

    template: Template
    name: Template | None
    action: bool

    @property
    def shows_time(self) -> bool:
        """Whether the operator's own words say when it was said."""
        return any(template is not None and template.has("time") for template in (self.template, self.name))


@lru_cache(maxsize=4096)
def _parsed(text: str) -> Template:
    return parse(text)


@lru_cache(maxsize=4096)
def _parsed_name(text: str) -> Template:
    return parse(text, variables=_NAME_VARIABLES)


@lru_cache(maxsize=4096)
def terms_of(settings: str) -> Terms:
    """What a delivery was accepted under, out of the journal's canonical JSON."""
    return msgspec.json.decode(settings, type=Terms)


def excerpt(event: Posted, longest: int | None = _LONGEST_EXCERPT) -> str:
    """What a message says, in one line without formatting, cut to `longest` characters."""
    words = one_line(PLAIN.write(event.text.blocks), longest)
    return words or (label(event.attachments[0]) if event.attachments else "")


def render(
    event: Posted,
    settings: str,
    driver: Driver[Any, Any],
    channel: ChannelKey,
    origin: Origin,
    *,
    missing: Mapping[int, Missing],
    quote: Excerpt | None = None,
) -> Rendered:
    """Plan a message for a target channel.

    `settings` are the delivery's; `missing` names the attachments (by place) that are shown by a label, whether the
    target cannot take them or they could not be fetched. `quote` is what it answers, where that stands above it. Pure:
    no I/O.
    """
    style = _style(event, terms_of(settings).msg, driver)
    limits = driver.limits(channel)
    values = _Values(event, origin, driver)
    dialect = driver.dialect
    blocks = reworded(event.text.blocks, legible)
    in_italics = event.action and not style.action and style.template is not _parsed(driver.action_format)
    if in_italics:
        blocks = tuple(_italic(block) for block in blocks)
    files = [place for place in range(len(event.attachments)) if place not in missing]
    whole = _unchanged(event.text, dialect) if not missing and not in_italics else None
    if quote is not None:
        blocks, whole = (_quoted(quote, driver), *blocks), None
    blocks = _with_labels(blocks, [label_in(dialect, event.attachments[at], missing[at]) for at in sorted(missing)])
    frame = _fitting(style.template, values, dialect, limits)
    if event.late and not style.shows_time:
        frame = _Frame(_escaped(f"[{values['time']}]", dialect) + " " + frame.before, frame.after)
    texts = _texts(blocks, whole, frame, dialect, limits)
    parts = _with_files(texts, files, frame, limits)
    if style.name is None:
        return Rendered(parts, action=style.action)
    name = one_line(_words(style.name.parts, values), _LONGEST_NAME) or values["nickname"]
    return Rendered(parts, name, origin.avatar(event.author), style.action)


def _quoted(quote: Excerpt, driver: Driver[Any, Any]) -> Block:
    name = driver.display_name(unframed(one_line(quote.name, _LONGEST_NAME), ":"))
    words = one_line(quote.text, _LONGEST_EXCERPT)
    return Quote((Paragraph((Text(f"{name}: {words}" if words else name),)),))


def _style(event: Posted, settings: MessageSettings, driver: Driver[Any, Any]) -> _Style:
    # what isinstance(driver, Identity) asks, which for a protocol costs as much as all else here
    shows = getattr(driver, "shows_identity", False)
    named = settings.name_format is not None or settings.msg_format is None
    name = _parsed_name(settings.name_format or "{nickname}") if shows and named else None
    if settings.msg_format is not None:
        template = _parsed(settings.msg_format)
    elif name is not None:
        template = _parsed("{msg}")
    else:
        template = _parsed(driver.action_format if event.action else driver.default_format)
    return _Style(template, name, action=event.action and template.bare)


class _Values(dict[str, str]):
    """What the variables of templates stand for: each is made when it is asked for, since most templates name few."""

    def __init__(self, event: Posted, origin: Origin, driver: Driver[Any, Any]) -> None:
        super().__init__()
        self._event = event
        self._origin = origin
        self._driver = driver

    def __missing__(self, name: str) -> str:
        value = self[name] = self._made(name)
        return value

    def _made(self, name: str) -> str:
        event, author = self._event, self._event.author
        match name:
            case "nickname" | "user":
                return self._shown(author.name or author.username) or self._shown(author.username) or "?"
            case "username":
                return self._shown(author.username) or self["nickname"]
            case "user_id":
                return one_line(author.id, _LONGEST_NAME)
            case "user_avatar":
                return self._origin.avatar(author) or ""
            case "platform":
                return self._origin.platform
            case "instance_id":
                return self._origin.instance
            case "from":
                return one_line(event.channel_name or event.channel.key, _LONGEST_NAME)
            case "time":
                return _minute(event.at // 60_000)
            case _:
                raise KeyError(name)

    def _shown(self, name: str) -> str:
        shown = self._driver.display_name(one_line(name, _LONGEST_NAME))
        own = self._driver.own_name
        if shown and own and same_name(name) == same_name(own):
            return f"{shown} ({self._origin.platform})"  # not the relay itself
        return shown


@lru_cache(maxsize=64)
def _minute(since_1970: int) -> str:
    return time.strftime("%Y-%m-%d %H:%M", time.localtime(since_1970 * 60))


class _Frame(Struct, frozen=True):
    """A filled template: what stands before and after the message in each part."""

    before: str
    after: str


def _fitting(template: Template, values: Mapping[str, str], dialect: Dialect, limits: Limits) -> _Frame:
    """The filled template; where it takes more than half a message, what users bring to it is cut until it does not.

    Otherwise a long name could turn one message into thousands.
    """
    frame = _fill(template, values, dialect)
    longest = _LONGEST_NAME
    while longest > 1 and 2 * limits.unit.measure(frame.before + frame.after) > limits.text:
        longest //= 2
        frame = _fill(template, {name: value[:longest] for name, value in values.items()}, dialect)
    return frame


def _fill(template: Template, values: Mapping[str, str], dialect: Dialect) -> _Frame:
    sides = ["", ""]
    side = 0
    for place, part in enumerate(template.parts):
        match part:
            case Variable("msg"):
                side = 1
            case Literal(text):
                sides[side] += _literal(text, dialect)
            case Variable(name):
                sides[side] += _escaped(_in_frame(values[name], template.parts[place + 1 : place + 2]), dialect)
            case Header(title, content):
                sides[side] += _header(_words(title, values), _words(content, values), dialect)
    return _Frame(sides[0], sides[1])


def _in_frame(value: str, after: tuple[Part, ...]) -> str:
    """A variable's value, which cannot look as if it ended before what the template goes on with."""
    match after:
        case (Literal(text),):
            return unframed(value, text) or (value and "?")
        case _:
            return value


def _literal(text: str, dialect: Dialect) -> str:
    # what isinstance(dialect, Literals) asks, which for a protocol costs as much as all else here
    literal: Callable[[str], str] | None = getattr(dialect, "literal", None)
    return text if literal is None else literal(text)


def _escaped(value: str, dialect: Dialect) -> str:
    return dialect.write((Paragraph((Text(value),)),)) if value else ""


def _words(parts: tuple[object, ...], values: Mapping[str, str]) -> str:
    return "".join(values[part.name] if isinstance(part, Variable) else getattr(part, "text", "") for part in parts)


def _header(title: str, content: str, dialect: Dialect) -> str:
    inlines: list[Inline] = []
    if title := one_line(title):
        inlines.append(Bold((Text(title),)))
    if content := one_line(content):
        inlines += [Text(" · ")] if inlines else []
        inlines.append(Italic((Text(content),)))
    if not inlines:
        return ""
    return dialect.write((Paragraph(tuple(inlines)),)) + ("\n" if dialect.multiline else ": ")


def _with_labels(blocks: tuple[Block, ...], labels: list[tuple[Inline, ...]]) -> tuple[Block, ...]:
    """Labels on lines of their own, right below the text."""
    if not labels:
        return blocks
    inlines: list[Inline] = []
    if blocks and isinstance(blocks[-1], Paragraph):
        inlines += blocks[-1].children
        blocks = blocks[:-1]
    for each in labels:
        if inlines:
            inlines.append(LineBreak())
        inlines += each
    return (*blocks, Paragraph(tuple(inlines)))


def _italic(block: Block) -> Block:
    return Paragraph((Italic(block.children),)) if isinstance(block, Paragraph) else block


def _unchanged(text: RichText, dialect: Dialect) -> str | None:
    """The text as it was written, where the target understands it and nobody would be called by it."""
    if text.source is None or text.source.dialect != dialect.name or _calls_everybody(text.blocks):
        return None
    return legible(text.source.text)


def _calls_everybody(nodes: tuple[object, ...]) -> bool:
    for node in nodes:
        if isinstance(node, Mention) and node.kind is not MentionKind.USER:
            return True
        inner = getattr(node, "children", ()) or tuple(each for item in getattr(node, "items", ()) for each in item)
        if inner and _calls_everybody(inner):
            return True
    return False


def _texts(blocks: tuple[Block, ...], whole: str | None, frame: _Frame, dialect: Dialect, limits: Limits) -> list[str]:
    size = limits.unit.measure
    room = max(limits.text - size(frame.before) - size(frame.after), 1)
    if whole is not None and size(whole) <= room:
        return [_framed(whole, blocks, frame, dialect)]
    pieces = [blocks] if dialect.multiline else lines(blocks)
    texts: list[str] = []
    for piece in pieces:
        written = dialect.write(piece)
        if size(written) <= room:
            texts.append(_framed(written, piece, frame, dialect))
            continue
        # a line break may have to stand before a block that cannot start inside a line
        cut = split(piece, write=dialect.write, size=size, limit=max(room - 1, 1))
        texts += [_framed(dialect.write(each), each, frame, dialect) for each in cut]
    return texts


def _framed(written: str, blocks: tuple[Block, ...], frame: _Frame, dialect: Dialect) -> str:
    """The message in its frame. A block that has to start a line does, where the target has lines."""
    own_line = (
        dialect.multiline
        and frame.before
        and not frame.before.endswith("\n")
        and blocks
        and not isinstance(blocks[0], Paragraph)
    )
    return f"{frame.before}{chr(10) if own_line else ''}{written}{frame.after}"


def _with_files(texts: list[str], files: list[int], frame: _Frame, limits: Limits) -> tuple[PlannedPart, ...]:
    """Files go with the text's last part; what is over the limit goes on in parts of its own."""
    if not files:
        return tuple(PlannedPart(text) for text in texts)
    groups = [tuple(files[start : start + limits.files]) for start in range(0, len(files), limits.files)]
    alone = f"{frame.before}{frame.after}".strip()
    texts = [text for text in texts if text.strip()] or [alone]
    room = limits.text - len(groups[0]) * _LABEL_ROOM
    if len(texts) > 1 and limits.unit.measure(alone) <= room < limits.unit.measure(texts[-1]):
        texts.append(alone)
    parts = [PlannedPart(text) for text in texts[:-1]]
    parts.append(PlannedPart(texts[-1], groups[0]))
    parts += [PlannedPart(alone, group) for group in groups[1:]]
    return tuple(parts)
