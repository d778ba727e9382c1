"""What is said and done in a room, as each XEP has it: read as it is meant, and said so that programs understand it."""

from __future__ import annotations

import hashlib

import pytest

from nextbridge.driver import Cursor
from nextbridge.envelope import Author, Deleted, Edited, Posted, Reacted, UserId
from nextbridge.errors import Gone, Rejected
from nextbridge.markup import PLAIN
from nextbridge.sandbox.contract import Supervised
from nextbridge.sandbox.contract.supervised import again, said
from tests.xmpp.person import CLIENT, element_of
from tests.xmpp.prosody import BARE, MAIN, Prosody
from tests.xmpp.relaying import Scene


def _reacting(room_id: str, *emoji: str) -> str:
    given = "".join(f"<reaction>{each}</reaction>" for each in emoji)
    store = "<store xmlns='urn:xmpp:hints'/>"  # else no archive keeps it, as programs know
    return f"<reactions xmlns='urn:xmpp:reactions:0' id='{room_id}'>{given}</reactions>{store}"


def _replace(number: str) -> str:
    return f"<replace xmlns='urn:xmpp:message-correct:0' id='{number}'/>"


# --- who it is --------------------------------------------------------------------------------------------------------


async def test_somebody_stays_who_they_are_under_another_nick(prosody: Prosody) -> None:
    """By the room's id of them (XEP-0421), which nobody else gets who takes the nick."""
    async with Scene(prosody) as scene:
        relay, bob = await scene.relay(), await scene.person("Bob")
        await scene.says(bob, "as Bob")
        bob.send(f"<presence to='{scene.room}/Robert'/>")
        await scene.says(bob, "as Robert")
        other = await scene.person("Bob")
        await scene.says(other, "as another Bob")
        await relay.received("as another Bob")
        first, second, third = (each.author for each in relay.posted)
        assert first.id == second.id != third.id
        assert (first.name, second.name, third.name) == ("Bob", "Robert", "Bob")


async def test_where_addresses_are_shown_people_are_their_addresses(prosody: Prosody) -> None:
    """In a room that hides nobody, and on a server without ids of occupants as well; else it is the nick."""
    for host in (MAIN, BARE):
        async with Scene(prosody, host) as scene:
            await scene.ada.configure(scene.room, whois="anyone")
            relay = await scene.relay()
            await scene.says(scene.ada, "here I am")
            assert (await relay.received("here I am")).author.id == UserId(scene.ada.jid)
    async with Scene(prosody, BARE) as scene:
        relay = await scene.relay()
        await scene.says(scene.ada, "here I am")
        assert (await relay.received("here I am")).author.id == UserId(f"{scene.room}/Ada")


async def test_a_picture_that_is_not_the_one_that_was_named_is_not_taken(prosody: Prosody) -> None:
    """A presence names the picture by its hash (XEP-0153); who has none there, or another one, is shown without."""
    async with Scene(prosody) as scene:
        relay, bob = await scene.relay(), await scene.person("Bob")
        photo = "<PHOTO><TYPE>image/png</TYPE><BINVAL>AAAA</BINVAL></PHOTO>"
        await bob.ask(bob.jid, f"<vCard xmlns='vcard-temp'>{photo}</vCard>", kind="set")
        for named, error in (("0" * 40, Rejected), ("", Gone), (hashlib.sha1(b"\0\0\0").hexdigest(), None)):
            update = f"<x xmlns='vcard-temp:x:update'><photo>{named}</photo></x>"
            bob.send(f"<presence to='{scene.room}/Bob'>{update}</presence>")
            await scene.says(bob, f"look {named}")
            author = (await relay.received(f"look {named}")).author
            assert author.portrait == named
            if error is not None:
                with pytest.raises(error):
                    await _portrait(relay, author)
            else:
                assert await _portrait(relay, author) == b"\0\0\0"


async def _portrait(relay: Supervised, author: Author) -> bytes:
    async with relay.driver.open_portrait(author.id) as chunks:  # type: ignore[attr-defined]
        return b"".join([each async for each in chunks])


# --- what is done to a message ----------------------------------------------------------------------------------------


async def test_a_moderator_takes_a_message_back(prosody: Prosody) -> None:
    """The room says so in its own name (XEP-0425), and who did it; nothing answers it then, after a restart neither."""
    if not prosody.moderates:
        pytest.skip("needs mod_muc_moderation: apt-get install prosody-modules")
    async with Scene(prosody) as scene:
        relay, eve = await scene.relay(), await scene.person("Eve")
        _, room_id = await scene.says(eve, "buy now")
        await relay.received("buy now")
        retract = "<retract xmlns='urn:xmpp:message-retract:0'/>"
        await scene.ada.ask(
            scene.room,
            f"<apply-to xmlns='urn:xmpp:fasten:0' id='{room_id}'>"
            f"<moderate xmlns='urn:xmpp:message-moderate:0'>{retract}</moderate></apply-to>",
            kind="set",
        )
        deleted = await relay.happened(Deleted)
        assert (deleted.message, deleted.author.name) == (room_id, "Ada")
        with pytest.raises(Gone):
            await relay.send(relay.outgoing("you, too", reply_to=deleted.message))
        await relay.close()
        relay = await scene.relay(store=relay.host.store)
        with pytest.raises(Gone):
            await relay.send(relay.outgoing("you, too", reply_to=deleted.message))


