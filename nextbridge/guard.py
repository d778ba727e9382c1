"""Keeps the operator's secrets out of what is relayed: whatever a platform is given to show passes here.

A secret of the file that somebody pastes into a bridged channel (or that a server quotes) goes no further: `***` stands
in its place on the other side, and the operator is told. One pass of one automaton over all texts of a message finds
it as it is and as addresses, JSON, HTML and base64 write it; a second one, where a text holds marks of formatting or
characters that nobody sees, finds it with those inside.

What it does not do: look into files; find a secret that is spelt out, reversed, or cut in pieces over several messages.
A value that could be a word or is short is no secret here (see `counts`): it would be masked in innocent sentences,
and by that anybody could find out by guessing words what it is.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar

import structlog
from msgspec.structs import replace
from structlog.typing import FilteringBoundLogger

from nextbridge.driver import DirectMessages, Driver, Edits, Excerpt, LocalFile, Outgoing, Receipt, Topics, Typing
from nextbridge.envelope import Author, ChannelKey, Edited, Event, Left, MessageId, Posted, TopicChanged, UserId
from nextbridge.markup import PLAIN, Dialect, Paragraph, RichText, Text
from nextbridge.markup.rewrite import reworded
from nextbridge.redaction import MASK, Redaction, forms, redaction
from nextbridge.tally import Tally

__all__ = ["About", "Guard", "counts"]

E = TypeVar("E", bound=Event)
About = Callable[[], Mapping[str, object]]
"""Names what is on its way, for the log; asked only when there is something to say."""

_SHORTEST = 8
_LONG = 20
"""Characters from which on even plain letters are no word."""
_REMEMBERED, _LONGEST_REMEMBERED = 500, 2_000
"""Texts in which there is none, and their characters, that are not looked through again a moment later."""
_MEMORY = 512 << 20
"""Bytes that the automaton may take at most, enough for thousands of secrets; it takes a few thousand for each."""

# What may stand between the characters of a secret: formatting, in one notation or another (IRC's colours with their
# numbers), and characters that nobody sees.
_UNSEEN = r"[\x00-\x08\x0b-\x1f\\*_~`|\xad\u034f\u061c\u180e\u200b-\u200f\u202a-\u202e\u2060-\u206f\ufe00-\ufe0f\ufeff]"
_SPACE = re.compile(r"[ \t\n]")
_ANY_BETWEEN = re.compile(_UNSEEN)
_BETWEEN = re.compile(rf"\x03[0-9]{{1,2}}(?:,[0-9]{{1,2}})?|{_UNSEEN}")

_REASON = (
    "a secret of the configuration was in it, and is masked in what is shown; whoever wrote it knows the secret: "
    "replace it where it was issued"
)


_WHERE = {
    **{field: field for field in ("text", "name", "avatar", "author", "topic", "reason")},
    "files": "file name",
    "attachments": "file name",
}
"""What a field of an event or a message is called in the log."""


def counts(secret: str) -> bool:
    """Whether a value is so unlike words that it is kept out of what is relayed.

    It has at least 8 characters of two kinds (small letters, capitals, digits, signs; a word in capitals, or with the
    first one, is as one in small letters), or it has 20.
    """
    if len(secret) < _SHORTEST or len(secret) >= _LONG:
        return len(secret) >= _LONG
    words = [word.lower() if word.istitle() or word.isupper() else word for word in secret.split()]
    return len({_kind(each) for word in words for each in word}) > 1


def _kind(character: str) -> str:
    if character.isalpha():
        return "capital" if character.isupper() else "letter"
    return "digit" if character.isdigit() else "sign"


class Guard:
    """Masks secrets in what goes out. Used on the event loop by whoever gives a driver something to show."""

    def __init__(self, tally: Tally, secrets: Redaction = redaction) -> None:
        self._tally = tally
        self._secrets = secrets
        self._known: frozenset[str] = frozenset()
        self._automaton: Any = None
        self._long: re.Pattern[str] | None = None
        """Finds a word that is long enough to be one, where none has words; it costs far less than a search."""
        self._innocent: dict[str, None] = {}
        """What was looked through lately and holds none: names come again with each message, most texts at its end."""
        self._log: FilteringBoundLogger = structlog.get_logger().bind()

    # --- to a driver ---

    async def send(self, driver: Driver[Any, Any], message: Outgoing, about: About) -> Receipt:
        """See `Driver.send`."""
        return await driver.send(self._checked(message, driver.dialect, about))

    async def edit(self, driver: Driver[Any, Any], message: MessageId, revised: Outgoing, about: About) -> None:
        """See `Edits.edit`; only for a driver that has it."""
        checked = self._checked(revised, driver.dialect, about)
        editing: object = driver
        assert isinstance(editing, Edits)  # noqa: S101 - the caller's promise
        await editing.edit(message, checked)

    async def set_topic(self, driver: Topics, channel: ChannelKey, topic: str, about: About) -> None:
        """See `Topics.set_topic`."""
        await driver.set_topic(channel, self._text(topic, "topic", about))

    async def tell(self, driver: Driver[Any, Any], user: UserId, text: str, about: About) -> None:
        """See `DirectMessages.tell`; only for a driver that has it."""
        checked = self._text(text, "direct message", about, _written(driver.dialect))
        telling: object = driver
        assert isinstance(telling, DirectMessages)  # noqa: S101 - the caller's promise
        await telling.tell(user, checked)

    async def typing(self, driver: Typing, channel: ChannelKey, author: Author) -> None:
        """See `Typing.typing`."""
        await driver.typing(channel, self._author(author))

    # --- before it is written ---

    def event(self, event: E, about: About) -> E:
        """`event` without secrets in what it says, before that is cut; the same object where there is none."""
        author = event.author
        if not self._finds_in((*_texts(event), *_names(author))):
            return event
        masked = replace(event, author=self._author(author))
        match masked:
            case Posted() | Edited():
                # one that formatting goes through is found when the text is written
                blocks = reworded(masked.text.blocks, self._masked)
                text = masked.text if blocks is masked.text.blocks else RichText(blocks)
                files = tuple(replace(each, name=self._masked(each.name)) for each in masked.attachments)
                masked = replace(masked, text=text, attachments=files)
            case TopicChanged(topic=topic):
                masked = replace(masked, topic=self._masked(topic))
            case Left(reason=reason):
                masked = replace(masked, reason=self._masked(reason))
        self._report_changes(event, masked, about)
        return masked

    def quote(self, quote: Excerpt, about: About) -> Excerpt:
        """Likewise of what is quoted, which is cut when it is written."""
        return Excerpt(self._text(quote.name, "quote", about), self._text(quote.text, "quote", about))

    # --- the search ---

    def _checked(self, message: Outgoing, dialect: Dialect, about: About) -> Outgoing:
        author = message.author
        texts = (message.text, message.name or "", message.avatar or "", *_names(author))
        if not self._finds_in((*texts, *(file.name for file in message.files)) if message.files else texts):
            return message
        masked = replace(
            message,
            text=self._masked(message.text, _written(dialect)),
            name=None if message.name is None else self._masked(message.name),
            avatar=self._address(message.avatar),
            author=self._author(author),
            files=tuple(self._file(each) for each in message.files),
        )
        self._report_changes(message, masked, about)
        return masked

    def _report_changes(self, before: object, after: object, about: About) -> None:
        for field, where in _WHERE.items():
            if getattr(before, field, None) != getattr(after, field, None):
                self._report(where, about)

    def _author(self, author: Author) -> Author:
        if not self._finds_in(_names(author)):
            return author
        return replace(
            author,
            name=self._masked(author.name),
            username=self._masked(author.username),
            avatar=self._address(author.avatar),
        )

    def _address(self, address: str | None) -> str | None:
        """An address with a secret in it leads nowhere without it."""
        return None if address is None or self._finds(address) else address

    def _file(self, file: LocalFile) -> LocalFile:
        return replace(file, name=self._masked(file.name)) if self._finds(file.name) else file

    def _text(self, text: str, where: str, about: About, mask: str = MASK) -> str:
        masked = self._masked(text, mask)
        if masked is not text:
            self._report(where, about)
        return masked

    def _report(self, where: str, about: About) -> None:
        named = about()
        self._tally.masked(str(named.get("instance", "")), str(named.get("rule", "")))
        self._log.error("secret_masked", **named, where=where, reason=_REASON)

    def _finds_in(self, texts: Iterable[str]) -> bool:
        """Whether any of these holds one. Each search lets go of the interpreter, and waits for it again."""
        if self._known is not self._secrets.secrets:
            self._learn()
        if self._automaton is None:
            return False
        new = [text for text in texts if text and text not in self._innocent]
        # a line break is no character that may stand inside a secret: the texts stay apart
        if not new:
            return False
        if self._finds("\n".join(new)):
            return True
        for text in new:
            if len(text) <= _LONGEST_REMEMBERED:
                self._innocent[text] = None
        while len(self._innocent) > _REMEMBERED:
            del self._innocent[next(iter(self._innocent))]
        return False

    def _finds(self, text: str) -> bool:
        if self._known is not self._secrets.secrets:
            self._learn()
        if self._automaton is None or (self._long is not None and self._long.search(text) is None):
            return False
        if self._search(text) is not None:
            return True
        return _ANY_BETWEEN.search(text) is not None and self._search(_BETWEEN.sub("", text)) is not None

    def _search(self, text: str) -> Any:  # noqa: ANN401 - RE2 has no types
        return self._automaton.search(text.encode("utf-8", "replace"))

    def _masked(self, text: str, mask: str = MASK) -> str:
        """`text` with `mask` in place of each secret; the same object where there is none."""
        # again, since two secrets may overlap; what is put in is shorter than what is taken out
        while self._finds(text):
            pieces: list[str] = []
            end = 0
            for start, stop in self._places(text):
                pieces += (text[end:start], mask)
                end = stop
            text = "".join((*pieces, text[end:]))
        return text

    def _places(self, text: str) -> list[tuple[int, int]]:
        """Where secrets are in `text`, which holds one: as they are, else with something between their characters."""
        if places := self._spans(text):
            return places
        kept: list[int] = []
        end = 0
        for each in _BETWEEN.finditer(text):
            kept += range(end, each.start())
            end = each.end()
        kept += range(end, len(text))
        return [(kept[start], kept[stop - 1] + 1) for start, stop in self._spans(_BETWEEN.sub("", text))]

    def _spans(self, text: str) -> list[tuple[int, int]]:
        whole = text.encode("utf-8", "replace").decode()  # of the same length
        return [each.span() for each in self._automaton.finditer(whole)]

    def _learn(self) -> None:
        self._known = self._secrets.secrets
        self._innocent.clear()
        written = {form for secret in self._known if counts(secret) for form in _forms(secret)}
        self._automaton = _compiled(sorted(written)) if written else None
        self._long = _long_enough(written)


def _forms(secret: str) -> Iterator[str]:
    yield from forms(secret)
    # without the signs in it that a notation may escape, or take for its own
    if counts(bare := _BETWEEN.sub("", secret)):
        yield bare


def _long_enough(written: Collection[str]) -> re.Pattern[str] | None:
    """Finds as many characters without a space as the shortest has: what may stand between them is no space either."""
    if not written or any(_SPACE.search(each) for each in written):
        return None
    return re.compile(rf"[^ \t\n]{{{min(map(len, written))}}}")


def _compiled(written: Iterable[str]) -> Any:  # noqa: ANN401 - RE2 has no types
    import re2  # type: ignore[import-untyped]

    options = re2.Options()
    options.log_errors = False
    options.never_capture = True
    options.longest_match = True
    options.max_mem = _MEMORY
    return re2.compile("|".join(map(re2.escape, written)), options=options)


def _written(dialect: Dialect) -> str:
    return dialect.write((Paragraph((Text(MASK),)),))


def _names(author: Author) -> tuple[str, ...]:
    names = (author.username,) if author.name == author.username else (author.username, author.name)
    return names if author.avatar is None else (*names, author.avatar)


def _texts(event: Event) -> tuple[str, ...]:
    """What an event says, as its author wrote it where that is known."""
    match event:
        case Posted() | Edited():
            words = _as_written(event.text)
            return (words, *(each.name for each in event.attachments)) if event.attachments else (words,)
        case TopicChanged(topic=words) | Left(reason=words):
            return (words,)
        case _:
            return ()


def _as_written(text: RichText) -> str:
    if text.source is not None:
        return text.source.text
    match text.blocks:
        case (Paragraph((Text(words),)),):  # as most messages are, without the cost of writing it
            return words
        case blocks:
            return PLAIN.write(blocks)
