"""What the server's history gives back of a time in which nobody listened, and when the driver says there was one."""

from __future__ import annotations

import json
import time
from typing import Any

import pytest
from structlog.testing import capture_logs

from drivers.mattermost import MattermostDriver
from nextbridge.driver import Cursor, History, Position
from nextbridge.envelope import ChannelKey, Deleted, Edited, Event, Posted
from nextbridge.errors import Paused, Rejected, Retry
from nextbridge.markup import PLAIN
from tests.mattermost.script import CHANNEL, Play, Socket
from tests.mattermost.stage import Drive, Running, Scene, Start

PAGES = "GET /api/v4/channels/{channel_id}/posts"


def texts(events: list[tuple[Event, Cursor]]) -> list[str]:
    return [PLAIN.write(event.text.blocks) for event, _ in events if isinstance(event, Posted)]


async def heard(scene: Scene, running: Running) -> Cursor:
    """A message is heard, with the cursor that it moves."""
    event = await running.event(scene.say("heard"))
    return Cursor(event.channel.key, running.host.cursors[event.channel.key])


async def missed(
    running: Running, cursor: Cursor, *, age: float = 86_400, most: int = 1000
) -> tuple[list[tuple[Event, Cursor]], Cursor, int]:
    """What the history gives after the cursor: its events, its end, and how many it leaves out."""
    driver: MattermostDriver = running.driver
    async with driver.history(driver.channels[0].key, cursor, age=age, most=most) as past:
        return [each async for each in past.events], past.end, past.over


async def away(scene: Scene, running: Running) -> Cursor:
    """A message is heard, then the connection is lost and the server forgets it."""
    cursor = await heard(scene, running)
    await running.stop()
    return cursor


async def test_it_has_a_history(scene: Scene, staged: Start) -> None:
    """The class says so to the core."""
    assert isinstance((await staged()).driver, History)


async def test_a_first_connection_tells_of_a_gap_in_each_channel(scene: Scene, staged: Start) -> None:
    """With where each stands, so that a rule which begins now begins there."""
    scene.say("old")
    running = await staged()
    await running.until(lambda: len(running.host.gaps) == 2)
    (newest,) = (post.create_at for post in scene.sandbox.posts(scene.town))
    assert running.host.gaps == [
        (ChannelKey(scene.town.id), Position(Cursor(scene.town.id, str(newest)), newest)),
        (ChannelKey(scene.dev.id), Position(Cursor(scene.dev.id, "0"), 0)),
    ]


async def test_a_resumed_connection_has_no_gap_and_a_forgotten_one_has(scene: Scene, staged: Start) -> None:
    """What the server itself makes good is not asked for."""
    running = await staged()
    scene.say("heard")
    await running.received("heard")
    running.host.gaps.clear()
    scene.faults.cut_sockets()
    scene.say("resumed")
    await running.received("resumed")
    assert running.host.gaps == []
    await scene.sandbox.stop()
    scene.say("missed")
    await scene.sandbox.start()
    await running.until(lambda: len(running.host.gaps) == 2)


