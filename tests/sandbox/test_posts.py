"""Posts: when a second one is the first again, what makes one wrong, and the ways to look through a channel."""

from __future__ import annotations

import asyncio
from typing import Any

import pytest

from nextbridge.sandbox.mattermost import Refusal
from tests.sandbox.conftest import Town

PENDING = {"pending_post_id": "relay:1"}


async def test_the_same_pending_post_id_gives_the_first_post_again(town: Town) -> None:
    """With the first text, and no second post, for thirty seconds."""
    first = await town.relay.post(town.town.id, "once", **PENDING)
    town.clock.turn(29.9)
    again = await town.relay.post(town.town.id, "twice", **PENDING)
    assert (again.status, again.body["id"], again.body["message"]) == (201, first.body["id"], "once")
    assert town.sandbox.messages(town.town) == ["once"]


async def test_after_thirty_seconds_a_pending_post_id_is_new(town: Town) -> None:
    """A retry that comes later is a second post."""
    await town.relay.post(town.town.id, "once", **PENDING)
    town.clock.turn(30)
    await town.relay.post(town.town.id, "twice", **PENDING)
    assert town.sandbox.messages(town.town) == ["once", "twice"]


async def test_a_restart_forgets_pending_post_ids(town: Town) -> None:
    """They are in memory only, on one node."""
    await town.relay.post(town.town.id, "once", **PENDING)
    await town.sandbox.stop()
    await town.sandbox.start()
    await town.relay.post(town.town.id, "twice", **PENDING)
    assert town.sandbox.messages(town.town) == ["once", "twice"]


async def test_while_the_first_is_being_made_the_second_is_told_to_wait(town: Town) -> None:
    """A 500 that a retry gets over."""
    town.sandbox.faults.post_creation_delay = 0.3
    first = asyncio.create_task(town.relay.post(town.town.id, "once", **PENDING))
    await town.sandbox.until(lambda: town.sandbox.faults.requests["POST /api/v4/posts"] == 1)
    second = await town.relay.post(town.town.id, "once", **PENDING)
    assert second.error == (500, "api.post.deduplicate_create_post.pending")
    made = await first
    third = await town.relay.post(town.town.id, "once", **PENDING)
    assert third.body["id"] == made.body["id"]
    assert town.sandbox.messages(town.town) == ["once"]


async def test_a_post_that_was_refused_leaves_its_pending_post_id_free(town: Town) -> None:
    """The next try is judged on its own."""
    refused = await town.relay.post(town.town.id, "x" * 16384, **PENDING)
    assert refused.error == (400, "model.post.is_valid.msg.app_error")
    assert (await town.relay.post(town.town.id, "x", **PENDING)).status == 201


async def test_the_longest_post_is_what_the_settings_say(town: Town) -> None:
    """Counted in characters, not bytes, and told in the client config."""
    town.sandbox.settings.change(MaxPostSize="10")
    config = await town.relay.get("config/client?format=old")
    assert config.body["MaxPostSize"] == "10"
    assert (await town.relay.post(town.town.id, "🎉" * 10)).status == 201
    assert (await town.relay.post(town.town.id, "x" * 11)).error == (400, "model.post.is_valid.msg.app_error")


async def test_a_reply_names_a_root_of_its_own_channel(town: Town) -> None:
    """Not a reply, not a deleted post, not one from elsewhere."""
    root = town.sandbox.post_as(town.alice.account, town.town, "root")
    reply = town.sandbox.post_as(town.alice.account, town.town, "reply", root=root)
    elsewhere = town.sandbox.post_as(town.boss.account, town.staff, "elsewhere")
    gone = town.sandbox.post_as(town.alice.account, town.town, "gone")
    town.sandbox.delete(gone)
    bad_root = (400, "api.post.create_post.root_id.app_error")
    assert (await town.relay.post(town.town.id, "x", root_id=reply.id)).error == bad_root
    assert (await town.relay.post(town.town.id, "x", root_id=gone.id)).error == bad_root
    other = await town.relay.post(town.town.id, "x", root_id=elsewhere.id)
    assert other.error == (400, "api.post.create_post.channel_root_id.app_error")
    assert (await town.relay.post(town.town.id, "x", root_id=root.id)).body["reply_count"] == 2


async def test_props_and_files_have_their_limits(town: Town) -> None:
    """8,000 characters of props, and ten files."""
    long = await town.relay.post(town.town.id, "x", props={"note": "x" * 8000})
    assert long.error == (400, "model.post.is_valid.props.app_error")
    files = [town.sandbox.upload_as(town.relay.account, town.town, f"{n}.txt", b"x").id for n in range(11)]
    many = await town.relay.post(town.town.id, "x", file_ids=files)
    assert many.error == (400, "model.post.is_valid.file_ids.app_error")
    assert len((await town.relay.post(town.town.id, "x", file_ids=files[:10])).body["file_ids"]) == 10


