"""`nextbridge channels` on real IRC servers: what they list, beside the relay that has its nick there."""

from __future__ import annotations

from drivers.irc import IrcDriver
from drivers.irc.settings import IrcSettings
from nextbridge.driver import Directory, Listed
from nextbridge.sandbox.host import RecordingHost
from tests.irc.conftest import Inspircd, Meet, settings, unique


async def listed(instance: IrcSettings) -> Directory:
    driver = IrcDriver(instance, [], RecordingHost("net"))
    found = await driver.directory()
    assert isinstance(found, Directory), found
    return found


def named(found: Directory, name: str) -> Listed | None:
    return next((each for each in found.channels if each.name == name), None)


async def test_channels_are_listed_with_their_people_and_topics(inspircd: Inspircd, meet: Meet) -> None:
    """Those with the most people first; a secret one is not shown, and the running relay keeps its nick."""
    many, few, secret, nick = unique("#"), unique("#"), unique("#"), unique("N")
    anna, ben = await meet(inspircd.port, nick=nick), await meet(inspircd.port)
    for room in (many, few, secret):
        await anna.join(room)
    await ben.join(many)
    anna.send(f"TOPIC {many} :all \x02bold\x02 things")
    anna.send(f"MODE {secret} +s")
    await anna.settled()
    found = await listed(settings(inspircd.port, nick=nick))
    assert named(found, many) == Listed(many, {"channel": many}, "2 people: all bold things")
    assert named(found, few) == Listed(few, {"channel": few}, "1 person")
    assert named(found, secret) is None
    names = [each.name for each in found.channels]
    assert names.index(many) < names.index(few)
    assert "Secret channels are not shown" in found.note
