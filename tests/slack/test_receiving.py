"""What is said in Slack, as events: people, apps, threads, files, edits and deletions, and what is passed over."""

from __future__ import annotations

from typing import Any

from nextbridge.envelope import Deleted, Edited, Reacted
from nextbridge.markup import Emoji, Mention, Paragraph, Text
from nextbridge.sandbox.contract.supervised import said
from nextbridge.sandbox.slack import Message
from tests.contract.slack_bench import SlackBench
from tests.mangling import mangled


def rich(*elements: dict[str, Any]) -> list[dict[str, Any]]:
    return [{"type": "rich_text", "elements": [{"type": "rich_text_section", "elements": list(elements)}]}]


async def test_people_and_channels_are_called_by_their_names(bench: SlackBench) -> None:
    """A message names them by ids; the event has what people call them, and whose id it is."""
    relay = await bench.relay()
    bob = bench.sandbox.add_user("bob", display_name="Bobby")
    blocks = rich(
        {"type": "user", "user_id": bob.id},
        {"type": "text", "text": " look at "},
        {"type": "channel", "channel_id": bench.channels[1].id},
        {"type": "text", "text": " not "},
        {"type": "channel", "channel_id": bench.closed.id},
    )
    text = f"<@{bob.id}> look at <#{bench.channels[1].id}|> not <#{bench.closed.id}|>"
    bench.sandbox.post_as(bench.alice, bench.channels[0], text, blocks=blocks)
    await relay.until(lambda: bool(relay.posted))
    expected = (Mention("Bobby", user=bob.id), Text(f" look at #dev not #{bench.closed.id}"))
    assert relay.posted[0].text.blocks == (Paragraph(expected),)


async def test_whoever_calls_the_bot_speaks_to_the_relay(bench: SlackBench) -> None:
    """By its mention; a message that calls somebody else does not."""
    relay = await bench.relay()
    for user in (bench.alice.id, bench.app.user.id):
        blocks = rich({"type": "user", "user_id": user}, {"type": "text", "text": " hi"})
        bench.sandbox.post_as(bench.alice, bench.channels[0], f"<@{user}> hi", blocks=blocks)
    await relay.until(lambda: len(relay.posted) == 2)
    assert [event.addressed for event in relay.posted] == [False, True]


async def test_another_apps_message_is_shown_as_that_of_its_name(bench: SlackBench) -> None:
    """With what its blocks and attachments say, as a bot's; without metadata of ours it bears no mark."""
    relay = await bench.relay()
    other = bench.sandbox.add_app("builder")
    town = bench.channels[0]
    message = Message(
        bench.sandbox.clock.ts(),
        app=other,
        subtype="bot_message",
        username="Build",
        text="fallback",
        icons={"image_48": "https://example.com/build.png"},
        attachments=[{"title": "Job 7", "text": "*failed*"}],
    )
    bench.sandbox.post(town, message)
    await relay.until(lambda: bool(relay.posted))
    (event,) = relay.posted
    assert (event.author.name, event.author.bot, event.author.id) == ("Build", True, other.bot_id)
    assert event.author.avatar == "https://example.com/build.png"
    assert said(event).split() == ["fallback", "Job", "7", "failed"]
    assert event.mark is None


async def test_a_relays_mark_is_read_and_a_made_up_one_is_not(bench: SlackBench) -> None:
    """What another daemon relayed says where it came from; metadata of another shape costs nothing."""
    relay = await bench.relay()
    other = bench.sandbox.add_app("other-relay")
    good = {"daemon": "d", "delivery": "k", "origin": "irc:net/#c", "via": ["x"]}
    for payload in (good, {"daemon": 7}, {"daemon": "d" * 9000, "delivery": "k", "origin": "o"}):
        metadata = {"event_type": "nextbridge_relayed", "event_payload": payload}
        message = Message(bench.sandbox.clock.ts(), app=other, subtype="bot_message", username="Z", text="hi")
        message.metadata = metadata
        bench.sandbox.post(bench.channels[0], message)
    events = relay.host.events
    await relay.until(lambda: len(events) == 3)
    marks = [event.mark for event in events]
    assert marks[0] is not None
    assert (marks[0].origin, marks[0].via, marks[1:]) == ("irc:net/#c", ("x",), [None, None])


