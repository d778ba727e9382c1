"""What `check --online` says of a Mattermost."""

from __future__ import annotations

from typing import Any

from drivers.mattermost.settings import MattermostChannel
from nextbridge.driver import Finding
from tests.mattermost.stage import Scene, make


async def probe(scene: Scene, *channels: Any, token: str | None = None, **settings: Any) -> dict[str, Finding]:
    """The findings by their subject, of a driver that never ran."""
    driver, host = make(scene.sandbox.url, token or scene.relay.token, *channels, **settings)
    findings = await driver.probe()
    await driver.close()
    assert not host.connections
    return {finding.subject: finding for finding in findings}


async def test_all_is_well_where_it_is(scene: Scene) -> None:
    """A right token in a right channel: every finding is good, and says what was found."""
    found = await probe(scene, scene.town.id, MattermostChannel(team="main", channel="dev"))
    assert [finding.ok for finding in found.values()] == [True] * 7
    assert "@relay" in found["token"].text
    assert scene.town.id in found["channel town"].text
    assert "Dev" in found["channel dev"].text
    assert "own names" in found["names"].text
    assert "50 MB" in found["files"].text


async def test_a_probe_posts_nothing(scene: Scene) -> None:
    """It only asks."""
    await probe(scene, scene.town.id)
    assert scene.sandbox.posts(scene.town) == []
    changing = {route for route in scene.faults.requests if not route.startswith("GET ")}
    assert changing == {"POST /api/v4/roles/names"}, "which changes nothing"


async def test_what_we_may_not_do_is_said(scene: Scene) -> None:
    """Each right that is missing, by what it is for, and how long a post can be edited."""
    for right in ("edit_post", "add_reaction", "manage_public_channel_properties"):
        scene.sandbox.take_right(right)
    scene.sandbox.settings.change(PostEditTimeLimit="300")
    found = await probe(scene, scene.town.id)
    assert "edit its posts, react to posts, change the header" in found["rights in channel town"].text
    assert "300 s" in found["edits"].text


async def test_a_wrong_token_ends_the_probe(scene: Scene) -> None:
    """Nothing more can be found out with it."""
    found = await probe(scene, scene.town.id, token="w" * 26)
    assert list(found) == ["token"]
    assert not found["token"].ok
    assert "revoked" in found["token"].text


async def test_a_server_that_is_not_there_is_a_finding(scene: Scene) -> None:
    """A probe raises nothing."""
    await scene.faults.refuse_connections()
    found = await probe(scene, scene.town.id)
    assert not found["server"].ok
    assert "cannot be reached" in found["server"].text


async def test_a_ca_file_that_is_not_there_is_a_finding(scene: Scene) -> None:
    """The file's name and what is wrong with it are said."""
    found = await probe(scene, scene.town.id, ca_file="/nowhere/ca.pem")
    assert not found["connection"].ok
    assert "/nowhere/ca.pem" in found["connection"].text


async def test_each_channel_that_does_not_work_says_why(scene: Scene) -> None:
    """Not there, private to others, or open but not joined: each with what to do."""
    lobby = scene.sandbox.add_channel(scene.team, "lobby", members=[scene.boss])
    found = await probe(scene, scene.town.id, lobby.id, scene.closed.id, MattermostChannel(team="main", channel="tawn"))
    assert found["channel town"].ok
    for subject in ("channel lobby", f"channel {scene.closed.id}", "channel name:main/tawn"):
        assert not found[subject].ok
        assert "/invite @relay" in found[subject].text


async def test_what_the_server_withholds_is_explained(scene: Scene) -> None:
    """Names off and small files are no failure, and the operator is told where to change them."""
    scene.sandbox.settings.change(EnablePostUsernameOverride="false", MaxFileSize="1048576")
    found = await probe(scene, scene.town.id)
    assert "System Console > Integrations" in found["names"].text
    assert "1 MB" in found["files"].text
    scene.sandbox.settings.change(EnableFileAttachments="false")
    assert not (await probe(scene, scene.town.id))["files"].ok


async def test_a_proxy_that_lets_no_websocket_through_is_named_as_that(scene: Scene) -> None:
    """Everything else works, which is what makes it hard to find."""
    scene.faults.answer(502, body="<html>", content_type="text/html", route="GET /api/v4/websocket")
    found = await probe(scene, scene.town.id)
    assert [subject for subject, finding in found.items() if not finding.ok] == ["events"]
    assert "must let WebSocket connections through" in found["events"].text


async def test_what_messages_need_is_a_fault_where_it_is_missing(scene: Scene) -> None:
    """To post and to upload; it is named with the channel."""
    scene.sandbox.take_right("create_post")
    scene.sandbox.take_right("upload_file")
    found = await probe(scene, scene.town.id)
    assert not found["rights in channel town"].ok
    assert "@relay may not post, upload files" in found["rights in channel town"].text
