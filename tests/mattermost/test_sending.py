"""What the core sends, as it stands on the server; once, whatever breaks in between."""

from __future__ import annotations

import asyncio
import time

import pytest
from msgspec.structs import replace

from nextbridge.errors import Paused, Rejected, Retry
from tests.mattermost.stage import (
    HastyDriver,
    Place,
    Scene,
    Start,
    eventually,
    make,
    milliseconds_ago,
    outgoing,
    unique,
)

CREATE = "POST /api/v4/posts"
LIST = "GET /api/v4/channels/{channel_id}/posts"

# --- what a post looks like ---------------------------------------------------------------------------------------


async def test_a_message_is_a_post_with_our_mark(place: Place, relay: Start) -> None:
    """The text stands in the channel, the receipt names the post, and the post bears daemon, delivery and origin."""
    running = await relay()
    message = outgoing(place.channels["town"], unique("hello *there*"))
    receipt = await running.driver.send(message)
    (post,) = [each for each in await place.posts("town") if each["id"] == receipt.message]
    assert post["message"] == message.text
    assert post["props"]["nextbridge"] == {"daemon": "daemon-1", "delivery": message.key, "origin": "irc/#town"}
    assert "override_username" not in post["props"]


async def test_an_author_is_shown_under_their_own_name_and_picture(place: Place, relay: Start) -> None:
    """Where the server shows names, the post has its author's name and picture."""
    running = await relay()
    assert running.driver.shows_identity
    picture = "https://example.com/zed.png"
    message = outgoing(place.channels["town"], unique("x"), name='Zed "the <b>" (irc)', avatar=picture)
    receipt = await running.driver.send(message)
    (post,) = [each for each in await place.posts("town") if each["id"] == receipt.message]
    props = post["props"]
    assert props["override_username"] == 'Zed "the <b>" (irc)'
    assert props["override_icon_url"] == picture
    assert props["from_webhook"] == "true"


async def test_an_action_is_shown_as_mattermost_shows_one(place: Place, relay: Start) -> None:
    """What somebody does stands in italics, as `/me` does."""
    running = await relay()
    text = unique("waves")
    await running.driver.send(outgoing(place.channels["town"], text, action=True))
    assert f"*{text}*" in [post["message"] for post in await place.posts("town")]


async def test_no_identity_is_shown_where_the_server_shows_none(scene: Scene, staged: Start) -> None:
    """Where overriding names is off, the core is told so, and puts the name into the text; it changes at once."""
    scene.sandbox.settings.change(EnablePostUsernameOverride="false")
    running = await staged()
    assert not running.driver.shows_identity
    scene.sandbox.settings.change(EnablePostUsernameOverride="true")
    scene.faults.cut_sockets()
    await running.connected(2)
    assert running.driver.shows_identity


async def test_nothing_is_promised_before_the_server_was_asked(scene: Scene) -> None:
    """Until it has connected, the driver shows no identity, and what is sent comes later."""
    driver, _ = make(scene.sandbox.url, scene.relay.token, scene.town.id)
    assert not driver.shows_identity
    with pytest.raises(Retry):
        await driver.send(outgoing(scene.town.id, "x"))
    await driver.close()


async def test_a_picture_is_left_out_where_the_server_shows_none(scene: Scene, staged: Start) -> None:
    """Names can be on and pictures off."""
    scene.sandbox.settings.change(EnablePostIconOverride="false")
    running = await staged()
    await running.driver.send(outgoing(scene.town.id, "x", name="Zed", avatar="https://example.com/zed.png"))
    (post,) = scene.sandbox.posts(scene.town)
    assert post.props["override_username"] == "Zed"
    assert "override_icon_url" not in post.props


def test_a_name_in_the_text_calls_nobody() -> None:
    """Where the author's name stands in the text, an @ in it names nobody on Mattermost."""
    driver, _ = make("https://mm.example.com", "t" * 26)
    assert "@alice" not in driver.display_name("@alice")
    assert driver.display_name("Zed") == "Zed"


async def test_what_the_database_cannot_store_is_left_out(scene: Scene, staged: Start) -> None:
    """A NUL or half a surrogate pair, at which a server's database fails for ever, does not reach it."""
    running = await staged()
    await running.driver.send(outgoing(scene.town.id, "a\x00b\ud800c"))
    assert scene.sandbox.messages(scene.town) == ["ab?c"]


# --- limits -------------------------------------------------------------------------------------------------------


