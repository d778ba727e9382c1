"""A message's way through the core: what is relayed where, once and in order, and what is skipped for which reason."""

from __future__ import annotations

import asyncio

from nextbridge.envelope import Author, ChannelKey, Joined, UserId
from tests.core.script import IdentityDriver, LateDriver, RunDaemon, ScriptDriver, mark_of, post, rule


async def test_a_message_goes_to_every_other_channel_of_its_rule(daemon: RunDaemon) -> None:
    """What is posted in one channel is shown in the others, in the order it was posted, and not where it came from."""
    async with daemon(rule("r", "a/1", "b/1", "c/1"), a=ScriptDriver, b=ScriptDriver, c=ScriptDriver) as running:
        for number in range(20):
            await running["a"].post(f"message {number}")
        expected = [f"message {number}" for number in range(20)]
        for target in ("b", "c"):
            driver = running[target]
            await driver.until(lambda driver=driver: len(driver.shown) == 20)  # type: ignore[misc]
            assert driver.texts == expected
        assert running["a"].shown == []


async def test_the_same_event_twice_is_one_message(daemon: RunDaemon) -> None:
    """A platform that reports an event again (after a resumed connection, after a restart) makes no second message."""
    event = post("a", "once")
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        await (await running["a"].host.accept(event))
        await (await running["a"].host.accept(event))
        await running["a"].post("last")
        await running["b"].until(lambda: "last" in running["b"].texts)
        assert running["b"].texts == ["once", "last"]
        assert running.service.tally.count("skipped", reason="seen_before") == 1
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        await (await running["a"].host.accept(event))
        assert running.service.tally.count("skipped", reason="seen_before") == 1


async def test_two_equal_texts_are_two_messages(daemon: RunDaemon) -> None:
    """Only the event's key tells repeats apart, never its text."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("same")
        await running["a"].post("same")
        await running["b"].until(lambda: running["b"].texts == ["same", "same"])


async def test_what_any_of_our_instances_posts_never_comes_back(daemon: RunDaemon) -> None:
    """Two instances on one server know each other's posts: by the own user ids of all of them."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].until(lambda: running["a"].runs == 1)
        ours = Author(id=UserId("bot-b"), username="relay", name="Relay")
        await running["a"].post("an echo of what b relayed", author=ours)
        assert running.service.tally.count("skipped", reason="own_post") == 1
        assert running["b"].sent == []


async def test_own_ids_are_known_before_the_first_connection_of_a_run(daemon: RunDaemon) -> None:
    """After a restart the ids that earlier runs learnt count from the first event on."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("hello")
        await running["b"].until(lambda: running["b"].texts == ["hello"])
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=LateDriver) as running:
        ours = Author(id=UserId("bot-b"), username="relay", name="Relay")
        await running["a"].post("an echo", author=ours)
        assert running.service.tally.count("skipped", reason="own_post") == 1


async def test_a_post_with_this_daemons_mark_is_not_relayed(daemon: RunDaemon) -> None:
    """Where the user id does not tell, the mark on the post does."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("first")
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        own = running["b"].shown[0].mark
        await running["a"].post("marked", mark=own)
        assert running.service.tally.count("skipped", reason="own_mark") == 1
        await running["a"].post("marked by another", mark=mark_of("another daemon"))
        await running["b"].until(lambda: running["b"].texts == ["first", "marked by another"])


