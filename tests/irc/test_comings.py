"""Who comes, goes and is there: what is told of it, what is counted, and who is found by name."""

from __future__ import annotations

import pytest
from msgspec.structs import asdict

from drivers.irc.roster import is_split
from nextbridge.envelope import Author, ChannelKey, Event, Joined, Left, TopicChanged, UserId
from nextbridge.errors import Paused, Rejected
from tests.irc.conftest import Inspircd, Meet, Person, Relay, Relays, settings, unique
from tests.irc.scripted import Visit, for_ever, serving


@pytest.fixture(params=["inspircd", "ngircd"])
def port(request: pytest.FixtureRequest) -> int:
    """A server's port: each test runs on both."""
    server = request.getfixturevalue(request.param)
    return server.port if isinstance(server, Inspircd) else int(server)


async def at_home(meet: Meet, relays: Relays, port: int) -> tuple[Person, Relay, str]:
    """An operator of a channel, and the relay in it, who came second."""
    room = unique("#")
    anna = await meet(port)
    await anna.join(room)
    relay = relays(settings(port), room)
    nick = relay.driver.settings.nick
    await anna.expect(lambda line: line.startswith(f":{nick}!") and "JOIN" in line)
    await relay.host.until(lambda: bool(relay.host.resolutions))
    return anna, relay, room


async def heard(relay: Relay, anna: Person, room: str) -> list[Event]:
    """What was told up to now, without what was said."""
    said = len(relay.posted)
    anna.say(room, "and so on")
    await relay.host.until(lambda: len(relay.posted) > said)
    return [event for event in relay.host.events if event not in relay.posted]


async def test_who_comes_and_goes_is_told_with_what_they_say(port: int, meet: Meet, relays: Relays) -> None:
    """A join, a part with its words, a kick with who and why, and a quit, each of the one whom it is about."""
    anna, relay, room = await at_home(meet, relays, port)
    ben = await meet(port, nick=unique("B"))
    for farewell in ("PART {room} :tea time", "", "QUIT :good night"):
        await ben.join(room)
        if farewell:
            ben.send(farewell.format(room=room))
        else:
            anna.send(f"KICK {room} {ben.nick} :no spam")
        await anna.expect(lambda line: "PART" in line or "KICK" in line or "QUIT" in line)
    events = await heard(relay, anna, room)
    assert [type(event) for event in events] == [Joined, Left, Joined, Left, Joined, Left]
    author = Author(id=UserId(ben.nick.lower()), username=ben.nick, name=ben.nick)
    assert {event.author for event in events} == {author}
    assert {(event.channel.key, event.channel_name) for event in events} == {(room, room)}
    assert len({event.key for event in events}) == 6
    part, kick, leave = (event.reason for event in events if isinstance(event, Left))
    assert (part.strip('"'), kick) == ("tea time", f"kicked by {anna.nick}: no spam")
    assert "good night" in leave


async def test_what_happens_in_other_channels_is_nothing_to_us(port: int, meet: Meet, relays: Relays) -> None:
    """Only where a rule has a channel is anything told; and never what the relay does itself."""
    anna, relay, room = await at_home(meet, relays, port)
    ben, other = await meet(port), unique("#")
    await anna.join(other)
    await ben.join(other)
    ben.send("QUIT :bye")
    await anna.expect(lambda line: " QUIT " in line)
    assert await heard(relay, anna, room) == []


