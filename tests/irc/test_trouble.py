"""What a server may do to us: drop us, answer late or never, and send what no server should."""

from __future__ import annotations

import asyncio
import time

import pytest
from hypothesis import HealthCheck, given
from hypothesis import settings as hypothesis_settings
from hypothesis import strategies as st

from nextbridge.envelope import Posted
from nextbridge.errors import Paused, Retry
from tests.irc.conftest import Inspircd, Meet, Relay, Relays, channel, settings, unique
from tests.irc.scripted import Visit, for_ever, serving
from tests.irc.test_talking import joined, texts

ECHO = "echo-message message-tags"


async def test_a_server_that_finds_us_too_fast_gets_everything_slower(
    inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """Cut off for flooding, the relay comes back at a lower pace, and what was not acknowledged is sent again."""
    room = unique("#")
    anna = await meet(inspircd.port)
    await anna.join(room)
    relay = relays(settings(inspircd.flood_port), room)
    await relay.host.until(lambda: relay.host.is_connected)
    before = relay.driver._pacer.rate

    async def insist(number: int) -> None:
        while True:
            try:
                await relay.send(room, f"{number}")
            except Retry:
                await asyncio.sleep(0.05)  # the core backs off, too
            else:
                return

    lanes = [asyncio.create_task(insist(number)) for number in range(20)]
    error = await relay.ended()
    assert isinstance(error, Retry)
    assert relay.driver._pacer.rate < before
    await relay.host.until(lambda: relay.host.connections == 2)
    # two may go out at once at the lower pace
    await asyncio.wait(lanes, return_when=asyncio.FIRST_COMPLETED)
    assert any(lane.done() and lane.exception() is None for lane in lanes)
    for lane in lanes:
        lane.cancel()
    await asyncio.gather(*lanes, return_exceptions=True)


async def test_a_flood_is_recognised_by_what_servers_call_it(relays: Relays) -> None:
    """Each `Excess Flood` halves the pace, and the connection is made again."""

    async def script(visit: Visit) -> None:
        await visit.welcome()
        visit.send("ERROR :Closing Link: relay[host] (Excess Flood)")

    async with serving(script) as port:
        relay = relays(settings(port), "#ops")
        await relay.ended(3)
    assert all(isinstance(error, Retry) for error in relay.ends)
    assert relay.driver._pacer.rate <= 0.125


async def test_a_ban_from_the_network_is_not_hammered(relays: Relays) -> None:
    """Who is K-lined is not let in by trying: the instance is paused with the server's words."""

    async def script(visit: Visit) -> None:
        await visit.expect("USER")
        visit.send("ERROR :Closing Link: host (K-Lined: spam)")

    async with serving(script) as port:
        relay = relays(settings(port), "#ops")
        error = await relay.ended()
    assert isinstance(error, Paused)
    assert "K-Lined: spam" in error.reason


async def test_a_silent_server_is_noticed(relays: Relays) -> None:
    """After some silence it is asked by PING, and given up when it does not answer; another connection is made."""
    asked: list[str] = []

    async def script(visit: Visit) -> None:
        await visit.admit(await visit.welcome())
        asked.append(await visit.expect("PING"))
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port, ping_interval=0.1, answer_timeout=0.2), "#ops")
        error = await relay.ended(2)
    assert isinstance(error, Retry)
    assert "PING" in error.reason
    assert len(asked) >= 2


async def test_a_quiet_server_that_answers_is_kept(relays: Relays) -> None:
    """Silence alone is no fault: each PONG is a sign of life. The server's own PING is answered."""
    answered = asyncio.Event()

    async def script(visit: Visit) -> None:
        await visit.admit(await visit.welcome())
        visit.send("PING :are you there")
        assert await visit.expect("PONG") == "PONG :are you there"
        for _ in range(5):
            token = (await visit.expect("PING")).partition(" ")[2]
            visit.send(f":s PONG s {token}")
        answered.set()
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port, ping_interval=0.05, answer_timeout=5.0), "#ops")
        await asyncio.wait_for(answered.wait(), 10)
        assert relay.ends == []


async def test_a_message_that_nobody_acknowledges_is_tried_again(relays: Relays) -> None:
    """Without an echo in time there is no receipt; the core hears that it may send it again."""

    async def script(visit: Visit) -> None:
        await visit.admit(await visit.welcome(capabilities=ECHO))
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port, answer_timeout=0.3), "#ops")
        await relay.host.until(lambda: relay.host.is_connected)
        with pytest.raises(Retry):
            await relay.send("#ops", "hi")
        # on the same connection it would stand there twice once the server goes on
        await relay.ended()


async def test_what_is_in_flight_when_the_connection_ends_is_tried_again(relays: Relays) -> None:
    """It is told at once, not after the time for an answer; and without a connection nothing is sent."""

    async def script(visit: Visit) -> None:
        if visit.number > 1:
            await for_ever()
        await visit.admit(await visit.welcome(capabilities=ECHO))
        await visit.expect("PRIVMSG")

    async with serving(script) as port:
        relay = relays(settings(port, answer_timeout=60.0), "#ops")
        await relay.host.until(lambda: relay.host.is_connected)
        started = time.monotonic()
        with pytest.raises(Retry):
            await relay.send("#ops", "hi")
        with pytest.raises(Retry):
            await relay.send("#ops", "hi")
        assert time.monotonic() - started < 10


