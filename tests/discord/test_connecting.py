"""The gateway's session: begun, kept, resumed over a restart, lost; and what an operator is told."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from functools import partial
from typing import ClassVar

import pytest

from drivers.discord import DiscordDriver
from drivers.discord.gateway import GatewayTimes
from nextbridge.envelope import Edited, Event, Reacted
from nextbridge.errors import JournalError, Paused, Retry
from nextbridge.sandbox.contract.supervised import said
from nextbridge.sandbox.discord import Right
from tests.discord.place import Place
from tests.mangling import mangled


async def test_a_connection_that_is_asked_to_begin_again_misses_nothing(place: Place) -> None:
    """Opcode 7, a cut, and close codes after which a session lives: what is said meanwhile is told by the session."""
    relay = await place.run()
    gateway = place.sandbox.gateway
    interruptions: list[Callable[[], None]] = [gateway.ask_to_reconnect, gateway.cut, partial(gateway.close, 4000)]
    for number, interrupt in enumerate(interruptions):
        interrupt()
        place.sandbox.post_as(place.alice, place.town, f"missed {number}")
        await relay.received(f"missed {number}")
        await relay.connected()
    assert (gateway.identified, gateway.resumed) == (1, 3)
    assert len(relay.host.gaps) == 1
    assert relay.texts == ["missed 0", "missed 1", "missed 2"]


async def test_a_session_is_resumed_by_the_next_start_of_the_daemon(place: Place) -> None:
    """With the number of the last event that was on disk: edits and reactions come, which no history tells."""
    relay = await place.run()
    message = place.sandbox.post_as(place.alice, place.town, "first")
    await relay.received("first")
    await relay.close()
    place.sandbox.edit(message, "second")
    place.sandbox.react_as(place.bob, message, "👍")
    again = await place.run(store=relay.host.store)
    edit, reaction = await again.happened(Edited), await again.happened(Reacted)
    assert (said(edit), reaction.emoji, reaction.author.name) == ("second", "👍", "Bobby")
    assert len(again.host.gaps) == 1, "the core has to be told, after each start"
    assert (place.sandbox.gateway.identified, place.sandbox.gateway.resumed) == (1, 1)


async def test_what_is_not_on_disk_is_told_again(place: Place) -> None:
    """An event whose journal failed does not count as received, nor does what came after it."""
    relay = await place.run()
    place.sandbox.post_as(place.alice, place.town, "on disk")
    await relay.received("on disk")
    accept = relay.host.accept
    written: asyncio.Future[None] = asyncio.get_running_loop().create_future()

    async def accepting(event: Event, **more: object) -> asyncio.Future[None]:
        await accept(event, cursor=None)
        return written

    relay.host.accept = accepting  # type: ignore[method-assign]
    place.sandbox.post_as(place.alice, place.town, "not on disk")
    place.sandbox.post_as(place.alice, place.town, "nor this")
    await relay.received("nor this")
    written.set_exception(JournalError("the disk is full"))
    await relay.close()
    again = await place.run(store=relay.host.store)
    await again.received("nor this")
    assert again.texts == ["not on disk", "nor this"]


@pytest.mark.parametrize("code", [4007, 4009])
async def test_a_session_that_ended_is_begun_anew_with_the_history(place: Place, code: int) -> None:
    """Close codes after which there is nothing to resume: a gap is told of, so that the history is asked."""
    relay = await place.run()
    place.sandbox.gateway.close(code)
    await relay.until(lambda: len(relay.host.gaps) == 2)
    assert place.sandbox.gateway.identified == 2


async def test_an_invalid_session_is_begun_anew_at_once(place: Place) -> None:
    """Opcode 9 while it runs, and as the answer to a resumption."""
    relay = await place.run()
    place.sandbox.gateway.invalidate(resumable=False)
    await relay.until(lambda: len(relay.host.gaps) == 2)
    place.sandbox.gateway.loses_sessions = True
    place.sandbox.gateway.cut()
    await relay.until(lambda: len(relay.host.gaps) == 3)
    place.sandbox.post_as(place.alice, place.town, "hello")
    await relay.received("hello")
    assert place.sandbox.gateway.identified == 3


async def test_a_gateway_that_falls_silent_is_left(place: Place) -> None:
    """No heartbeat is answered: the connection is closed, with a code that keeps the session, and resumed."""

    class Impatient(DiscordDriver):
        gateway_times: ClassVar[GatewayTimes] = GatewayTimes(heartbeat=0.2)

    relay = place.make()
    relay.driver.__class__ = Impatient
    relay.start()
    await relay.connected()
    place.sandbox.gateway.freeze()
    await relay.until(lambda: bool(relay.ends))
    assert isinstance(relay.ends[0], Retry)
    await relay.until(lambda: place.sandbox.gateway.resumed == 1)


async def test_a_missing_intent_is_explained(place: Place) -> None:
    """4014: the operator is told which switch to turn, and where."""
    place.sandbox.turn_off_intents(place.relay, 15)
    relay = place.make()
    relay.start()
    await relay.until(lambda: bool(relay.ends))
    end = relay.ends[0]
    assert isinstance(end, Paused)
    assert "Message Content Intent" in end.reason
    assert [each.subject for each in await relay.driver.probe() if not each.ok] == ["intents"]


async def test_a_proxy_that_lets_no_websocket_through_is_named_as_that(place: Place) -> None:
    """By a look beside the relay, which begins no session."""
    relay = place.make()
    assert [each for each in await relay.driver.probe() if not each.ok] == []
    assert place.sandbox.gateway.sessions == {}
    place.sandbox.faults.answer(502, route="GET /")
    (wrong,) = [each for each in await relay.driver.probe() if not each.ok]
    assert wrong.subject == "gateway"
    assert "answers 502 instead of opening a WebSocket; a proxy on the way" in wrong.text


async def test_a_look_says_what_the_bot_may_not_do(place: Place) -> None:
    """What is shown otherwise for the lack of a right, and a channel that nothing can be posted to."""
    relay = place.make(place.town, place.dev)
    lacking = f"rights in channel {place.town.name}"
    assert lacking not in {each.subject for each in await relay.driver.probe()}
    for right, words in (
        (Right.ATTACH_FILES, "Attach Files (files are shown by their names)"),
        (Right.MANAGE_WEBHOOKS, "Manage Webhooks (names stand in the text)"),
    ):
        place.sandbox.change_right(place.town, place.relay, right, allow=False)
        (told,) = [each for each in await relay.driver.probe() if each.subject == lacking]
        assert told.ok
        assert words in told.text
    place.sandbox.change_right(place.dev, place.relay, Right.SEND_MESSAGES, allow=False)
    (wrong,) = [each for each in await relay.driver.probe() if not each.ok]
    assert wrong.subject == f"channel {place.dev.name}"
    assert "Send Messages" in wrong.text


async def test_a_token_that_is_reset_pauses_the_instance(place: Place) -> None:
    """While it runs: the gateway closes with 4004, and REST answers 401."""
    relay = await place.run()
    place.sandbox.revoke(place.relay)
    await relay.until(lambda: len(relay.ends) >= 2)
    assert all(isinstance(end, Paused) and "Reset Token" in end.reason for end in relay.ends)


async def test_a_right_that_is_taken_closes_a_channel_until_it_is_given_back(place: Place) -> None:
    """The operator is told which one, while the daemon runs; no other channel is touched."""
    relay = await place.run(place.town, place.dev)
    place.sandbox.change_right(place.town, place.relay, Right.SEND_MESSAGES, allow=False)
    await relay.until(lambda: bool(relay.host.unavailable_channels))
    ((channel, reason),) = relay.host.unavailable_channels.items()
    assert (channel, "Send Messages" in reason) == (place.town.id, True)
    place.sandbox.change_right(place.town, place.relay, Right.SEND_MESSAGES, allow=True)
    await relay.until(lambda: not relay.host.unavailable_channels)


async def test_channels_of_no_rule_cost_no_requests(place: Place) -> None:
    """What is said elsewhere on the server is passed over without asking what it is."""
    relay = await place.run()
    asked = len(place.sandbox.requests)
    other = place.sandbox.add_channel(place.guild, "other")
    for number in range(5):
        place.sandbox.post_as(place.alice, place.dev, f"elsewhere {number}")
        place.sandbox.post_as(place.alice, other, f"elsewhere {number}")
    place.sandbox.post_as(place.alice, place.town, "end")
    await relay.received("end")
    assert relay.texts == ["end"]
    assert len(place.sandbox.requests) - asked <= 1


async def test_a_channel_that_opens_later_is_joined_from_there_on(place: Place) -> None:
    """A server that the bot is invited to, and a channel that it is let into: nothing older crosses."""
    other = place.sandbox.add_guild("Other")
    ann = place.sandbox.add_person("ann", other)
    square = place.sandbox.add_channel(other, "square")
    hidden = place.sandbox.add_channel(place.guild, "hidden", hidden=True)
    relay = await place.run(square, hidden, place.town)
    assert set(relay.host.unavailable_channels) == {square.id, hidden.id}
    place.sandbox.post_as(ann, square, "before")
    place.sandbox.world.add_member(other, place.relay, [])
    await relay.until(lambda: square.id not in relay.host.unavailable_channels)
    place.sandbox.change_right(hidden, place.relay, Right.VIEW_CHANNEL, allow=True)
    await relay.until(lambda: not relay.host.unavailable_channels)
    assert set(relay.host.forgotten) == {square.id, hidden.id}
    place.sandbox.post_as(ann, square, "after")
    await relay.received("after")
    assert relay.texts == ["after"]
    await relay.send("and back")
    assert place.last(square).content == "**Zoë**: and back", "the bot has no right to webhooks there"


async def test_a_server_that_the_bot_is_removed_from_waits_until_it_is_invited_again(place: Place) -> None:
    """Its channels are closed meanwhile, and what was said there in that time is none of ours."""
    relay = await place.run(place.town)
    roles = place.sandbox.world.members[place.guild.id, place.relay.id].roles
    place.sandbox.world.remove_member(place.guild, place.relay)
    await relay.until(lambda: place.town.id in relay.host.unavailable_channels)
    place.sandbox.post_as(place.alice, place.town, "among ourselves")
    place.sandbox.world.add_member(place.guild, place.relay, roles)
    await relay.until(lambda: not relay.host.unavailable_channels)
    place.sandbox.post_as(place.alice, place.town, "hello again")
    await relay.received("hello again")
    assert (relay.texts, relay.host.forgotten) == (["hello again"], [place.town.id])


async def test_a_thread_that_cannot_be_looked_up_now_is_told_of_again(place: Place) -> None:
    """What is said there is not lost to a server that fails for a moment: the session goes on before it."""
    root = place.sandbox.post_as(place.alice, place.town, "root")
    thread = place.sandbox.start_thread(place.bob, root, "a thread")
    place.sandbox.archive(thread)
    relay = await place.run()
    place.sandbox.faults.answer(502, route="GET /channels/{channel}")
    assert thread.thread_metadata
    thread.thread_metadata.archived = False  # and nobody is told
    place.sandbox.post_as(place.bob, thread, "in it")
    event = await relay.received("in it")
    assert event.thread == root.id
    assert place.sandbox.gateway.resumed == 1


async def test_a_frame_of_any_shape_costs_itself_alone(place: Place) -> None:
    """What is no frame of the gateway's is passed over; what follows is heard."""
    relay = await place.run()
    (session,) = place.sandbox.gateway.sessions.values()
    assert session.socket is not None
    for wrong in mangled({"op": 0, "t": "MESSAGE_CREATE", "s": 1, "d": {"id": "1"}}):
        session.socket.put(wrong)
    place.sandbox.post_as(place.alice, place.town, "end")
    await relay.received("end")
    assert relay.ends == []
    assert place.sandbox.gateway.identified == 1


