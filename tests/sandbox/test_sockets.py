"""What a client hears, over which socket, and what it can take up again after losing one."""

from __future__ import annotations

import asyncio
import json

import pytest

from nextbridge.sandbox.mattermost.hub import LOST_KEPT, SENT_KEPT, UNSENT_KEPT, UNSENT_LIVE
from tests.sandbox.conftest import Client, Ear, Town


async def lost(town: Town, client: Client, *, after: int = 0) -> tuple[str, int]:
    """A socket that is cut after so many posts: its connection's id, and the number of the frame to come."""
    ear = await client.connect()
    hello = await ear.frame()
    for number in range(after):
        town.say(f"heard {number}")
    frames = [await ear.until("posted") for _ in range(after)]
    await ear.quiet()
    town.sandbox.faults.cut_sockets()
    assert await ear.end() == 1006
    await town.sandbox.until(lambda: town.sandbox.open_sockets == 0)
    return hello["data"]["connection_id"], frames[-1]["seq"] + 1 if frames else 2


async def test_only_members_hear_of_a_channel(town: Town) -> None:
    """What is posted in a private channel reaches no socket of those who are not in it."""
    boss, alice = await town.boss.connect(), await town.alice.connect()
    town.sandbox.post_as(town.boss.account, town.staff, "between us")
    town.say("to all")
    assert [await boss.posted(), await boss.posted()] == ["between us", "to all"]
    assert await alice.posted() == "to all"


async def test_who_joins_hears_from_then_on_and_who_is_removed_no_more(town: Town) -> None:
    """Membership decides at the moment of the post."""
    bob = await town.bob.connect()
    town.say("before")
    town.sandbox.add_member(town.town, town.bob.account, by=town.boss.account)
    town.say("while")
    town.sandbox.remove_member(town.town, town.bob.account, by=town.boss.account)
    town.say("after")
    assert await bob.quiet() == ["hello", "status_change", "user_added", "posted", "posted", "user_removed"]


async def test_frames_are_numbered_for_each_connection_on_its_own(town: Town) -> None:
    """A second connection starts at 0, whatever the first has heard."""
    first = await town.alice.connect()
    town.say("one")
    assert (await first.until("posted"))["seq"] == 2
    second = await town.alice.connect()
    assert (await second.frame())["seq"] == 0
    town.say("two")
    assert (await first.until("posted"))["seq"] == 3
    assert (await second.until("posted"))["seq"] == 1


async def test_a_proxy_that_strips_the_header_leaves_the_challenge(town: Town) -> None:
    """Then nothing comes until the client says who it is, and nothing can be resumed."""
    connection_id, wanted = await lost(town, town.relay)
    town.sandbox.faults.strips_authorization_from_upgrades = True
    ear = await town.relay.connect(connection_id=connection_id, sequence_number=wanted)
    town.say("not for strangers")
    refused = await ear.action(1, "ping")
    assert refused["error"]["id"] == "api.web_socket_router.not_authenticated.app_error"
    await ear.ws.send_json(
        {"seq": 2, "action": "authentication_challenge", "data": {"token": town.relay.account.token}}
    )
    hello, answer = await ear.frame(), await ear.frame()
    assert (hello["event"], hello["seq"]) == ("hello", 0)
    assert hello["data"]["connection_id"] != connection_id
    assert answer == {"status": "OK", "seq_reply": 2}
    town.say("for you")
    assert await ear.posted() == "for you"


async def test_with_the_header_a_challenge_is_passed_over(town: Town) -> None:
    """No answer comes to it, as none is needed."""
    ear = await town.relay.connect()
    await ear.ws.send_json({"seq": 1, "action": "authentication_challenge", "data": {"token": "whatever"}})
    assert (await ear.action(2, "ping"))["seq_reply"] == 2


async def test_a_ping_is_answered_with_a_pong(town: Town) -> None:
    """The answer names the ping's number, and is no numbered frame itself."""
    ear = await town.relay.connect()
    answer = await ear.action(7, "ping")
    assert (answer["status"], answer["data"]["text"], answer["seq_reply"]) == ("OK", "pong", 7)
    assert "seq" not in answer


