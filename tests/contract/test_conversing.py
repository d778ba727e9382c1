"""Each way of breaking what the contract says of edits, deletions, answers, reactions and company is found."""

from __future__ import annotations

from typing import Literal

import pytest
from msgspec.structs import replace

from nextbridge.driver import Excerpt, Outgoing, Receipt
from nextbridge.envelope import Author, ChannelKey, Deleted, Edited, Event, MessageId, Reacted, UserId
from nextbridge.errors import Gone, Rejected
from tests.contract.board import Act, Notice
from tests.contract.breach import assert_found
from tests.contract.noticeboard import BoardDriver


class EditsNothing(BoardDriver):
    async def edit(self, message: MessageId, revised: Outgoing) -> None: ...


class PostsTheEditAnew(BoardDriver):
    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await self.send(revised)


class EditsOnlyOnce(BoardDriver):
    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        if self._ready().notices[int(message)].text == revised.text:
            raise Rejected("it says so already")
        await super().edit(message, revised)


class CutsTheEdit(BoardDriver):
    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await super().edit(message, replace(revised, text=revised.text[:199]))


class ForgetsTheAction(BoardDriver):
    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await super().edit(message, replace(revised, action=False))


class EditsAnybodys(BoardDriver):
    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        await self._ready().change(int(message), self.me, revised.text)


class EditsWhatIsGone(BoardDriver):
    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        try:
            await super().edit(message, revised)
        except Gone:
            await self.send(revised)


