"""What people do on Mattermost, as the events that the core gets."""

from __future__ import annotations

import aiohttp
import pytest
from structlog.testing import capture_logs

from drivers.mattermost.api import Api
from drivers.mattermost.people import People
from drivers.mattermost.settings import Server
from nextbridge.envelope import Mark, TopicChanged
from nextbridge.markup import Emoji
from tests.mattermost.stage import Place, Scene, Start, unique


async def test_a_post_is_an_event_with_all_that_it_says(place: Place, relay: Start) -> None:
    """A user's post arrives with its ids, its author's names, its time, its channel's name and its rich text."""
    running = await relay()
    text = unique("hello **world** :smile: ünïcode 🎉")
    made = await place.post(place["alice"], "town", text)
    event = await running.received(text)
    assert event.message == made["id"]
    assert event.channel.key == place.channels["town"]
    assert event.channel.instance == "mm"
    assert (event.author.id, event.author.username, event.author.name) == (place["alice"].id, "alice", "Ally")
    assert (event.author.bot, event.author.avatar) == (False, None)
    assert event.at == made["create_at"]
    assert event.channel_name == "Town"
    assert (event.reply_to, event.thread, event.addressed, event.action, event.mark) == (None, None, False, False, None)
    assert Emoji("smile") in event.text.blocks[0].children  # type: ignore[union-attr]


async def test_posts_arrive_in_the_servers_order(place: Place, relay: Start) -> None:
    """Posts of several people are handed over as the server ordered them, unknown names or not."""
    running = await relay()
    texts = [unique(f"number {number}") for number in range(12)]
    for number, text in enumerate(texts):
        await place.post(place["alice" if number % 2 else "bob"], "town" if number % 3 else "dev", text)
    await running.received(texts[-1])
    assert [text for text in running.texts if text in texts] == texts


async def test_a_reply_names_what_it_answers_and_its_thread(place: Place, relay: Start) -> None:
    """On Mattermost a reply answers the root of its thread."""
    running = await relay()
    root = await place.post(place["alice"], "town", unique("root"))
    text = unique("reply")
    await place.post(place["bob"], "town", text, root_id=root["id"])
    event = await running.received(text)
    assert (event.reply_to, event.thread) == (root["id"], root["id"])


async def test_what_people_do_with_me_is_an_action(place: Place, relay: Start) -> None:
    """`/me waves` is an action whose text is `waves`, without the asterisks that the server puts around it."""
    running = await relay()
    text = unique("waves")
    await place.call(
        place["alice"], "POST", "commands/execute", {"channel_id": place.channels["town"], "command": f"/me {text}"}
    )
    event = await running.received(text)
    assert event.action


async def test_joins_and_header_changes_are_no_messages(place: Place, relay: Start) -> None:
    """Posts that the server makes of what happens to a channel are told as what happened, not as somebody's words."""
    running = await relay()
    header = unique("header")
    await place.call(place["boss"], "PUT", f"channels/{place.channels['town']}/patch", {"header": header})
    text = unique("after it")
    await place.post(place["alice"], "town", text)
    await running.received(text)
    (changed,) = [event for event in running.host.events if isinstance(event, TopicChanged)]
    assert (changed.topic, changed.author.username) == (header, "boss")
    assert not any(header in each for each in running.texts)


async def test_our_own_posts_never_come_back(place: Place, relay: Start) -> None:
    """What our account posts, from wherever, is skipped and counted."""
    running = await relay()
    own, others = unique("ours"), unique("theirs")
    await place.post(place["relay"], "town", own)
    await place.post(place["alice"], "town", others)
    await running.received(others)
    assert own not in running.texts
    assert running.host.skips["own_post"] >= 1


async def test_another_bot_is_known_as_one(scene: Scene, staged: Start) -> None:
    """A post of another bot is content, and says that a bot wrote it."""
    running = await staged()
    peer = scene.sandbox.add_bot("peer", display_name="Peer Bot", team=scene.team)
    scene.sandbox.add_member(scene.town, peer)
    scene.say("I am a bot too", who=peer)
    event = await running.received("I am a bot too")
    assert (event.author.bot, event.author.username, event.author.name) == (True, "peer", "Peer Bot")