@pytest.mark.parametrize(
    ("seq", "action", "error"),
    [
        (1, "", "api.web_socket_router.no_action.app_error"),
        (0, "ping", "api.web_socket_router.bad_seq.app_error"),
        (1, "dance", "api.web_socket_router.bad_action.app_error"),
    ],
)
async def test_what_is_no_action_is_refused(town: Town, seq: int, action: str, error: str) -> None:
    """The socket stays, and says what was wrong."""
    ear = await town.relay.connect()
    await ear.quiet()
    await ear.ws.send_json({"seq": seq, "action": action})
    answer = await ear.frame()
    assert (answer["status"], answer["error"]["id"]) == ("FAIL", error)
    assert (await ear.action(2, "ping"))["status"] == "OK"


async def test_typing_is_told_to_all_but_the_one_who_types(town: Town) -> None:
    """By the socket's action as by the REST call."""
    alice, boss = await town.alice.connect(), await town.boss.connect()
    await alice.quiet()
    await alice.ws.send_json({"seq": 2, "action": "user_typing", "data": {"channel_id": town.town.id}})
    frame = await boss.until("typing")
    assert frame["data"] == {"parent_id": "", "user_id": town.alice.account.id}
    assert await alice.frame() == {"status": "OK", "seq_reply": 2}


async def test_a_lost_connection_is_resumed_with_what_was_missed(town: Town) -> None:
    """No hello comes again; numbers go on without a gap."""
    connection_id, wanted = await lost(town, town.relay, after=2)
    town.say("missed")
    ear = await town.relay.connect(connection_id=connection_id, sequence_number=wanted)
    frames = [await ear.frame() for _ in range(3)]
    assert [frame["event"] for frame in frames] == ["status_change", "posted", "status_change"]
    assert [frame["seq"] for frame in frames] == [wanted, wanted + 1, wanted + 2]


async def test_what_was_sent_and_not_received_is_sent_again(town: Town) -> None:
    """A client that asks for an older number gets what the lost socket had been given, too."""
    connection_id, wanted = await lost(town, town.relay, after=3)
    ear = await town.relay.connect(connection_id=connection_id, sequence_number=wanted - 2)
    assert [await ear.posted(), await ear.posted()] == ["heard 1", "heard 2"]


async def test_what_is_too_old_starts_anew(town: Town) -> None:
    """Only so many sent frames are kept: beyond them there is a hello, a new id, and the number 0."""
    connection_id, _ = await lost(town, town.relay, after=SENT_KEPT + 1)
    ear = await town.relay.connect(connection_id=connection_id, sequence_number=1)
    hello = await ear.frame()
    assert (hello["event"], hello["seq"]) == ("hello", 0)
    assert hello["data"]["connection_id"] != connection_id


async def test_a_number_that_was_never_reached_starts_anew(town: Town) -> None:
    """The server cannot have sent it."""
    connection_id, wanted = await lost(town, town.relay)
    ear = await town.relay.connect(connection_id=connection_id, sequence_number=wanted + 5)
    assert (await ear.frame())["event"] == "hello"


async def test_nobody_resumes_somebody_elses_connection(town: Town) -> None:
    """A connection's id is no key to what its user hears."""
    connection_id, wanted = await lost(town, town.boss)
    town.sandbox.post_as(town.boss.account, town.staff, "between us")
    ear = await town.alice.connect(connection_id=connection_id, sequence_number=wanted)
    assert (await ear.frame())["event"] == "hello"
    assert await ear.quiet() == ["status_change"]


async def test_a_connection_lost_for_too_long_is_forgotten(town: Town) -> None:
    """What was missed is then for the REST API to tell."""
    connection_id, wanted = await lost(town, town.relay)
    town.clock.turn(LOST_KEPT + 1)
    ear = await town.relay.connect(connection_id=connection_id, sequence_number=wanted)
    assert (await ear.frame())["event"] == "hello"


async def test_a_lost_connection_that_missed_too_much_is_forgotten(town: Town) -> None:
    """What waits for a lost connection is bounded."""
    connection_id, wanted = await lost(town, town.relay)
    for number in range(UNSENT_KEPT):
        town.say(f"missed {number}")
    ear = await town.relay.connect(connection_id=connection_id, sequence_number=wanted)
    assert (await ear.frame())["event"] == "hello"
    assert "posted" not in await ear.quiet()


