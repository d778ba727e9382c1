"""What a message answers, as its target is to show it: by the platform's own means, or by a line that quotes it."""

from __future__ import annotations

import asyncio
from contextlib import suppress

from msgspec import Struct
from msgspec.structs import replace

from nextbridge.delivery.surroundings import Surroundings
from nextbridge.driver import Excerpt, Recall, Threads
from nextbridge.envelope import Channel, MessageId, Posted
from nextbridge.instance import Instance
from nextbridge.journal import Fate
from nextbridge.render import excerpt

__all__ = ["NOTHING", "Answer", "answer_of", "first_of", "quoting", "reply_to"]

_RECALL_SECONDS = 5.0
_DEEPEST = 50
"""Answers to answers that are followed to their root."""


class Answer(Struct, frozen=True):
    """How a message shows what it answers."""

    reply_to: MessageId | None = None
    """The message in the target, where the platform shows answers and it is there."""
    quote: Excerpt | None = None
    """What it said, where that has to be quoted."""
    on_every_part: bool = False
    """Each part has to say so, or it would stand outside the thread."""


NOTHING = Answer()


async def answer_of(event: Posted, target: Channel, instance: Instance, around: Surroundings) -> Answer:
    """How `event` is to show in `target` what it answers. Does I/O where it answers anything."""
    parent = event.reply_to or event.thread
    if parent is None:
        return NOTHING
    fate = await around.journal.fate(target, event.channel, parent)
    found = None if fate is None else await reply_to(fate, target, instance, around)
    if found is None and event.thread is not None and event.thread != parent:
        # the parent is not in the target; the thread's root may be
        root = await around.journal.fate(target, event.channel, event.thread)
        found = None if root is None else await reply_to(root, target, instance, around)
    if found is None:
        return Answer(quote=await quoting(fate, event, parent, around))
    if instance.driver.quotes_answers:
        return replace(found, quote=await quoting(fate, event, parent, around), on_every_part=True)
    return found


async def reply_to(fate: Fate, target: Channel, instance: Instance, around: Surroundings) -> Answer | None:
    """How to answer this message in the target by the platform's own means, or None where that cannot be."""
    driver: object = instance.driver
    answers = driver.answers if isinstance(driver, Threads) else None
    match answers:
        case "any":
            found = first_of(fate)
            return None if found is None else Answer(found)
        case "root":
            root = await _root(fate, target, around)
            return None if root is None else Answer(root, on_every_part=True)
        case _:
            return None


async def quoting(fate: Fate | None, event: Posted, parent: MessageId, around: Surroundings) -> Excerpt | None:
    """What the parent said: as the journal has it, else as the platform of the answer remembers it.

    None where that is not known, or was deleted.
    """
    if fate is not None:
        if fate.deleted:
            return None
        author = fate.event.author
        # whole: a filter and the guard look at it before it is cut
        return Excerpt(author.name or author.username, excerpt(fate.event, None))
    source = around.instances.get(event.channel.instance)
    driver: object = source.driver if source else None
    if source is None or not isinstance(driver, Recall) or around.clock() < source.answers_from:
        return None
    with suppress(Exception):  # best effort: the answer itself must not wait for it, nor fail by it
        try:
            async with asyncio.timeout(_RECALL_SECONDS):
                return await driver.recall(event.channel.key, parent)
        except TimeoutError:
            source.did_not_answer(around.clock())
    return None


async def _root(fate: Fate, target: Channel, around: Surroundings) -> MessageId | None:
    """The root, in the target, of the thread that a message stands in there."""
    for _ in range(_DEEPEST):
        event = fate.event
        if fate.is_at_home(target):
            return event.thread or event.message
        above = event.thread or event.reply_to
        if above is None:
            break
        up = await around.journal.fate(target, event.channel, above)
        if up is None or first_of(up) is None:
            break  # it was shown there as a root, with a quote
        fate = up
    return first_of(fate)


def first_of(fate: Fate) -> MessageId | None:
    """The first part of what a message became; None where nothing of it is there, or its id is not known."""
    return next((MessageId(part) for part in fate.parts if part is not None), None)