async def test_what_no_rule_names_is_counted_and_costs_no_disk(daemon: RunDaemon) -> None:
    """An event of a channel in no rule is skipped with its reason."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("elsewhere", channel="2")
        assert running.service.tally.count("skipped", reason="no_rule") == 1
        assert running.service.tally.count("accepted") == 0


async def test_an_empty_message_and_a_kind_that_no_rule_wants_are_counted(daemon: RunDaemon) -> None:
    """Nothing is dropped in silence: an empty post and somebody who joins each have their reason."""
    async with daemon(rule("r", "a/1", "b/1"), a=ScriptDriver, b=ScriptDriver) as running:
        event = await running["a"].post("")
        await running["a"].host.accept(
            Joined(channel=event.channel, message=event.message, author=event.author, at=event.at)
        )
        assert running.service.tally.count("skipped", reason="empty") == 1
        assert running.service.tally.count("skipped", reason="joined_off") == 1


async def test_the_first_of_two_rules_to_a_target_wins_and_the_other_is_counted(daemon: RunDaemon) -> None:
    """One event reaches one channel once, however many rules lead there."""
    rules = (
        rule("first", "a/1", to=["b/1"], msg={"msg_format": "1 {msg}"}),
        rule("second", "a/1", to=["b/1"], msg={"msg_format": "2 {msg}"}),
    )
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("x")
        await running["a"].post("y")
        await running["b"].until(lambda: len(running["b"].shown) == 2)
        assert running["b"].texts == ["1 x", "1 y"]
        assert running.service.tally.count("skipped", reason="target_of_an_earlier_rule") == 2


async def test_names_go_on_the_message_where_the_target_shows_identities(daemon: RunDaemon) -> None:
    """Without a `msg_format` an identity target gets the bare text with the author's name and picture beside it."""
    author = Author(id=UserId("u1"), username="alice", name="Alice L.", avatar="https://example.com/a.png")
    async with daemon(
        rule("r", "a/1", "b/1", msg={"name_format": "{nickname} ({platform})"}), a=ScriptDriver, b=IdentityDriver
    ) as running:
        await running["a"].post("hello", author=author)
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        shown = running["b"].shown[0]
        assert (shown.text, shown.name, shown.avatar) == (
            "hello",
            "Alice L. (script)",
            "https://example.com/a.png",
        )


async def test_a_stand_in_channel_is_replaced_by_what_the_server_says_and_nothing_is_lost(daemon: RunDaemon) -> None:
    """What was accepted for a channel before its id was known goes out under the id, also after a restart."""
    rules = (rule("r", "a/1", "b/name:town"),)
    async with daemon(*rules, a=ScriptDriver, b=LateDriver) as running:
        await running["a"].post("early")
    async with daemon(*rules, a=ScriptDriver, b=LateDriver) as running:
        driver = running["b"]
        configured = next(each for each in driver.channels if each.key == "name:town")
        await driver.host.resolved(configured, ChannelKey("id1"), "Town")
        driver.connects.set()
        await running["a"].post("late")
        await driver.until(lambda: len(driver.shown) == 2)
        assert [(each.channel, each.text) for each in driver.shown] == [("id1", "early"), ("id1", "late")]
    async with daemon(*rules, a=ScriptDriver, b=ScriptDriver) as running:
        await running["a"].post("after a restart")
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running["b"].shown[0].channel == "id1"


async def test_messages_that_come_while_a_channel_is_resolved_stay_in_order(daemon: RunDaemon) -> None:
    """A channel's id is learnt in the middle of a stream of messages: all arrive at the id, once, in order."""
    async with daemon(rule("r", "a/1", "b/name:town"), a=ScriptDriver, b=LateDriver) as running:
        source, target = running["a"], running["b"]
        configured = next(each for each in target.channels if each.key == "name:town")
        for number in range(100):
            await source.post(str(number))
        accepted = [await source.host.accept(post("a", str(number))) for number in range(100, 200)]
        target.connects.set()
        resolving = asyncio.create_task(target.host.resolved(configured, ChannelKey("id1"), "Town"))
        for number in range(200, 300):
            accepted.append(await source.host.accept(post("a", str(number))))
            await asyncio.sleep(0)
        await asyncio.gather(resolving, *accepted)
        await target.until(lambda: len(target.texts) >= 300)
        assert target.texts == [str(number) for number in range(300)]
        # what was sent before the id was known went to the stand-in, which is all that was known of the channel
        assert {each.channel for each in target.shown[-100:]} == {"id1"}
