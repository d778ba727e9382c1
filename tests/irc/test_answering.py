"""What IRC has beyond lines: answers, reactions, typing, messages taken back, and what is said to one alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from drivers.irc import wire
from drivers.irc.server import Server
from nextbridge.driver import Excerpt
from nextbridge.envelope import Author, ChannelKey, Deleted, MessageId, Posted, Reacted, UserId
from nextbridge.errors import DriverError, Gone, Rejected, Retry
from tests.irc.conftest import Inspircd, Meet, Person, Relay, Relays, settings, unique
from tests.irc.scripted import Visit, for_ever, serving

TAGS = "message-tags echo-message"
LABELS = f"{TAGS} labeled-response batch"
ZOE = Author(UserId("zoe"), "zoe", "Zoë")


async def at_home(
    meet: Meet, relays: Relays, port: int, capabilities: str = TAGS, **more: Any
) -> tuple[Person, Relay, str]:
    """Somebody with a modern client, and the relay in their channel."""
    room = unique("#")
    anna = await meet(port, capabilities=capabilities)
    await anna.join(room)
    relay = relays(settings(port, **more), room)
    nick = relay.driver.settings.nick
    await anna.expect(lambda line: f":{nick}!" in line and "JOIN" in line)
    await relay.host.until(lambda: bool(relay.host.resolutions))
    return anna, relay, room


def tags(line: str) -> dict[str, str]:
    parsed = wire.parse(line)
    assert parsed is not None
    return dict(parsed.tags)


async def error_of(doing: Awaitable[object]) -> DriverError | None:
    try:
        await doing
    except DriverError as error:
        return error
    return None


# --- answers --------------------------------------------------------------------------------------------------------


async def test_an_answer_names_what_it_answers(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Both ways: what a client answers is in the event, and what the relay answers is on the wire, in each piece."""
    anna, relay, room = await at_home(meet, relays, inspircd.port)
    assert relay.driver.answers == "any"
    said = await relay.send(room, "question")
    assert said is not None
    question = await anna.expect(lambda line: line.endswith(f" PRIVMSG {room} :question"))
    assert tags(question)["msgid"] == said
    anna.send(f"@+draft/reply={said} PRIVMSG {room} :answer")
    anna.send(f"@+reply={said} PRIVMSG {room} :another")
    anna.say(room, "neither")
    await relay.host.until(lambda: len(relay.posted) == 3)
    assert [event.reply_to for event in relay.posted] == [said, said, None]
    await relay.send(room, "x" * 800, reply_to=relay.posted[0].message)
    for _ in range(2):
        line = await anna.expect(lambda line: f" PRIVMSG {room} :xxx" in line)
        assert tags(line)["+draft/reply"] == relay.posted[0].message