async def test_a_netsplit_is_counted_and_not_told(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Neither the going nor the coming back; who comes and goes by themselves afterwards is told again."""
    anna, relay, room = await at_home(meet, relays, inspircd.port)
    nick = unique("B")
    ben = await meet(inspircd.port, nick=nick)
    await ben.join(room)
    ben.send("QUIT :hub.example leaf.example")
    await anna.expect(lambda line: " QUIT " in line)
    ben = await meet(inspircd.port, nick=nick)
    await ben.join(room)
    assert [type(event) for event in await heard(relay, anna, room)] == [Joined]
    assert (relay.host.skips["netsplit"], relay.host.skips["netjoin"]) == (1, 1)
    ben.send(f"PART {room}")
    await ben.join(room)
    assert [type(event) for event in await heard(relay, anna, room)] == [Joined, Left, Joined]


@pytest.mark.parametrize(
    ("reason", "split"),
    [
        ("irc.example.org hub.example.org", True),
        ("*.net *.split", True),
        ("bye now", False),
        ("Quit: a.b c.d", False),
        ("see example.org", False),
        ("a.b c.d e.f", False),
        ("", False),
        ("a." * 5000 + "!", False),
    ],
)
def test_a_split_is_told_by_the_two_servers_that_it_names(reason: str, split: bool) -> None:
    """What people say when they go is not taken for one, and nothing takes long."""
    assert is_split(reason) == split


async def test_a_crowd_is_counted_and_not_told(relays: Relays) -> None:
    """However many come and go at once, in one channel only so many are told; others have their own measure."""

    async def script(visit: Visit) -> None:
        nick = await visit.welcome()
        await visit.admit(nick)
        visit.send(*(f":n{number}!u@h JOIN #a" for number in range(500)))
        visit.send(*(f":n{number}!u@h QUIT :x" for number in range(500)))
        visit.send(":late!u@h JOIN #b", ":late!u@h PRIVMSG #b :end")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), "#a", "#b")
        await relay.host.until(lambda: bool(relay.posted))
    told = [event.channel.key for event in relay.host.events if isinstance(event, Joined | Left)]
    assert (told.count(ChannelKey("#a")), told.count(ChannelKey("#b"))) == (20, 1)
    assert relay.host.skips["crowd"] == 980


async def test_a_netsplit_in_a_batch_is_one_whatever_its_words(relays: Relays) -> None:
    """Servers that tell of a split as a batch may hide the names of theirs."""

    async def script(visit: Visit) -> None:
        nick = await visit.welcome(capabilities="batch message-tags")
        await visit.admit(nick)
        visit.send(f":s 353 {nick} = #a :{nick} @ben +carl")
        visit.send(":s BATCH +x netsplit a b", "@batch=x :ben!u@h QUIT :hidden", ":s BATCH -x")
        visit.send(":s BATCH +y netjoin a b", "@batch=y :ben!u@h JOIN #a", ":s BATCH -y")
        visit.send(":carl!u@h QUIT :tired", ":ben!u@h PRIVMSG #a :end")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), "#a")
        await relay.host.until(lambda: bool(relay.posted))
    (left,) = [event for event in relay.host.events if event not in relay.posted]
    assert (type(left), left.author.name) == (Left, "carl")
    assert (relay.host.skips["netsplit"], relay.host.skips["netjoin"]) == (1, 1)


# --- topics ---------------------------------------------------------------------------------------------------------


async def test_a_topic_is_told_and_can_be_set(port: int, meet: Meet, relays: Relays) -> None:
    """Somebody's topic is an event, ours is none; it is cut to what fits, and nothing in it is a command."""
    anna, relay, room = await at_home(meet, relays, port)
    anna.send(f"TOPIC {room} :\x02big\x02 news")
    anna.send(f"MODE {room} -t")
    await anna.settled()
    await anna.settled()
    key = ChannelKey(room)
    for topic, shown in (
        ("first", "first"),
        ("first", ""),
        ("two\r\nQUIT :words", "two QUIT :words"),
        ("é" * 1000, "é"),
        ("", ""),
    ):
        await relay.driver.set_topic(key, topic)
        if shown:
            line = await anna.expect(lambda line: f" TOPIC {room} :" in line and relay.driver.own_name in line)
            said = line.partition(f" TOPIC {room} :")[2]
            assert said == shown or (shown == "é" and said.strip("é") == "" and len(said) > 100)
    events = await heard(relay, anna, room)
    assert [asdict(event)["topic"] for event in events if isinstance(event, TopicChanged)] == ["big news"]
    assert relay.ends == []


async def test_a_topic_that_we_may_not_set_is_rejected_and_holds_up_nothing(
    port: int, meet: Meet, relays: Relays
) -> None:
    """Only an operator may where the channel is +t: it is said what to do, and messages go on."""
    anna, relay, room = await at_home(meet, relays, port)
    anna.send(f"MODE {room} +t")
    await anna.settled()
    with pytest.raises(Rejected, match="operator"):
        await relay.driver.set_topic(ChannelKey(room), "mine")
    await relay.send(room, "goes on")
    assert await anna.hears(room) == "goes on"
    anna.send(f"MODE {room} +o {relay.driver.own_name}")
    await anna.settled()
    await relay.driver.set_topic(ChannelKey(room), "mine")
    await anna.expect(lambda line: line.endswith(f" TOPIC {room} :mine"))


async def test_a_topic_of_no_channel_of_ours_waits(inspircd: Inspircd, relays: Relays) -> None:
    """What is not in the file is told to the operator."""
    relay = relays(settings(inspircd.port), unique("#"))
    await relay.host.until(lambda: relay.host.is_connected)
    with pytest.raises(Paused):
        await relay.driver.set_topic(ChannelKey("#elsewhere"), "x")


# --- members --------------------------------------------------------------------------------------------------------


async def test_members_are_found_by_their_whole_nick(port: int, meet: Meet, relays: Relays) -> None:
    """Who was there before us, who came since, under the nick that they bear now; nobody who is not there."""
    anna, relay, room = await at_home(meet, relays, port)
    ben = await meet(port, nick=unique("B"))
    await ben.join(room)
    key, driver = ChannelKey(room), relay.driver

    async def found(name: str) -> str | None:
        author = await driver.member(key, name)
        return None if author is None else author.username

    await heard(relay, anna, room)
    assert await found(anna.nick) == anna.nick  # whom the server shows with an operator's sign
    assert await found(ben.nick.upper()) == ben.nick
    assert await found(ben.nick[:-1]) is None
    assert await found("@" + anna.nick) is None
    assert await found("") is None
    assert await found(driver.own_name) is None
    assert await driver.member(ChannelKey("#elsewhere"), anna.nick) is None
    new = unique("C")
    ben.send(f"NICK {new}")
    await anna.expect(lambda line: " NICK " in line)
    await heard(relay, anna, room)
    assert (await found(ben.nick), await found(new)) == (None, new)
    ben.send("QUIT")
    await anna.expect(lambda line: " QUIT " in line)
    await heard(relay, anna, room)
    assert await found(new) is None


async def test_nicks_are_compared_as_the_server_compares_them(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Where brackets are the capitals of braces, both find the same person, with one id."""
    anna, relay, room = await at_home(meet, relays, inspircd.port)
    ben = await meet(inspircd.port, nick=unique("B[") + "]")
    await ben.join(room)
    await heard(relay, anna, room)
    author = await relay.driver.member(ChannelKey(room), ben.nick.replace("[", "{").replace("]", "}"))
    assert author is not None
    ben.say(room, "me")
    await relay.host.until(lambda: len(relay.posted) == 2)
    assert relay.posted[1].author == author


async def test_nobody_is_found_where_the_relay_is_not(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Out of the channel it is not known who is there; back in it, it is."""
    anna, relay, room = await at_home(meet, relays, inspircd.port)
    key = ChannelKey(room)
    anna.send(f"KICK {room} {relay.driver.own_name}")
    await relay.host.until(lambda: key in relay.host.unavailable_channels)
    assert await relay.driver.member(key, anna.nick) is None
    await relay.host.until(lambda: key not in relay.host.unavailable_channels)
    await heard(relay, anna, room)
    assert await relay.driver.member(key, anna.nick) is not None