async def test_missing_frames_are_a_gap_in_every_channel(play: Play, drive: Drive) -> None:
    """The numbers tell that something is missing, and not where: it is told before the frame that follows."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        await socket.posted("one", 1)
        await socket.posted("five", 5)
        await socket.linger()

    running = play(script, channels=[CHANNEL])
    await running.received("five")
    assert [newest is None for _, newest in running.host.gaps] == [False, True]


async def test_what_was_posted_comes_in_order_with_the_cursor_of_each(scene: Scene, staged: Start) -> None:
    """Over several pages; the end is where the next gap would begin."""
    running = await staged()
    cursor = await away(scene, running)
    said = [f"missed {number}" for number in range(250)]
    for text in said:
        scene.say(text)
    events, end, over = await missed(running, cursor)
    assert (texts(events), over) == (["heard", *said], 0)
    assert end == events[-1][1]
    again, end_again, _ = await missed(running, events[99][1])
    assert texts(again)[-150:] == said[-150:]
    assert end_again == end
    assert texts((await missed(running, end))[0])[-1:] == said[-1:]


async def test_an_event_is_the_same_out_of_the_history_as_live(scene: Scene, staged: Start) -> None:
    """Names, text, files, threads: so that what both bring is one message, whichever comes first."""
    running = await staged()
    cursor = Cursor(scene.town.id, "0")
    file = scene.sandbox.upload_as(scene.alice, scene.town, "cat.png", b"meow")
    root = scene.sandbox.post_as(scene.alice, scene.town, "**look** @relay", files=[file])
    scene.say("an answer", who=scene.bob, root=root)
    scene.say("", props={"attachments": [{"text": "by a hook"}], "from_webhook": "true", "override_username": "Hook"})
    scene.say("*waves*", type="me")
    scene.say("last")
    await running.received("last")
    await running.stop()
    events, _, _ = await missed(running, cursor)
    assert [event for event, _ in events] == running.posted


async def test_posts_of_one_millisecond_are_not_passed_over(scene: Scene, staged: Start) -> None:
    """A page stands before a post and leaves out what shares its millisecond: none of them is lost between pages."""
    running = await staged()
    cursor = await away(scene, running)
    begin = int(cursor.value) + 1
    said = [f"missed {number}" for number in range(250)]
    for number, text in enumerate(said):
        scene.say(text, create_at=begin + number // 7)
    events, _, _ = await missed(running, cursor)
    assert sorted(texts(events)) == sorted(["heard", *said])


async def test_a_post_that_was_told_out_of_turn_is_found(scene: Scene, staged: Start) -> None:
    """Of two posts made side by side the later may be heard and the earlier not: it is before the cursor, and given."""
    running = await staged()
    cursor = await away(scene, running)
    scene.say("made side by side", create_at=int(cursor.value) - 3)
    scene.say("later")
    events, _, _ = await missed(running, cursor)
    assert texts(events) == ["made side by side", "heard", "later"]


async def test_what_was_deleted_is_not_given_and_holds_up_nothing(scene: Scene, staged: Start) -> None:
    """Neither a deleted post that was missed, nor that the very post is gone which was heard last."""
    running = await staged()
    cursor = await away(scene, running)
    (last,) = scene.sandbox.posts(scene.town)
    scene.sandbox.delete(last)
    scene.say("missed 1")
    scene.sandbox.delete(scene.sandbox.post_as(scene.alice, scene.town, "regretted"))
    scene.say("missed 2")
    assert texts((await missed(running, cursor))[0]) == ["missed 1", "missed 2"]


async def test_our_own_posts_and_the_servers_are_left_out(scene: Scene, staged: Start) -> None:
    """They take no place under the limit, and are behind us once the history was read."""
    running = await staged()
    cursor = await away(scene, running)
    for number in range(5):
        scene.say(f"ours {number}", who=scene.relay)
    scene.say("missed")
    scene.sandbox.add_member(scene.town, scene.sandbox.add_user("newcomer"), by=scene.alice)
    scene.say("ours too", who=scene.relay)
    events, end, over = await missed(running, cursor, most=2)
    assert (texts(events), over) == (["heard", "missed"], 0)
    assert int(end.value) == max(post.create_at for post in scene.sandbox.posts(scene.town))


async def test_the_newest_are_given_and_the_others_counted(scene: Scene, staged: Start) -> None:
    """And they stay left out: one who breaks off after the first does not get them the next time."""
    running = await staged()
    cursor = await away(scene, running)
    for number in range(130):
        scene.say(f"missed {number}")
    events, _, over = await missed(running, cursor, most=20)
    newest = [f"missed {number}" for number in range(110, 130)]
    assert (texts(events), over) == (newest, 110)
    events, _, over = await missed(running, events[0][1])
    assert (texts(events), over) == (newest, 0)


async def test_what_is_too_old_is_counted(scene: Scene, staged: Start) -> None:
    """By the server's own clock."""
    running = await staged()
    await running.stop()
    now = int(time.time() * 1000)
    for minutes in (50, 40, 20, 10):
        scene.say(f"{minutes} minutes ago", create_at=now - minutes * 60_000)
    events, _, over = await missed(running, Cursor(scene.town.id, str(now - 45 * 60_000)), age=1800)
    assert (texts(events), over) == (["20 minutes ago", "10 minutes ago"], 1)


