"""What only Matrix's events have: threads, edits by others, replies' fallbacks, stickers, members from elsewhere."""

from __future__ import annotations

from collections.abc import AsyncIterator
from contextlib import suppress
from itertools import islice
from typing import NamedTuple

import pytest

from drivers.matrix.events import NO_KEY
from nextbridge.driver import Reactions
from nextbridge.envelope import Attachment, Deleted, Edited, Joined, Left, Reacted
from nextbridge.errors import Gone, Rejected, Retry
from nextbridge.sandbox.contract.revising import ask
from nextbridge.sandbox.contract.supervised import Supervised, error_of, said
from tests.mangling import mangled
from tests.matrix.gateway import Gateway
from tests.matrix.person import Person
from tests.matrix.relaying import relaying, settings
from tests.matrix.synapse import Synapse


class Scene(NamedTuple):
    """Bob and the relay in one room."""

    bob: Person
    room: str
    relay: Supervised
    gateway: Gateway


@pytest.fixture
async def scene(synapse: Synapse) -> AsyncIterator[Scene]:
    bot = synapse.register()
    async with Person(synapse) as bob, Gateway(synapse.url) as gateway:
        room = await bob.room(bot.user)
        async with relaying(settings(gateway.url, bot), room) as relay:
            yield Scene(bob, room, relay, gateway)


async def test_a_message_in_a_thread_names_the_root(scene: Scene) -> None:
    """What it names for clients without threads is no answer to that; what is answered inside a thread is."""
    root = await scene.bob.say(scene.room, "root")
    first = await scene.bob.say(
        scene.room, "one", **{"m.relates_to": {
            "rel_type": "m.thread", "event_id": root, "is_falling_back": True, "m.in_reply_to": {"event_id": root}}}
    )  # fmt: skip
    for is_falling_back, answered in ((True, root), (False, first)):
        relation = {"rel_type": "m.thread", "event_id": root, "m.in_reply_to": {"event_id": first}}
        await scene.bob.say(
            scene.room, f"two {answered}", **{"m.relates_to": {**relation, "is_falling_back": is_falling_back}}
        )
        event = await scene.relay.received(f"two {answered}")
        assert (event.thread, event.reply_to) == (root, answered)
    await scene.relay.send(scene.relay.outgoing("three", reply_to=first))
    relation = (await scene.bob.hear(scene.room))["content"]["m.relates_to"]
    assert (relation["rel_type"], relation["event_id"], relation["m.in_reply_to"]) == (
        "m.thread", root, {"event_id": first}
    )  # fmt: skip


async def test_nobody_changes_what_another_said(scene: Scene, synapse: Synapse) -> None:
    """The server takes an edit of somebody else's message; it is counted, and no event."""
    event = await scene.bob.say(scene.room, "mine")
    await scene.relay.received("mine")
    async with Person(synapse) as mallory:
        await scene.bob.invite(scene.room, mallory.id)
        await mallory.join(scene.room)
        edit = await mallory.edit(scene.room, event, "yours")
        await mallory.say(scene.room, "end")
        await scene.relay.received("end")
    assert scene.relay.of(Edited) == []
    assert scene.relay.host.skips["foreign_edit"] == 1
    assert scene.relay.host.passed_over[edit] == "foreign_edit"


async def test_the_quote_before_an_answer_is_left_out(scene: Scene) -> None:
    """Older clients put one into the body, and into the HTML."""
    first = await scene.bob.say(scene.room, "first")
    relation = {"m.relates_to": {"m.in_reply_to": {"event_id": first}}}
    await scene.bob.say(scene.room, f"> <{scene.bob.id}> first\n\nplain", **relation)
    await scene.relay.received("plain")
    html = f'<mx-reply><blockquote><a href="https://matrix.to/#/{scene.bob.id}">x</a>first</blockquote></mx-reply>html'
    about = {"format": "org.matrix.custom.html", "formatted_body": html}
    await scene.bob.say(scene.room, f"> <{scene.bob.id}> first\n\nhtml", **relation, **about)
    await scene.relay.received("html")


