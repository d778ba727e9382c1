"""What people change on Mattermost, as the events that the core gets."""

from __future__ import annotations

import json

from nextbridge.envelope import Deleted, Edited, Joined, Left, Reacted, TopicChanged
from nextbridge.markup import PLAIN
from tests.mattermost.script import CHANNEL, ME, Play, Socket
from tests.mattermost.stage import Running, Scene, Start


def of(running: Running, kind: type) -> list:  # type: ignore[type-arg]
    return [event for event in running.host.events if isinstance(event, kind)]


async def test_a_pin_after_an_edit_is_none(scene: Scene, staged: Start) -> None:
    """The server tells of both alike; only an edit has another time of editing."""
    running = await staged()
    post = scene.sandbox.post_as(scene.alice, scene.town, "first")
    scene.sandbox.pin(post)
    scene.sandbox.edit(post, "second")
    scene.sandbox.pin(post)
    scene.sandbox.react_as(scene.bob, post, "smile")
    scene.sandbox.edit(post, "second")
    scene.say("end")
    await running.received("end")
    assert [PLAIN.write(event.text.blocks) for event in of(running, Edited)] == ["second"]
    assert running.host.skips == {"post_touched": 3}


async def test_files_that_are_added_or_removed_are_an_edit(scene: Scene, staged: Start) -> None:
    """With the files that hang on the post now."""
    running = await staged()
    first, second = (scene.sandbox.upload_as(scene.alice, scene.town, name, b"x") for name in ("one.txt", "two.txt"))
    post = scene.sandbox.post_as(scene.alice, scene.town, "see", files=[first])
    scene.sandbox.edit(post, files=[first, second])
    scene.sandbox.edit(post, "look", files=[second])
    await running.until(lambda: len(of(running, Edited)) == 2)
    assert [[file.name for file in event.attachments] for event in of(running, Edited)] == [
        ["one.txt", "two.txt"],
        ["two.txt"],
    ]
    assert len({event.version for event in of(running, Edited)}) == 2


async def test_an_edited_action_is_one(scene: Scene, staged: Start) -> None:
    """Without the asterisks that the server puts around it."""
    running = await staged()
    post = scene.sandbox.post_as(scene.alice, scene.town, "*waves*", type="me")
    scene.sandbox.edit(post, "*bows*")
    await running.until(lambda: bool(of(running, Edited)))
    (event,) = of(running, Edited)
    assert (PLAIN.write(event.text.blocks), event.action) == ("bows", True)


async def test_an_edited_webhook_post_is_by_whom_the_webhook_says(scene: Scene, staged: Start) -> None:
    """As the post itself is."""
    running = await staged()
    props: dict[str, object] = {"from_webhook": "true", "override_username": "Weather"}
    post = scene.sandbox.post_as(scene.alice, scene.town, "rain", props=props)
    scene.sandbox.edit(post, "sun")
    await running.until(lambda: bool(of(running, Edited)))
    assert of(running, Edited)[0].author == running.posted[0].author
    assert running.posted[0].author.name == "Weather"


async def test_what_a_program_says_anew_in_its_attachments_alone_is_an_edit(scene: Scene, staged: Start) -> None:
    """The server does not date it as one; a pin before or after it is none."""
    running = await staged()

    def build(result: str) -> dict[str, object]:
        return {"from_webhook": "true", "override_username": "CI", "attachments": [{"text": result}]}

    post = scene.sandbox.post_as(scene.alice, scene.town, "", props=build("running"))
    scene.sandbox.pin(post)
    for result in ("failed", "done"):
        scene.sandbox.edit(post, props=build(result))
        scene.sandbox.pin(post)
    scene.say("end")
    await running.received("end")
    edits = of(running, Edited)
    assert [PLAIN.write(event.text.blocks) for event in edits] == ["failed", "done"]
    assert len({event.version for event in edits}) == 2
    assert all(event.at > 0 for event in edits)
    assert running.host.skips == {"post_touched": 3}


async def test_a_deleted_root_takes_its_replies_along(scene: Scene, staged: Start) -> None:
    """The server says nothing of them, so the event does; of a reply that is deleted it does not."""
    running = await staged()
    root = scene.sandbox.post_as(scene.alice, scene.town, "root")
    reply = scene.sandbox.post_as(scene.bob, scene.town, "reply", root=root)
    scene.say("another", root=root)
    scene.sandbox.delete(reply)
    scene.sandbox.delete(root)
    await running.until(lambda: len(of(running, Deleted)) == 2)
    assert [(event.message, event.with_thread) for event in of(running, Deleted)] == [
        (reply.id, False),
        (root.id, True),
    ]