async def test_the_longest_text_passes_and_one_more_character_is_rejected(place: Place, relay: Start) -> None:
    """The limit is the server's own, in characters; an action of that length passes too, without its signs."""
    running = await relay()
    town = place.channels["town"]
    limit = running.driver.limits(running.driver.channels[0].key).text
    assert limit == 16383
    await running.driver.send(outgoing(town, "ü" * limit))
    await running.driver.send(outgoing(town, "ö" * limit, action=True))
    with pytest.raises(Rejected, match="the server refuses it"):
        await running.driver.send(outgoing(town, "ü" * (limit + 1)))


async def test_the_limits_are_the_servers(scene: Scene, staged: Start) -> None:
    """A server that allows less is believed."""
    scene.sandbox.settings.change(MaxPostSize="4000")
    running = await staged()
    limits = running.driver.limits(running.driver.channels[0].key)
    assert (limits.text, limits.files) == (4000, 10)


# --- once, whatever happens ---------------------------------------------------------------------------------------


async def test_a_lost_answer_is_recognised_by_the_key(scene: Scene, staged: Start) -> None:
    """The post was made and the answer got lost: the second attempt gives the first one's post."""
    running = await staged()
    message = outgoing(scene.town.id, "once")
    scene.faults.drop_answer(route=CREATE)
    with pytest.raises(Retry):
        await running.driver.send(message)
    receipt = await running.driver.send(replace(message, attempted=milliseconds_ago(1)))
    (post,) = scene.sandbox.posts(scene.town)
    assert receipt.message == str(post.id)
    assert scene.faults.requests[LIST] == 0


async def test_a_lost_answer_is_recognised_by_the_mark_when_the_key_is_forgotten(scene: Scene, staged: Start) -> None:
    """Half a minute later the server has forgotten the key: the post is found by its mark, and not made again."""
    running = await staged()
    message = outgoing(scene.town.id, "once")
    scene.faults.drop_answer(route=CREATE)
    with pytest.raises(Retry):
        await running.driver.send(message)
    for number in range(70):  # more than a page of posts
        scene.say(f"meanwhile {number}")
    scene.clock.ahead = 31
    receipt = await running.driver.send(replace(message, attempted=milliseconds_ago(31)))
    assert scene.sandbox.messages(scene.town).count("once") == 1
    assert receipt.message == str(scene.sandbox.posts(scene.town)[0].id)


async def test_without_the_mark_the_server_would_have_made_it_twice(scene: Scene, staged: Start) -> None:
    """The stand-in does forget the key, so that the test before proves something."""
    running = await staged()
    message = outgoing(scene.town.id, "twice")
    await running.driver.send(message)
    scene.clock.ahead = 31
    await running.driver.send(message)
    assert scene.sandbox.messages(scene.town) == ["twice", "twice"]


async def test_what_an_earlier_process_sent_is_found_at_once_for_the_whole_lane(scene: Scene, staged: Start) -> None:
    """After a crash, what arrived is found and what did not is sent; one look serves all that waits."""
    first = await staged()
    messages = [outgoing(scene.town.id, f"number {number}") for number in range(6)]
    for message in messages[:3]:
        await first.driver.send(message)
    await first.stop()
    scene.clock.ahead = 31
    second = await staged()
    accepted = milliseconds_ago(5)
    receipts = [await second.driver.send(replace(message, attempted=accepted)) for message in messages]
    posts = scene.sandbox.posts(scene.town)
    assert [post.message for post in posts] == [message.text for message in messages]
    assert [receipt.message for receipt in receipts] == [str(post.id) for post in posts]
    assert scene.faults.requests[LIST] == 1


async def test_a_second_attempt_of_this_process_is_not_taken_for_an_earlier_ones(scene: Scene, staged: Start) -> None:
    """What the first look did not find, and this process then sent without an answer, is looked for again."""
    running = await staged()
    message = replace(outgoing(scene.town.id, "once"), attempted=milliseconds_ago(100))
    scene.faults.drop_answer(route=CREATE)
    with pytest.raises(Retry):
        await running.driver.send(message)
    scene.clock.ahead = 31
    await running.driver.send(message)
    assert scene.sandbox.messages(scene.town) == ["once"]


