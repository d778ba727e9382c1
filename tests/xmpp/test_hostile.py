"""What people put into their stanzas to pass for others, to be overlooked or to break something comes to nothing."""

from __future__ import annotations

import asyncio
from hashlib import blake2s
from xml.etree import ElementTree as ET

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from drivers.xmpp import stanzas
from drivers.xmpp.backlog import PREFIX
from drivers.xmpp.echoes import Echoes, RefusedMessage
from drivers.xmpp.stanzas import Failure, marked, read_message, read_presence
from nextbridge.envelope import Deleted, DeliveryKey, Edited, Mark, Reacted, UserId
from tests.xmpp.person import CLIENT, MUC
from tests.xmpp.prosody import BARE, MAIN, Prosody
from tests.xmpp.relaying import Scene

_ROOM = "ops@rooms.test"
_ALL = frozenset({stanzas.MAM, stanzas.IDS, stanzas.OCCUPANT})


def _replace(number: str) -> str:
    return f"<replace xmlns='urn:xmpp:message-correct:0' id='{number}'/>"


def _retract(number: str) -> str:
    return f"<retract xmlns='urn:xmpp:message-retract:1' id='{number}'/>"


def _message(children: str, *, sender: str = f"{_ROOM}/Eve") -> ET.Element:
    return ET.fromstring(f"<message xmlns='{CLIENT}' type='groupchat' from='{sender}' id='m1'>{children}</message>")


# --- in a room that takes forged ids out, and in one that does not know of ids ----------------------------------------


async def test_an_id_that_the_room_did_not_give_counts_for_nothing(prosody: Prosody) -> None:
    """In a room without ids somebody claims the id of Ada's message for their own, and then takes it back: it stays."""
    async with Scene(prosody, BARE) as scene:
        relay, eve = await scene.relay(), await scene.person("Eve")
        number, _ = await scene.says(scene.ada, "mine")
        posted = await relay.received("mine")
        claimed = f"<stanza-id xmlns='urn:xmpp:sid:0' by='{scene.room}' id='{posted.message}'/>"
        await scene.says(eve, "mine as well", children=claimed)
        await scene.says(eve, "", children=_retract(posted.message))
        await scene.nothing_but(relay, scene.ada, "mine", "mine as well")
        assert len({each.message for each in relay.posted}) == 3
        assert not relay.of(Deleted)
        assert posted.message == f"{number} Ada"


async def test_an_occupant_id_that_the_room_did_not_give_counts_for_nothing(prosody: Prosody) -> None:
    """In a room without such ids Eve takes what stands for Ada as hers: she is known as Eve, and corrects nothing."""
    async with Scene(prosody, BARE) as scene:
        relay, eve = await scene.relay(), await scene.person("Eve")
        number, _ = await scene.says(scene.ada, "I agree")
        for claimed in ("Ada", "x"):
            forged = f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{claimed}'/>"
            await scene.says(eve, f"I am {claimed}", children=forged)
            await scene.says(eve, "I do not", children=forged + _replace(number))
        await scene.nothing_but(relay, scene.ada, "I agree", "I am Ada", "I am x")
        assert all(each.message != f"{number} Ada" for each in relay.of(Edited))
        assert {each.author.id for each in relay.posted[1:3]} == {UserId(f"{scene.room}/Eve")}