async def test_files_of_others_and_files_posted_before_are_left_out(town: Town) -> None:
    """Without a word, as the real server does."""
    mine = town.sandbox.upload_as(town.relay.account, town.town, "mine.txt", b"mine")
    theirs = town.sandbox.upload_as(town.alice.account, town.town, "theirs.txt", b"theirs")
    posted = await town.relay.post(town.town.id, "", file_ids=[theirs.id, mine.id, "a" * 26])
    assert posted.body["file_ids"] == [mine.id]
    again = await town.relay.post(town.town.id, "", file_ids=[mine.id])
    assert "file_ids" not in again.body


async def test_nobody_makes_a_system_post(town: Town) -> None:
    """`system_…` types are the server's own."""
    answer = await town.relay.post(town.town.id, "x", type="system_join_channel")
    assert answer.error == (400, "api.context.invalid_param.app_error")


async def test_an_archived_channel_takes_no_posts(town: Town) -> None:
    """It is still there to be read."""
    assert (await town.boss.call("DELETE", f"channels/{town.town.id}")).status == 200
    answer = await town.relay.post(town.town.id, "x")
    assert answer.error == (400, "api.post.create_post.can_not_post_to_deleted.error")
    assert (await town.relay.get(f"channels/{town.town.id}")).body["delete_at"] > 0


async def test_an_edit_is_refused_after_the_time_limit(town: Town) -> None:
    """PostEditTimeLimit, in seconds."""
    town.sandbox.settings.change(PostEditTimeLimit="60")
    post = (await town.relay.post(town.town.id, "frist")).body["id"]
    town.clock.turn(59)
    assert (await town.relay.call("PUT", f"posts/{post}/patch", {"message": "first"})).status == 200
    town.clock.turn(2)
    answer = await town.relay.call("PUT", f"posts/{post}/patch", {"message": "last"})
    assert answer.error == (400, "api.post.update_post.permissions_time_limit.app_error")


async def test_a_pin_is_no_edit(town: Town) -> None:
    """Both are told alike; only an edit sets `edit_at`."""
    post = town.sandbox.post_as(town.alice.account, town.town, "hello")
    town.clock.turn(1)
    await town.relay.call("POST", f"posts/{post.id}/pin")
    pinned = (await town.relay.get(f"posts/{post.id}")).body
    assert (pinned["is_pinned"], pinned["edit_at"], pinned["update_at"] > post.update_at) == (True, 0, True)
    assert (await town.relay.get(f"channels/{town.town.id}/pinned")).body["order"] == [post.id]


async def test_after_pages_through_what_is_new(town: Town) -> None:
    """Each page newest first, the pages from old to new, and the end is an empty one."""
    anchor = town.sandbox.post_as(town.alice.account, town.town, "anchor")
    posts = [town.sandbox.post_as(town.alice.account, town.town, str(number)) for number in range(5)]
    pages = [
        (await town.relay.get(f"channels/{town.town.id}/posts?after={anchor.id}&per_page=2&page={page}")).body
        for page in range(4)
    ]
    ids = [post.id for post in posts]
    assert [page["order"] for page in pages] == [[ids[1], ids[0]], [ids[3], ids[2]], [ids[4]], []]
    assert (pages[0]["prev_post_id"], pages[0]["next_post_id"]) == (anchor.id, ids[2])


async def test_before_pages_through_what_was(town: Town) -> None:
    """From the anchor back to the first."""
    posts = [town.sandbox.post_as(town.alice.account, town.town, str(number)) for number in range(4)]
    page = (await town.relay.get(f"channels/{town.town.id}/posts?before={posts[3].id}&per_page=2")).body
    assert page["order"] == [posts[2].id, posts[1].id]


async def test_after_passes_over_what_shares_the_anchors_millisecond(town: Town) -> None:
    """As on the real server, where only the time is compared."""
    anchor = town.sandbox.post_as(town.alice.account, town.town, "anchor")
    town.sandbox.post_as(town.alice.account, town.town, "twin", create_at=anchor.create_at)
    later = town.sandbox.post_as(town.alice.account, town.town, "later")
    page = (await town.relay.get(f"channels/{town.town.id}/posts?after={anchor.id}")).body
    assert page["order"] == [later.id]


async def test_a_page_brings_the_threads_of_its_posts_along(town: Town) -> None:
    """In `posts`, not in `order`."""
    root = town.sandbox.post_as(town.alice.account, town.town, "root")
    town.sandbox.post_as(town.alice.account, town.town, "between")
    reply = town.sandbox.post_as(town.alice.account, town.town, "reply", root=root)
    page = (await town.relay.get(f"channels/{town.town.id}/posts?per_page=1")).body
    assert page["order"] == [reply.id]
    assert set(page["posts"]) == {reply.id, root.id}


async def test_a_page_holds_two_hundred_at_most(town: Town) -> None:
    """Whatever is asked for."""
    for number in range(201):
        town.say(str(number))
    page = (await town.relay.get(f"channels/{town.town.id}/posts?per_page=1000")).body
    assert len(page["order"]) == 200