async def test_a_forged_mark_stops_no_message(scene: Scene, staged: Start) -> None:
    """Somebody else's post with our mark on it is not taken for ours."""
    running = await staged()
    message = outgoing(scene.town.id, "the real one")
    mark = {"daemon": message.mark.daemon, "delivery": message.mark.delivery, "origin": message.mark.origin}
    forged = scene.say("forged", props={"nextbridge": mark})
    receipt = await running.driver.send(replace(message, attempted=milliseconds_ago(60)))
    assert receipt.message != forged
    assert scene.sandbox.messages(scene.town) == ["forged", "the real one"]


async def test_a_cancelled_send_is_recognised(scene: Scene, staged: Start) -> None:
    """A send that is cancelled while the server works on it, and then repeated, makes one post in all."""
    running = await staged()
    message = outgoing(scene.town.id, "once")
    scene.faults.delay(0.2, route=CREATE)
    sending = asyncio.create_task(running.driver.send(message))
    await eventually(lambda: scene.faults.requests[CREATE] == 1)
    sending.cancel()
    with pytest.raises(asyncio.CancelledError):
        await sending
    await running.driver.send(replace(message, attempted=milliseconds_ago(0)))
    assert scene.sandbox.messages(scene.town) == ["once"]


async def test_a_post_that_is_still_being_made_is_waited_for(scene: Scene, staged: Start) -> None:
    """While the server makes the first, the second attempt is told to come again in a second."""
    running = await staged()
    message = outgoing(scene.town.id, "once")
    scene.faults.post_creation_delay = 0.5
    first = asyncio.create_task(running.driver.send(message))
    await eventually(lambda: scene.faults.requests[CREATE] == 1)
    with pytest.raises(Retry) as caught:
        await running.driver.send(replace(message, attempted=milliseconds_ago(0)))
    assert caught.value.after == 1.0
    await first
    assert scene.sandbox.messages(scene.town) == ["once"]


# --- what goes wrong ----------------------------------------------------------------------------------------------

HTML = "<html><body>Bad gateway</body></html>"


@pytest.mark.parametrize(
    ("status", "body"),
    [
        (500, '{"id": "x", "message": "boom", "status_code": 500}'),
        (502, HTML),
        (503, ""),
        (504, HTML),
        (200, HTML),
        (201, '{"id": "5s84q8fq8pb3uqc5k75m8'),
        (201, b'{"id": "\xff\xfe"}'),
        (500, b'{"id": "\xff", "message": "boom", "status_code": 500}'),
        (403, HTML),
        (404, HTML),
        (408, ""),
    ],
)
async def test_a_server_or_proxy_in_trouble_is_tried_again(
    scene: Scene, staged: Start, status: int, body: str | bytes
) -> None:
    """Errors of the server, and answers that are not Mattermost's own, are no verdict on the message."""
    running = await staged()
    scene.faults.answer(status, body=body, content_type="text/html", route=CREATE)
    message = outgoing(scene.town.id, "hello")
    with pytest.raises(Retry):
        await running.driver.send(message)
    await running.driver.send(message)
    assert scene.sandbox.messages(scene.town) == ["hello"]


async def test_a_server_that_is_gone_is_tried_again(scene: Scene, staged: Start) -> None:
    """A refused connection is no verdict either, and sending needs no socket."""
    running = await staged()
    await scene.faults.refuse_connections()
    message = outgoing(scene.town.id, "hello")
    with pytest.raises(Retry, match="cannot be reached"):
        await running.driver.send(message)
    await scene.faults.accept_connections()
    await running.driver.send(message)
    assert scene.sandbox.messages(scene.town) == ["hello"]


async def test_a_server_that_does_not_answer_is_tried_again(scene: Scene, staged: Start) -> None:
    """A call is not waited for without end."""
    running = await staged(kind=HastyDriver)
    scene.faults.hang(route=CREATE)
    with pytest.raises(Retry, match="does not answer in time"):
        await running.driver.send(outgoing(scene.town.id, "hello"))


async def test_a_refused_token_pauses_the_instance(scene: Scene, staged: Start) -> None:
    """A token that is revoked while it runs stops all sending, and the reason says what to look at."""
    running = await staged()
    scene.sandbox.revoke_token(scene.relay)
    with pytest.raises(Paused) as caught:
        await running.driver.send(outgoing(scene.town.id, "x"))
    assert caught.value.scope == "instance"
    for word in ("revoked", "another server", "spaces", "new one"):
        assert word in caught.value.reason
    assert scene.relay.token not in caught.value.reason