async def test_a_socket_that_is_open_may_be_far_behind_and_not_for_ever(town: Town) -> None:
    """A burst of posts is not lost on a client; one that is ten thousand frames behind is cut."""
    ear = await town.relay.connect()
    await ear.quiet()
    for number in range(UNSENT_KEPT * 2):
        town.say(f"burst {number}")
    assert [await ear.posted() for _ in range(UNSENT_KEPT * 2)][-1] == f"burst {UNSENT_KEPT * 2 - 1}"
    for _ in range(UNSENT_LIVE + 1):
        town.sandbox.rename(town.boss.account)
    assert await ear.end() == 1006


async def test_a_restart_forgets_connections_and_keeps_posts(town: Town) -> None:
    """The same port, the same posts, and nothing to resume."""
    connection_id, wanted = await lost(town, town.relay)
    url = town.sandbox.url
    town.say("before")
    await town.sandbox.stop()
    await town.sandbox.start()
    assert town.sandbox.url == url
    ear = await town.relay.connect(connection_id=connection_id, sequence_number=wanted)
    assert (await ear.frame())["event"] == "hello"
    assert town.sandbox.messages(town.town) == ["before"]


async def test_presence_follows_the_sockets(town: Town) -> None:
    """Online with the first, offline with the last."""
    assert not town.sandbox.is_online(town.alice.account)
    first, second = await town.alice.connect(), await town.alice.connect()
    await first.quiet()
    await second.quiet()
    await first.ws.close()
    await town.sandbox.until(lambda: town.sandbox.open_sockets == 1)
    assert town.sandbox.is_online(town.alice.account)
    await second.ws.close()
    await town.sandbox.until(lambda: not town.sandbox.is_online(town.alice.account))


async def test_a_frozen_socket_is_open_and_dead(town: Town) -> None:
    """Nothing comes over it, not even the answer to a WebSocket ping, until it is cut."""
    ear = await town.relay.connect()
    await ear.quiet()
    town.sandbox.faults.freeze_sockets()
    town.say("unheard")
    await ear.ws.ping()
    with pytest.raises(TimeoutError):
        await ear.ws.receive(timeout=0.2)
    fresh = await town.relay.connect()
    town.say("heard")
    assert await fresh.posted() == "heard"
    town.sandbox.faults.cut_sockets()
    assert await ear.end() == 1006


async def test_a_deletion_of_a_root_tells_of_the_root_alone(town: Town) -> None:
    """The replies go with it, unmentioned."""
    ear = await town.relay.connect()
    root = town.sandbox.post_as(town.alice.account, town.town, "root")
    town.sandbox.post_as(town.boss.account, town.town, "reply", root=root)
    await ear.quiet()
    town.sandbox.delete(root)
    assert await ear.quiet() == ["post_deleted"]
    assert town.sandbox.posts(town.town) == []


async def test_a_name_that_is_overridden_is_the_senders_only_where_that_is_allowed(town: Town) -> None:
    """The frame's `sender_name` obeys the setting; the post's props hold it either way."""
    ear = await town.boss.connect()
    props: dict[str, object] = {"override_username": "Zed (irc)", "from_webhook": "true"}
    town.sandbox.post_as(town.relay.account, town.town, "one", props=props)
    assert (await ear.until("posted"))["data"]["sender_name"] == "Zed (irc)"
    town.sandbox.settings.change(EnablePostUsernameOverride="false")
    town.sandbox.post_as(town.relay.account, town.town, "two", props=props)
    data = (await ear.until("posted"))["data"]
    assert data["sender_name"] == "@relay"
    assert json.loads(data["post"])["props"]["override_username"] == "Zed (irc)"


async def test_a_new_group_is_told_to_its_members(town: Town) -> None:
    """A group channel bears its members' names."""
    ear = await town.relay.connect()
    people = (town.alice.account, town.bob.account, town.relay.account)
    group = town.sandbox.add_group_channel(*people)
    assert (await ear.until("group_added"))["broadcast"]["channel_id"] == group.id
    town.sandbox.post_as(town.alice.account, group, "psst")
    data = (await ear.until("posted"))["data"]
    assert (data["channel_type"], data["channel_display_name"]) == ("G", "alice, bob, relay")


async def test_many_sockets_hear_in_the_order_of_the_posts(town: Town) -> None:
    """A hundred posts, three listeners, one order."""
    ears = [await town.relay.connect() for _ in range(3)]
    for number in range(100):
        town.say(str(number))

    async def hundred(ear: Ear) -> list[str]:
        return [await ear.posted() for _ in range(100)]

    expected = [str(number) for number in range(100)]
    assert await asyncio.gather(*map(hundred, ears)) == [expected] * 3
