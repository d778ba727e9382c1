"""The two federated platforms with each other: a room of a real Synapse and one of a real Prosody."""

from __future__ import annotations

from typing import Any

from tests.matrix.conftest import synapse  # noqa: F401 - a fixture
from tests.matrix.person import Person, shown
from tests.matrix.synapse import Synapse
from tests.pairs.xmpping import Bob, account_block, answered, room_id, text_of
from tests.process import Daemon
from tests.xmpp.conftest import prosody  # noqa: F401 - a fixture
from tests.xmpp.prosody import Prosody


async def test_what_is_said_and_done_crosses_both_ways_and_over_a_restart(
    daemon: Daemon,
    synapse: Synapse,  # noqa: F811 - the fixture
    prosody: Prosody,  # noqa: F811 - the fixture
) -> None:
    """Messages, edits, answers, reactions, deletions and files, before and after a restart and while it is away."""
    async with Person(synapse) as ada, Bob.present(prosody) as bob:
        await ada.call_by_name("Ada")
        account = synapse.register()
        room = await ada.room(account.user, name="Town hall")
        login = {"user_id": account.user, "access_token": account.token}
        file: dict[str, Any] = {
            "global": {"http": {"port": 0}, "fetch_allow": ["127.0.0.1"]},
            "matrix": {"hs": {"homeserver": synapse.url, **login, "reconnect_delay": 0.2}},
            "xmpp": {"jabber": account_block(prosody)},
            "rules": [{"type": "connect", "channels": {"hs": {"room_id": room}, "jabber": {"room": bob.room}}}],
        }
        await daemon.start(file)
        said = await ada.say(
            room, "hello *world*", format="org.matrix.custom.html", formatted_body="hello <strong>world</strong>"
        )
        heard = await bob.hears()
        assert text_of(heard) == "<Ada> hello *world*"
        theirs = await bob.say("good _day_")
        event = await ada.hear(room)
        assert shown(event["content"]).text == "Bob: good day"
        assert event["content"]["formatted_body"].endswith("good <em>day</em>")
        await ada.edit(room, said, "hello all")
        await bob.sees_edit(heard, "<Ada> hello all")
        assert await daemon.stop() == 0

        missed = await bob.say("said in XMPP meanwhile")
        await ada.say(room, "said in Matrix meanwhile")
        await daemon.start(file)
        assert shown((event_of_missed := await ada.hear(room))["content"]).text == "Bob: said in XMPP meanwhile"
        assert text_of(await bob.hears()) == "<Ada> said in Matrix meanwhile"
        await bob.answer(heard, "an answer")
        answer = await ada.hear(room)
        assert answer["content"]["m.relates_to"] == {"m.in_reply_to": {"event_id": said}}
        relation = {"m.in_reply_to": {"event_id": event["event_id"]}}
        await ada.say(room, "another", **{"m.relates_to": relation})
        assert answered(await bob.hears()) == room_id(theirs)
        await ada.react(room, event["event_id"], "\N{THUMBS UP SIGN}")
        await bob.sees_reaction(theirs, "\N{THUMBS UP SIGN}")
        content = bytes(range(256)) * 400
        await bob.share("plan.bin", content, "here it is")
        file_event = await ada.hear(room)
        assert await ada.download(file_event["content"]["url"]) == content
        await bob.take_back(missed)
        await ada.take_back(room, said)
        await bob.sees_retraction(heard)
        await ada.say(room, "last")  # what comes to him before is done with
        assert text_of(await bob.hears()) == "<Ada> last"
        assert await daemon.stop() == 0
        found = {each["event_id"]: each["content"] for each in await ada.messages(room)}
        assert found[event_of_missed["event_id"]] == {}, "it was taken back"
        assert daemon.events("delivery_buried") == []
