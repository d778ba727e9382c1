"""`check --online` on IRC: what works and what does not is said, and nobody notices."""

from __future__ import annotations

import pytest

from drivers.irc import IrcDriver
from drivers.irc.probing import probe as look
from drivers.irc.settings import IrcChannel, IrcSettings, Sasl
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel, Finding
from nextbridge.sandbox.host import RecordingHost
from tests.irc.conftest import Inspircd, Meet, channel, free_ports, settings, unique
from tests.irc.scripted import Visit, serving
from tests.irc.services import Services


async def probe(instance: IrcSettings, *channels: IrcChannel) -> dict[str, Finding]:
    configured = [ConfiguredChannel(IrcDriver.channel_key(each), each, ("ops",)) for each in channels]
    driver = IrcDriver(instance, configured, RecordingHost("net"))
    return {finding.subject: finding for finding in await driver.probe()}


async def test_each_channel_is_judged_from_outside(inspircd: Inspircd, meet: Meet) -> None:
    """Open, new, locked, locked with our key, by invitation, misnamed: each is told with what to do."""
    open_room, locked, private, new = (unique("#") for _ in range(4))
    anna = await meet(inspircd.port)
    for room in (open_room, locked, private):
        await anna.join(room)
    anna.send(f"MODE {locked} +k sesame")
    anna.send(f"MODE {private} +i")
    await anna.settled()
    seen = len(anna.lines)
    names = [channel(name) for name in (open_room, locked, private, new, "&local")]
    found = await probe(settings(inspircd.port), *names)
    assert found["connection"].ok
    assert found["login"].ok
    assert found[f"channel {open_room}"].ok
    assert found[f"channel {new}"].ok
    for name, advice in ((locked, "set the channel's key"), (private, "invite"), ("&local", "starts with")):
        assert not found[f"channel {name}"].ok
        assert advice in found[f"channel {name}"].text
    assert (await probe(settings(inspircd.port), channel(locked, "sesame")))[f"channel {locked}"].ok
    await anna.settled()
    assert not any("JOIN" in line or "PRIVMSG" in line for line in anna.lines[seen:])


async def test_a_running_relay_keeps_its_nick(inspircd: Inspircd, meet: Meet) -> None:
    """The probe uses a nick of its own."""
    nick = unique("N")
    await meet(inspircd.port, nick=nick)
    assert (await probe(settings(inspircd.port, nick=nick)))["login"].ok


async def test_a_refused_login_is_found(inspircd: Inspircd, services: Services) -> None:
    """A wrong password of the server and a wrong account are told, and neither is shown."""
    found = await probe(settings(inspircd.password_port, password=Secret("open barley")))
    assert not found["login"].ok
    found = await probe(settings(inspircd.port, sasl=Sasl(username="relay", password=Secret("wr0ng"))))
    assert not found["login"].ok
    assert "sasl" in found["login"].text
    assert "wr0ng" not in repr(found)


@pytest.mark.parametrize("tls", [True, False])
async def test_a_server_that_is_not_there_is_found(tls: bool) -> None:
    """One finding, and no exception."""
    (port,) = free_ports(1)
    found = await probe(settings(port, tls=tls), channel("#ops"))
    assert list(found) == ["connection"]
    assert not found["connection"].ok


async def test_a_name_that_no_server_has_is_found() -> None:
    """As on every platform: what is wrong, and what to look at."""
    found = await probe(settings(6667, host="irc.invalid", tls=False), channel("#ops"))
    assert found["connection"].text.endswith("its name is not known to the DNS; look at the spelling")


async def test_channels_that_there_is_no_time_for_are_not_guessed_at(inspircd: Inspircd) -> None:
    """They are named, and that they were not looked at; the rest that was found stays."""
    configured = [ConfiguredChannel(IrcDriver.channel_key(each), each, ("ops",)) for each in (channel("#a"),)]
    connection, login, untried = await look(settings(inspircd.port), configured, None, within=0)
    assert connection.ok
    assert login.ok
    assert (untried.ok, untried.subject) == (True, "channel #a")
    assert "not looked at" in untried.text


@pytest.mark.parametrize(("told", "words"), [("2020-01-01T00:00:00.000Z", "s ahead of the"), ("yesterday", None)])
async def test_a_clock_that_differs_is_found(told: str, words: str | None) -> None:
    """By the time on what the server says; where that is none, nothing is said of clocks."""

    async def script(visit: Visit) -> None:
        await visit.welcome(capabilities="message-tags server-time")
        await visit.expect("PING")
        visit.send(f"@time={told} :s PONG s :clock")
        await visit.expect("QUIT")

    async with serving(script) as port:
        found = await probe(settings(port))
    assert ("clock" in found) == (words is not None)
    if words is not None:
        assert words in found["clock"].text


async def test_a_servers_clock_that_is_right_is_not_spoken_of(inspircd: Inspircd) -> None:
    """A real one tells the time, and it is this machine's."""
    assert "clock" not in await probe(settings(inspircd.port))