async def test_an_answer_sent_to_the_channel_too_is_one_event(bench: SlackBench) -> None:
    """A `thread_broadcast` is an answer; an action is an action."""
    relay = await bench.relay()
    root = bench.sandbox.post_as(bench.alice, bench.channels[0], "a question")
    bench.sandbox.post_as(bench.alice, bench.channels[0], "to all", thread=root.ts, subtype="thread_broadcast")
    bench.sandbox.post_as(bench.alice, bench.channels[0], "waves", subtype="me_message")
    await relay.until(lambda: len(relay.posted) == 3)
    assert [(each.reply_to, each.action) for each in relay.posted] == [(None, False), (root.ts, False), (None, True)]


async def test_a_root_that_was_answered_leaves_a_stone_and_is_gone(bench: SlackBench) -> None:
    """Slack tells that as a change of the message."""
    relay = await bench.relay()
    root = bench.sandbox.post_as(bench.alice, bench.channels[0], "a question")
    bench.sandbox.post_as(bench.alice, bench.channels[0], "an answer", thread=root.ts)
    bench.sandbox.delete(bench.channels[0], root)
    deleted = await relay.happened(Deleted)
    assert (deleted.message, deleted.author.name, deleted.with_thread) == (root.ts, "Ally", False)
    assert relay.of(Edited) == []


async def test_reactions_bear_skin_tones_and_custom_names(bench: SlackBench) -> None:
    """A tone is part of the character; a custom emoji has its name."""
    relay = await bench.relay()
    message = bench.sandbox.post_as(bench.alice, bench.channels[0], "hello")
    for name in ("wave::skin-tone-4", "partyparrot"):
        bench.sandbox.react(bench.alice.id, bench.channels[0], message, name, add=True)
    await relay.until(lambda: len(relay.of(Reacted)) == 2)
    assert [event.emoji for event in relay.of(Reacted)] == ["👋🏽", "partyparrot"]


async def test_custom_emoji_keep_their_names(bench: SlackBench) -> None:
    """They have no character."""
    relay = await bench.relay()
    blocks = rich({"type": "emoji", "name": "partyparrot"})
    bench.sandbox.post_as(bench.alice, bench.channels[0], ":partyparrot:", blocks=blocks)
    await relay.until(lambda: bool(relay.posted))
    assert relay.posted[0].text.blocks == (Paragraph((Emoji("partyparrot"),)),)


async def test_what_comes_again_is_the_same_event(bench: SlackBench) -> None:
    """An event that was not acknowledged in time is sent again by Slack; its key is the one that it had."""
    relay = await bench.relay()
    delivery = bench.sandbox.delivery(bench.app)
    bench.sandbox.post_as(bench.alice, bench.channels[0], "hello")
    await relay.received("hello")
    payload = next(iter(bench.sandbox.channels[bench.channels[0].id].messages.values()))
    delivery.tell(bench.sandbox.event_of(bench.channels[0], payload))
    await bench.say("end")
    await relay.received("end")
    keys = [event.key for event in relay.posted]
    assert len(keys) == 3
    assert len(set(keys)) == 2


async def test_what_is_said_elsewhere_costs_no_look_up(bench: SlackBench) -> None:
    """The bot is in a channel that no rule names: nobody there is looked up; an operator finds it by its id."""
    relay = await bench.relay()
    stranger = bench.sandbox.add_user("stranger")
    other = bench.sandbox.add_channel("other", bench.app, stranger)
    bench.sandbox.post_as(stranger, other, "hello")
    await relay.until(lambda: relay.host.skips.get("other_channel") == 1)
    assert relay.host.passed_over == dict.fromkeys(bench.sandbox.channels[other.id].messages, "other_channel")
    assert bench.sandbox.faults.requests["users.info"] == 0


async def test_a_name_that_cannot_be_looked_up_costs_the_name_alone(bench: SlackBench) -> None:
    """The message comes under the person's id, and the next one under the name."""
    relay = await bench.relay()
    bench.sandbox.faults.refuse("internal_error", method="users.info")
    await bench.say("one")
    await bench.say("two")
    await relay.received("two")
    assert [event.author.name for event in relay.posted] == [bench.alice.id, "Ally"]