async def test_what_was_said_before_a_restart_is_corrected_and_taken_back(prosody: Prosody) -> None:
    """Corrections name the sender's id, which the archive has, and retractions the room's."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        number, room_id = await scene.says(scene.ada, "as it was")
        await relay.received("as it was")
        await relay.close()
        relay = await scene.relay(store=relay.host.store)
        await scene.says(scene.ada, "as it is", children=_replace(number))
        edited = await relay.happened(Edited)
        assert (edited.message, said(edited)) == (room_id, "as it is")
        await scene.says(scene.ada, "", children=f"<retract xmlns='urn:xmpp:message-retract:1' id='{room_id}'/>")
        assert (await relay.happened(Deleted)).message == room_id


async def test_each_reaction_is_told_as_it_comes_and_goes(prosody: Prosody) -> None:
    """Each time all of somebody's reactions are named (XEP-0444): what is new was added, what is not there is gone."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        _, room_id = await scene.says(scene.ada, "react!")
        for given in (("👍", "🎉"), ("🎉", "❤️"), ("🎉", "❤️"), ()):
            await scene.says(scene.ada, "", children=_reacting(room_id, *given))
        await scene.nothing_but(relay, scene.ada, "react!")
        told = [(each.message == room_id, each.emoji, each.added) for each in relay.of(Reacted)]
        heart = next(emoji for _, emoji, _ in told if emoji not in {"👍", "🎉"})
        assert told[:2] == [(True, "👍", True), (True, "🎉", True)]
        assert told[2:4] == [(True, "👍", False), (True, heart, True)]
        assert sorted(told[4:]) == sorted([(True, "🎉", False), (True, heart, False)])


async def test_an_answer_is_read_without_its_quote_and_said_with_what_it_answers(prosody: Prosody) -> None:
    """XEP-0461: the quote is for programs that do not know of answers (XEP-0428), and counts characters, not bytes."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        _, room_id = await scene.says(scene.ada, "¿qué? 🎉")
        quote = "> Ada: ¿qué? 🎉\n"
        answer = (
            f"<reply xmlns='urn:xmpp:reply:0' to='{scene.room}/Ada' id='{room_id}'/>"
            "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'>"
            f"<body start='0' end='{len(quote)}'/></fallback>"
        )
        await scene.says(scene.ada, f"{quote}that", children=answer)
        assert (await relay.received("that")).reply_to == room_id
        await relay.send(relay.outgoing("and this", reply_to=(await relay.received("that")).reply_to))
        heard = await scene.heard("and this")
        reply = element_of(heard, "urn:xmpp:reply:0", "reply")
        assert reply is not None
        assert (reply.get("id"), reply.get("to")) == (room_id, f"{scene.room}/Ada")


async def test_what_is_not_to_be_styled_is_not(prosody: Prosody) -> None:
    """A sender says so (XEP-0393, 5.1); and what begins with /me is what they do."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        await scene.says(scene.ada, "a *b* c", children="<unstyled xmlns='urn:xmpp:styling:0'/>")
        await scene.says(scene.ada, "/me waves")
        await relay.received("waves")
        plain, action = relay.posted
        assert PLAIN.write(plain.text.blocks) == "a *b* c"
        assert (plain.action, action.action) == (False, True)


async def test_what_is_said_bears_ids_by_which_it_is_found(prosody: Prosody) -> None:
    """The same at each attempt (XEP-0359), after a restart and behind many later messages too: it is said once."""
    async with Scene(prosody) as scene:
        settings = scene.settings()
        relay = await scene.relay(settings)
        message = relay.outgoing("said once")
        receipt = await relay.send(message)
        heard = await scene.heard("said once")
        origin = element_of(heard, "urn:xmpp:sid:0", "origin-id")
        assert origin is not None
        assert origin.get("id") == heard.get("id")
        for number in range(60):  # more than a page of the archive
            scene.ada.say(scene.room, f"later {number}")
        await relay.received("later 59")
        await relay.close()
        relay = await scene.relay(settings, store=relay.host.store)
        assert await relay.send(again(message, seconds_ago=30)) == receipt
        await scene.ada.settled()
        assert [each.findtext(f"{{{CLIENT}}}body") for each in scene.ada.stanzas].count("said once") == 1


# --- what was said meanwhile ------------------------------------------------------------------------------------------


async def test_a_long_gap_is_filled_from_the_archive_once_and_in_order(prosody: Prosody) -> None:
    """Over several pages (XEP-0059), with what was done to the messages; what is too much is counted and left out."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        await scene.says(scene.ada, "before")
        await relay.received("before")
        key = relay.room(0)
        cursor = Cursor(key, relay.host.cursors[key])
        await relay.close()
        for number in range(118):
            scene.ada.say(scene.room, f"m{number}")
        wrong, room_id = await scene.says(scene.ada, "wrogn")
        await scene.says(scene.ada, "right", children=_replace(wrong))
        await scene.says(scene.ada, "", children=_reacting(room_id, "👍"))
        relay = await scene.relay(store=relay.host.store)
        async with relay.driver.history(key, cursor, age=3600, most=500) as past:  # type: ignore[attr-defined]
            events = [event async for event, _ in past.events]
        assert [said(each) for each in events[:-2]] == [*(f"m{number}" for number in range(118)), "wrogn"]
        edited, reacted = events[-2:]
        assert isinstance(edited, Edited)
        assert isinstance(reacted, Reacted)
        assert edited.message == reacted.message == room_id
        assert past.over == 0
        async with relay.driver.history(key, cursor, age=3600, most=60) as past:  # type: ignore[attr-defined]
            newest = [event async for event, _ in past.events if isinstance(event, Posted)]
        assert len(newest) == 60
        assert said(newest[-1]) == "wrogn"
        assert past.over == 59