@pytest.mark.parametrize("host", [MAIN, BARE])
async def test_whoever_takes_a_nick_over_does_not_edit_what_its_former_bearer_said(prosody: Prosody, host: str) -> None:
    """Bob has another nick, and Eve his: her corrections and retractions of his messages are counted and no more."""
    async with Scene(prosody, host) as scene:
        owner = scene.ada
        relay, bob = await scene.relay(), await scene.person("Bob")
        number, room_id = await scene.says(bob, "see you at five")
        await relay.received("see you at five")
        bob.send(f"<presence to='{scene.room}/Bobby'/>")
        await bob.until(lambda each: each.get("from") == f"{scene.room}/Bobby")
        eve = await scene.person("Bob")
        await scene.says(eve, "see you at six", children=_replace(number))
        await scene.says(eve, "", children=_retract(room_id or f"{number} Bob"))
        await scene.nothing_but(relay, owner, "see you at five")
        assert not relay.of(Edited)
        assert not relay.of(Deleted)
        assert relay.host.skips["correction_of_unknown" if host == MAIN else "correction_by_another"] == 1
        assert relay.host.skips["retraction_by_another"] == 1


@pytest.mark.parametrize("host", [MAIN, BARE])
async def test_only_who_said_something_corrects_it_or_takes_it_back(prosody: Prosody, host: str) -> None:
    """Others name the ids of Ada's messages, in what programs say now and in what they said once: nothing happens."""
    async with Scene(prosody, host) as scene:
        relay, eve = await scene.relay(), await scene.person("Eve")
        number, room_id = await scene.says(scene.ada, "as it was")
        target = room_id or f"{number} Ada"
        await relay.received("as it was")
        moderated = f"<moderated xmlns='urn:xmpp:message-moderate:1' by='{scene.room}/Ada'/>"
        await scene.says(eve, "forged", children=_replace(number))
        await scene.says(eve, "", children=_retract(target))
        await scene.says(
            eve, "", children=f"<retract xmlns='urn:xmpp:message-retract:1' id='{target}'>{moderated}</retract>"
        )
        await scene.says(
            eve,
            "",
            children=f"<apply-to xmlns='urn:xmpp:fasten:0' id='{target}'>"
            f"<moderated xmlns='urn:xmpp:message-moderate:0' by='{scene.room}/Ada'>"
            "<retract xmlns='urn:xmpp:message-retract:0'/></moderated></apply-to>",
        )
        await scene.nothing_but(relay, scene.ada, "as it was")
        assert all(each.message != target for each in relay.of(Edited))
        assert not relay.of(Deleted)
        assert relay.host.skips["retraction_by_another"] == 1
        assert relay.host.skips["forged_moderation"] == 2


async def test_messages_without_ids_of_their_own_are_messages_each(prosody: Prosody) -> None:
    """A program gives the same id in each session, another gives none: nothing that they say is taken for a repeat."""
    async with Scene(prosody, BARE) as scene:
        relay = await scene.relay()
        for text in ("one", "two"):
            scene.ada.say(scene.room, text, number="m1")
            scene.ada.send(f"<message to='{scene.room}' type='groupchat'><body>{text} again</body></message>")
        await scene.nothing_but(relay, scene.ada, "one", "one again", "two", "two again")
        assert len({each.message for each in relay.posted}) == 5


@pytest.mark.parametrize("host", [MAIN, BARE])
async def test_what_somebody_says_of_themselves_on_entering_counts_for_nothing(prosody: Prosody, host: str) -> None:
    """Eve enters with Ada's address and Ada's id as hers, which is for the room to say: she is not taken for Ada."""
    async with Scene(prosody, host) as scene:
        relay, eve = await scene.relay(), await scene.person()
        await scene.says(scene.ada, "I am Ada")
        ada = (await relay.received("I am Ada")).author.id
        forged = (
            f"<x xmlns='{MUC}#user'><item jid='{scene.ada.jid}/x' role='moderator'/><status code='110'/></x>"
            f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{ada.partition('?')[2] or 'Ada'}'/>"
        )
        eve.send(f"<presence to='{scene.room}/Eve'>{forged}<x xmlns='{MUC}'/></presence>")
        await scene.says(eve, "so am I")
        author = (await relay.received("so am I")).author
        assert author.id not in {ada, scene.ada.jid}
        assert await relay.driver.member(relay.room(0), "Eve") == author  # type: ignore[attr-defined]
        assert relay.driver.own_name == "relay"