async def test_an_id_that_only_we_know_is_told_to_nobody(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """What had no id of the server's cannot be answered by it."""
    anna, relay, room = await at_home(meet, relays, inspircd.port)
    await relay.send(room, "answer", reply_to=MessageId("nb-0123456789abcdef"))
    line = await anna.expect(lambda line: line.endswith(f" PRIVMSG {room} :answer"))
    assert "+draft/reply" not in tags(line)


async def test_a_person_who_begins_with_a_name_says_just_that(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """The habit of IRC, `anna: yes`, is text as any other."""
    anna, relay, room = await at_home(meet, relays, inspircd.port)
    anna.say(room, f"{anna.nick}: yes")
    await relay.host.until(lambda: bool(relay.posted))
    assert (relay.posted[0].reply_to, relay.posted[0].text) == (None, relay.driver.dialect.read(f"{anna.nick}: yes"))


async def test_a_server_without_tags_shows_no_answers(ngircd: int, meet: Meet, relays: Relays) -> None:
    """It is asked before, and what is told to be done is rejected; typing is not shown."""
    anna, relay, room = await at_home(meet, relays, ngircd, capabilities="", reactions=True)
    key, message = ChannelKey(room), MessageId("x")
    assert relay.driver.answers is None
    assert isinstance(await error_of(relay.driver.react(key, message, "👍", add=True)), Rejected)
    assert isinstance(await error_of(relay.driver.delete(key, message)), Rejected)
    await relay.driver.typing(key, ZOE)
    await relay.send(room, "answer", reply_to=message)
    assert await anna.hears(room) == "answer"
    assert [line for line in anna.lines if "TAGMSG" in line] == []


def test_a_server_says_which_tags_it_passes_on() -> None:
    """All, all but some, or none but some; and none at all without message-tags."""
    for denied, passed in (
        ("", {"typing", "draft/reply"}),
        ("typing", {"draft/reply"}),
        ("*", set()),
        ("*,-typing", {"typing"}),
    ):
        server = Server("relay")
        server.support((f"CLIENTTAGDENY={denied}",))
        assert not server.passes("typing")
        server.caps.add("message-tags")
        assert {tag for tag in ("typing", "draft/reply") if server.passes(tag)} == passed


async def test_what_was_said_is_remembered_for_a_while(ngircd: int, meet: Meet, relays: Relays) -> None:
    """So that it can be quoted, though the server keeps nothing; what nobody said is not."""
    anna, relay, room = await at_home(meet, relays, ngircd, capabilities="")
    key = ChannelKey(room)
    for number in range(510):
        anna.say(room, f"\x02line\x02 {number} " + "x" * 300)
    await relay.host.until(lambda: len(relay.posted) == 510, within=20)
    excerpt = await relay.driver.recall(key, relay.posted[-1].message)
    assert excerpt == Excerpt(anna.nick, ("line 509 " + "x" * 300)[:200])
    assert await relay.driver.recall(key, relay.posted[0].message) is None
    assert await relay.driver.recall(ChannelKey("#elsewhere"), relay.posted[-1].message) is None


# --- reactions ------------------------------------------------------------------------------------------------------


async def test_reactions_are_told(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Added and taken back, a character or a name, each once; a tag that says nothing of the kind is counted."""
    anna, relay, room = await at_home(meet, relays, inspircd.port)
    said = await relay.send(room, "hello")
    for reaction in (
        "+draft/react=👍",
        "+draft/unreact=👍",
        "+draft/react=:party:",
        "+draft/react=:tada:",
        "+draft/react=",
        "+else=1",
    ):
        anna.send(f"@{reaction};+draft/reply={said} TAGMSG {room}")
    anna.send(f"@+draft/react=👍 TAGMSG {room}")
    anna.send(f"@+draft/react={'x' * 65};+draft/reply={said} TAGMSG {room}")
    anna.say(room, "end")
    await relay.host.until(lambda: bool(relay.posted))
    reactions = [event for event in relay.host.events if isinstance(event, Reacted)]
    assert [(event.emoji, event.added) for event in reactions] == [
        ("👍", True),
        ("👍", False),
        ("party", True),
        ("🎉", True),
    ]
    assert {(event.message, event.author.name, event.channel.key) for event in reactions} == {(said, anna.nick, room)}
    assert len({event.key for event in reactions}) == 4
    assert relay.host.skips["other_tags"] == 4


async def test_a_reaction_is_put_where_the_operator_wants_it(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """With the setting it goes out as a tag; without it the rule decides, since it is rejected."""
    anna, relay, room = await at_home(meet, relays, inspircd.port, reactions=True)
    key = ChannelKey(room)
    anna.say(room, "hello")
    await relay.host.until(lambda: bool(relay.posted))
    message = relay.posted[0].message
    for emoji, add, tag, value in (
        ("👍", True, "+draft/react", "👍"),
        ("👍", False, "+draft/unreact", "👍"),
    ):
        await relay.driver.react(key, message, emoji, add=add)
        line = await anna.expect(lambda line: " TAGMSG " in line)
        assert (tags(line)[tag], tags(line)["+draft/reply"]) == (value, message)
    for emoji in ("party", "a;b", "👍" * 65):
        assert isinstance(await error_of(relay.driver.react(key, message, emoji, add=True)), Rejected)
    assert isinstance(await error_of(relay.driver.react(key, MessageId("nb-1"), "👍", add=True)), Rejected)
    other = relays(settings(inspircd.port), room)
    await other.host.until(lambda: other.host.is_connected)
    assert isinstance(await error_of(other.driver.react(key, message, "👍", add=True)), Rejected)
    assert [event for event in relay.host.events if isinstance(event, Reacted)] == []


@given(st.dictionaries(st.sampled_from(("+a", "+draft/b", "label")), st.text(st.characters(codec="utf-8"), min_size=1)))
def test_no_tag_ends_its_line_or_its_neighbour(given_tags: dict[str, str]) -> None:
    """Whatever a tag's value is, it is read back as it was, without NUL, and the line is one line."""
    data = wire.render("TAGMSG", "#c", tags=given_tags)
    assert data.count(b"\n") == data.count(b"\r") == 1
    line = wire.parse(data[:-2].decode())
    assert line is not None
    assert (line.command, line.params) == ("TAGMSG", ("#c",))
    assert line.tags == {name: value.replace("\0", "") for name, value in given_tags.items()}


# --- typing ---------------------------------------------------------------------------------------------------------


async def test_typing_is_told_and_shown(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Both ways; a pause is nothing, and what is shown is shown no more often than clients want it."""
    anna, relay, room = await at_home(meet, relays, inspircd.port)
    key = ChannelKey(room)
    for state in ("active", "paused", "done"):
        anna.send(f"@+typing={state} TAGMSG {room}")
    anna.say(room, "end")
    await relay.host.until(lambda: bool(relay.posted))
    assert [(channel, author.name) for channel, author in relay.host.typists] == [(key, anna.nick)]
    for _ in range(5):
        await relay.driver.typing(key, ZOE)
    await relay.driver.typing(ChannelKey("#elsewhere"), ZOE)
    await relay.send(room, "afterwards")
    await anna.expect(lambda line: line.endswith(f" PRIVMSG {room} :afterwards"))
    shown = [tags(line)["+typing"] for line in anna.lines if " TAGMSG " in line and relay.driver.own_name in line]
    assert shown == ["active"]


async def test_typing_makes_no_message_wait(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Where the next messages would have to wait for it, it is not shown."""
    anna, relay, room = await at_home(meet, relays, inspircd.port, messages_per_second=0.001, burst=12)
    await asyncio.gather(*(relay.send(room, f"{number}") for number in range(5)))
    await relay.driver.typing(ChannelKey(room), ZOE)
    await relay.send(room, "end")
    await anna.expect(lambda line: line.endswith(f" PRIVMSG {room} :end"))
    assert [line for line in anna.lines if " TAGMSG " in line] == []


# --- to one alone ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("server", ["inspircd", "ngircd"])
async def test_something_is_said_to_one_alone(
    server: str, request: pytest.FixtureRequest, meet: Meet, relays: Relays
) -> None:
    """Line by line, to the nick; where nobody bears it, or it is none, it is rejected; the channel hears nothing."""
    found = request.getfixturevalue(server)
    port = found.port if isinstance(found, Inspircd) else found
    anna, relay, room = await at_home(meet, relays, port, capabilities="")
    await relay.driver.tell(UserId(anna.nick), "the code is 1234\r\nQUIT :x\n" + "y" * 900)
    for text in ("the code is 1234", "QUIT :x"):
        assert (await anna.hears(anna.nick)).rstrip() == text
    pieces = [await anna.hears(anna.nick) for _ in range(2)]
    assert "".join(pieces) == "y" * 900
    for nobody in ("nobody", room, "a b", "", f"{anna.nick},x", ":x", "*", "a!b@c"):
        assert isinstance(await error_of(relay.driver.tell(UserId(nobody), "psst")), Rejected), nobody
    assert [line for line in anna.lines if f"PRIVMSG {room}" in line] == []
    assert relay.ends == []


async def test_what_is_said_to_the_relay_alone_is_an_event_of_no_channel(
    inspircd: Inspircd, meet: Meet, relays: Relays
) -> None:
    """It is addressed to the relay, and its place is the person: no rule can name that."""
    anna, relay, _ = await at_home(meet, relays, inspircd.port)
    anna.say(relay.driver.own_name, "help")
    await relay.host.until(lambda: any(isinstance(event, Posted) for event in relay.host.events))
    (event,) = [event for event in relay.host.events if isinstance(event, Posted)]
    assert (event.direct, event.addressed, event.channel.key) == (True, True, anna.nick.lower())
    await relay.driver.tell(event.author.id, "no")
    await anna.expect(lambda line: line.endswith(" :no"))


# --- taken back -----------------------------------------------------------------------------------------------------

REDACTION = f"{LABELS} draft/message-redaction"


def label(line: str) -> str:
    return line[1:].partition(" ")[0]


@pytest.mark.parametrize("capabilities", [REDACTION, f"{TAGS} draft/message-redaction"])
async def test_a_message_is_taken_back_where_the_server_can(capabilities: str, relays: Relays) -> None:
    """What the server says of it is what the core is told: done, gone, or refused. With labels or without."""

    def refusal(line: str, *words: str) -> str:
        return (f"@{label(line)} " if line.startswith("@label") else "") + " ".join((":s FAIL REDACT", *words))

    async def script(visit: Visit) -> None:
        nick = await visit.welcome(capabilities=capabilities)
        await visit.admit(nick)
        line = await visit.expect("REDACT #a one")
        visit.send((f"@{label(line)} " if line.startswith("@label") else "") + f":{nick}!u@h REDACT #a one")
        line = await answered(visit, line)
        visit.send(refusal(line, "UNKNOWN_MSGID #a two :no such message"))
        line = await answered(visit, line)
        visit.send(refusal(line, "REDACT_FORBIDDEN #a three :not yours"))
        visit.send("@msgid=x :ben!u@h REDACT #a four :oops", ":ben!u@h PRIVMSG #a :end")
        await for_ever()

    async def answered(visit: Visit, line: str) -> str:
        """Without labels a PING follows each command, and what it is answered with comes after the refusal."""
        if line.startswith("@label"):
            return await visit.expect("REDACT")
        ping = await visit.expect("PING")
        visit.send(f":s PONG s {ping.partition(' ')[2]}")
        return await visit.expect("REDACT")

    async with serving(script) as port:
        relay = relays(settings(port), "#a")
        await relay.host.until(lambda: relay.host.is_connected)
        key = ChannelKey("#a")
        await relay.driver.delete(key, MessageId("one"))
        assert isinstance(await error_of(relay.driver.delete(key, MessageId("two"))), Gone)
        assert isinstance(await error_of(relay.driver.delete(key, MessageId("three"))), Rejected)
        await relay.host.until(lambda: bool(relay.posted))
    (deleted,) = [event for event in relay.host.events if isinstance(event, Deleted)]
    assert (deleted.message, deleted.author.name, deleted.channel.key) == ("four", "ben", "#a")


async def test_an_id_of_ours_or_of_two_words_is_in_no_command(relays: Relays) -> None:
    """What cannot be an id on the wire is not sent there."""

    async def script(visit: Visit) -> None:
        await visit.admit(await visit.welcome(capabilities=REDACTION))
        await visit.expect("PRIVMSG")
        assert [line for line in visit.lines if "REDACT" in line and "CAP" not in line] == []

    async with serving(script) as port:
        relay = relays(settings(port), "#a")
        await relay.host.until(lambda: relay.host.is_connected)
        assert isinstance(await error_of(relay.driver.delete(ChannelKey("#a"), MessageId("nb-1"))), Rejected)
        assert isinstance(await error_of(relay.driver.delete(ChannelKey("#a"), MessageId("a b"))), Gone)
        assert isinstance(await error_of(relay.send("#a", "end")), Retry)


async def test_nothing_can_be_done_without_a_connection(inspircd: Inspircd, relays: Relays) -> None:
    """It is tried again later; what is asked is answered with nothing."""
    relay = relays(settings(1), "#a")
    key, message = ChannelKey("#a"), MessageId("x")
    driver = relay.driver
    deeds: list[Callable[[], Awaitable[object]]] = [
        lambda: driver.delete(key, message),
        lambda: driver.react(key, message, "👍", add=True),
        lambda: driver.set_topic(key, "x"),
        lambda: driver.tell(UserId("anna"), "x"),
    ]
    assert [type(await error_of(deed())) for deed in deeds] == [Retry] * 4
    await driver.typing(key, ZOE)
    assert (driver.answers, await driver.member(key, "anna"), await driver.recall(key, message)) == (None, None, None)
