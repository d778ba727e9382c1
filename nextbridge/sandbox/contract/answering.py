"""Answers and reactions to a message: the other person's, so that they are events, and ours, so that they are shown."""

from __future__ import annotations

from nextbridge.driver import Deletes, Reactions, Recall, Threads
from nextbridge.envelope import Deleted, MessageId, Reacted, decode, encode
from nextbridge.errors import Gone, Paused, Rejected, Retry
from nextbridge.sandbox.contract.bench import Bench, Situation
from nextbridge.sandbox.contract.needs import needs
from nextbridge.sandbox.contract.revising import ask, assert_unheard, sent
from nextbridge.sandbox.contract.supervised import Supervised, error_of

__all__ = ["Answers"]

_EMOJI = ("👍", "❤️", "😀", "🎉", "🇩🇪", "👩‍💻", "👋🏽")
"""The first is known wherever there are reactions; a platform may have some of the others."""
_NOWHERE = MessageId("n" * 26)


class Answers:
    """Tests of `Posted.reply_to`, `Reacted`, `Outgoing.reply_to`, `recall` and `react`."""

    # --- answers ------------------------------------------------------------------------------------------------------

    @needs(Situation.ANSWERING)
    async def test_an_answer_names_what_it_answers(self, bench: Bench) -> None:
        """Somebody answers what we sent, and the event has the id that our receipt had; so has a second answer."""
        relay = await bench.relay()
        message = await sent(relay, "a question from elsewhere")
        await bench.hear()
        for text in ("an answer", "and another"):
            await bench.answer(text)
            event = await relay.received(text)
            assert event.reply_to == message
            assert decode(encode(event)) == event
        await bench.say("by the way")
        assert (await relay.received("by the way")).reply_to is None

    @needs(Threads)
    async def test_an_answer_is_shown_as_one(self, bench: Bench) -> None:
        """Threads: to somebody's message and to one of our own, and not to the one between."""
        relay = await bench.relay()
        assert ask(relay, Threads).answers in {"any", "root"}
        await bench.say("a question")
        question = (await relay.received("a question")).message
        ours = await sent(relay, "between")
        for text, root in (("an answer", question), ("another answer", question), ("to ourselves", ours)):
            await relay.send(relay.outgoing(relay.written(text), reply_to=root))
        shown = {heard.text: heard for heard in await bench.look()}
        assert {text: heard.answers for text, heard in shown.items()} == {
            "a question": None,
            "between": None,
            "an answer": "a question",
            "another answer": "a question",
            "to ourselves": "between",
        }
        assert all(not heard.notation for heard in shown.values())

    @needs(Threads)
    async def test_what_was_said_before_a_restart_can_be_answered_after_it(self, bench: Bench) -> None:
        """Threads: the id of the message is all that it takes."""
        relay = await bench.relay()
        message = await sent(relay, "a question")
        await relay.close()
        bench.forget(relay)
        again = await bench.relay(store=relay.host.store)
        await again.send(again.outgoing(again.written("an answer"), reply_to=message))
        assert [(heard.text, heard.answers) for heard in await bench.look()] == [
            ("a question", None),
            ("an answer", "a question"),
        ]

    @needs(Threads, Situation.DELETING)
    async def test_an_answer_to_what_is_gone_is_not_posted(self, bench: Bench) -> None:
        """Threads: the message that it answers is Gone, so that the core can quote it, and nothing is shown twice."""
        relay = await bench.relay()
        await bench.say("a question")
        question = (await relay.received("a question")).message
        await bench.take_back()
        await relay.happened(Deleted)
        for gone in (question, _NOWHERE):
            answer = relay.outgoing(relay.written("an answer"), reply_to=gone)
            error = await error_of(relay.send(answer))
            assert isinstance(error, Gone), error
            assert error.reason.strip()
        assert await bench.look() == []

    @needs(Recall)
    async def test_what_was_said_can_be_recalled(self, bench: Bench) -> None:
        """Recall: somebody's words under their name, and ours; of what nobody said there is nothing."""
        relay = await bench.relay()
        await bench.say("a long story")
        theirs = (await relay.received("a long story")).message
        ours = await sent(relay, "another story")
        recall = ask(relay, Recall).recall
        excerpt = await recall(relay.room(0), theirs)
        assert excerpt is not None
        assert (excerpt.name, excerpt.text) == (bench.person, "a long story")
        own = await recall(relay.room(0), ours)
        assert own is not None
        assert own.text == "another story"
        assert await recall(relay.room(0), _NOWHERE) is None

    @needs(Recall)
    async def test_nothing_is_recalled_before_it_is_connected(self, bench: Bench) -> None:
        """Recall: it is a None, and no error."""
        relay = bench.make()
        assert await ask(relay, Recall).recall(relay.room(0), _NOWHERE) is None

    # --- reactions ----------------------------------------------------------------------------------------------------

    @needs(Situation.REACTING)
    async def test_each_reaction_is_an_event_of_its_own(self, bench: Bench) -> None:
        """Put on what we sent, taken away, and put on again: each once, by whom, with the character and a version."""
        relay = await bench.relay()
        message = await sent(relay, "great news")
        await bench.hear()
        for number, add in enumerate((True, False, True), start=1):
            await bench.react(_EMOJI[0], add=add)
            event = await relay.happened(Reacted, number)
            assert (event.message, event.emoji, event.added) == (message, _EMOJI[0], add)
            assert event.author.name == bench.person
            assert event.channel.key == relay.room(0)
            assert decode(encode(event)) == event
        assert len({event.version for event in relay.of(Reacted)}) == 3
        assert relay.texts == []

    @needs(Reactions)
    async def test_a_reaction_is_shown_once_until_it_is_taken_back(self, bench: Bench) -> None:
        """Reactions: on somebody's message and on our own; put on or taken away twice is as good as once."""
        relay = await bench.relay()
        await bench.say("end")
        theirs = (await relay.received("end")).message
        for place, message in enumerate((theirs, await sent(relay, "ours"))):
            for add in (True, True, False, False):
                await _react(relay, message, _EMOJI[0], add=add)
                assert (await bench.look())[place].reactions == ((_EMOJI[0],) if add else ())
        assert relay.of(Reacted) == []

    @needs(Reactions)
    async def test_several_reactions_stand_side_by_side(self, bench: Bench) -> None:
        """Reactions: each character is shown as itself, or refused; the commonest is shown."""
        relay = await bench.relay()
        message = await sent(relay, "great news")
        shown = []
        for emoji in _EMOJI:
            error = await error_of(_react(relay, message, emoji))
            assert error is None or isinstance(error, Rejected), error
            shown += [emoji] if error is None else []
        assert shown[:1] == [_EMOJI[0]]
        assert [_bare(heard.reactions) for heard in await bench.look()] == [_bare(shown)]
        await assert_unheard(relay, bench)

    @needs(Reactions)
    async def test_an_emoji_that_is_not_there_is_refused(self, bench: Bench) -> None:
        """Reactions: a name that nobody gave, and what is no emoji at all, in whatever guise."""
        relay = await bench.relay()
        message = await sent(relay, "great news")
        for name in ("no_such_emoji_anywhere", "a word or two", "../..", "x" * 300, "\x00"):
            error = await error_of(_react(relay, message, name))
            assert isinstance(error, Rejected), (name, error)
            assert error.reason.strip()
        assert [heard.reactions for heard in await bench.look()] == [()]

    @needs(Reactions, Deletes)
    async def test_what_is_gone_bears_no_reaction(self, bench: Bench) -> None:
        """Reactions: a message that is not there any more is Gone."""
        relay = await bench.relay()
        message = await sent(relay, "goes")
        await ask(relay, Deletes).delete(relay.room(0), message)
        for gone in (message, _NOWHERE):
            error = await error_of(_react(relay, gone, _EMOJI[0]))
            assert isinstance(error, Gone), error

    @needs(Reactions)
    async def test_a_reaction_from_before_a_restart_can_be_taken_back_after_it(self, bench: Bench) -> None:
        """Reactions: what was sent before it can be reacted to after it, too."""
        relay = await bench.relay()
        message = await sent(relay, "great news")
        await _react(relay, message, _EMOJI[0])
        await relay.close()
        bench.forget(relay)
        again = await bench.relay(store=relay.host.store)
        await _react(again, message, _EMOJI[0], add=False)
        assert [heard.reactions for heard in await bench.look()] == [()]
        await _react(again, message, _EMOJI[0])
        assert [heard.reactions for heard in await bench.look()] == [(_EMOJI[0],)]

    @needs(Reactions)
    async def test_nothing_is_reacted_to_before_it_is_connected(self, bench: Bench) -> None:
        """Reactions: until it has connected once, it is told to wait."""
        relay = bench.make()
        assert isinstance(await error_of(_react(relay, _NOWHERE, _EMOJI[0])), Retry | Paused)


async def _react(relay: Supervised, message: MessageId, emoji: str, *, add: bool = True) -> None:
    await ask(relay, Reactions).react(relay.room(0), message, emoji, add=add)


def _bare(emoji: tuple[str, ...] | list[str]) -> list[str]:
    """Without the selectors that only say that a sign is to be shown in colours."""
    return sorted(each.replace("\ufe0f", "") for each in emoji)