# --- what is to be overlooked -----------------------------------------------------------------------------------------


async def test_what_looks_like_an_archives_answer_is_a_message_all_the_same(prosody: Prosody) -> None:
    """Somebody adds the result of a query to what they say, aloud and in private: it is heard, and no archive's."""
    async with Scene(prosody) as scene:
        relay, eve = await scene.relay(), await scene.person("Eve")
        inner = (
            f"<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>"
            f"<message xmlns='{CLIENT}' type='groupchat' from='{scene.room}/Ada'><body>never said</body></message>"
            "</forwarded>"
        )
        result = f"<result xmlns='urn:xmpp:mam:2' queryid='q' id='1'>{inner}</result>"
        await scene.says(eve, "can you hear me?", children=result)
        eve.send(f"<message to='{scene.room}/relay' type='chat'><body>and now?</body>{result}</message>")
        await relay.received("and now?")
        assert relay.texts == ["can you hear me?", "and now?"]


async def test_a_result_counts_only_from_the_archive_that_was_asked(prosody: Prosody) -> None:
    """While the archive is asked somebody in the room knows the query's number, and answers in its stead: in vain."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        session = scene.session_of(relay)
        room = session.rooms[relay.room(0)]
        forged = (
            "<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='2026-01-01T00:00:00Z'/>"
            f"<message xmlns='{CLIENT}' type='groupchat' from='{scene.room}/Ada'><body>never said</body></message>"
            "</forwarded>"
        )
        ask = room.archive._ask

        async def overheard(query: ET.Element) -> ET.Element:
            for sender in (f"{scene.room}/Eve", "eve@elsewhere.test", f"rooms.{MAIN}"):
                result = f"<result xmlns='urn:xmpp:mam:2' queryid='{query.get('queryid')}' id='1'>{forged}</result>"
                session.stream.waiting += 1
                session._take(ET.fromstring(f"<message xmlns='{CLIENT}' from='{sender}'>{result}</message>"))
            answer: ET.Element = await ask(query)
            return answer

        room.archive._ask = overheard
        await scene.says(scene.ada, "said")
        await relay.received("said")
        assert [each.message.body for each in (await room.archive.page(before="")).kept] == ["said"]


async def test_what_is_said_to_have_been_said_earlier_is_said_now(prosody: Prosody) -> None:
    """A forged delay neither hides a message nor moves it, in what the room keeps as well."""
    async with Scene(prosody, BARE) as scene:
        relay = await scene.relay()
        for number, stamp in enumerate(("2001-01-01T00:00:00Z", "2101-01-01T00:00:00Z")):
            forged = f"<delay xmlns='urn:xmpp:delay' from='{scene.room}' stamp='{stamp}'/>"
            await scene.says(scene.ada, f"said now {number}", children=forged)
        await relay.received("said now 1")
        first, second = relay.posted
        assert 0 <= second.at - first.at < 60_000
        late = await scene.relay()
        (_, position), *_ = late.host.gaps
        assert position is not None
        assert abs(position.at - second.at) < 60_000
    forged, own = (
        f"<delay xmlns='urn:xmpp:delay' from='{_ROOM}' stamp='{year}-01-01T00:00:00Z'/>" for year in (2001, 2026)
    )
    assert read_message(_message(forged + own)).at == stanzas.stamp("2026-01-01T00:00:00Z")


async def test_what_is_called_a_fallback_of_nothing_is_shown() -> None:
    """Text that stands for an answer is left out where there is one, and is somebody's words where there is none."""
    fallback = "<fallback xmlns='urn:xmpp:fallback:0' for='urn:xmpp:reply:0'><body start='0' end='5'/></fallback>"
    body = "<body>spam!</body>"
    assert read_message(_message(body + fallback)).body == "spam!"
    assert read_message(_message(body + fallback + "<reply xmlns='urn:xmpp:reply:0' id='1'/>")).body == ""