async def test_echoes_belong_to_their_messages(relays: Relays) -> None:
    """Without labels the order tells; a late echo is not taken for the next message's, nor a changed one lost."""

    async def script(visit: Visit) -> None:
        nick = await visit.welcome(capabilities=ECHO)
        await visit.admit(nick)
        await visit.expect("PRIVMSG #ops late")
        await visit.expect("PRIVMSG #ops next")
        visit.send(f"@msgid=1 :{nick}!u@h PRIVMSG #ops :late", f"@msgid=2 :{nick}!u@h PRIVMSG #OPS :next")
        await visit.expect("PRIVMSG #ops :with \x02bold")
        visit.send(f"@msgid=3 :{nick}!u@h PRIVMSG #ops :with bold")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), "#ops")
        await relay.host.until(lambda: relay.host.is_connected)
        late = asyncio.create_task(relay.send("#ops", "late"))
        await asyncio.sleep(0.1)  # it is on its way
        late.cancel()
        assert await relay.send("#ops", "next") == "2"
        assert await relay.send("#ops", "with \x02bold\x02") == "3"


async def test_labels_tell_answers_apart(relays: Relays) -> None:
    """A labelled answer belongs to its message whatever the order: an echo, a bare ACK, or a batch."""

    def label(line: str) -> str:
        return line[1:].partition(" ")[0]

    async def script(visit: Visit) -> None:
        nick = await visit.welcome(capabilities=f"{ECHO} labeled-response batch")
        await visit.admit(nick)
        lines = [await visit.expect("PRIVMSG") for _ in range(3)]
        labels = {line.partition(" ")[2]: label(line) for line in lines}
        visit.send(f"@{labels['PRIVMSG #c c']} :s ACK")
        visit.send(f"@{labels['PRIVMSG #b b']};msgid=b :{nick}!u@h PRIVMSG #b b")
        visit.send(f"@{labels['PRIVMSG #a a']} :s BATCH +x labeled-response")
        visit.send("@batch=x :s NOTE something", f"@batch=x;msgid=a :{nick}!u@h PRIVMSG #a a", ":s BATCH -x")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), "#a", "#b", "#c")
        await relay.host.until(lambda: relay.host.is_connected)
        ids = await asyncio.gather(*(relay.send(f"#{name}", name) for name in "abc"))
    assert ids == ["a", "b", None]


async def test_one_ping_asks_for_several_channels(relays: Relays) -> None:
    """While an answer is awaited no further PING goes out; the next one asks for all that was sent meanwhile."""
    pings: list[int] = []

    async def script(visit: Visit) -> None:
        await visit.admit(await visit.welcome())
        first = (await visit.expect("PING")).partition(" ")[2]
        for _ in range(4):
            await visit.expect("PRIVMSG")
        pings.append(sum(line.startswith("PING") for line in visit.lines))
        visit.send(f":s PONG s {first}")
        visit.send(f":s PONG s {(await visit.expect('PING')).partition(' ')[2]}")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), *(f"#{name}" for name in "abcde"))
        await relay.host.until(lambda: relay.host.is_connected)
        await asyncio.wait_for(asyncio.gather(*(relay.send(f"#{name}", "hi") for name in "abcde")), 10)
    assert pings == [1]


@pytest.mark.parametrize(
    ("mapping", "named", "key"),
    [("ascii", "#ops[]", "#ops[]"), ("rfc1459", "#ops[]", "#ops{}"), ("strict-rfc1459", "#ops[]~", "#ops{}~")],
)
async def test_names_are_compared_as_the_server_compares_them(
    mapping: str, named: str, key: str, relays: Relays
) -> None:
    """A channel's id is its name folded by the server's CASEMAPPING; any spelling that folds to it is that channel."""

    async def script(visit: Visit) -> None:
        await visit.admit(await visit.welcome(support=f"CASEMAPPING={mapping}"))
        visit.send(
            f":a!u@h PRIVMSG {named.upper()} :upper", f":a!u@h PRIVMSG {key} :folded", ":a!u@h PRIVMSG #ops{{ :no"
        )
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), named)
        await relay.host.until(lambda: relay.host.skips.get("other_channel", 0) == 1)
    assert texts(relay.posted) == ["upper", "folded"]
    assert [(event.channel.key, event.channel_name) for event in relay.posted] == [(key, named)] * 2
    assert relay.host.resolutions == {relay.driver.channels[0].key: (key, named)}


async def test_nicks_are_tried_until_one_is_taken(relays: Relays) -> None:
    """In use, colliding, reserved, not allowed: the next one is tried."""

    async def script(visit: Visit) -> None:
        await visit.expect("CAP LS")
        for numeric in ("433", "436", "437", "432"):
            nick = (await visit.expect("NICK")).partition(" ")[2]
            visit.send(f":s {numeric} * {nick} :No")
        nick = (await visit.expect("NICK")).partition(" ")[2]
        visit.send(f":s 001 {nick} :Welcome", f":s 422 {nick} :No MOTD")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port, nick="relay"), "#ops")
        await relay.host.until(lambda: relay.host.is_connected)
    assert relay.host.me == "relay2"