async def test_content_of_the_wrong_types_breaks_nothing(scene: Scene) -> None:
    """Whatever stands under whatever key: what can be read is, the rest is counted."""
    for content in (
        {"msgtype": "m.image", "body": "1", "url": 7, "info": []},
        {"msgtype": "m.file", "body": "2", "file": {"url": "mxc://a/b", "key": 1}, "info": {"size": -1}},
        {"msgtype": "m.text", "body": "3", "m.relates_to": []},
        {"msgtype": "m.text", "body": "4", "m.relates_to": {"rel_type": "m.replace", "event_id": 4}},
        {"msgtype": "m.text", "body": "5", "nextbridge.mark": {"daemon": "x"}},
        {"msgtype": "m.text", "body": "6", "format": "org.matrix.custom.html", "formatted_body": 1},
    ):
        await scene.bob.send(scene.room, "m.room.message", content)
    await scene.bob.send(scene.room, "m.reaction", {"m.relates_to": "x"})
    await scene.bob.send(scene.room, "m.room.encrypted", {"algorithm": 3})
    await scene.bob.say(scene.room, "end")
    await scene.relay.received("end")
    assert scene.relay.texts == ["1", "", "3", "5", "6", NO_KEY, "end"]
    assert scene.relay.host.skips == {"foreign_edit": 1, "unreadable": 1, "own_event": 1}


async def test_a_mark_is_read_back(scene: Scene) -> None:
    """What another relay leaves on its messages is in the event: it does not go back to where it came from."""
    mark = {"daemon": "another", "delivery": "d-1-0", "origin": "irc:net/#town", "via": ["mattermost:x/y"]}
    await scene.bob.say(scene.room, "relayed", **{"nextbridge.mark": mark})
    await scene.relay.until(lambda: bool(scene.relay.host.events))
    (event,) = scene.relay.host.events
    assert event.mark is not None
    assert (event.mark.origin, event.mark.via) == ("irc:net/#town", ("mattermost:x/y",))


async def test_what_is_said_to_the_relay_is_addressed(scene: Scene) -> None:
    """By a mention of its id, and by an answer to it; not by its name in the text."""
    me = scene.relay.host.me
    await scene.bob.say(scene.room, "a", **{"m.mentions": {"user_ids": [me]}})
    await scene.bob.say(scene.room, f"b {me}")
    receipt = await scene.relay.send("ours")
    await scene.bob.say(scene.room, "c", **{"m.relates_to": {"m.in_reply_to": {"event_id": receipt.message}}})
    await scene.relay.received("c")
    assert [event.addressed for event in scene.relay.posted] == [True, False, True]


async def test_whoever_is_removed_leaves_with_the_reason(scene: Scene, synapse: Synapse) -> None:
    """Under the name that they had, with who removed them and why; another name is neither a coming nor a going."""
    await scene.bob.call_by_name("Bob")
    async with Person(synapse) as eve:
        await eve.call_by_name("Eve")
        await scene.bob.invite(scene.room, eve.id)
        await eve.join(scene.room)
        await scene.relay.happened(Joined)
        await scene.bob.call("POST", f"/rooms/{scene.room}/ban", {"user_id": eve.id, "reason": "spam"})
        left = await scene.relay.happened(Left)
    assert (left.author.name, left.reason) == ("Eve", "banned by Bob: spam")


async def test_an_emoji_is_one_however_its_colour_is_asked_for(scene: Scene) -> None:
    """Clients put a selector behind the sign: it is taken off, and ours joins the count of theirs."""
    receipt = await scene.relay.send("great news")
    assert receipt.message is not None
    theirs = await scene.bob.react(scene.room, receipt.message, "👍️")
    event = await scene.relay.happened(Reacted)
    assert event.emoji == "👍"
    await ask(scene.relay, Reactions).react(scene.relay.room(0), receipt.message, "👍", add=True)
    keys = [
        e["content"]["m.relates_to"]["key"] for e in await scene.bob.messages(scene.room) if e["type"] == "m.reaction"
    ]
    assert keys == ["👍️", "👍️"]
    await scene.bob.take_back(scene.room, theirs)
    gone = await scene.relay.happened(Reacted, 2)
    assert (gone.added, gone.emoji, gone.author) == (False, "👍", event.author)
    assert scene.relay.of(Deleted) == []