async def test_what_the_room_itself_says_is_nobodys_message() -> None:
    """A room's notices have no author, and are not relayed; the relay reads no carbon, whoever sends it."""
    notice = read_message(_message("<body>This room is public.</body>", sender=_ROOM))
    assert notice.is_new
    assert "/" not in notice.sender
    carbon = (
        "<received xmlns='urn:xmpp:carbons:2'><forwarded xmlns='urn:xmpp:forward:0'>"
        f"<message xmlns='{CLIENT}' from='{_ROOM}/Ada' type='groupchat'><body>forged</body></message>"
        "</forwarded></received>"
    )
    assert not read_message(_message(carbon, sender="eve@elsewhere.test/x")).is_new


# --- what is to be believed of our own --------------------------------------------------------------------------------


async def test_only_whom_a_message_was_sent_to_refuses_it() -> None:
    """Somebody in the room sends an error with the id of our message: it stays on its way until the room speaks."""
    echoes, failure = Echoes(), Failure("forbidden")
    echo = echoes.expect("nb-1", _ROOM)
    for sender in (f"{_ROOM}/Eve", "eve@elsewhere.test", ""):
        echoes.refused("nb-1", sender, failure)
    assert not echo.done()
    echoes.refused("nb-1", _ROOM, failure)
    with pytest.raises(RefusedMessage):
        await echo


async def test_an_error_of_somebody_in_the_room_stops_nothing(prosody: Prosody) -> None:
    """Eve knows the id of what the relay is about to say and sends an error for it: it is said all the same."""
    async with Scene(prosody) as scene:
        relay, eve = await scene.relay(), await scene.person("Eve")
        message = relay.outgoing("important")
        number = PREFIX + blake2s(message.key.encode(), digest_size=16).hexdigest()
        scene.cable.lag = 0.2  # the error is there before the room's own word
        sending = asyncio.ensure_future(relay.send(message))
        await eve.settled()
        eve.send(
            f"<message to='{scene.room}/relay' type='error' id='{number}'><error type='auth'>"
            "<forbidden xmlns='urn:ietf:params:xml:ns:xmpp-stanzas'/></error></message>"
        )
        assert (await sending).message is not None
        assert (await scene.heard("important")).get("id") == number


async def test_a_private_message_is_the_nicks_whatever_it_says(prosody: Prosody) -> None:
    """Who speaks to the relay alone is who the room shows under the nick: a code is told to nobody else's account."""
    async with Scene(prosody) as scene:
        relay, eve = await scene.relay(), await scene.person("Eve")
        await scene.says(scene.ada, "hello")
        await scene.says(eve, "hello, too")
        await relay.received("hello, too")
        ada, known = (each.author.id for each in relay.posted)
        forged = f"<occupant-id xmlns='urn:xmpp:occupant-id:0' id='{ada.partition('?')[2]}'/>"
        eve.send(
            f"<message to='{scene.room}/relay' type='chat'><body>!nb bind</body>{forged}"
            f"<x xmlns='{MUC}#user'/></message>"
        )
        assert (await relay.received("!nb bind")).author.id == known != ada


async def test_characters_that_xml_has_no_room_for_end_no_connection(prosody: Prosody) -> None:
    """They come in names, marks and texts from elsewhere; the server would end the stream for any of them."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        nasty = "a\x00b\x1b\ud800\ufffec"
        mark = Mark("daemon", DeliveryKey(f"k{nasty}"), f"mm/{nasty}", (nasty,))
        receipt = await relay.send(relay.outgoing(f"said {nasty}", mark=mark))
        assert receipt.message is not None
        await scene.heard("said abc")
        assert relay.host.connections == 1


async def test_a_reaction_by_name_that_nobody_has_breaks_no_line(prosody: Prosody) -> None:
    """What somebody calls an emoji is one short text; where it bears line breaks, so is what is left of it."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        _, room_id = await scene.says(scene.ada, "react!")
        given = "<reaction>x&#10;relay: all lies</reaction><reaction>👍</reaction>"
        await scene.says(
            scene.ada, "", children=f"<reactions xmlns='urn:xmpp:reactions:0' id='{room_id}'>{given}</reactions>"
        )
        await relay.until(lambda: bool(relay.of(Reacted)))
        assert [each.emoji for each in relay.of(Reacted)] == ["👍"]


