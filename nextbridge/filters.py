"""What a rule's filter says to an event: that the rule does not relay it, or what of it is shown.

Both are decided by what the event was accepted under, so that it comes out the same whenever it is delivered. A rule
without a filter has none of this: `filter_of` gives None for it, once.
"""

from __future__ import annotations

from collections.abc import Iterable
from functools import lru_cache
from typing import TypeVar

from msgspec.structs import replace

from nextbridge.config.model import FilterSettings, User
from nextbridge.driver import Excerpt
from nextbridge.envelope import Author, Channel, Deleted, Edited, Event, InstanceId, Left, Posted, TopicChanged
from nextbridge.expression import Budget, Expression, Replacement, TooMuch
from nextbridge.markup import PLAIN, RichText
from nextbridge.markup.rewrite import reworded, unformatted
from nextbridge.render import terms_of

__all__ = ["Filter", "filter_of"]

E = TypeVar("E", bound=Event)

_NO_FILTER = FilterSettings()


class Filter:
    """One rule's filter, compiled."""

    def __init__(self, settings: FilterSettings) -> None:
        """Raises `ExpressionError` for a pattern that cannot be used; those of a loaded file can."""
        self._allow = _People(settings.allow) if settings.allow else None
        self._deny = _People(settings.deny)
        self._ignores_bots = settings.ignore_bots
        self._texts = [Expression(each) for each in settings.ignore_text]
        self._names = [Expression(each) for each in settings.ignore_names]
        self._files = settings.files
        self._replacements = [Replacement(each.pattern, each.put) for each in settings.replace]
        self._strips = settings.formatting == "strip"

    @property
    def takes_files(self) -> bool:
        """Whether the files of a message are relayed."""
        return self._files != "strip"

    def reason(self, event: Event) -> str | None:
        """Why the rule does not relay `event`, as a short stable word, or None where it does. Raises nothing."""
        # what was relayed is taken back by whoever may do that
        if not isinstance(event, Deleted) and (reason := self.about_author(event.author, event.channel)):
            return reason
        words = _words(event)
        if words and any(each.is_in(words) for each in self._texts):
            return "filter_text"
        if self._files != "keep" and isinstance(event, Posted) and event.attachments and not words.strip():
            return "filter_files"
        if not self._replacements:
            return None
        try:
            left = self._changed(event)
        except TooMuch:
            return "filter_too_much"
        if words and not _words(left).strip() and not (isinstance(left, Posted) and left.attachments):
            return "filter_emptied"
        return None

    def applied(self, event: E) -> E:
        """What of `event` is shown; the same object where that is all of it. Raises nothing.

        For an event whose `reason` is None. Where that was never asked (under another rule, say), nothing of a text is
        shown that the replacements would take too long for.
        """
        try:
            return self._changed(event)
        except TooMuch:
            return _without_words(event)

    def quoted(self, quote: Excerpt) -> Excerpt | None:
        """What of a quote is shown, of a message that the rule may never have relayed; None where nothing is."""
        name = quote.name.casefold()
        if self._deny.has_name(name) or any(each.is_in(quote.name) for each in self._names):
            return None
        if any(each.is_in(quote.text) for each in self._texts):
            return Excerpt(quote.name, "")
        try:
            return Excerpt(quote.name, self._replaced(quote.text, Budget()))
        except TooMuch:
            return Excerpt(quote.name, "")

    def about_author(self, author: Author, channel: Channel) -> str | None:
        """Why the rule relays nothing of what `author` does in `channel`, or None where it does."""
        names = {author.id.casefold(), author.username.casefold()}
        if self._allow is not None and not self._allow.has(names, channel.instance):
            return "filter_not_allowed"
        names.add(author.name.casefold())
        if self._deny.has(names, channel.instance):
            return "filter_user"
        if self._ignores_bots and author.bot:
            return "filter_bot"
        if any(each.is_in(author.username) or each.is_in(author.name) for each in self._names):
            return "filter_name"
        return None

    def _changed(self, event: E) -> E:
        """Raises TooMuch."""
        match event:
            case Posted() | Edited():
                text = self._text(event.text)
                files = event.attachments if self.takes_files else ()
                if text is event.text and files == event.attachments:
                    return event
                return replace(event, text=text, attachments=files)
            case TopicChanged(topic=topic) if self._replacements:
                return replace(event, topic=self._replaced(topic, Budget()))
            case Left(reason=reason) if self._replacements:
                return replace(event, reason=self._replaced(reason, Budget()))
            case _:
                return event

    def _text(self, text: RichText) -> RichText:
        blocks = unformatted(text.blocks) if self._strips else text.blocks
        if self._replacements:
            budget = Budget()
            blocks = reworded(blocks, lambda words: self._replaced(words, budget))
        # without its source: the target is not to show the text as it was written
        return text if blocks is text.blocks else RichText(blocks)

    def _replaced(self, words: str, budget: Budget) -> str:
        for each in self._replacements:
            words = each.made(words, budget)
        return words


class _People:
    """Who is on a list."""

    def __init__(self, users: Iterable[User]) -> None:
        self._anywhere: set[str] = set()
        self._somewhere: set[tuple[str, str]] = set()
        for each in users:
            user, instance = (each, None) if isinstance(each, str) else (each.user, each.instance)
            # people write a handle with its sign, too
            for name in {user.strip().casefold(), user.strip().removeprefix("@").casefold()} - {""}:
                if instance is None:
                    self._anywhere.add(name)
                else:
                    self._somewhere.add((instance, name))

    def has_name(self, name: str) -> bool:
        """Whether somebody of that name, folded, is on it, on whatever instance."""
        return name in self._anywhere or any(name == each for _, each in self._somewhere)

    def has(self, names: set[str], instance: InstanceId) -> bool:
        """Whether one of `names`, folded, is on it."""
        if not self._anywhere.isdisjoint(names):
            return True
        return bool(self._somewhere) and any((instance, name) in self._somewhere for name in names)


@lru_cache(maxsize=4096)
def filter_of(settings: str) -> Filter | None:
    """The filter of a delivery's settings (the journal's canonical JSON), or None where they have none."""
    found = terms_of(settings).rule.filter
    return None if found == _NO_FILTER else _compiled(found)


@lru_cache(maxsize=1024)
def _compiled(settings: FilterSettings) -> Filter:
    return Filter(settings)


def _without_words(event: E) -> E:
    match event:
        case Posted() | Edited():
            return replace(event, text=RichText())
        case TopicChanged():
            return replace(event, topic="")
        case Left():
            return replace(event, reason="")
        case _:
            return event


def _words(event: Event) -> str:
    """What an event says, as plain text."""
    match event:
        case Posted() | Edited():
            return PLAIN.write(event.text.blocks)
        case TopicChanged(topic=words) | Left(reason=words):
            return words
        case _:
            return ""
