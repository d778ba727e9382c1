"""`nextbridge channels` on the stand-in: which channels of which servers a bot is shown."""

from __future__ import annotations

import pytest

from nextbridge.driver import Directory
from nextbridge.errors import Paused
from nextbridge.sandbox.discord import ChannelType, Right
from tests.discord.place import Place


async def shown(place: Place) -> dict[str, tuple[str, str]]:
    """Names and notes, by the id that a rule would name."""
    found = await place.make().driver.directory()
    assert isinstance(found, Directory)
    return {str(each.keys["channel_id"]): (each.name, each.note) for each in found.channels}


async def test_what_a_bot_sees_is_listed_by_server(place: Place) -> None:
    """Text channels, forums and threads that are open; not what is hidden or holds no messages, nor other servers."""
    sandbox = place.sandbox
    other, foreign = sandbox.add_guild("Village"), sandbox.add_guild("Elsewhere")
    sandbox.world.add_member(other, place.relay, [])
    inn, _ = sandbox.add_channel(other, "inn"), sandbox.add_channel(foreign, "foreign")
    sandbox.add_channel(place.guild, "hidden", hidden=True)
    forum = sandbox.add_channel(place.guild, "forum", forum=True)
    category = sandbox.add_channel(place.guild, "category")
    category.type = ChannelType.CATEGORY
    thread = sandbox.world.start_thread(place.dev, "plans", place.alice.user)
    sandbox.change_right(place.town, place.relay, Right.SEND_MESSAGES, allow=False)
    assert await shown(place) == {
        place.dev.id: ("Town / #dev", ""),
        thread.id: ("Town / #dev / plans", "thread"),
        forum.id: ("Town / #forum", "forum"),
        place.town.id: ("Town / #town", "the bot lacks Send Messages"),
        inn.id: ("Village / #inn", ""),
    }


async def test_a_bot_in_many_servers_is_shown_some(place: Place) -> None:
    """And told that there are more; each costs calls, of which Discord allows so many."""
    for number in range(45):
        place.sandbox.world.add_member(place.sandbox.add_guild(f"g{number}"), place.relay, [])
    found = await place.make().driver.directory()
    assert isinstance(found, Directory)
    assert "more servers than the 40" in found.note
    assert place.sandbox.requests.count("GET /guilds/{guild}/channels") == 40


async def test_a_token_that_is_refused_is_said(place: Place) -> None:
    """As anywhere else."""
    place.sandbox.revoke(place.relay)
    with pytest.raises(Paused, match="token"):
        await place.make().driver.directory()