async def test_a_number_that_fits_nowhere_is_not_kept(place: Place) -> None:
    """The session is put on disk and resumed, whatever number a frame gave."""
    relay = await place.run()
    (session,) = place.sandbox.gateway.sessions.values()
    assert session.socket is not None
    session.socket.put({"op": 0, "t": "X", "s": 10**30, "d": {}})
    place.sandbox.gateway.ask_to_reconnect()
    place.sandbox.post_as(place.alice, place.town, "end")
    await relay.received("end")
    assert place.sandbox.gateway.resumed == 1


async def test_a_gateway_that_is_none_is_told_and_tried_again(place: Place) -> None:
    """A session without an id, and a heartbeat in an eternity: the operator reads that it is not Discord's."""
    relay = await place.run()
    place.sandbox.gateway.tell("READY", None, lambda _: {"user": []})
    await relay.until(lambda: bool(relay.ends) and relay.host.is_connected and place.sandbox.gateway.identified == 2)
    place.sandbox.post_as(place.alice, place.town, "end")
    await relay.received("end")
    place.sandbox.gateway.heartbeat_interval = 10**400
    again = place.make()
    again.start()
    await again.until(lambda: bool(again.ends))
    for end in (relay.ends[0], again.ends[0]):
        assert isinstance(end, Retry)
        assert "look at api_url" in end.reason