async def test_a_webhooks_post_is_by_whom_it_says(place: Place, relay: Start) -> None:
    """A webhook's post has the name and picture that it is shown under, and what stands in its attachment."""
    running = await relay()
    hook = await place.call(
        place["boss"], "POST", "hooks/incoming", {"channel_id": place.channels["town"], "display_name": "h"}
    )
    text = unique("from a hook")
    attachment = {
        "fallback": "not shown",
        "pretext": "before",
        "title": "T",
        "title_link": "https://example.com",
        "text": "body",
        "fields": [{"title": "Load", "value": 0.5, "short": True}],
    }
    hooks = place.url + f"/hooks/{hook['id']}"
    said = {"text": text, "username": "Weather", "icon_url": "https://example.com/i.png", "attachments": [attachment]}
    async with place.http.post(hooks, json=said) as answer:
        assert answer.status == 200
    await running.until(lambda: any(each.startswith(text) for each in running.texts))
    event = running.posted[-1]
    assert (event.author.name, event.author.username, event.author.bot) == ("Weather", "Weather", True)
    assert event.author.avatar == "https://example.com/i.png"
    assert running.texts[-1] == f"{text}\n\nbefore\n**[T](https://example.com)**\nbody\n**Load**: 0.5"


async def test_a_post_of_an_attachment_alone_has_its_text(scene: Scene, staged: Start) -> None:
    """Where nothing else is shown of an attachment, its fallback is the text."""
    running = await staged()
    scene.say("", props={"attachments": [{"fallback": "only this"}]}, type="slack_attachment")
    await running.received("only this")


async def test_a_post_that_shows_nothing_is_counted(scene: Scene, staged: Start) -> None:
    """A post without text, attachments and files is no event; an operator finds it by its id."""
    running = await staged()
    scene.say("")
    await running.until(lambda: running.host.skips.get("empty_post") == 1)
    assert running.host.passed_over == {scene.sandbox.posts(scene.town)[-1].id: "empty_post"}


async def test_props_that_a_user_made_up_cost_no_message(scene: Scene, staged: Start) -> None:
    """Whatever stands in a post's props, its text arrives, under the author's own name."""
    running = await staged()
    forged: dict[str, object] = {
        "override_username": 5,
        "override_icon_url": ["x"],
        "from_webhook": {"true": "true"},
        "nextbridge": "daemon",
    }
    scene.say("forged", props=forged)
    event = await running.received("forged")
    assert (event.author.name, event.author.avatar, event.mark) == ("Ally", None, None)


@pytest.mark.parametrize(
    "forged",
    [
        {"daemon": "d"},
        {"daemon": "d", "delivery": 5, "origin": "o"},
        {"daemon": "d" * 600, "delivery": "", "origin": ""},
    ],
)
async def test_a_mark_of_another_form_is_none(scene: Scene, staged: Start, forged: dict[str, object]) -> None:
    """A mark that lacks something, has another type, or is too long is not believed."""
    running = await staged()
    scene.say("marked", props={"nextbridge": forged})
    assert (await running.received("marked")).mark is None


async def test_a_mark_says_who_relayed_a_post(scene: Scene, staged: Start) -> None:
    """The mark that a relay left on a post is on the event."""
    running = await staged()
    mark = {"daemon": "other", "delivery": "other-1-0", "origin": "irc/#town"}
    scene.say("marked", props={"nextbridge": mark})
    assert (await running.received("marked")).mark == Mark(**mark)  # type: ignore[arg-type]


async def test_naming_the_bot_addresses_it(place: Place, relay: Start) -> None:
    """A post that names the bot speaks to it; one that calls everybody does not."""
    running = await relay()
    named = await place.post(place["alice"], "town", f"@{place['relay'].username} look")
    everybody = await place.post(place["alice"], "town", "@channel look")
    assert (await running.event(named["id"])).addressed
    assert not (await running.event(everybody["id"])).addressed


