"""Files and pictures that cross between real platforms, with and without an address of the daemon's own."""

from __future__ import annotations

import re
import socket
from typing import Any

import aiohttp

from nextbridge.sandbox.mattermost import SandboxMattermost
from tests.irc.conftest import Inspircd, Meet, unique
from tests.pairs.test_mattermost_irc import GUARD, bridge
from tests.process import Daemon

PNG = b"\x89PNG\r\n\x1a\n" + bytes(2000)


def free_port() -> int:
    """A port that the daemon can be told beforehand, since its own address stands in the file."""
    with socket.socket() as found:
        found.bind(("127.0.0.1", 0))
        return int(found.getsockname()[1])


async def test_a_picture_posted_on_mattermost_is_a_link_on_irc(daemon: Daemon, inspircd: Inspircd, meet: Meet) -> None:
    """Whoever reads IRC opens it in a browser, byte for byte, also after a restart of the daemon."""
    name = f"#{unique('c')}"
    person = await meet(inspircd.port, nick=unique("p"))
    await person.join(name)
    async with SandboxMattermost() as mattermost, aiohttp.ClientSession() as http:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        port = free_port()
        file: dict[str, Any] = bridge(mattermost, relay.token, town.id, inspircd, name)
        file["global"] = {"http": {"port": port}, "base_url": f"http://127.0.0.1:{port}"}
        await daemon.start(file)
        mattermost.post_as(ada, town, "look", files=[mattermost.upload_as(ada, town, "my cat.png", PNG)])
        assert (await person.hears(name)).replace(GUARD, "") == "<Ada> look"
        label, link = (await person.hears(name)).replace(GUARD, "").rsplit(" ", 1)
        assert label == "<Ada> [Image: my cat.png]"
        assert re.fullmatch(rf"http://127\.0\.0\.1:{port}/media/file/[\w.-]+/my-cat\.png", link), link
        async with http.get(link) as response:
            assert (response.status, await response.read()) == (200, PNG)
            assert response.content_type == "image/png"
        assert await daemon.stop() == 0
        await daemon.start(file)
        async with http.get(link) as response:
            assert (response.status, await response.read()) == (200, PNG)


async def test_without_an_address_of_its_own_the_label_stands_alone(
    daemon: Daemon, inspircd: Inspircd, meet: Meet
) -> None:
    """The message arrives with what the file was called."""
    name = f"#{unique('c')}"
    person = await meet(inspircd.port, nick=unique("p"))
    await person.join(name)
    async with SandboxMattermost() as mattermost:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", nickname="Ada", team=team)
        town = mattermost.add_channel(team, "town", members=[relay, ada])
        await daemon.start(bridge(mattermost, relay.token, town.id, inspircd, name))
        mattermost.post_as(ada, town, "", files=[mattermost.upload_as(ada, town, "my cat.png", PNG)])
        assert (await person.hears(name)).replace(GUARD, "") == "<Ada> [Image: my cat.png]"


async def test_a_mattermost_author_has_their_picture_on_another_server(daemon: Daemon) -> None:
    """The post bears an address that anybody can open, and another one once they have changed their picture."""
    async with SandboxMattermost() as here, SandboxMattermost() as there, aiohttp.ClientSession() as http:
        blocks, channels = {}, {}
        for place, server in (("here", here), ("there", there)):
            team = server.add_team("main")
            relay, ada = server.add_bot("relay", team=team), server.add_user("ada", nickname="Ada", team=team)
            town = server.add_channel(team, "town", members=[relay, ada])
            blocks[place] = {"server_url": server.url, "token": relay.token}
            channels[place] = (town, ada)
        port = free_port()
        await daemon.start({
            "global": {"http": {"port": port}, "base_url": f"http://127.0.0.1:{port}"},
            "mattermost": blocks,
            "rules": [{"type": "connect", "channels": {
                place: {"channel_id": town.id} for place, (town, _) in channels.items()
            }}],
        })  # fmt: skip
        (town, ada), (far, _) = channels["here"], channels["there"]
        links, pictures = [], []
        for number in (1, 2):
            here.post_as(ada, town, f"number {number}")
            await there.until(lambda number=number: len(there.posts(far)) == number)  # type: ignore[misc]
            links.append(str(there.posts(far)[-1].props["override_icon_url"]))
            async with http.get(links[-1]) as response:
                assert (response.status, response.content_type) == (200, "image/png")
                pictures.append(await response.read())
            here.change_picture(ada)
        assert links[0] != links[1]
        assert pictures[0] != pictures[1]
