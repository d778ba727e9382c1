"""What goes on around the messages: who comes, goes and types, the topic, what is said in private, who is forgotten."""

from __future__ import annotations

import time

from nextbridge.driver import DirectMessages, Forgets, Members, Somebody, Topics, Typing
from nextbridge.envelope import Author, Deleted, Joined, Left, TopicChanged, UserId, decode, encode
from nextbridge.errors import Gone, Paused, Rejected, Retry
from nextbridge.sandbox.contract.bench import Bench, Situation
from nextbridge.sandbox.contract.needs import needs
from nextbridge.sandbox.contract.revising import ask
from nextbridge.sandbox.contract.sending import visible
from nextbridge.sandbox.contract.supervised import Supervised, error_of

__all__ = ["Accompanies"]

_MINUTE = 60_000
"""Milliseconds by which two clocks may differ."""
_ZOE = Author(UserId("zoe"), "zoe", "Zoë")


class Accompanies:
    """Tests of joins, leaves, topics, typing, members, direct messages and forgetting; in both roles."""

    @needs(Situation.COMING_AND_GOING)
    async def test_whoever_comes_and_goes_is_an_event(self, bench: Bench) -> None:
        """By name, in the room, each once; twice the same person is two comings."""
        relay = await bench.relay()
        for number in (1, 2):
            name = await bench.come()
            joined = await relay.happened(Joined, number)
            await bench.go()
            left = await relay.happened(Left, number)
            for event in (joined, left):
                assert (event.author.name, event.channel.key) == (name, relay.room(0))
                assert abs(event.at - time.time() * 1000) < _MINUTE
                assert decode(encode(event)) == event
        assert len({event.key for event in relay.host.events}) == len(relay.host.events) == 4

    @needs(Situation.NEW_TOPIC)
    async def test_another_topic_is_an_event(self, bench: Bench) -> None:
        """Who gave the room which topic, as plain text; each once."""
        relay = await bench.relay()
        for number, topic in enumerate(("Today: 1 < 2", "something else"), start=1):
            await bench.set_topic(topic)
            event = await relay.happened(TopicChanged, number)
            assert (event.topic, event.author.name) == (topic, bench.person)
            assert event.channel.key == relay.room(0)
            assert decode(encode(event)) == event
        assert len({event.key for event in relay.of(TopicChanged)}) == 2
        assert relay.texts == []

    @needs(Topics)
    async def test_the_topic_can_be_set(self, bench: Bench) -> None:
        """Topics: as the characters that it has, once or twice, also away; it does not come back as somebody else's."""
        relay = await bench.relay()
        for topic in ("Today: 1 < 2", "Today: 1 < 2", "**not bold** @all `x`", "ends\r\nQUIT :here\x00", ""):
            await _set(relay, topic)
            assert visible(await bench.topic()) == visible(topic)
        assert [each for each in relay.host.events if each.author.id != relay.host.me] == []

    @needs(Topics)
    async def test_a_topic_that_is_too_long_is_cut(self, bench: Bench) -> None:
        """Topics: to what fits, never to nothing."""
        relay = await bench.relay()
        await _set(relay, "é" * 20_000)
        assert set(await bench.topic()) == {"é"}

    @needs(Topics)
    async def test_no_topic_is_set_before_it_is_connected(self, bench: Bench) -> None:
        """Topics: until it has connected once, it is told to wait."""
        relay = bench.make()
        assert isinstance(await error_of(_set(relay, "too early")), Retry | Paused)

    @needs(Situation.TYPING)
    async def test_it_is_told_who_is_typing(self, bench: Bench) -> None:
        """In which room, under the name that people see; it is no event."""
        relay = await bench.relay()
        await bench.be_typing()
        await relay.until(lambda: bool(relay.host.typists))
        room, author = relay.host.typists[0]
        assert (room, author.name) == (relay.room(0), bench.person)
        assert relay.host.events == []

    @needs(Typing)
    async def test_it_is_shown_that_somebody_is_typing(self, bench: Bench) -> None:
        """Typing: the other person sees it, and it does not come back to us."""
        relay = await bench.relay()
        await ask(relay, Typing).typing(relay.room(0), _ZOE)
        await bench.see_typing()
        await bench.say("end")
        await relay.received("end")
        assert [author for _, author in relay.host.typists if author.id != relay.host.me] == []

    @needs(Typing)
    async def test_nobody_types_before_it_is_connected(self, bench: Bench) -> None:
        """Typing: that is no error."""
        relay = bench.make()
        await ask(relay, Typing).typing(relay.room(0), _ZOE)

    @needs(Members)
    async def test_somebody_in_the_room_is_found_by_their_whole_name(self, bench: Bench) -> None:
        """Members: by the name that is shown and by the handle; not by a part of it, nor who is not there."""
        relay = await bench.relay()
        await bench.say("here I am")
        author = (await relay.received("here I am")).author
        member = ask(relay, Members).member
        for name in (bench.person, author.username):
            found = await member(relay.room(0), name)
            assert found is not None
            assert (found.id, found.username, found.name) == (author.id, author.username, author.name)
        for name in (bench.person[:-1], f"{bench.person}x", "nobody-here", "", f"@{bench.person} ", "a/../b\x00"):
            assert await member(relay.room(0), name) is None, name

    @needs(Members)
    async def test_nobody_is_found_before_it_is_connected(self, bench: Bench) -> None:
        """Members: it is a None, and no error."""
        relay = bench.make()
        assert await ask(relay, Members).member(relay.room(0), bench.person) is None

    @needs(Situation.WHISPERING)
    async def test_what_is_said_to_us_alone_is_marked_so(self, bench: Bench) -> None:
        """It is addressed to us, direct, and in none of the rooms."""
        relay = await bench.relay()
        await bench.whisper("psst")
        event = await relay.received("psst")
        assert (event.direct, event.addressed, event.author.name) == (True, True, bench.person)
        assert event.channel.key not in {relay.room(0), relay.room(1)}

    @needs(DirectMessages)
    async def test_one_person_alone_can_be_told_something(self, bench: Bench) -> None:
        """DirectMessages: they get it as it is, and nobody in the rooms does."""
        relay = await bench.relay()
        await bench.say("here I am")
        author = (await relay.received("here I am")).author
        for text in ("your code is 123 456", "*not bold* @all `x`"):
            await ask(relay, DirectMessages).tell(author.id, relay.written(text))
            told = await bench.be_told()
            assert (visible(told.text), told.notation) == (visible(text), frozenset())
        await relay.send("end")
        assert (await bench.hear()).text == "end"

    @needs(DirectMessages)
    async def test_nobody_can_be_told_nothing(self, bench: Bench) -> None:
        """DirectMessages: whoever is not there is refused for good; before a connection it is told to wait."""
        relay = bench.make()
        early = await error_of(ask(relay, DirectMessages).tell(UserId("n" * 26), "hello"))
        assert isinstance(early, Retry | Paused), early
        await bench.connect(relay)
        error = await error_of(ask(relay, DirectMessages).tell(UserId("n" * 26), "hello"))
        assert isinstance(error, Rejected | Gone), error
        assert error.reason.strip()

    @needs(Forgets)
    async def test_nothing_is_left_of_somebody_who_is_forgotten(self, bench: Bench) -> None:
        """Forgets: what they said here and elsewhere goes, and nothing else; the relay is told of no deletion."""
        relay = await bench.relay()
        await bench.say("mine")
        author = (await relay.received("mine")).author
        copy = (await relay.send("mine, from elsewhere")).message
        await relay.send("of another")
        assert copy is not None
        who = Somebody(frozenset({author.id}), "", {relay.room(0): frozenset({copy})})
        forget = ask(relay, Forgets).forget
        assert await forget(who, really=False) == 2
        assert len(await bench.look()) == 3
        assert await forget(who, really=True) == 2
        assert [each.text for each in await bench.look()] == ["of another"]
        assert await forget(who, really=True) == 0
        assert relay.of(Deleted) == []

    @needs(Forgets)
    async def test_nobody_is_forgotten_before_it_is_connected(self, bench: Bench) -> None:
        """Forgets: it is told to wait, since what is kept is not known yet."""
        error = await error_of(ask(bench.make(), Forgets).forget(Somebody(frozenset({"zoe"}), "", {}), really=True))
        assert isinstance(error, Retry), error


async def _set(relay: Supervised, topic: str) -> None:
    await ask(relay, Topics).set_topic(relay.room(0), topic)