async def test_a_channel_that_we_were_taken_out_of_pauses_alone(scene: Scene, staged: Start) -> None:
    """403 stops this channel only; the reason names the channel, and how the bot is added."""
    running = await staged()
    scene.sandbox.remove_member(scene.town, scene.relay)
    with pytest.raises(Paused) as caught:
        await running.driver.send(outgoing(scene.town.id, "x"))
    assert caught.value.scope == "channel"
    assert "Town" in caught.value.reason
    assert "/invite @relay" in caught.value.reason
    await running.driver.send(outgoing(scene.dev.id, "still here"))
    assert scene.sandbox.messages(scene.dev) == ["still here"]


@pytest.mark.parametrize("status", [400, 403, 404])
async def test_an_unknown_channel_pauses_whatever_the_version_answers(scene: Scene, staged: Start, status: int) -> None:
    """Versions differ in the status for a channel that is not there: it is looked for, and means the same."""
    running = await staged()
    error = f'{{"id": "some.other.id", "message": "No.", "status_code": {status}}}'
    scene.faults.answer(status, body=error, route=CREATE)
    with pytest.raises(Paused) as caught:
        await running.driver.send(outgoing("a" * 26, "x"))
    assert caught.value.scope == "channel"


async def test_an_archived_channel_pauses(scene: Scene, staged: Start) -> None:
    """A 400 for an archived channel is no verdict on the message: it waits until the channel is restored."""
    running = await staged()
    town = scene.town.id
    await scene.call(scene.boss, "DELETE", f"channels/{town}")
    with pytest.raises(Paused, match="archived"):
        await running.driver.send(outgoing(town, "x"))


@pytest.mark.parametrize(
    "error_id", ["model.post.is_valid.msg.app_error", "model.post.is_valid.message_length.app_error"]
)
async def test_a_refused_message_is_rejected_in_the_servers_words(scene: Scene, staged: Start, error_id: str) -> None:
    """A 400 for what a post holds, under whatever error id, is a verdict: the reason is the server's."""
    running = await staged()
    body = f'{{"id": "{error_id}", "message": "Message is too odd.", "status_code": 400}}'
    scene.faults.answer(400, body=body, route=CREATE)
    with pytest.raises(Rejected, match=r"Message is too odd\."):
        await running.driver.send(outgoing(scene.town.id, "x"))


async def test_a_redirect_says_which_address_to_write(scene: Scene, staged: Start) -> None:
    """A server that sends us elsewhere is not followed; the operator is told where it leads."""
    running = await staged()
    scene.faults.answer(301, headers={"Location": "https://chat.example.com/api/v4/posts"}, route=CREATE)
    with pytest.raises(Paused, match=r"https://chat\.example\.com") as caught:
        await running.driver.send(outgoing(scene.town.id, "x"))
    assert caught.value.scope == "instance"


# --- the rate limit -----------------------------------------------------------------------------------------------


async def test_a_429_is_obeyed_from_its_headers(scene: Scene, staged: Start) -> None:
    """Over the limit, the send says when to come again, by the server's own words, though they are no JSON."""
    running = await staged()
    headers = {"Retry-After": "7", "X-RateLimit-Limit": "6", "X-RateLimit-Remaining": "0", "X-RateLimit-Reset": "9"}
    scene.faults.answer(429, body="limit exceeded\n", content_type="text/plain", headers=headers, route=CREATE)
    with pytest.raises(Retry) as caught:
        await running.driver.send(outgoing(scene.town.id, "x"))
    assert caught.value.after == 7


async def test_the_limit_is_kept_by_waiting_beforehand(scene: Scene, staged: Start) -> None:
    """When the headers say that nothing is left, the next send waits, and is not refused."""
    running = await staged()
    scene.sandbox.limit_rate(per_second=20, burst=4)
    began = time.monotonic()
    for number in range(15):
        await running.driver.send(outgoing(scene.town.id, f"number {number}"))
    assert time.monotonic() - began > 0.4
    assert scene.faults.requests[CREATE] == 15
    assert len(scene.sandbox.messages(scene.town)) == 15


async def test_connecting_waits_for_its_turn_at_the_limit(scene: Scene, staged: Start) -> None:
    """Look-ups that meet the limit are made again in time; the connection does not fail for it."""
    scene.sandbox.limit_rate(per_second=10, burst=1)
    running = await staged()
    assert running.ends == []
    assert set(running.host.resolutions) == {str(scene.town.id), str(scene.dev.id)}
