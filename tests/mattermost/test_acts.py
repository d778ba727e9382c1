"""What only Mattermost does where we edit, delete, react, answer, set a header or look somebody up."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from msgspec.structs import replace

from drivers.mattermost import MattermostDriver
from nextbridge.driver import Outgoing
from nextbridge.envelope import ChannelKey, MessageId, Posted, UserId
from nextbridge.errors import DriverError, Paused, Rejected, Retry
from nextbridge.markup import PLAIN
from nextbridge.sandbox.mattermost import Post
from tests.mattermost.stage import Running, Scene, Start, outgoing


async def sent(scene: Scene, running: Running, text: str = "as it was", **changes: Any) -> tuple[Outgoing, MessageId]:
    """A message of ours in town, and its id."""
    message = outgoing(scene.town.id, text, **changes)
    receipt = await running.driver.send(message)
    assert receipt.message is not None
    return message, receipt.message


def shown(scene: Scene, message: str) -> Post:
    return next(post for post in scene.sandbox.posts(scene.town) if post.id == message)


async def test_an_edit_keeps_the_mark_and_the_name(scene: Scene, staged: Start) -> None:
    """A patch names the text alone: whatever a version does with the props of a patch, they stay."""
    running = await staged()
    message, made = await sent(scene, running, name="Zed", avatar="https://example.com/z.png")
    before = shown(scene, made).props
    await running.driver.edit(made, replace(message, text="as it is", name="Somebody else"))
    post = shown(scene, made)
    assert (post.message, post.props) == ("as it is", before)
    assert {"nextbridge", "override_username", "override_icon_url"} <= before.keys()


async def test_an_edit_after_the_time_limit_is_refused_for_good(scene: Scene, staged: Start) -> None:
    """So that the core does what the rule says instead."""
    running = await staged()
    message, made = await sent(scene, running)
    scene.sandbox.settings.change(PostEditTimeLimit="60")
    scene.clock.ahead = 120
    with pytest.raises(Rejected, match="60 seconds"):
        await running.driver.edit(made, replace(message, text="too late"))


@pytest.mark.parametrize("right", ["edit_post", "delete_post", "add_reaction", "manage_public_channel_properties"])
async def test_a_right_that_is_missing_holds_up_no_message(scene: Scene, staged: Start, right: str) -> None:
    """The act is refused with the right that it takes, and messages go on."""
    running = await staged()
    message, made = await sent(scene, running)
    scene.sandbox.take_right(right)
    driver, town = running.driver, ChannelKey(scene.town.id)
    acts = {
        "edit_post": lambda: driver.edit(made, replace(message, text="new")),
        "delete_post": lambda: driver.delete(town, made),
        "add_reaction": lambda: driver.react(town, made, "👍", add=True),
        "manage_public_channel_properties": lambda: driver.set_topic(town, "a topic"),
    }
    with pytest.raises(Rejected, match="has no right to"):
        await acts[right]()
    await sent(scene, running, "and on")


async def test_out_of_the_channel_a_change_waits(scene: Scene, staged: Start) -> None:
    """Nothing passes there until we are added again: that is no refusal of this message."""
    running = await staged()
    message, made = await sent(scene, running)
    scene.sandbox.remove_member(scene.town, scene.relay)
    town = ChannelKey(scene.town.id)
    for act in (
        running.driver.edit(made, replace(message, text="new")),
        running.driver.set_topic(town, "a topic"),
    ):
        with pytest.raises(Paused) as paused:
            await act
        assert paused.value.scope == "channel"


async def test_a_rate_limit_is_told_as_one(scene: Scene, staged: Start) -> None:
    """Each act is to be tried again after what the server says."""
    running = await staged()
    message, made = await sent(scene, running)
    driver, town = running.driver, ChannelKey(scene.town.id)
    acts: list[Callable[[], Awaitable[None]]] = [
        lambda: driver.edit(made, replace(message, text="new")),
        lambda: driver.delete(town, made),
        lambda: driver.react(town, made, "👍", add=True),
        lambda: driver.set_topic(town, "a topic"),
        lambda: driver.tell(UserId(scene.alice.id), "psst"),
    ]
    for act in acts:
        scene.faults.answer(429, body="limit exceeded", headers={"Retry-After": "1"}, content_type="text/plain")
        with pytest.raises(Retry) as later:
            await act()
        assert later.value.after == 1.0


async def test_custom_emoji_are_known_by_their_names(scene: Scene, staged: Start) -> None:
    """One that the server has is put on by name, and asked for once; another is refused, and never shown."""
    running = await staged()
    _, made = await sent(scene, running)
    scene.sandbox.add_emoji("our_parrot")
    driver, town = running.driver, ChannelKey(scene.town.id)
    for add in (True, False, True):
        await driver.react(town, made, "our_parrot", add=add)
    assert scene.faults.requests["GET /api/v4/emoji/name/{name}"] == 1
    with pytest.raises(Rejected):
        await driver.react(town, made, "their_parrot", add=True)
    await driver.react(town, made, "thumbsup", add=True)
    reactions = shown(scene, made).metadata.reactions  # type: ignore[union-attr]
    assert [each.emoji_name for each in reactions] == ["our_parrot", "thumbsup"]  # type: ignore[union-attr]


async def test_an_answer_to_a_reply_stands_in_its_thread(scene: Scene, staged: Start) -> None:
    """What somebody answers in a thread names its root, and that is where our answer goes."""
    running = await staged()
    root = scene.sandbox.post_as(scene.alice, scene.town, "root")
    event = await running.event(scene.say("reply", who=scene.bob, root=root))
    assert (str(event.reply_to), str(event.thread)) == (root.id, root.id)
    _, made = await sent(scene, running, "answer", reply_to=event.thread)
    assert shown(scene, made).root_id == root.id


async def test_a_repeated_answer_is_recognised(scene: Scene, staged: Start) -> None:
    """By its key and by its mark, like any message."""
    running = await staged()
    root = scene.sandbox.post_as(scene.alice, scene.town, "root")
    message, made = await sent(scene, running, "answer", reply_to=MessageId(root.id))
    again = replace(message, attempted=0)
    assert (await running.driver.send(again)).message == made


@pytest.mark.parametrize(
    ("name", "username"),
    [
        ("ally", "alice"),
        ("ALICE", "alice"),
        ("Bob Stone", "bob"),
        ("bob stone", "bob"),
        ("Bob", "bob"),
        ("Stone", None),
        ("Ally Pally", None),
        ("carol", None),
        ("*", None),
        ("al", None),
    ],
)
async def test_people_are_found_as_the_server_finds_them(
    scene: Scene, staged: Start, name: str, username: str | None
) -> None:
    """By username or shown name, in whatever letters, whole; only those in the channel."""
    scene.sandbox.add_user("carol", team=scene.team)
    running = await staged()
    found = await running.driver.member(ChannelKey(scene.town.id), name)
    assert (None if found is None else found.username) == username


async def test_two_of_one_name_are_nobody(scene: Scene, staged: Start) -> None:
    """Better nobody is called than the wrong one."""
    other = scene.sandbox.add_user("alicia", nickname="Ally", team=scene.team)
    running = await staged()
    driver: MattermostDriver = running.driver
    assert (await driver.member(ChannelKey(scene.town.id), "Ally")) is not None
    scene.sandbox.add_member(scene.town, other)
    assert (await driver.member(ChannelKey(scene.town.id), "Ally")) is None


async def test_a_post_is_recalled_under_the_name_that_it_shows(scene: Scene, staged: Start) -> None:
    """Ours under its author's, a webhook's under its own; not out of another channel, nor the server's own words."""
    running = await staged()
    _, made = await sent(scene, running, "**bold** words", name="Zed")
    town, dev = ChannelKey(scene.town.id), ChannelKey(scene.dev.id)
    excerpt = await running.driver.recall(town, made)
    assert excerpt is not None
    assert (excerpt.name, excerpt.text) == ("Zed", "bold words")
    assert await running.driver.recall(dev, made) is None
    scene.sandbox.change_header(scene.alice, scene.town, "header")
    assert await running.driver.recall(town, MessageId(scene.sandbox.posts(scene.town)[-1].id)) is None