async def test_a_rate_limit_is_obeyed(scene: Scene, synapse: Synapse) -> None:
    """A send that meets it says when to come again, and is made once then."""
    assert scene.relay.host.me is not None
    synapse.limit(scene.relay.host.me, per_second=1, burst=2)
    message, error = scene.relay.outgoing("line 0"), None
    for number in range(20):
        message = scene.relay.outgoing(f"line {number}")
        error = await error_of(scene.relay.send(message))
        if error is not None:
            break
    assert isinstance(error, Retry)
    assert error.after is not None
    assert 0 < error.after < 30
    synapse.limit(scene.relay.host.me, per_second=0, burst=0)
    await scene.relay.send(message)
    heard = [(await scene.bob.hear(scene.room))["content"]["body"] for _ in range(number + 1)]
    assert heard == [f"line {each}" for each in range(number + 1)]


async def test_a_sync_that_is_limited_is_tried_again_when_the_server_says(scene: Scene) -> None:
    """Nothing is missed by it."""
    scene.gateway.refuse("/sync", 429, "M_LIMIT_EXCEEDED", times=1, retry_after_ms=100)
    await scene.bob.say(scene.room, "one")
    await scene.relay.until(lambda: bool(scene.relay.ends))
    await scene.bob.say(scene.room, "two")
    await scene.relay.received("two")
    assert [said(event) for event in scene.relay.posted] == ["one", "two"]
    assert isinstance(scene.relay.ends[0], Retry)
    assert scene.relay.ends[0].after is not None


async def test_content_of_any_shape_costs_itself_alone(scene: Scene) -> None:
    """What a member's program puts where it likes: as far as a homeserver takes it, it harms nothing that follows."""
    root = await scene.bob.say(scene.room, "root")
    said = {
        "msgtype": "m.file",
        "body": "a.txt",
        "filename": "a.txt",
        "format": "org.matrix.custom.html",
        "formatted_body": "<b>a</b>",
        "url": "mxc://here/there",
        "info": {"mimetype": "text/plain", "size": 7},
        "m.mentions": {"user_ids": ["@a:b"]},
        "m.relates_to": {"rel_type": "m.thread", "event_id": root, "m.in_reply_to": {"event_id": root}},
    }
    edit = {
        "msgtype": "m.text",
        "body": "* b",
        "m.new_content": {"msgtype": "m.text", "body": "b"},
        "m.relates_to": {"rel_type": "m.replace", "event_id": root},
    }
    reaction = {"m.relates_to": {"rel_type": "m.annotation", "event_id": root, "key": "\N{THUMBS UP SIGN}"}}
    taken = 0
    for kind, content in (("m.room.message", said), ("m.room.message", edit), ("m.reaction", reaction)):
        for wrong in islice(mangled(content), 0, None, 3):  # a real homeserver takes its time
            with suppress(RuntimeError):  # the homeserver looks at some of it itself
                await scene.bob.send(scene.room, kind, wrong)
                taken += 1
    await scene.bob.say(scene.room, "end")
    await scene.relay.until(lambda: "end" in scene.relay.texts or bool(scene.relay.ends))
    assert scene.relay.ends == []
    assert taken > 50


NO_PLACES = (
    "mxc://../whoami",
    "mxc://here/..",
    "mxc://here/../../v3/sync",
    "mxc://here/..%2F..%2Fv3%2Fsync",
    "mxc://here/a?b",
    "mxc://here/a#b",
    "mxc://he re/a",
    "mxc:///a",
    "mxc://here/",
    "https://here/a",
    "mxc://here/\u00e4",
)


async def test_an_address_that_no_homeserver_gives_is_not_asked(scene: Scene) -> None:
    """A member writes what they like there, and the relay's token goes with what is asked."""
    scene.gateway.refuse("/", 403)
    for place in NO_PLACES:
        with pytest.raises(Gone, match="no address"):
            async with scene.relay.driver.open_attachment(Attachment(place, "a.txt")):  # type: ignore[attr-defined]
                pass
    with pytest.raises(Rejected, match="refused by the test"):
        async with scene.relay.driver.open_attachment(Attachment("mxc://here:8448/a_B-7", "a")):  # type: ignore[attr-defined]
            pass