async def test_the_network_renames_us(relays: Relays) -> None:
    """A nick that services give us is ours: what is said under it is no event, and the core knows it."""

    async def script(visit: Visit) -> None:
        nick = await visit.welcome()
        await visit.admit(nick)
        visit.send(f":{nick}!u@h NICK Guest1", ":guest1!u@h PRIVMSG #ops :mine", ":a!u@h PRIVMSG #ops :Guest1: hi")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), "#ops")
        await relay.host.until(lambda: bool(relay.posted))
    assert relay.host.me == "guest1"
    assert texts(relay.posted) == ["Guest1: hi"]
    (event,) = relay.posted
    assert isinstance(event, Posted)
    assert event.addressed


async def test_the_servers_time_and_ids_are_taken_where_they_make_sense(relays: Relays) -> None:
    """A time that is none is now; a bot says that it is one."""

    async def script(visit: Visit) -> None:
        await visit.admit(await visit.welcome(capabilities="message-tags server-time"))
        visit.send(
            "@time=2026-11-01T10:00:00.250Z;msgid=x\\s1;bot :a!u@h PRIVMSG #ops :one",
            "@time=yesterday;msgid= :a!u@h PRIVMSG #ops :two",
        )
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), "#ops")
        await relay.host.until(lambda: len(relay.posted) == 2)
    one, two = relay.posted
    assert (one.at, one.message, one.author.bot) == (1793527200250, "x 1", True)
    assert abs(two.at - time.time() * 1000) < 60_000
    assert two.message


async def test_a_line_without_end_is_thrown_away(relays: Relays) -> None:
    """100 kB without a line break cost nothing but that line; memory is bounded, and what follows is read."""

    async def script(visit: Visit) -> None:
        await visit.admit(await visit.welcome())
        visit.send_raw(b":a!u@h PRIVMSG #ops :" + b"x" * 100_000)
        visit.send_raw(b"y" * 100_000 + b"\r\n")
        visit.send(b":a!u@h PRIVMSG #ops :gr\xfc\xdfe")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), "#ops")
        await relay.host.until(lambda: bool(relay.posted))
        assert texts(relay.posted) == ["grüße"]
        assert relay.ends == []
        assert relay.host.skips["overlong_line"] == 1


COMMANDS = (
    "001 005 324 396 401 403 404 433 437 442 470 471 475 477 903 904 936 ACK AUTHENTICATE BATCH CAP CHGHOST INVITE "
    "JOIN KICK MODE NICK NOTICE PART PING PONG PRIVMSG QUIT TAGMSG"
)
WORDS = st.sampled_from(
    ["#ops", "relay", "a", "", "*", "+x", "-x", "=", "LS", "DEL", "ACK", "\x01", "\x01\x01", "@#ops"]
)
LINES = st.builds(
    lambda tags, source, command, words: f"{tags}{source}{command} {' '.join(words)}".encode(),
    st.sampled_from(
        ["", "@ ", "@batch=x;label= ", "@label=nb-1;msgid;time=9999-99-99T ", "@time=0001-01-01T00:00:00Z "]
    ),
    st.sampled_from(["", ": ", ":a!u@h ", ":relay!u@h ", ":relay ", ":s "]),
    st.sampled_from(COMMANDS.split()),
    st.lists(WORDS | st.text(max_size=8).map(lambda text: text.replace("\n", "")), max_size=5),
)


@hypothesis_settings(max_examples=25, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(LINES | st.binary(max_size=80), max_size=60))
def test_nothing_that_a_server_sends_is_a_bug_of_ours(lines: list[bytes]) -> None:
    """Missing parameters, strange numerics and bytes that are no text end no connection, or end it on purpose."""

    async def play() -> Relay:
        async def script(visit: Visit) -> None:
            await visit.welcome(capabilities=f"{ECHO} labeled-response batch")
            visit.send(*lines)
            visit.send(":s PING :end")
            await visit.expect("PONG")

        async with serving(script) as port:
            relay = Relay(settings(port, nick="relay"), [channel("#ops")])
            relay.start()
            await relay.ended()
            await relay.stop()
        return relay

    relay = asyncio.run(play())
    assert isinstance(relay.ends[0], Retry | Paused)


async def test_a_split_room_is_one_relay(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Two connections of the relay in one channel do not answer each other: each sees the other's id."""
    room = unique("#")
    one, two = relays(settings(inspircd.port), room), relays(settings(inspircd.port), room)
    anna = await meet(inspircd.port)
    await joined(one, anna, room)
    await two.host.until(lambda: two.host.is_connected)
    await two.send(room, "from two")
    await one.host.until(lambda: any(isinstance(event, Posted) for event in one.host.events))
    (event,) = [event for event in one.host.events if isinstance(event, Posted)]
    assert event.author.id == two.host.me