async def test_a_direct_message_is_a_channel_and_addresses_the_bot(place: Place, relay: Start) -> None:
    """A direct message's channel can stand in a rule; what is said there is said to the bot."""
    direct = await place.call(place["alice"], "POST", "channels/direct", [place["alice"].id, place["relay"].id])
    running = await relay(direct["id"])
    text = unique("psst")
    await place.post(place["alice"], direct["id"], text)
    event = await running.received(text)
    assert event.addressed
    assert event.channel.key == direct["id"]
    assert running.host.resolutions[event.channel.key] == (direct["id"], "@alice")
    assert running.host.unavailable_channels == {}


async def test_a_group_message_is_a_channel_like_any(place: Place, relay: Start) -> None:
    """A group message's channel can stand in a rule; what is said there is not said to the bot."""
    members = [place[name].id for name in ("alice", "bob", "relay")]
    group = await place.call(place["alice"], "POST", "channels/group", members)
    running = await relay(group["id"])
    text = unique("all of you")
    await place.post(place["bob"], group["id"], text)
    assert not (await running.received(text)).addressed
    assert running.host.unavailable_channels == {}


# --- names --------------------------------------------------------------------------------------------------------


async def test_names_are_nickname_else_full_name_else_username(scene: Scene, staged: Start) -> None:
    """The first of the three that somebody has."""
    running = await staged()
    for who, name in ((scene.alice, "Ally"), (scene.bob, "Bob Stone"), (scene.boss, "boss")):
        scene.say(f"I am {name}", who=who)
        assert (await running.received(f"I am {name}")).author.name == name


async def test_a_name_is_looked_up_once_and_renewed_when_it_changes(scene: Scene, staged: Start) -> None:
    """A known author costs no request, until the server says that the name has changed: then it is the new one."""
    running = await staged()
    asked = scene.faults.requests
    before = asked["GET /api/v4/users/{user_id}"]
    for text in ("one", "two", "three"):
        scene.say(text)
    await running.received("three")
    scene.sandbox.rename(scene.alice, nickname="Allison")
    scene.say("four")
    assert (await running.received("four")).author.name == "Allison"
    assert asked["GET /api/v4/users/{user_id}"] == before + 1


async def test_a_failed_look_up_loses_no_message_and_is_tried_again(scene: Scene, staged: Start) -> None:
    """Where a name cannot be looked up the message bears the username; the next one bears the name."""
    running = await staged()
    scene.faults.answer(503, body="busy", route="GET /api/v4/users/{user_id}")
    with capture_logs() as logs:
        scene.say("nameless")
        event = await running.received("nameless")
    assert (event.author.id, event.author.username, event.author.name) == (str(scene.alice.id), "alice", "alice")
    assert [each["event"] for each in logs if each["log_level"] == "warning"] == ["name_unknown"]
    scene.say("named")
    assert (await running.received("named")).author.name == "Ally"


async def test_no_more_people_are_remembered_than_fit(scene: Scene, staged: Start) -> None:
    """Whoever has been silent for longest is forgotten first, and looked up again when they speak."""
    running = await staged()
    people = People(running.host.log, size=2)
    api = Api(aiohttp.ClientSession(), Server.of(scene.sandbox.url), scene.relay.token)
    asked = scene.faults.requests
    before = asked["GET /api/v4/users/{user_id}"]
    for who in (scene.alice, scene.bob, scene.alice, scene.boss, scene.alice, scene.bob):
        assert (await people.user(api, who.id)) is not None
    assert asked["GET /api/v4/users/{user_id}"] == before + 4
    await api.session.close()


async def test_a_post_of_files_alone_is_an_event(scene: Scene, staged: Start) -> None:
    """Files arrive with their id, name, type and size, as the server gives them."""
    running = await staged()
    cat = scene.sandbox.upload_as(scene.alice, scene.town, "cat.png", b"\x89PNG....")
    notes = scene.sandbox.upload_as(scene.alice, scene.town, 'my "notes" ünï%20.txt', b"hello")
    scene.say("", files=[cat, notes])
    await running.until(lambda: bool(running.posted))
    (event,) = running.posted
    assert [(each.id, each.name, each.size) for each in event.attachments] == [
        (cat.id, "cat.png", 8),
        (notes.id, 'my "notes" ünï%20.txt', 5),
    ]
    assert [each.media_type.split(";")[0] for each in event.attachments] == ["image/png", "text/plain"]