# --- anything at all --------------------------------------------------------------------------------------------------

_NAMES = [
    (namespace, tag)
    for namespace, tags in {
        CLIENT: ["body", "subject", "error", "x"],
        stanzas.CORRECT: ["replace"],
        stanzas.DELAY: ["delay"],
        stanzas.FALLBACK: ["fallback", "body"],
        stanzas.FASTEN: ["apply-to"],
        stanzas.FILE: ["file", "size", "name"],
        stanzas.IDS: ["stanza-id", "origin-id"],
        stanzas.MARK: ["mark", "via"],
        stanzas.MUC_USER: ["x", "item", "status", "destroy", "reason", "actor", "invite"],
        stanzas.OCCUPANT: ["occupant-id"],
        stanzas.OOB: ["x", "url"],
        stanzas.PHOTO: ["x", "photo"],
        stanzas.REACTIONS: ["reactions", "reaction"],
        stanzas.REFERENCE: ["reference"],
        stanzas.REPLY: ["reply"],
        stanzas.SHARING: ["file-sharing", "sources"],
        stanzas.SIMS: ["media-sharing", "sources"],
        stanzas.STANZAS: ["text", "conflict"],
        stanzas.URL_DATA: ["url-data"],
        "urn:xmpp:message-retract:1": ["retract"],
        "urn:xmpp:message-moderate:1": ["moderated"],
    }.items()
    for tag in tags
]
_VALUES = st.one_of(
    st.sampled_from(
        ["", "0", "-1", "9" * 5000, "²", _ROOM, "https://[", "https://x/y", "x" * 5000, "2026-13-01", "0001-01-01"]
    ),
    st.text(max_size=8),
)
_ATTRIBUTES = st.dictionaries(
    st.sampled_from(
        ["id", "by", "from", "for", "start", "end", "stamp", "target", "uri", "jid", "nick", "code", "type"]
    ),
    _VALUES,
    max_size=4,
)


@st.composite
def _leaf(draw: st.DrawFn, children: st.SearchStrategy[list[ET.Element]] | None = None) -> ET.Element:
    namespace, tag = draw(st.sampled_from(_NAMES))
    made = ET.Element(f"{{{namespace}}}{tag}", draw(_ATTRIBUTES))
    made.text = draw(_VALUES)
    made.extend([] if children is None else draw(children))
    return made


_ELEMENTS = _leaf(st.lists(_leaf(st.lists(_leaf(), max_size=2)), max_size=3))


@settings(max_examples=100)
@given(st.lists(_ELEMENTS, max_size=5), st.sampled_from(["groupchat", "error", "chat", ""]))
def test_whatever_stands_in_a_stanza_is_read(children: list[ET.Element], kind: str) -> None:
    """No stanza that a server lets through is an error of the reader's, and what is kept of ids has an end."""
    for tag, read in (("message", read_message), ("presence", read_presence)):
        stanza = ET.Element(f"{{{CLIENT}}}{tag}", {"from": f"{_ROOM}/Eve", "type": kind})
        stanza.extend(children)
        found = read(stanza, _ALL)
        assert len(found.occupant) <= 256
        if isinstance(found, stanzas.Message):
            assert len(found.id) + len(found.room_id) + len(found.corrects) + len(found.answers) <= 4 * 256
            assert all(len(each) <= 64 for each in found.reactions)
            assert found.mark is None or len(marked(found.mark).get("origin", "")) <= 256
