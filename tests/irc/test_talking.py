"""What is said on a real server arrives, and what is sent is acknowledged."""

from __future__ import annotations

import asyncio
import time
from collections.abc import Sequence

import pytest

from nextbridge.envelope import Author, Posted, UserId
from nextbridge.errors import Paused
from nextbridge.markup import Bold, Paragraph, Text, plain_text
from tests.irc.conftest import Inspircd, Meet, Person, Relay, Relays, settings, unique


def texts(events: Sequence[object]) -> list[str]:
    """What events say, as plain text."""
    return [
        plain_text(block.children)
        for event in events
        if isinstance(event, Posted)
        for block in event.text.blocks
        if isinstance(block, Paragraph)
    ]


def only(relay: Relay) -> Posted:
    (event,) = relay.posted
    assert isinstance(event, Posted)
    return event


async def joined(relay: Relay, person: Person, channel: str) -> None:
    """Return once person and relay are both in the channel."""
    await person.join(channel)
    nick = relay.driver.settings.nick
    if not any(f" 353 {person.nick} " in line and nick in line for line in person.lines):
        await person.expect(lambda line: line.startswith(f":{nick}!") and f"JOIN :{channel}" in line)


async def test_what_is_said_arrives_with_who_said_it_and_when(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """A message becomes an event with the server's id and time, its author's nick, and the channel's name."""
    room = unique("#")
    relay, anna = relays(settings(inspircd.port), room), await meet(inspircd.port, nick=unique("A"))
    await joined(relay, anna, room)
    anna.say(room, "hello \x02world\x02")
    await relay.host.until(lambda: bool(relay.posted))
    event = only(relay)
    assert event.text.blocks == (Paragraph((Text("hello "), Bold((Text("world"),)))),)
    assert event.author == Author(id=UserId(anna.nick.lower()), username=anna.nick, name=anna.nick)
    assert (event.channel.instance, event.channel.key, event.channel_name) == ("net", room, room)
    assert abs(event.at - time.time() * 1000) < 60_000
    assert (event.action, event.addressed, event.author.bot) == (False, False, False)


async def test_two_equal_lines_are_two_messages(ngircd: int, meet: Meet, relays: Relays) -> None:
    """Where the server gives no ids they are generated, and never made from what was said."""
    room = unique("#")
    relay, anna = relays(settings(ngircd), room), await meet(ngircd)
    await joined(relay, anna, room)
    anna.say(room, "yes")
    anna.say(room, "yes")
    await relay.host.until(lambda: len(relay.posted) == 2)
    assert len({event.key for event in relay.posted}) == 2


async def test_an_action_a_notice_and_a_call_are_told_apart(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """`/me` is an action, a NOTICE comes from a bot, and a message to our nick is addressed to us."""
    room = unique("#")
    relay, anna = relays(settings(inspircd.port), room), await meet(inspircd.port)
    await joined(relay, anna, room)
    nick = relay.driver.settings.nick
    anna.say(room, "\x01ACTION waves\x01")
    anna.send(f"NOTICE {room} :build done")
    anna.say(room, f"{nick.upper()}: help")
    anna.say(room, f"{nick}x: help")
    await relay.host.until(lambda: len(relay.posted) == 4)
    seen = [(event.action, event.author.bot, event.addressed) for event in relay.posted]
    assert seen == [(True, False, False), (False, True, False), (False, False, True), (False, False, False)]
    assert texts(relay.posted)[0] == "waves"


async def test_what_is_not_for_the_channel_is_counted_and_not_relayed(
    inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """A private notice, a CTCP query and what only operators may read stay where they are."""
    room = unique("#")
    anna = await meet(inspircd.port)
    await anna.join(room)  # who is first is an operator of the channel
    relay = relays(settings(inspircd.port), room)
    nick = relay.driver.settings.nick
    await anna.expect(lambda line: line.startswith(f":{nick}!") and "JOIN" in line)
    anna.send(f"NOTICE {nick} :psst")
    anna.say(room, "\x01VERSION\x01")
    anna.send(f"MODE {room} +o {nick}")
    anna.say(f"@{room}", "operators only")
    anna.say(room, "for all")
    await relay.host.until(lambda: bool(relay.posted))
    assert texts(relay.posted) == ["for all"]
    assert relay.host.skips["private_message"] == 1
    assert relay.host.skips["ctcp"] == 1
    assert relay.host.skips["status_message"] == 1


async def test_a_ctcp_query_is_answered_but_not_without_end(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """VERSION and PING get their answers; somebody who floods us with queries cannot make us flood."""
    room = unique("#")
    relay, anna = relays(settings(inspircd.port), room), await meet(inspircd.port)
    await joined(relay, anna, room)
    anna.say(relay.driver.settings.nick, "\x01VERSION\x01")
    assert "NextBridge" in await anna.expect(lambda line: "\x01VERSION " in line)
    for number in range(20):
        anna.say(relay.driver.settings.nick, f"\x01PING {number}\x01")
    assert "\x01PING 0\x01" in await anna.expect(lambda line: "\x01PING " in line)
    anna.say(room, "the end")
    await relay.host.until(lambda: bool(relay.posted))
    await anna.settled()
    assert sum("\x01PING " in line for line in anna.lines) < 5


async def test_what_the_relay_says_is_acknowledged_by_its_echo(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """The receipt bears the server's own id of the message, and the echo is no event."""
    room = unique("#")
    relay, anna = relays(settings(inspircd.port), room), await meet(inspircd.port)
    await joined(relay, anna, room)
    first, second = await relay.send(room, "<x> hi"), await relay.send(room, "waves", action=True)
    assert first
    assert second
    assert first != second
    assert await anna.hears(room) == "<x> hi"
    assert await anna.hears(room) == "\x01ACTION waves\x01"
    assert relay.posted == []
    assert relay.host.skips["own_message"] == 2


async def test_without_echoes_a_pong_acknowledges(ngircd: int, meet: Meet, relays: Relays) -> None:
    """A server that knows no capabilities is asked by PING, and a message that it refused is not taken for sent."""
    room = unique("#")
    relay, anna = relays(settings(ngircd), room), await meet(ngircd)
    await joined(relay, anna, room)
    assert await relay.send(room, "hi") is None
    assert await anna.hears(room) == "hi"
    anna.send(f"MODE {room} +m")
    await anna.expect(lambda line: "MODE" in line and "+m" in line)
    with pytest.raises(Paused):
        await relay.send(room, "hush")


@pytest.mark.parametrize("kind", ["inspircd", "ngircd"])
async def test_a_thousand_messages_arrive_in_order(
    kind: str, request: pytest.FixtureRequest, meet: Meet, relays: Relays
) -> None:
    """With the pace set to what this server allows, the driver's own waiting costs next to nothing."""
    server = request.getfixturevalue(kind)
    port = server if isinstance(server, int) else server.port
    room = unique("#")
    relay, anna = relays(settings(port), room), await meet(port)
    await joined(relay, anna, room)
    started = time.monotonic()
    for number in range(1000):
        await relay.send(room, f"message {number}")
    assert time.monotonic() - started < 20
    assert [await anna.hears(room) for _ in range(1000)] == [f"message {number}" for number in range(1000)]


async def test_a_thousand_messages_are_heard_in_order(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Receiving keeps the server's order."""
    room = unique("#")
    relay, anna = relays(settings(inspircd.port), room), await meet(inspircd.port)
    await joined(relay, anna, room)
    for number in range(1000):
        anna.say(room, f"message {number}")
    await relay.host.until(lambda: len(relay.posted) == 1000, within=20)
    assert texts(relay.posted) == [f"message {number}" for number in range(1000)]


async def test_several_channels_are_sent_to_at_a_time(ngircd: int, meet: Meet, relays: Relays) -> None:
    """Lanes do not wait for each other's acknowledgement; each keeps its order."""
    rooms = [unique("#") for _ in range(5)]
    relay, anna = relays(settings(ngircd), *rooms), await meet(ngircd)
    for room in rooms:
        await joined(relay, anna, room)

    async def lane(room: str) -> None:
        for number in range(50):
            await relay.send(room, f"{number}")

    await asyncio.gather(*(lane(room) for room in rooms))
    await anna.settled()
    for room in rooms:
        heard = [line.rpartition(":")[2] for line in anna.lines if f"PRIVMSG {room} :" in line]
        assert heard == [f"{number}" for number in range(50)]


async def test_the_pace_is_kept(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """More messages than the burst wait for their turn, and all arrive."""
    room = unique("#")
    slow = settings(inspircd.port, messages_per_second=20.0, burst=4)
    relay, anna = relays(slow, room), await meet(inspircd.port)
    await joined(relay, anna, room)
    started = time.monotonic()
    for number in range(12):
        await relay.send(room, f"{number}")
    assert time.monotonic() - started >= 0.35
    assert [await anna.hears(room) for _ in range(12)] == [f"{number}" for number in range(12)]


@pytest.mark.parametrize("character", ["x", "ü", "€", "🙂"])
async def test_a_line_of_the_announced_length_is_not_cut_by_the_server(
    character: str, inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """What `limits` promises fits the 512 bytes with the prefix that the server adds, as an action too."""
    room = unique("#")
    relay, anna = relays(settings(inspircd.port), room), await meet(inspircd.port)
    worst = relay.driver.limits(relay.driver.channels[0].key).text
    await joined(relay, anna, room)
    await relay.host.until(lambda: relay.host.is_connected)
    await relay.send(room, "first")
    assert await anna.hears(room) == "first"
    limits = relay.driver.limits(relay.driver.channels[0].key)
    assert limits.text >= worst
    text = character * (limits.text // limits.unit.measure(character))
    await relay.send(room, text, action=True)
    assert await anna.hears(room) == f"\x01ACTION {text}\x01"


async def test_a_longer_line_is_split_by_the_driver_rather_than_lost(
    inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """A part that no longer fits (our name became longer) goes out in pieces, cut between characters."""
    room = unique("#")
    relay, anna = relays(settings(inspircd.port), room), await meet(inspircd.port)
    await joined(relay, anna, room)
    text = "".join(chr(0x4E00 + number) for number in range(500))
    await relay.send(room, text)
    heard = ""
    while len(heard) < len(text):
        heard += await anna.hears(room)
    assert heard == text
    assert all(len(line.encode()) <= 510 for line in anna.lines)


async def test_nobody_can_make_the_relay_send_another_command(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Line breaks, NUL and CTCP frames in a text are text, and an empty line is a blank one."""
    room = unique("#")
    relay, anna = relays(settings(inspircd.port), room), await meet(inspircd.port)
    await joined(relay, anna, room)
    await relay.send(room, "a\r\nQUIT :b\0\x01ACTION c\x01")
    assert await anna.hears(room) == "a  QUIT :bACTION c"
    await relay.send(room, "")
    assert await anna.hears(room) == " "


async def test_a_name_is_shown_without_calling_its_bearer(inspircd: Inspircd, relays: Relays) -> None:
    """The driver breaks a remote author's name with a sign that nobody sees."""
    relay = relays(settings(inspircd.port), unique("#"))
    assert relay.driver.display_name("anna") == "a\u200bnna"


async def test_what_is_no_channel_of_ours_is_not_sent_to(inspircd: Inspircd, relays: Relays) -> None:
    """Only what a rule names can be reached."""
    relay = relays(settings(inspircd.port), unique("#"))
    await relay.host.until(lambda: relay.host.is_connected)
    with pytest.raises(Paused):
        await relay.send("#elsewhere", "hi")


async def test_old_messages_that_a_server_replays_are_not_relayed_again(
    inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """A channel with a history (+H) repeats it to whoever joins; for the relay that is nothing new."""
    room = unique("#")
    anna = await meet(inspircd.port)
    await anna.join(room)
    anna.send(f"MODE {room} +H 10:1h")
    anna.say(room, "long ago")
    await anna.settled()
    relay = relays(settings(inspircd.port), room)
    await anna.expect(lambda line: f"JOIN :{room}" in line)
    anna.say(room, "now")
    await relay.host.until(lambda: bool(relay.posted))
    assert texts(relay.posted) == ["now"]
    assert relay.host.skips["replayed_history"] >= 1
