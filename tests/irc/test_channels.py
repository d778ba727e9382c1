"""The configured channels on a real server: joined, refused, kicked, silenced, and joined again."""

from __future__ import annotations

import asyncio

import pytest

from nextbridge.errors import Paused, Rejected, Retry
from tests.irc.conftest import Inspircd, Meet, Person, Relay, Relays, channel, settings, unique
from tests.irc.scripted import Visit, for_ever, serving


async def at_home(meet: Meet, port: int, *modes: str) -> tuple[Person, str]:
    """An operator of a new channel with the given modes."""
    room = unique("#")
    person = await meet(port)
    await person.join(room)
    for mode in modes:
        person.send(f"MODE {room} {mode}")
    await person.settled()
    return person, room


async def comes(person: Person, relay: Relay) -> None:
    """Return once the relay has joined."""
    nick = relay.driver.settings.nick
    await person.expect(lambda line: line.startswith(f":{nick}") and " JOIN " in line)


async def kept_out(relay: Relay, room: str) -> str:
    """Return why the relay is not in the channel, once it has been told."""
    await relay.host.until(lambda: room in relay.host.unavailable_channels)
    return relay.host.unavailable_channels[room]  # type: ignore[index]


async def test_channels_with_and_without_a_key_are_joined_together(
    inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """Each channel gets its own key and no other's, in whatever order the file names them."""
    anna, locked = await at_home(meet, inspircd.port, "+k sesame")
    _, other = await at_home(meet, inspircd.port, "+k barley")
    rooms = [unique("#") for _ in range(12)]
    relay = relays(settings(inspircd.port), *rooms, channel(other, "barley"), channel(locked, "sesame"))
    await comes(anna, relay)
    for room in (*rooms, locked, other):
        assert await relay.send(room, "hi")
    assert relay.host.unavailable_channels == {}
    assert {key for key, _ in relay.host.resolutions.values()} == {*rooms, locked, other}


@pytest.mark.parametrize(
    ("mode", "unlock", "advice"),
    [
        ("+k sesame", "-k sesame", "set the channel's key"),
        ("+i", "-i", "invite the relay"),
        ("+b *!*@*", "-b *!*@*", "lift the ban"),
        ("+l 1", "-l", "raise its limit"),
    ],
)
async def test_a_channel_that_keeps_us_out_waits_until_it_does_not(
    mode: str, unlock: str, advice: str, inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """Its lane waits, the operator is told what to do, no other channel is held up, and it is tried again."""
    anna, room = await at_home(meet, inspircd.port, mode)
    other = unique("#")
    relay = relays(settings(inspircd.port), room, other)
    assert advice in await kept_out(relay, room)
    with pytest.raises(Paused) as paused:
        await relay.send(room, "hi")
    assert paused.value.scope == "channel"
    assert await relay.send(other, "hi")
    anna.send(f"MODE {room} {unlock}")
    await comes(anna, relay)
    await relay.host.until(lambda: room not in relay.host.unavailable_channels)
    assert await relay.send(room, "hi")


async def test_an_invitation_is_followed_at_once(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Who invites the relay need not wait for its next attempt."""
    anna, room = await at_home(meet, inspircd.port, "+i")
    relay = relays(settings(inspircd.port, rejoin_delay=600.0), room)
    await kept_out(relay, room)
    anna.send(f"INVITE {relay.driver.settings.nick} {room}")
    await comes(anna, relay)


async def test_a_wrong_key_is_not_shown(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """The operator learns that the key is wrong, and nobody learns the key."""
    _, room = await at_home(meet, inspircd.port, "+k sesame")
    relay = relays(settings(inspircd.port), channel(room, "barley"))
    reason = await kept_out(relay, room)
    assert "key" in reason
    assert "barley" not in reason


async def test_a_kick_is_told_and_the_channel_joined_again(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """While it is out its lane waits; the operator learns who did it and why."""
    anna, room = await at_home(meet, inspircd.port)
    relay = relays(settings(inspircd.port, rejoin_delay=0.5), room)
    await comes(anna, relay)
    anna.send(f"KICK {room} {relay.driver.settings.nick} :too \x02loud")
    reason = await kept_out(relay, room)
    assert anna.nick in reason
    assert "too loud" in reason
    with pytest.raises(Paused):
        await relay.send(room, "hi")
    await comes(anna, relay)
    await relay.host.until(lambda: room not in relay.host.unavailable_channels)
    assert await relay.send(room, "hi")


async def test_a_kick_with_a_ban_waits_for_the_ban_to_be_lifted(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """The reason follows what keeps the relay out now."""
    anna, room = await at_home(meet, inspircd.port)
    relay = relays(settings(inspircd.port), room)
    await comes(anna, relay)
    anna.send(f"MODE {room} +b {relay.driver.settings.nick}!*@*")
    anna.send(f"KICK {room} {relay.driver.settings.nick} :out")
    await relay.host.until(lambda: "ban" in relay.host.unavailable_channels.get(room, ""))  # type: ignore[call-overload]
    anna.send(f"MODE {room} -b {relay.driver.settings.nick}!*@*")
    await comes(anna, relay)


async def test_a_moderated_channel_pauses_until_we_have_voice(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """A message that the server refuses is not lost, and goes out as soon as the channel's modes allow."""
    anna, room = await at_home(meet, inspircd.port, "+m")
    relay = relays(settings(inspircd.port), room)
    await comes(anna, relay)
    with pytest.raises(Paused) as paused:
        await relay.send(room, "hi")
    assert paused.value.scope == "channel"
    assert "voice" in paused.value.reason
    relay.host.unavailable(relay.driver.channels[0].key, paused.value.reason)  # as the core keeps it
    anna.send(f"MODE {room} +v {relay.driver.settings.nick}")
    await relay.host.until(lambda: room not in relay.host.unavailable_channels)
    assert await relay.send(room, "hi")


async def test_a_channel_without_colours_gets_the_words_without_them(
    inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """Where only the formatting, or only the CTCP frame of an action, is refused, the text still arrives."""
    anna, room = await at_home(meet, inspircd.port, "+cC")
    relay = relays(settings(inspircd.port), room)
    await comes(anna, relay)
    await relay.send(room, "\x02bold\x02 words")
    assert await anna.hears(room) == "bold words"
    await relay.send(room, "waves", action=True)
    assert (await anna.hears(room)).strip("\x01") in {"* waves", "ACTION waves"}


async def test_taken_out_by_the_network_is_like_a_kick(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """A forced PART is told, and the channel joined again."""
    anna, room = await at_home(meet, inspircd.port)
    relay = relays(settings(inspircd.port), room)
    await comes(anna, relay)
    anna.send("OPER oper oper")
    anna.send(f"SAPART {relay.driver.settings.nick} {room} :go")
    await kept_out(relay, room)
    await comes(anna, relay)


async def test_a_forward_takes_us_nowhere_that_nobody_named(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """A full channel that sends us on to another is reported, and the other left at once."""
    anna, other = await at_home(meet, inspircd.port)
    room = unique("#")
    await anna.join(room)
    anna.send(f"MODE {room} +lL 1 {other}")
    await anna.settled()
    relay = relays(settings(inspircd.port, rejoin_delay=600.0), room)
    assert other in await kept_out(relay, room)
    nick = relay.driver.settings.nick
    await anna.expect(lambda line: line.startswith(f":{nick}!") and f"PART {other}" in line.replace(":#", "#"))


async def test_killed_by_the_network_it_comes_back(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """However the connection ends, the relay returns to each of its channels, and what was in flight is tried again."""
    anna, room = await at_home(meet, inspircd.port)
    relay = relays(settings(inspircd.port), room)
    await comes(anna, relay)
    anna.send("OPER oper oper")
    anna.send(f"KILL {relay.driver.settings.nick} :go")
    assert isinstance(await relay.ended(), Retry)
    await comes(anna, relay)
    assert relay.host.connections == 2
    assert await relay.send(room, "hi")


async def test_other_peoples_quits_are_nothing_to_us(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """A netsplit that takes others away takes nothing from the relay's channels."""
    anna, room = await at_home(meet, inspircd.port)
    ben = await meet(inspircd.port)
    await ben.join(room)
    relay = relays(settings(inspircd.port), room)
    await comes(anna, relay)
    ben.send("QUIT :one.example two.example")
    await anna.expect(lambda line: " QUIT " in line)
    assert await relay.send(room, "hi")
    assert relay.ends == []
    assert relay.host.events == []


async def test_one_channel_in_two_spellings_is_one(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Names that this server holds for equal get the same id, and a message to either arrives."""
    anna = await meet(inspircd.port)
    room = unique("#x[")
    await anna.join(room)
    relay = relays(settings(inspircd.port), room, room.upper().replace("[", "{"))
    await comes(anna, relay)
    await relay.send(room.replace("[", "{"), "one")
    await relay.send(room, "two")
    assert [await anna.hears(room) for _ in range(2)] == ["one", "two"]
    assert {key for key, _ in relay.host.resolutions.values()} == {room.replace("[", "{")}


async def test_a_name_that_is_no_channel_there_is_explained(inspircd: Inspircd, relays: Relays) -> None:
    """A sign that this server does not know is told from a server that is down."""
    relay = relays(settings(inspircd.port), "&local")
    assert "starts with one of #" in await kept_out(relay, "&local")


async def test_a_refused_word_makes_a_dead_letter_and_no_stop(relays: Relays) -> None:
    """A message that can never pass is rejected, and its channel goes on."""

    async def script(visit: Visit) -> None:
        nick = await visit.welcome()
        await visit.admit(nick)
        await visit.expect("PRIVMSG")
        visit.send(f":s 936 {nick} #ops damn :Your message contained a censored word, and was blocked")
        token = (await visit.expect("PING")).partition(" ")[2]
        visit.send(f":s PONG s {token}")
        await visit.expect("PRIVMSG")
        token = (await visit.expect("PING")).partition(" ")[2]
        visit.send(f":s PONG s {token}")
        await for_ever()

    async with serving(script) as port:
        relay = relays(settings(port), "#ops")
        await relay.host.until(lambda: relay.host.is_connected)
        with pytest.raises(Rejected):
            await relay.send("#ops", "damn")
        await asyncio.wait_for(relay.send("#ops", "fine"), 5)