async def test_an_invited_bot_hears_from_then_on(bench: SlackBench) -> None:
    """A channel that was closed is open once the bot is in it; what was said there before was not said to us."""
    relay = await bench.relay(rooms=(*bench.rooms(), await bench.closed_room()))
    await relay.until(lambda: bool(relay.host.unavailable_channels))
    bench.sandbox.post_as(bench.alice, bench.closed, "among us")
    bench.sandbox.join(bench.app.user, bench.closed)
    await relay.until(lambda: not relay.host.unavailable_channels)
    bench.sandbox.post_as(bench.alice, bench.closed, "welcome")
    await relay.received("welcome")
    assert relay.texts == ["welcome"]
    assert relay.host.gaps[-1][0] == bench.closed.id


async def test_a_bot_that_is_taken_out_or_archived_waits(bench: SlackBench) -> None:
    """The operator is told, and told again when it is over."""
    relay = await bench.relay()
    town = bench.channels[0]
    bench.sandbox.archive(town)
    await relay.until(lambda: "archived" in relay.host.unavailable_channels.get(relay.room(0), ""))
    bench.sandbox.archive(town, archived=False)
    await relay.until(lambda: not relay.host.unavailable_channels)
    bench.sandbox.leave(bench.app.user, town)
    await relay.until(lambda: "/invite @relay" in relay.host.unavailable_channels.get(relay.room(0), ""))


async def test_whoever_takes_another_name_has_it_from_then_on(bench: SlackBench) -> None:
    """Slack tells of it; what else it tells is counted, whatever its shape."""
    relay = await bench.relay()
    await bench.say("one")
    await relay.received("one")
    delivery = bench.sandbox.delivery(bench.app)
    bench.alice.display_name = "Lady Alice"
    delivery.tell({"type": "user_change", "user": bench.alice.as_json(), "event_ts": "1.000001"})
    delivery.tell({"type": "channel_rename", "channel": {"id": "C1", "name": "new"}, "event_ts": "1.000002"})
    await bench.say("two")
    assert (await relay.received("two")).author.name == "Lady Alice"
    assert relay.host.skips == {"other_event": 1}


async def test_a_file_of_which_only_the_id_is_told_is_looked_up(bench: SlackBench) -> None:
    """As in a channel that is shared with another workspace."""
    relay = await bench.relay()
    file = bench.sandbox.upload_as(bench.alice, "plan.txt", b"the plan")
    stub = {"id": file.id, "created": 1, "file_access": "check_file_info"}
    event: dict[str, Any] = {"type": "message", "subtype": "file_share", "channel": bench.channels[0].id}
    event |= {"channel_type": "channel", "user": bench.alice.id, "text": "", "files": [stub]}
    event |= {"ts": bench.sandbox.clock.ts()}
    bench.sandbox.delivery(bench.app).tell(event)
    await relay.until(lambda: bool(relay.posted))
    (attachment,) = relay.posted[0].attachments
    assert (attachment.id, attachment.name, attachment.size) == (file.id, "plan.txt", 8)


async def test_an_event_of_any_shape_costs_itself_alone(bench: SlackBench) -> None:
    """Whatever stands where in it: the connection stays, and what follows is heard."""
    relay = await bench.relay()
    delivery = bench.sandbox.delivery(bench.app)
    tell, heard = delivery.tell, list[dict[str, Any]]()

    def listening(event: dict[str, Any]) -> None:
        heard.append(event)
        tell(event)

    delivery.tell = listening  # type: ignore[method-assign]
    await bench.say("*hello* <https://example.com|there>")
    await bench.say_file("a.txt", b"a")
    await bench.revise("hello all")
    await relay.send(relay.outgoing("from elsewhere"))
    await bench.hear()
    await bench.react("👍", add=True)
    await bench.take_back()
    await relay.until(lambda: "reaction_added" in {each["type"] for each in heard})
    delivery.tell = tell  # type: ignore[method-assign]
    for event in heard:
        for wrong in mangled(event):
            tell(wrong)
    await bench.say("end")
    await relay.until(lambda: "end" in relay.texts or bool(relay.ends))
    assert relay.ends == []
    assert relay.host.skips["unreadable"] > 0
