"""What a driver makes of what the other person says: events, in order, with everything that they say right."""

from __future__ import annotations

import time

from nextbridge.envelope import Posted, decode, encode
from nextbridge.sandbox.contract.bench import INSTANCE, Bench, Situation
from nextbridge.sandbox.contract.needs import needs
from nextbridge.sandbox.contract.supervised import said

__all__ = ["Receives"]

_MANY = 30
_MINUTE = 60_000
"""Milliseconds by which two clocks may differ."""


class Receives:
    """Tests of `run` and `Host.accept`."""

    async def test_each_channel_is_resolved_and_we_are_known_before_anything_is_accepted(self, bench: Bench) -> None:
        """The core hears first where the channels are and who we are, so that nothing of ours can come back."""
        relay = await bench.relay()
        await bench.say("hello")
        await relay.received("hello")
        calls = relay.host.calls
        rooms = [f"resolved {each.key}" for each in relay.driver.channels]
        assert len(set(rooms)) == 2
        assert max(calls.index(room) for room in rooms) < calls.index("connected") < calls.index("accept")
        assert relay.host.me
        assert relay.host.realm
        assert all(name for _, name in relay.host.resolutions.values())

    async def test_what_is_said_is_an_event_with_who_said_it_when_and_where(self, bench: Bench) -> None:
        """The event names the channel, the author and the time of the message, and holds its text."""
        relay = await bench.relay()
        await bench.say("Good morning, everybody: 1 < 2")
        event = await relay.received("Good morning, everybody: 1 < 2")
        assert (event.channel.instance, event.channel.key) == (INSTANCE, relay.room(0))
        assert event.author.name == bench.person
        assert event.author.id
        assert event.author.username
        assert not event.author.bot
        assert not event.action
        assert event.mark is None
        assert abs(event.at - time.time() * 1000) < _MINUTE
        assert event.message
        assert event.channel_name
        assert event.reply_to is None

    async def test_an_event_survives_the_journal(self, bench: Bench) -> None:
        """What is written to disk is read back as it was."""
        relay = await bench.relay()
        await bench.say("hello")
        event = await relay.received("hello")
        assert decode(encode(event)) == event

    async def test_what_is_said_arrives_in_order_and_once(self, bench: Bench) -> None:
        """Many messages are as many events, in the order in which they were said, each with an id of its own."""
        relay = await bench.relay()
        texts = [f"line {number}" for number in range(_MANY)]
        for text in texts:
            await bench.say(text)
        await relay.until(lambda: len(relay.posted) >= _MANY)
        assert relay.texts == texts
        assert len({event.key for event in relay.posted}) == _MANY
        times = [event.at for event in relay.posted]
        assert times == sorted(times)

    async def test_two_equal_lines_are_two_messages(self, bench: Bench) -> None:
        """Nobody's second yes is lost."""
        relay = await bench.relay()
        await bench.say("yes")
        await bench.say("yes")
        await bench.say("end")
        await relay.received("end")
        assert relay.texts == ["yes", "yes", "end"]
        assert len({event.key for event in relay.posted}) == 3

    async def test_a_person_has_one_id(self, bench: Bench) -> None:
        """Two messages of one person come from one author."""
        relay = await bench.relay()
        await bench.say("one")
        await bench.say("two")
        await relay.received("two")
        assert len({event.author for event in relay.posted}) == 1

    async def test_each_room_has_its_own_events(self, bench: Bench) -> None:
        """What is said in a room bears that room's key."""
        relay = await bench.relay()
        await bench.say("in the first", 0)
        await bench.say("in the second", 1)
        first, second = await relay.received("in the first"), await relay.received("in the second")
        assert (first.channel.key, second.channel.key) == (relay.room(0), relay.room(1))
        assert relay.room(0) != relay.room(1)

    async def test_characters_of_every_script_arrive(self, bench: Bench) -> None:
        """Letters, accents and emoji are what they were."""
        relay = await bench.relay()
        for text in ("grüße, Ελλάδα, 日本語, العربية", "🚀 👩‍👩‍👧 🇩🇪", "cafe\u0301"):
            await bench.say(text)
            assert said(await relay.received(text)) == text

    async def test_what_we_post_does_not_come_back_as_somebody_elses(self, bench: Bench) -> None:
        """Our own message is no event, or one that the core can tell by its author or by our mark."""
        relay = await bench.relay()
        message = relay.outgoing(relay.written("from elsewhere"))
        receipt = await relay.send(message)
        await bench.hear()
        await bench.say("end")
        await relay.received("end")
        # `posted` is without what is told as our own
        assert relay.texts == ["end"]
        ours = [event for event in relay.host.events if isinstance(event, Posted) and said(event) != "end"]
        assert all(receipt.message in {None, event.message} for event in ours)

    @needs(Situation.NOISE)
    async def test_what_is_no_message_is_counted_and_no_event(self, bench: Bench) -> None:
        """What the driver passes over on purpose, the operator finds in the count, under a short stable reason."""
        relay = await bench.relay()
        before = sum(relay.host.skips.values())
        await bench.be_noisy()
        await bench.say("end")
        await relay.received("end")
        assert relay.texts == ["end"]
        assert sum(relay.host.skips.values()) > before
        assert all(reason.replace("_", "").isalnum() and reason.islower() for reason in relay.host.skips)