async def test_a_newer_server_says_who_deleted_it(play: Play) -> None:
    """An administrator's deletion is theirs, of our posts too; what we delete ourselves is no event."""
    ours = {"id": "o" * 26, "create_at": 1, "user_id": ME, "channel_id": CHANNEL, "message": "relayed"}
    theirs = {**ours, "id": "t" * 26, "user_id": "a" * 26}

    async def script(socket: Socket) -> None:
        await socket.hello()
        for number, (post, by) in enumerate([(theirs, "b" * 26), (ours, "b" * 26), (ours, ME)], start=1):
            data = {"post": json.dumps(post), "delete_by": by}
            await socket.ws.send_json({"event": "post_deleted", "data": data, "seq": number})
        await socket.posted("end", 4)
        await socket.linger()

    running = play(script, channels=[CHANNEL])
    await running.received("end")
    told = [(event.message, event.author.id) for event in of(running, Deleted)]
    assert told == [("t" * 26, "b" * 26), ("o" * 26, "b" * 26)]
    assert running.host.skips == {"own_post": 1}


async def test_reactions_are_characters_and_custom_ones_are_names(scene: Scene, staged: Start) -> None:
    """Under whatever name somebody chose them."""
    running = await staged()
    post = scene.sandbox.post_as(scene.alice, scene.town, "great news")
    for name in ("thumbsup", "+1", "flag-de", "wave_dark_skin_tone", "rofl", "our_parrot"):
        scene.sandbox.react_as(scene.bob, post, name)
    scene.sandbox.take_back_reaction(scene.bob, post, "+1")
    await running.until(lambda: len(of(running, Reacted)) == 7)
    reactions = of(running, Reacted)
    assert [event.emoji for event in reactions] == ["👍", "👍", "🇩🇪", "👋🏿", "🤣", "our_parrot", "👍"]
    assert [event.added for event in reactions] == [True] * 6 + [False]
    assert len({event.key for event in reactions}) == 7
    assert {(event.message, event.author.name) for event in reactions} == {(post.id, "Bob Stone")}


async def test_whoever_is_added_or_removed_came_or_went(scene: Scene, staged: Start) -> None:
    """It is about them, not about who did it; who removed them is said."""
    carol = scene.sandbox.add_user("carol", team=scene.team)
    running = await staged()
    scene.sandbox.add_member(scene.town, carol, by=scene.boss)
    scene.sandbox.remove_member(scene.town, carol, by=scene.boss)
    scene.sandbox.add_member(scene.town, carol, by=carol)
    scene.sandbox.remove_member(scene.town, carol, by=carol)
    await running.until(lambda: len(running.host.events) == 4)
    assert [type(event) for event in running.host.events] == [Joined, Left, Joined, Left]
    assert {event.author.username for event in running.host.events} == {"carol"}
    assert [event.reason for event in of(running, Left)] == ["removed by boss", ""]


async def test_our_own_coming_is_no_event(scene: Scene, staged: Start) -> None:
    """Nor is another change of the channel that is no topic."""
    running = await staged()
    scene.sandbox.remove_member(scene.dev, scene.relay, by=scene.boss)
    scene.sandbox.add_member(scene.dev, scene.relay, by=scene.boss)
    await scene.call(scene.boss, "PUT", f"channels/{scene.dev.id}/patch", {"display_name": "Development"})
    scene.say("end", channel=scene.dev)
    await running.received("end")
    assert [event for event in running.host.events if isinstance(event, Joined | Left | TopicChanged)] == []


async def test_a_header_is_a_topic_in_plain_text(scene: Scene, staged: Start) -> None:
    """Its formatting is the server's notation, which no other platform's topic has."""
    running = await staged()
    for header in ("**Release** on [Monday](https://example.com)", ""):
        scene.sandbox.change_header(scene.alice, scene.town, header)
    await running.until(lambda: len(of(running, TopicChanged)) == 2)
    assert [event.topic for event in of(running, TopicChanged)] == ["Release on Monday (https://example.com)", ""]


async def test_who_types_is_told_by_name(scene: Scene, staged: Start) -> None:
    """At each sign that the server gives."""
    running = await staged()
    for _ in range(2):
        scene.sandbox.type_as(scene.bob, scene.town)
    await running.until(lambda: len(running.host.typists) == 2)
    assert {(str(room), author.name) for room, author in running.host.typists} == {(str(scene.town.id), "Bob Stone")}


async def test_a_change_that_cannot_be_read_costs_itself(play: Play) -> None:
    """It is counted, and what follows is read."""

    async def script(socket: Socket) -> None:
        await socket.hello()
        for number, event in enumerate(("post_edited", "post_deleted", "reaction_added", "typing"), start=1):
            await socket.ws.send_json({"event": event, "data": {"post": "[]", "reaction": "{}"}, "seq": number})
        await socket.posted("end", 5)
        await socket.linger()

    running = play(script, channels=[CHANNEL])
    await running.received("end")
    assert running.host.skips == {"unreadable": 4}
