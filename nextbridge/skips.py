"""What was not relayed lately, and why: for an operator who asks for one message by its id. Nobody's text is in it.

Kept in memory, as long as the daemon runs: what is skipped is told again by no platform, and a write to the disk for
each would cost as much as to relay it. Of each reason the newest are kept, so that what is skipped by the thousand (the
echo of our own posts, channels that no rule names) pushes out nothing else.
"""

from __future__ import annotations

import time
from collections import deque
from collections.abc import Callable

from msgspec import Struct

from nextbridge.envelope import Channel, Event, InstanceId, Joined, Left, MessageId, TopicChanged

__all__ = ["REASONS", "Skip", "Skips"]

_MOST_OF_A_REASON = 1_000
_MOST_REASONS = 100
"""Reasons are short stable words, with a rule where one said it: there are never so many."""

REASONS = {
    "before_its_rule": "it was said before the rule was first started",
    "came_from_there": "it came from there, by another relay",
    "cannot_be_deleted": "the platform does not take it back",
    "cannot_be_edited": "the platform does not change it, and the rule has on_edit: nothing",
    "cannot_be_kept": "it holds what no journal can write",
    "changed_again": "it was changed once more since, and that is shown",
    "command": "it is a command to the relay",
    "copy_changed": "somebody changed what the relay had posted, and that is theirs alone",
    "dead_letter_deleted": "its message was a dead letter, which is dropped",
    "dead_letter_edited": "its message is a dead letter, which has the new text now",
    "deleted_before_sent": "it was deleted before it was sent",
    "edit_changes_nothing": "it says what is there already",
    "edited_before_sent": "its message was not sent yet, and took the new text along",
    "empty": "there is neither text nor file in it",
    "filter_bot": "a bot wrote it, and the rule's filter has ignore_bots",
    "filter_emptied": "nothing is left of it after the filter's replacements",
    "filter_files": "it has files alone, and the rule's filter leaves those out",
    "filter_name": "its author's name matches ignore_names of the rule's filter",
    "filter_not_allowed": "its author is not on allow of the rule's filter",
    "filter_text": "its text matches ignore_text of the rule's filter",
    "filter_too_much": "the replacements of the rule's filter would take too long for it",
    "filter_user": "its author is on deny of the rule's filter",
    "gone": "what it is about is not there any more",
    "joined_off": "the rule does not tell who joins: joins",
    "left_off": "the rule does not tell who leaves: joins",
    "loop": "another relay joins the same channels, and it went round",
    "no_rule": "no enabled rule takes messages from that channel",
    "not_relayed": "what it is about was never shown there",
    "nothing_to_show": "nothing of it is left to show",
    "own_mark": "the relay posted it",
    "own_message": "the relay posted it",
    "own_post": "the relay's own account wrote it",
    "own_reaction": "the relay's own account reacted so",
    "reaction_not_shown": "the platform has no reactions, and the rule has on_reaction: nothing",
    "system_post": "the platform wrote it, and nobody",
    "topic_not_shown": "the platform does not let the relay set the topic, and the rule has topics: false",
    "topic_off": "the rule neither tells of topics nor sets them: topics, sync_topic",
    "unreadable": "it is not what the platform documents",
}
"""What the core's reasons mean, and those that drivers share; a driver may have more."""


class Skip(Struct, frozen=True, gc=False):
    """One message that was not relayed, or not by one rule."""

    at: int
    """Milliseconds since 1970."""
    reason: str
    kind: str
    """As the event's key has it; empty for what was no event to its driver."""
    channel: Channel
    message: MessageId
    rule: str = ""
    """The one that did not relay it; empty where it was none's affair."""
    user: str = ""
    username: str = ""


class Skips:
    """The newest skips of each reason. Used on the event loop."""

    def __init__(self, *, remember: Callable[[], float], clock: Callable[[], float] = time.time) -> None:
        """`remember` gives for how many seconds at most, as it holds now; `clock` the seconds since 1970."""
        self._remember = remember
        self._clock = clock
        self._kept: dict[str, deque[Skip]] = {}
        self._since = int(clock() * 1000)

    def note(self, event: Event, reason: str, rule: str = "") -> None:
        """An event is not relayed (by this rule). A second report, and what nobody has an id of, is not kept."""
        if reason != "seen_before" and not isinstance(event, Joined | Left | TopicChanged):
            author = event.author
            kind = event.key.kind
            self._keep(reason, kind, event.channel, event.message, rule, author.id, author.username)

    def passed_over(self, reason: str, channel: Channel, message: MessageId) -> None:
        """A driver found that something is no event."""
        self._keep(reason, "", channel, message, "", "", "")

    def _keep(
        self, reason: str, kind: str, channel: Channel, message: MessageId, rule: str, user: str, username: str
    ) -> None:
        kept = self._kept.get(reason)
        if kept is None:
            if len(self._kept) >= _MOST_REASONS:
                return
            kept = self._kept[reason] = deque(maxlen=_MOST_OF_A_REASON)
        kept.append(Skip(int(self._clock() * 1000), reason, kind, channel, message, rule, user, username))

    def of(self, message: str) -> list[Skip]:
        """All that is known of a message with this id, whatever the channel, oldest first."""
        self._forget_old()
        found = [each for kept in self._kept.values() for each in kept if each.message == message]
        return sorted(found, key=lambda skip: skip.at)

    def since(self) -> int:
        """From when on every skip is known, in milliseconds since 1970."""
        oldest = self._forget_old()
        return max(
            [self._since, oldest, *(kept[0].at for kept in self._kept.values() if len(kept) == _MOST_OF_A_REASON)]
        )

    def forget(self, person: str, instance: InstanceId | None, *, really: bool = True) -> int:
        """Forget what somebody did whose id or handle this is, on one instance or on all; or only count it."""
        number = 0
        for kept in self._kept.values():
            theirs = [each for each in kept if _is_by(each, person, instance)]
            number += len(theirs)
            if theirs and really:
                left = [each for each in kept if not _is_by(each, person, instance)]
                kept.clear()
                kept.extend(left)
        return number

    def _forget_old(self) -> int:
        """From when on they are kept."""
        oldest = int((self._clock() - self._remember()) * 1000)
        for kept in self._kept.values():
            while kept and kept[0].at < oldest:
                kept.popleft()
        return oldest


def _is_by(skip: Skip, person: str, instance: InstanceId | None) -> bool:
    return person in {skip.user, skip.username} and instance in {None, skip.channel.instance}
