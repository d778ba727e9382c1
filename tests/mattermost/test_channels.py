"""The channels of the operator's file on the server: found by id or name, open to us or not, and then again."""

from __future__ import annotations

from drivers.mattermost.settings import MattermostChannel
from tests.mattermost.stage import Place, Scene, Start, outgoing, unique


async def test_a_channel_by_id_is_resolved_to_its_name(place: Place, relay: Start) -> None:
    """The core is told what people call the channel."""
    running = await relay("town")
    town = place.channels["town"]
    assert running.host.resolutions == {town: (town, "Town")}


async def test_a_channel_by_name_is_resolved_to_its_id(place: Place, relay: Start) -> None:
    """Team and channel by name, in whatever capitals, give the id; the team may be the instance's."""
    running = await relay(
        MattermostChannel(team=place.team.upper(), channel="Town"), MattermostChannel(channel="dev"), team=place.team
    )
    assert running.host.resolutions == {
        f"name:{place.team}/town": (place.channels["town"], "Town"),
        "name:/dev": (place.channels["dev"], "Dev"),
    }
    text = unique("by name")
    await place.post(place["alice"], "dev", text)
    assert (await running.received(text)).channel.key == place.channels["dev"]


async def test_a_private_channel_that_we_are_not_in_is_named_and_the_others_go_on(place: Place, relay: Start) -> None:
    """One closed channel is told with how to add the bot; messages of the others are relayed."""
    running = await relay("closed", "town")
    reason = running.host.unavailable_channels[running.driver.channels[0].key]
    assert place.channels["closed"] in reason
    assert f"/invite @{place['relay'].username}" in reason
    text = unique("goes on")
    await place.post(place["alice"], "town", text)
    await running.received(text)


async def test_a_channel_that_is_not_there_is_told(place: Place, relay: Start) -> None:
    """An id or a name that the server does not know is said as it is written."""
    running = await relay("a" * 26, MattermostChannel(team=place.team, channel="tawn"), "town")
    reasons = running.host.unavailable_channels
    assert "a" * 26 in reasons[running.driver.channels[0].key]
    assert f"{place.team}/tawn" in reasons[running.driver.channels[1].key]
    assert len(reasons) == 2


async def test_an_open_channel_that_we_are_not_in_is_told_by_its_name(scene: Scene, staged: Start) -> None:
    """A channel that we can see but are no member of would bring us nothing: it is told as such."""
    lobby = scene.sandbox.add_channel(scene.team, "lobby", display_name="The Lobby", members=[scene.boss])
    running = await staged(lobby.id)
    assert "The Lobby" in running.host.unavailable_channels[running.driver.channels[0].key]


async def test_a_channel_opens_when_the_bot_is_added(scene: Scene, staged: Start) -> None:
    """`/invite` is enough: the core is told at once, and what is said there is received."""
    running = await staged(scene.closed.id, MattermostChannel(team="main", channel="closed"))
    assert len(running.host.unavailable_channels) == 2
    scene.sandbox.add_member(scene.closed, scene.relay, by=scene.boss)
    await running.until(lambda: not running.host.unavailable_channels)
    named = running.driver.channels[1].key
    assert running.host.resolutions[named] == (str(scene.closed.id), "Closed Room")
    scene.say("welcome", who=scene.boss, channel=scene.closed)
    await running.received("welcome")
    await running.driver.send(outgoing(scene.closed.id, "thanks"))


async def test_a_channel_closes_when_the_bot_is_removed(scene: Scene, staged: Start) -> None:
    """The core is told when we are taken out, with the channel's name; and again when we are back."""
    running = await staged()
    scene.sandbox.remove_member(scene.town, scene.relay, by=scene.boss)
    await running.until(lambda: bool(running.host.unavailable_channels))
    (reason,) = running.host.unavailable_channels.values()
    assert "channel Town" in reason
    scene.sandbox.add_member(scene.town, scene.relay, by=scene.boss)
    await running.until(lambda: not running.host.unavailable_channels)


async def test_somebody_elses_coming_and_going_is_none_of_ours(scene: Scene, staged: Start) -> None:
    """Other people's joins and leaves ask the server nothing and close nothing."""
    running = await staged()
    before = scene.faults.requests["GET /api/v4/channels/{channel_id}"]
    scene.sandbox.remove_member(scene.town, scene.bob, by=scene.boss)
    scene.sandbox.add_member(scene.town, scene.bob, by=scene.boss)
    scene.say("after")
    await running.received("after")
    assert running.host.unavailable_channels == {}
    assert scene.faults.requests["GET /api/v4/channels/{channel_id}"] == before


async def test_a_channel_that_opened_while_we_were_away_is_found_on_the_way_back(scene: Scene, staged: Start) -> None:
    """What was closed is looked at again at every connection."""
    running = await staged(scene.closed.id)
    scene.sandbox.add_member(scene.closed, scene.relay)
    scene.faults.cut_sockets()
    await running.connected(2)
    assert running.host.unavailable_channels == {}


async def test_an_archived_channel_is_told(scene: Scene, staged: Start) -> None:
    """While it runs, and at the start."""
    running = await staged()
    await scene.call(scene.boss, "DELETE", f"channels/{scene.town.id}")
    await running.until(lambda: bool(running.host.unavailable_channels))
    (reason,) = running.host.unavailable_channels.values()
    assert "Town is archived" in reason
    again = await staged()
    assert "Town is archived" in again.host.unavailable_channels[again.driver.channels[0].key]


async def test_a_server_in_trouble_is_no_missing_channel(scene: Scene, staged: Start) -> None:
    """A 500 at a look-up makes the connection again; it closes no channel."""
    scene.faults.answer(500, body="oops", route="GET /api/v4/channels/{channel_id}")
    running = await staged()
    assert len(running.ends) == 1
    assert running.host.unavailable_channels == {}


async def test_many_channels_are_found_with_a_few_calls(scene: Scene, staged: Start) -> None:
    """Fifty take no more of the server's limit than one; what we are not in is still told."""
    many = [scene.sandbox.add_channel(scene.team, f"many-{n}", members=[scene.relay, scene.boss]) for n in range(50)]
    scene.sandbox.limit_rate(per_second=1, burst=15)
    running = await staged(*(channel.id for channel in many), scene.closed.id)
    assert list(running.host.unavailable_channels) == [str(scene.closed.id)]
    assert len(running.host.resolutions) == 50