async def test_a_quiet_channel_is_asked_once(scene: Scene, staged: Start) -> None:
    """Whether anything was changed there. After missing frames its posts are asked for, too."""
    running = await staged()
    cursor = await heard(scene, running)
    scene.faults.requests.clear()
    await running.stop()
    again = await staged()
    assert await missed(again, cursor) == ([], cursor, 0)
    assert scene.faults.requests[PAGES] == 1
    assert texts((await missed(again, cursor))[0]) == ["heard"]
    assert scene.faults.requests[PAGES] > 2


async def test_what_was_edited_and_deleted_is_given_in_its_place(scene: Scene, staged: Start) -> None:
    """Changes of what had been heard come among the new posts, by the server's time; each as it would have live."""
    running = await staged()
    edited, deleted, kept = (scene.sandbox.post_as(scene.alice, scene.town, text) for text in ("one", "two", "three"))
    await running.received("three")
    cursor = Cursor(scene.town.id, running.host.cursors[scene.town.id])
    await running.stop()
    scene.clock.ahead = 20
    scene.say("before")
    scene.sandbox.edit(edited, "one, edited")
    scene.clock.ahead = 21
    scene.say("between")
    scene.sandbox.pin(kept)
    scene.sandbox.delete(deleted)
    scene.clock.ahead = 22
    scene.say("after")
    events, end, over = await missed(running, cursor)
    told = [
        (type(event).__name__, str(event.message), PLAIN.write(event.text.blocks) if isinstance(event, Edited) else "")
        for event, _ in events
        if not isinstance(event, Posted)
    ]
    assert told == [("Edited", str(edited.id), "one, edited"), ("Deleted", str(deleted.id), "")]
    kinds = [type(event).__name__ for event, _ in events]
    assert kinds[-5:] == ["Posted", "Edited", "Posted", "Deleted", "Posted"]
    assert over == 0
    times = [int(cursor.value) for _, cursor in events]
    assert times == sorted(times)
    assert times[-1] <= int(end.value)


async def test_a_change_is_one_event_live_and_out_of_the_history(scene: Scene, staged: Start) -> None:
    """Under one key, whichever comes first."""
    running = await staged()
    edited, deleted = (scene.sandbox.post_as(scene.alice, scene.town, text) for text in ("one", "two"))
    await running.received("two")
    cursor = Cursor(scene.town.id, running.host.cursors[scene.town.id])
    scene.sandbox.edit(edited, "one, edited")
    scene.sandbox.delete(deleted)
    scene.say("end")
    await running.received("end")
    live = {event.key for event in running.host.events if isinstance(event, Edited | Deleted)}
    await running.stop()
    events, _, _ = await missed(running, cursor)
    assert {event.key for event, _ in events if isinstance(event, Edited | Deleted)} == live
    assert len(live) == 2


async def test_what_was_posted_and_changed_meanwhile_is_told_as_it_is_now(scene: Scene, staged: Start) -> None:
    """Nobody has seen what it said before: there is no edit to tell, and no deletion."""
    running = await staged()
    cursor = await away(scene, running)
    scene.clock.ahead = 20
    scene.sandbox.edit(scene.sandbox.post_as(scene.alice, scene.town, "mistyped"), "typed")
    scene.sandbox.delete(scene.sandbox.post_as(scene.alice, scene.town, "regretted"))
    events, _, _ = await missed(running, cursor)
    assert [(type(event), texts([(event, cursor)])) for event, _ in events] == [
        (Posted, ["heard"]),
        (Posted, ["typed"]),
    ]


async def test_changes_of_our_own_posts_are_left_out(scene: Scene, staged: Start) -> None:
    """What we edited and deleted is none of the other side's."""
    running = await staged()
    ours = [scene.sandbox.post_as(scene.relay, scene.town, text) for text in ("one", "two")]
    cursor = await away(scene, running)
    scene.clock.ahead = 20
    scene.sandbox.edit(ours[0], "one, edited")
    scene.sandbox.delete(ours[1])
    events, _, _ = await missed(running, cursor)
    assert [type(event) for event, _ in events] == [Posted]