async def test_a_hostile_id_asks_for_nothing_else(scene: Scene, staged: Start) -> None:
    """An id is one part of an address, whatever stands in it."""
    running = await staged()
    town = ChannelKey(scene.town.id)
    for bad in ("../users/me", "a/b?c=d", "%2e%2e", ""):
        with pytest.raises(DriverError):
            await running.driver.edit(MessageId(bad), outgoing(scene.town.id, "x"))
        assert await running.driver.recall(town, MessageId(bad)) is None


async def test_what_we_do_does_not_come_back(scene: Scene, staged: Start) -> None:
    """Our edits, deletions, reactions and headers are counted, and no events."""
    running = await staged()
    message, made = await sent(scene, running)
    driver, town = running.driver, ChannelKey(scene.town.id)
    await driver.edit(made, replace(message, text="new"))
    await driver.react(town, made, "👍", add=True)
    await driver.set_topic(town, "a topic")
    await driver.typing(town, message.author)
    await driver.delete(town, made)
    scene.say("end")
    await running.received("end")
    assert [event for event in running.host.events if not isinstance(event, Posted)] == []
    assert running.texts == ["end"]
    assert running.host.skips["own_reaction"] == 1


async def test_a_topic_of_signs_is_cut_to_what_fits(scene: Scene, staged: Start) -> None:
    """Each sign is escaped, so that fewer of them fit; the header stays within what the server takes."""
    running = await staged()
    await running.driver.set_topic(ChannelKey(scene.town.id), "*_`[" * 1000)
    header = scene.sandbox.header(scene.town)
    assert 900 < len(header) <= 1024
    assert "*_`[" * 100 in PLAIN.write(running.driver.dialect.read(header).blocks)