class RemembersInMemory(BoardDriver):
    """After a restart it knows none of what it sent."""

    def __init__(self, *args: object) -> None:
        super().__init__(*args)  # type: ignore[arg-type]
        self._own: set[str | None] = set()

    async def send(self, message: Outgoing) -> Receipt:
        if message.reply_to is not None and message.reply_to not in self._own:
            message = replace(message, reply_to=None)
        receipt = await super().send(message)
        self._own.add(receipt.message)
        return receipt

    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        if message in self._own:
            await super().edit(message, revised)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        if message in self._own:
            await super().delete(channel, message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        if message in self._own:
            await super().react(channel, message, emoji, add=add)


class DoesNothingUnlessConnected(BoardDriver):
    async def edit(self, message: MessageId, revised: Outgoing) -> None:
        if self._board is not None:
            await super().edit(message, revised)

    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        if self._board is not None:
            await super().delete(channel, message)

    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        if self._board is not None:
            await super().react(channel, message, emoji, add=add)

    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        if self._board is not None:
            await super().set_topic(channel, topic)

    async def tell(self, user: UserId, text: str) -> None:
        if self._board is not None:
            await super().tell(user, text)


class RaisesUnlessConnected(BoardDriver):
    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        self._ready()
        return None

    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        self._ready()
        return None

    async def typing(self, channel: ChannelKey, author: Author) -> None:
        self._ready()


class DeletesNothing(BoardDriver):
    async def delete(self, channel: ChannelKey, message: MessageId) -> None: ...


class RefusesToDeleteTwice(BoardDriver):
    async def delete(self, channel: ChannelKey, message: MessageId) -> None:
        try:
            await super().delete(channel, message)
        except Gone as error:
            raise Rejected(error.reason) from None


class AnswersNobody(BoardDriver):
    async def send(self, message: Outgoing) -> Receipt:
        return await super().send(replace(message, reply_to=None))


class AnswersTheLatest(BoardDriver):
    async def send(self, message: Outgoing) -> Receipt:
        latest = MessageId(str(max(self._ready().notices, default=0)))
        return await super().send(replace(message, reply_to=latest if message.reply_to else None))


class SaysThatItCanAnswerNobody(BoardDriver):
    @property
    def answers(self) -> Literal["any"]:
        return None  # type: ignore[return-value]


class RecallsNothing(BoardDriver):
    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        return None


class RecallsTheLast(BoardDriver):
    async def recall(self, channel: ChannelKey, message: MessageId) -> Excerpt | None:
        return await super().recall(channel, MessageId(str(max(self._ready().notices, default=0))))


class ReactsInSilence(BoardDriver):
    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None: ...


class TakesNoReactionBack(BoardDriver):
    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await super().react(channel, message, emoji, add=True)


class ReactsToWhatIsGone(BoardDriver):
    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        if int(message) in self._ready().notices:
            await super().react(channel, message, emoji, add=add)


class TakesAnyEmoji(BoardDriver):
    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        await super().react(channel, message, "👍", add=add)


class KnowsNoEmoji(BoardDriver):
    async def react(self, channel: ChannelKey, message: MessageId, emoji: str, *, add: bool) -> None:
        raise Rejected("what is an emoji?")


class SetsNoTopic(BoardDriver):
    async def set_topic(self, channel: ChannelKey, topic: str) -> None: ...


class RefusesALongTopic(BoardDriver):
    async def set_topic(self, channel: ChannelKey, topic: str) -> None:
        if len(topic) > 100:
            raise Rejected("it is too long")
        await super().set_topic(channel, topic)


class FindsByAPart(BoardDriver):
    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        found = [each for each in self._ready().people if name and each.startswith(name)]
        return await super().member(channel, found[0]) if found else None


class FindsNobody(BoardDriver):
    async def member(self, channel: ChannelKey, name: str) -> Author | None:
        return None


class TellsEverybody(BoardDriver):
    async def tell(self, user: UserId, text: str) -> None:
        await super().tell(user, text)
        await self._ready().pin("hall", self.me, text)


class TellsNobody(BoardDriver):
    async def tell(self, user: UserId, text: str) -> None: ...


class TypesInSilence(BoardDriver):
    async def typing(self, channel: ChannelKey, author: Author) -> None: ...


class SeesEditsOnly(BoardDriver):
    """A pin is one, too."""

    def event_of(self, act: Act) -> Event | None:
        return super().event_of(replace(act, what="changed") if act.what == "moved" else act)


class NamesNoVersion(BoardDriver):
    def event_of(self, act: Act) -> Event | None:
        event = super().event_of(act)
        return replace(event, version="1") if isinstance(event, Edited | Reacted) else event


class TakesAnEditForAPost(BoardDriver):
    async def witness(self, act: Act) -> None:
        if act.what == "changed" and act.notice is not None and act.by != self.me:
            await self.take(act.notice)
        await super().witness(act)


class HearsEverythingTwice(BoardDriver):
    async def witness(self, act: Act) -> None:
        await super().witness(act)
        await super().witness(act)


class HearsOnlyPosts(BoardDriver):
    async def witness(self, act: Act) -> None: ...


class HearsItsOwnActs(BoardDriver):
    async def witness(self, act: Act) -> None:
        await super().witness(replace(act, by="somebody") if act.by == self.me else act)


class NamesTheWrongMessage(BoardDriver):
    def event_of(self, act: Act) -> Event | None:
        event = super().event_of(act)
        return replace(event, message=MessageId("0")) if isinstance(event, Edited | Deleted | Reacted) else event


class GivesOneIdToAllComings(BoardDriver):
    def event_of(self, act: Act) -> Event | None:
        return super().event_of(replace(act, count=0))


class SaysNothingOfAnswers(BoardDriver):
    async def take(self, notice: Notice) -> None:
        await super().take(replace(notice, answers=None))


class BlurtsOutWhispers(BoardDriver):
    async def take(self, notice: Notice) -> None:
        await super().take(replace(notice, to="", room="hall") if notice.to else notice)


BREACHES: list[tuple[type[BoardDriver], str]] = [
    (EditsNothing, "a_sent_message_can_be_given_other_text"),
    (EditsNothing, "what_is_gone_cannot_be_edited"),
    (EditsNothing, "hostile_text_in_an_edit_is_text"),
    (EditsNothing, "an_edited_action_is_still_one"),
    (EditsNothing, "the_other_persons_words_are_not_changed"),
    (PostsTheEditAnew, "a_sent_message_can_be_given_other_text"),
    (EditsOnlyOnce, "a_sent_message_can_be_given_other_text"),
    (CutsTheEdit, "an_edit_at_the_limit_arrives_whole"),
    (ForgetsTheAction, "an_edited_action_is_still_one"),
    (EditsAnybodys, "the_other_persons_words_are_not_changed"),
    (EditsWhatIsGone, "what_is_gone_cannot_be_edited"),
    (RemembersInMemory, "what_was_sent_before_a_restart_can_be_edited_after_it"),
    (RemembersInMemory, "what_was_sent_before_a_restart_can_be_taken_back_after_it"),
    (RemembersInMemory, "what_was_said_before_a_restart_can_be_answered_after_it"),
    (RemembersInMemory, "a_reaction_from_before_a_restart_can_be_taken_back_after_it"),
    (DoesNothingUnlessConnected, "nothing_is_edited_before_it_is_connected"),
    (DoesNothingUnlessConnected, "nothing_is_deleted_before_it_is_connected"),
    (DoesNothingUnlessConnected, "nothing_is_reacted_to_before_it_is_connected"),
    (DoesNothingUnlessConnected, "no_topic_is_set_before_it_is_connected"),
    (DoesNothingUnlessConnected, "nobody_can_be_told_nothing"),
    (RaisesUnlessConnected, "nothing_is_recalled_before_it_is_connected"),
    (RaisesUnlessConnected, "nobody_is_found_before_it_is_connected"),
    (RaisesUnlessConnected, "nobody_types_before_it_is_connected"),
    (DeletesNothing, "a_sent_message_can_be_taken_back"),
    (DeletesNothing, "what_is_gone_bears_no_reaction"),
    (RefusesToDeleteTwice, "a_sent_message_can_be_taken_back"),
    (AnswersNobody, "an_answer_is_shown_as_one"),
    (AnswersNobody, "an_answer_to_what_is_gone_is_not_posted"),
    (AnswersTheLatest, "an_answer_is_shown_as_one"),
    (SaysThatItCanAnswerNobody, "an_answer_is_shown_as_one"),
    (SaysNothingOfAnswers, "an_answer_names_what_it_answers"),
    (RecallsNothing, "what_was_said_can_be_recalled"),
    (RecallsTheLast, "what_was_said_can_be_recalled"),
    (ReactsInSilence, "a_reaction_is_shown_once_until_it_is_taken_back"),
    (TakesNoReactionBack, "a_reaction_is_shown_once_until_it_is_taken_back"),
    (ReactsToWhatIsGone, "what_is_gone_bears_no_reaction"),
    (TakesAnyEmoji, "several_reactions_stand_side_by_side"),
    (TakesAnyEmoji, "an_emoji_that_is_not_there_is_refused"),
    (KnowsNoEmoji, "several_reactions_stand_side_by_side"),
    (SetsNoTopic, "the_topic_can_be_set"),
    (RefusesALongTopic, "a_topic_that_is_too_long_is_cut"),
    (FindsByAPart, "somebody_in_the_room_is_found_by_their_whole_name"),
    (FindsNobody, "somebody_in_the_room_is_found_by_their_whole_name"),
    (TellsEverybody, "one_person_alone_can_be_told_something"),
    (TellsNobody, "one_person_alone_can_be_told_something"),
    (TellsNobody, "nobody_can_be_told_nothing"),
    (TypesInSilence, "it_is_shown_that_somebody_is_typing"),
    (SeesEditsOnly, "what_changes_no_words_is_no_edit"),
    (NamesNoVersion, "each_edit_is_an_event_of_its_own"),
    (NamesNoVersion, "each_reaction_is_an_event_of_its_own"),
    (TakesAnEditForAPost, "each_edit_is_an_event_of_its_own"),
    (HearsEverythingTwice, "each_edit_is_an_event_of_its_own"),
    (HearsEverythingTwice, "a_deletion_is_an_event"),
    (HearsEverythingTwice, "each_reaction_is_an_event_of_its_own"),
    (HearsEverythingTwice, "whoever_comes_and_goes_is_an_event"),
    (HearsOnlyPosts, "it_is_told_who_is_typing"),
    (HearsItsOwnActs, "a_sent_message_can_be_given_other_text"),
    (HearsItsOwnActs, "a_sent_message_can_be_taken_back"),
    (HearsItsOwnActs, "several_reactions_stand_side_by_side"),
    (HearsItsOwnActs, "the_topic_can_be_set"),
    (HearsItsOwnActs, "it_is_shown_that_somebody_is_typing"),
    (NamesTheWrongMessage, "each_edit_is_an_event_of_its_own"),
    (NamesTheWrongMessage, "a_deletion_is_an_event"),
    (NamesTheWrongMessage, "each_reaction_is_an_event_of_its_own"),
    (GivesOneIdToAllComings, "whoever_comes_and_goes_is_an_event"),
    (GivesOneIdToAllComings, "another_topic_is_an_event"),
    (BlurtsOutWhispers, "what_is_said_to_us_alone_is_marked_so"),
]


@pytest.mark.parametrize(("driver", "test"), BREACHES, ids=lambda each: getattr(each, "__name__", each))
async def test_a_breach_is_found(driver: type[BoardDriver], test: str) -> None:
    """A driver that breaks the contract in one way does not pass the test of it."""
    await assert_found(driver, test)