async def test_since_tells_of_posts_edits_deletions_and_old_versions(town: Town) -> None:
    """All that changed after the moment; nothing that did not."""
    untouched, edited, deleted = (
        town.sandbox.post_as(town.alice.account, town.town, text) for text in ("untouched", "frist", "gone")
    )
    town.clock.turn(10)
    moment = int(town.clock() * 1000)
    just_then = town.sandbox.post_as(town.alice.account, town.town, "just then", create_at=moment)
    town.clock.turn(10)
    town.sandbox.edit(edited, "first")
    town.sandbox.delete(deleted)
    made = town.sandbox.post_as(town.alice.account, town.town, "new")
    found = (await town.relay.get(f"channels/{town.town.id}/posts?since={moment}")).body
    rows: list[dict[str, Any]] = [found["posts"][post] for post in found["order"]]
    old = [row for row in rows if row["original_id"] == edited.id]
    assert [(row["message"], row["delete_at"] > 0) for row in old] == [("", True)]
    others = {row["id"]: row for row in rows if not row["original_id"]}
    assert set(others) == {edited.id, deleted.id, made.id}
    assert others[deleted.id]["props"] == {"deleteBy": town.alice.account.id}
    assert not {untouched.id, just_then.id} & set(found["posts"])


async def test_since_does_not_page(town: Town) -> None:
    """A thousand rows at most, and no way to ask for more."""
    for number in range(1005):
        town.say(str(number))
    found = (await town.relay.get(f"channels/{town.town.id}/posts?since=1&per_page=10&page=3")).body
    assert len(found["order"]) == 1000


async def test_reactions_are_on_the_post_until_taken_back(town: Town) -> None:
    """Each once, whoever says it twice."""
    post = town.sandbox.post_as(town.alice.account, town.town, "hello")
    reaction = {"user_id": town.relay.account.id, "post_id": post.id, "emoji_name": "tada"}
    for _ in range(2):
        assert (await town.relay.call("POST", "reactions", reaction)).status == 200
    shown = (await town.relay.get(f"posts/{post.id}")).body
    assert shown["has_reactions"] is True
    assert [each["emoji_name"] for each in shown["metadata"]["reactions"]] == ["tada"]
    await town.relay.call("DELETE", f"users/me/posts/{post.id}/reactions/tada")
    assert "has_reactions" not in (await town.relay.get(f"posts/{post.id}")).body


async def test_a_header_that_changes_is_told_by_a_system_post(town: Town) -> None:
    """One that does not change is not."""
    for header in ("news", "news"):
        assert (await town.alice.call("PUT", f"channels/{town.town.id}/patch", {"header": header})).status == 200
    (post,) = town.sandbox.posts(town.town)
    assert (post.type, post.props["new_header"]) == ("system_header_change", "news")
    assert town.sandbox.messages(town.town) == []


async def test_whoever_leaves_of_their_own_accord_is_said_to_leave(town: Town) -> None:
    """And who comes back, to join."""
    mine = f"channels/{town.town.id}/members"
    assert (await town.alice.call("DELETE", f"{mine}/me")).status == 200
    assert (await town.alice.call("POST", mine, {"user_id": town.alice.account.id})).status == 201
    assert [post.type for post in town.sandbox.posts(town.town)] == ["system_leave_channel", "system_join_channel"]


async def test_here_mentions_who_is_online_and_channel_everyone(town: Town) -> None:
    """The sender not among them."""
    ear = await town.relay.connect()
    await ear.quiet()
    town.say("@here now")
    assert (await ear.until("posted"))["data"]["mentions"] == f'["{town.relay.account.id}"]'
    town.say("@channel all")
    assert town.boss.account.id in (await ear.until("posted"))["data"]["mentions"]
    town.say("an.address@relay.example")
    assert "mentions" not in (await ear.until("posted"))["data"]


async def test_a_webhooks_text_over_the_limit_becomes_several_posts(town: Town) -> None:
    """Unlike a user's, which is refused."""
    town.sandbox.settings.change(MaxPostSize="10")
    hook = await town.boss.call("POST", "hooks/incoming", {"channel_id": town.town.id})
    url = f"{town.sandbox.url}/hooks/{hook.body['id']}"
    async with town.http.post(url, json={"text": "x" * 25, "username": "Weather"}) as response:
        assert (response.status, await response.text()) == (200, "ok")
    assert [len(text) for text in town.sandbox.messages(town.town)] == [10, 10, 5]
    assert {post.props["override_username"] for post in town.sandbox.posts(town.town)} == {"Weather"}


async def test_python_is_refused_as_a_client_is(town: Town) -> None:
    """`post_as` raises what the API would have answered."""
    with pytest.raises(Refusal, match=r"model\.post\.is_valid\.msg\.app_error"):
        town.sandbox.post_as(town.alice.account, town.town, "x" * 16384)