async def test_a_change_that_is_too_old_is_left_out(scene: Scene, staged: Start) -> None:
    """By the server's clock, as posts are."""
    running = await staged()
    scene.clock.ahead = -7200
    post = scene.sandbox.post_as(scene.alice, scene.town, "one")
    cursor = await away(scene, running)
    scene.clock.ahead = -3600
    scene.sandbox.edit(post, "one, edited")
    for age, edits in ((1800, 0), (5400, 1)):
        events, _, _ = await missed(running, cursor, age=age)
        assert len([event for event, _ in events if isinstance(event, Edited)]) == edits


async def test_more_changes_than_the_server_tells_are_told_to_the_operator(scene: Scene, staged: Start) -> None:
    """It gives a thousand rows: what more there may be is counted, and the posts come all the same."""
    running = await staged()
    cursor = await away(scene, running)
    scene.clock.ahead = 20
    for number in range(1001):
        scene.say(f"missed {number}")
    with capture_logs() as logs:
        events, _, _ = await missed(running, cursor, most=2000)
    assert len(events) == 1002
    assert running.host.skips["changes_not_fetched"] == 1
    assert [each["channel"] for each in logs if each["event"] == "edits_not_relayed"] == ["Town"]


@pytest.mark.parametrize(
    ("answer", "meaning"),
    [
        ({"status": 500, "body": json.dumps({"id": "x", "message": "no", "status_code": 500})}, Retry),
        ({"status": 502, "body": "<html>", "content_type": "text/html"}, Retry),
        ({"status": 403, "body": json.dumps({"id": "x", "message": "no", "status_code": 403})}, Paused),
        ({"status": 400, "body": json.dumps({"id": "x", "message": "no", "status_code": 400})}, Rejected),
    ],
)
async def test_what_stands_in_the_way_is_an_error_of_the_contract(
    scene: Scene, staged: Start, answer: dict[str, Any], meaning: type[Exception]
) -> None:
    """So that the core knows whether to ask again."""
    running = await staged()
    cursor = await away(scene, running)
    scene.say("missed")
    scene.faults.answer(route=PAGES, **answer)
    with pytest.raises(meaning):
        await missed(running, cursor)
    assert texts((await missed(running, cursor))[0]) == ["heard", "missed"]


async def test_a_post_that_cannot_be_read_costs_itself(scene: Scene, staged: Start) -> None:
    """It is counted; those around it are given."""
    running = await staged()
    cursor = await away(scene, running)
    town, now = scene.town.id, int(cursor.value) + 1
    whole = {"id": "w" * 26, "create_at": now, "user_id": scene.alice.id, "channel_id": town, "message": "whole"}
    broken = {**whole, "id": "b" * 26, "message": 5}
    no_post = {"id": "n" * 26}
    page = {
        "order": ["n" * 26, "b" * 26, "w" * 26, "missing"],
        "posts": {each["id"]: each for each in (whole, broken, no_post)},
    }
    scene.faults.answer(200, body=json.dumps(page), route=PAGES)
    events, _, _ = await missed(running, cursor)
    assert texts(events)[-1] == "whole"
    assert running.host.skips["unreadable"] == 1


async def test_what_was_said_while_we_were_no_member_is_forgotten(scene: Scene, staged: Start) -> None:
    """It was not said to us: added again, we begin there."""
    running = await staged()
    await heard(scene, running)
    scene.sandbox.remove_member(scene.town, scene.relay, by=scene.boss)
    await running.until(lambda: ChannelKey(scene.town.id) in running.host.unavailable_channels)
    scene.say("among themselves")
    scene.sandbox.add_member(scene.town, scene.relay, by=scene.boss)
    await running.until(lambda: bool(running.host.forgotten))
    assert running.host.forgotten == [ChannelKey(scene.town.id)]
    channel, newest = running.host.gaps[-1]
    assert channel == ChannelKey(scene.town.id)
    assert newest is not None
    assert newest.at >= max(post.create_at for post in scene.sandbox.posts(scene.town)) - 5000


async def test_what_is_skipped_moves_the_cursor(scene: Scene, staged: Start) -> None:
    """Our own post is behind us, like any that was heard."""
    running = await staged()
    await heard(scene, running)
    scene.say("ours", who=scene.relay)
    await running.until(lambda: running.host.skips.get("own_post") == 1)
    assert running.host.cursors[scene.town.id] == str(scene.sandbox.posts(scene.town)[-1].create_at)
