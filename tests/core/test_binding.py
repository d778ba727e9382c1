"""Binding accounts: how it is done, and what does not help those who would be bound to somebody they are not."""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import AsyncIterator
from pathlib import Path

import pytest
from msgspec.structs import replace

from nextbridge.bindings import Account, Bindings, Bound
from nextbridge.commands.requests import BindRequests, Caller
from nextbridge.driver import Rejected
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, UserId
from nextbridge.identities import Home, OwnIdentities
from nextbridge.journal import Journal
from nextbridge.journal.sqlite import open_journal
from tests.core.script import RunDaemon, rule
from tests.core.talking import ALICE, BOB, MALLORY, LonelyDriver, PassingDriver, TalkingDriver, pair, talking

BRIDGE = rule("r", "a/1", "b/1", "c/1")
SIDES = {"a": TalkingDriver, "b": TalkingDriver, "c": TalkingDriver}
ALLY = Author(id=UserId("u9"), username="ally", name="Ally")
"""Alice on the other side."""


def code_in(words: str) -> str:
    """The code, as a message brings it."""
    found = re.search(r"code is (\S+) ", words)
    assert found is not None, words
    return found[1]


def number_in(words: str) -> str:
    """The number to accept with."""
    found = re.search(r"accept (\d+)", words)
    assert found is not None, words
    return found[1]


async def bind(one: TalkingDriver, author: Author, other: TalkingDriver, second: Author) -> None:
    """All four steps."""
    start, middle = len(one.told_to(author)), len(other.told_to(second))
    await one.whispers(author, "bind")
    code = code_in(await one.answer_to(author, nth=start + 1))
    await other.whispers(second, f"bind confirm {code}")
    await other.whispers(second, f"bind accept {number_in(await other.answer_to(second, nth=middle + 1))}")
    await one.whispers(author, f"bind accept {number_in(await one.answer_to(author, nth=start + 2))}")
    assert "You are bound to" in await one.answer_to(author, nth=start + 3)
    assert "You are bound to" in await other.answer_to(second, nth=middle + 3)


# --- by the daemon --------------------------------------------------------------------------------------------------


async def test_two_accounts_become_one_person_when_both_say_so(daemon: RunDaemon) -> None:
    """Each is told of the other by name and server; and after a restart it is still so."""
    async with daemon(BRIDGE, **SIDES) as running:
        a, b = pair(running)
        await a.says(ALICE, "!nb bind")
        code = code_in(await a.answer_to(ALICE))
        await b.says(ALLY, f"!nb bind confirm {code.lower().replace('-', ' ')}")
        asked = await b.answer_to(ALLY)
        assert '"alice" on Script (a)' in asked
        await b.says(ALLY, f"!nb bind accept {number_in(asked)}")
        confirmed = await a.answer_to(ALICE, nth=2)
        assert '"ally" on Script (b)' in confirmed
        await a.says(ALICE, f"!nb bind accept {number_in(confirmed)}")
        assert await a.answer_to(ALICE, nth=3) == 'You are bound to "ally" on Script (b).'
        assert await b.answer_to(ALLY, nth=3) == 'You are bound to "alice" on Script (a).'
        assert not a.shown
        assert not b.shown
    async with daemon(BRIDGE, **SIDES) as running:
        a, b = pair(running)
        await a.whispers(ALICE, "bind list")
        assert await a.answer_to(ALICE) == 'You are also "ally" on Script (b).'
        await b.whispers(ALLY, "bind rm")
        assert await b.answer_to(ALLY) == '"ally" on Script (b) is not bound to you any more.'
        await a.whispers(ALICE, "bind list")
        assert "no other account" in await a.answer_to(ALICE, nth=2)
    async with daemon(BRIDGE, **SIDES) as running:
        a, _ = pair(running)
        await a.whispers(ALICE, "bind list")
        assert "no other account" in await a.answer_to(ALICE)


async def test_three_accounts_can_be_one_person(daemon: RunDaemon) -> None:
    """From whichever of them; each can be taken out from any other, by its instance."""
    async with daemon(BRIDGE, **SIDES) as running:
        a, b = pair(running)
        c = talking(running, "c")
        await bind(a, ALICE, b, ALLY)
        await bind(c, BOB, b, ALLY)
        await a.whispers(ALICE, "bind list")
        assert await a.answer_to(ALICE, nth=4) == 'You are also "ally" on Script (b), "bob" on Script (c).'
        await a.whispers(ALICE, "bind rm B")
        assert await a.answer_to(ALICE, nth=5) == '"ally" on Script (b) is not bound to you any more.'
        await b.whispers(ALLY, "bind list")
        assert "no other account" in await b.answer_to(ALLY, nth=7)
        await c.whispers(BOB, "bind list")
        assert await c.answer_to(BOB, nth=4) == 'You are also "alice" on Script (a).'


async def test_a_name_does_not_say_where_it_is_from(daemon: RunDaemon) -> None:
    """Whoever is called like an account with its server is seen to be only called so."""
    name = 'alice" on Script (b). "'
    async with daemon(BRIDGE, **SIDES) as running:
        a, b = pair(running)
        await a.whispers(replace(MALLORY, username=name), "bind")
        await b.whispers(ALLY, f"bind confirm {code_in(await a.answer_to(MALLORY))}")
        assert "This code is of \"alice' on Script (b). '\" on Script (a)." in await b.answer_to(ALLY)


async def test_a_code_is_shown_to_nobody_else(daemon: RunDaemon) -> None:
    """Where the relay cannot write to the asker alone it makes none."""
    async with daemon(BRIDGE, a=LonelyDriver, b=TalkingDriver, c=TalkingDriver) as running:
        a, b = running["a"], talking(running, "b")
        await a.post("!nb bind", author=ALICE)
        await a.until(lambda: len(a.shown) == 1)
        assert "alone" in a.texts[0]
        b.refuses = Rejected("they take no messages")
        await b.says(ALLY, "!nb bind")
        await b.until(lambda: len(b.shown) == 1)
        assert "alone" in b.texts[0]
        assert "code" not in a.texts[0] + b.texts[0]


async def test_who_cannot_be_told_alone_can_still_be_the_second(daemon: RunDaemon) -> None:
    """What the second is told is no secret: its number is worth nothing to others."""
    async with daemon(BRIDGE, a=TalkingDriver, b=LonelyDriver, c=TalkingDriver) as running:
        a, b = talking(running, "a"), running["b"]
        await a.whispers(ALICE, "bind")
        await b.post(f"!nb bind confirm {code_in(await a.answer_to(ALICE))}", author=ALLY)
        await b.until(lambda: len(b.shown) == 1)
        number = number_in(b.texts[0])
        await b.post(f"!nb bind accept {number}", author=MALLORY)
        await b.until(lambda: len(b.shown) == 2)
        assert "Nothing of yours" in b.texts[1]
        await b.post(f"!nb bind accept {number}", author=ALLY)
        await a.answer_to(ALICE, nth=2)


async def test_a_restart_ends_every_request(daemon: RunDaemon) -> None:
    """A code lives in memory alone."""
    async with daemon(BRIDGE, **SIDES) as running:
        a, _ = pair(running)
        await a.whispers(ALICE, "bind")
        code = code_in(await a.answer_to(ALICE))
    async with daemon(BRIDGE, **SIDES) as running:
        _, b = pair(running)
        await b.whispers(ALLY, f"bind confirm {code}")
        assert "not valid" in await b.answer_to(ALLY)


async def test_what_nobody_is_bound_to_cannot_be_removed(daemon: RunDaemon) -> None:
    """Nor can another's account: only those of one's own person are found at all."""
    async with daemon(BRIDGE, **SIDES) as running:
        a, b = pair(running)
        await bind(a, ALICE, b, ALLY)
        for words in ("bind rm", "bind rm b", "bind rm nowhere"):
            await a.whispers(MALLORY, words)
        await a.answer_to(MALLORY, nth=3)
        assert all("no bound account" in words for words in a.told_to(MALLORY))
        await a.whispers(ALICE, "bind list")
        assert "ally" in await a.answer_to(ALICE, nth=4)


async def test_whoever_takes_a_bound_nick_can_neither_bring_in_nor_remove_others(daemon: RunDaemon) -> None:
    """Where names change hands, the next one to bear it gets no hold of the other accounts."""
    async with daemon(BRIDGE, a=TalkingDriver, b=PassingDriver, c=TalkingDriver) as running:
        a, b = pair(running)
        c = talking(running, "c")
        await bind(a, ALICE, b, ALLY)
        thief = ALLY
        await b.whispers(thief, "bind")
        assert "names can change hands" in await b.answer_to(thief, nth=4)
        await b.whispers(thief, "bind rm a")
        assert "Names can change hands" in await b.answer_to(thief, nth=5)
        await c.whispers(MALLORY, "bind")
        await b.whispers(thief, f"bind confirm {code_in(await c.answer_to(MALLORY))}")
        assert "names can change hands" in await b.answer_to(thief, nth=6)
        await a.whispers(ALICE, "bind list")
        assert await a.answer_to(ALICE, nth=4) == 'You are also "ally" on Script (b).'
        await b.whispers(thief, "bind rm")
        assert "not bound to you any more" in await b.answer_to(thief, nth=7)


# --- the requests alone ---------------------------------------------------------------------------------------------


@pytest.fixture
async def journal(tmp_path: Path) -> AsyncIterator[Journal]:
    opened = await open_journal(tmp_path / "requests")
    yield opened
    await opened.close()


class Clock:
    now = 0.0

    def __call__(self) -> float:
        return self.now


class Desk:
    """Requests, bindings and a clock that a test moves."""

    def __init__(self, journal: Journal) -> None:
        self.clock = Clock()
        self.bindings = Bindings(journal, OwnIdentities(journal))
        self.requests = BindRequests(self.bindings, self.clock)

    def begin(self, who: Caller) -> str:
        code, words = self.requests.begin(who)
        assert code is not None, words
        return code

    def confirm(self, who: Caller, code: str) -> str:
        return number_in(self.requests.confirm(who, code))

    async def accept(self, who: Caller, number: str) -> dict[str, str]:
        return {whom.name: words for whom, words in await self.requests.accept(who, number)}

    async def bind(self, first: Caller, second: Caller) -> None:
        told = await self.accept(second, self.confirm(second, self.begin(first)))
        await self.accept(first, number_in(told[first.name]))
        assert self.are_one(first, second)

    def are_one(self, one: Caller, other: Caller) -> bool:
        return other.account in {each.account for each in self.bindings.accounts(one.account)}


def caller(name: str, where: str, *, lasts: bool = True) -> Caller:
    account = Account(Home("script", where), UserId(f"id-{name}"))
    place = Channel(InstanceId(where), ChannelKey("1"))
    return Caller(account, name, f"{name} on {where}", lasts, place, True)


@pytest.fixture
def desk(journal: Journal) -> Desk:
    return Desk(journal)


ALICE_A, ALICE_B, ALICE_C = caller("alice", "a"), caller("ally", "b"), caller("alicia", "c")
MALLORY_A, MALLORY_B = caller("mallory", "a"), caller("mal", "b")


async def test_a_code_that_was_foisted_on_somebody_binds_nobody(desk: Desk) -> None:
    """Alice confirms Mallory's code: she is told whose it is, and nothing happens, whatever Mallory accepts."""
    code = desk.begin(MALLORY_A)
    words = desk.requests.confirm(ALICE_B, code)
    assert words.startswith("This code is of mallory on a.")
    told = await desk.accept(MALLORY_A, number_in(words))
    assert "Nothing of yours" in told["mallory"]
    assert not desk.are_one(MALLORY_A, ALICE_B)


async def test_a_code_that_was_stolen_binds_nobody(desk: Desk) -> None:
    """Mallory confirms Alice's code and accepts: Alice is told who it was, and without her nothing happens."""
    number = desk.confirm(MALLORY_B, desk.begin(ALICE_A))
    told = await desk.accept(MALLORY_B, number)
    assert told["alice"].startswith("mal on b has confirmed your code.")
    assert "Nothing of yours" in (await desk.accept(MALLORY_B, number_in(told["alice"])))["mal"]
    assert not desk.are_one(ALICE_A, MALLORY_B)
    assert desk.bindings.accounts(ALICE_A.account) == ()


async def test_nobody_accepts_before_they_were_told_whom(desk: Desk) -> None:
    """Each side has a number of its own, which it is told with the other's name; the other side's is no good."""
    number = desk.confirm(ALICE_B, desk.begin(ALICE_A))
    assert "Nothing of yours" in (await desk.accept(ALICE_A, number))["alice"]
    told = await desk.accept(ALICE_B, number)
    again = await desk.accept(ALICE_B, number_in(told["alice"]))
    assert "Nothing of yours" in again["ally"]
    assert "bound" in (await desk.accept(ALICE_A, number_in(told["alice"])))["alice"]
    assert desk.are_one(ALICE_A, ALICE_B)


async def test_a_code_is_good_for_one_confirmation(desk: Desk) -> None:
    """Whoever comes second, or says it again, has nothing, before and after the two are bound."""
    code = desk.begin(ALICE_A)
    number = desk.confirm(ALICE_B, code)
    assert "not valid" in desk.requests.confirm(MALLORY_B, code)
    told = await desk.accept(ALICE_B, number)
    await desk.accept(ALICE_A, number_in(told["alice"]))
    assert "not valid" in desk.requests.confirm(MALLORY_B, code)
    assert "Nothing of yours" in (await desk.accept(ALICE_A, number_in(told["alice"])))["alice"]


async def test_every_step_is_open_for_five_minutes(desk: Desk) -> None:
    """The code, and both numbers."""
    code = desk.begin(ALICE_A)
    desk.clock.now = 300.0
    assert "not valid" in desk.requests.confirm(ALICE_B, code)
    number = desk.confirm(ALICE_B, desk.begin(ALICE_A))
    desk.clock.now += 300.0
    assert "Nothing of yours" in (await desk.accept(ALICE_B, number))["ally"]
    number = desk.confirm(ALICE_B, desk.begin(ALICE_A))
    desk.clock.now += 299.0
    told = await desk.accept(ALICE_B, number)
    desk.clock.now += 300.0
    assert "Nothing of yours" in (await desk.accept(ALICE_A, number_in(told["alice"])))["alice"]
    assert not desk.are_one(ALICE_A, ALICE_B)


def test_a_new_code_ends_the_one_before(desk: Desk) -> None:
    """There is one request of an account at a time."""
    first, second = desk.begin(ALICE_A), desk.begin(ALICE_A)
    assert "not valid" in desk.requests.confirm(ALICE_B, first)
    assert desk.confirm(ALICE_B, second)


def test_ones_own_code_is_no_other_account(desk: Desk) -> None:
    """Said by the account that asked for it, it binds nothing, and is still good."""
    code = desk.begin(ALICE_A)
    assert "as your other account" in desk.requests.confirm(ALICE_A, code)
    assert desk.confirm(ALICE_B, code)


def test_each_person_has_one_account_on_a_server(desk: Desk) -> None:
    """Two of one server are two people."""
    assert "on one server" in desk.requests.confirm(MALLORY_A, desk.begin(ALICE_A))


def test_a_code_is_void_after_three_wrong_ones_for_it(desk: Desk) -> None:
    """Whoever knows the half of it that names the request."""
    code = desk.begin(ALICE_A)
    for number in range(3):
        assert "not valid" in desk.requests.confirm(caller(f"guesser{number}", "b"), f"{code[:4]}-00000000")
    assert "not valid" in desk.requests.confirm(ALICE_B, code)


def test_who_guesses_codes_has_to_wait(desk: Desk) -> None:
    """After five wrong ones not even the right one is heard, for a quarter of an hour; others are not hindered."""
    for _ in range(5):
        assert "not valid" in desk.requests.confirm(MALLORY_B, "0000-00000000")
    assert "too often" in desk.requests.confirm(MALLORY_B, desk.begin(ALICE_A))
    assert desk.confirm(ALICE_B, desk.begin(ALICE_A))
    desk.clock.now = 900.0
    assert desk.confirm(MALLORY_B, desk.begin(MALLORY_A))


async def test_a_number_is_void_after_three_wrong_ones(desk: Desk) -> None:
    """The whole request is."""
    number = desk.confirm(ALICE_B, desk.begin(ALICE_A))
    for _ in range(3):
        assert "Nothing of yours" in (await desk.accept(ALICE_B, "0000"))["ally"]
    assert "Nothing of yours" in (await desk.accept(ALICE_B, number))["ally"]


@pytest.mark.parametrize("code", ["", "-", "\ud800", "é", "0" * 10_000, "%s", "{bind}", "0000"])
def test_no_word_is_a_code_but_the_code(desk: Desk, code: str) -> None:
    """Whatever else a chat user writes is a wrong one."""
    desk.begin(ALICE_A)
    assert "not valid" in desk.requests.confirm(ALICE_B, code)


async def test_no_word_is_a_number_but_the_number(desk: Desk) -> None:
    """Likewise."""
    desk.confirm(ALICE_B, desk.begin(ALICE_A))
    for number in ("\ud800", "٤٤٤٤"):
        assert "Nothing of yours" in (await desk.accept(ALICE_B, number))["ally"]


def test_codes_are_random(desk: Desk) -> None:
    """Of two thousand no two are alike, and each letter comes up about as often as any other."""
    codes = [desk.begin(ALICE_A).replace("-", "") for _ in range(2000)]
    assert len(set(codes)) == 2000
    letters = Counter("".join(codes))
    assert len(letters) == 32
    assert max(letters.values()) < 1.3 * min(letters.values())


def test_no_crowd_fills_the_memory(desk: Desk) -> None:
    """A thousand requests are open at most; when they are old there is room again. Mistakes are bounded likewise."""
    for number in range(1000):
        desk.begin(caller(f"crowd{number}", "a"))
    code, words = desk.requests.begin(ALICE_A)
    assert code is None
    assert "Too many people" in words
    desk.clock.now = 300.0
    assert desk.begin(ALICE_A)
    for number in range(11_000):
        desk.requests.confirm(caller(f"crowd{number}", "b"), "0000")
    assert len(desk.requests._mistakes) == 10_000


async def test_two_people_with_other_accounts_become_one_where_they_share_no_server(desk: Desk) -> None:
    """All their accounts are one person's then."""
    alice_d = caller("alice-d", "d")
    await desk.bind(ALICE_A, ALICE_B)
    await desk.bind(ALICE_C, alice_d)
    await desk.bind(ALICE_B, ALICE_C)
    assert desk.are_one(ALICE_A, alice_d)
    assert len(desk.bindings.accounts(ALICE_A.account)) == 4


async def test_two_people_who_share_a_server_stay_two(desk: Desk) -> None:
    """Whatever codes they tell each other: each has an account there."""
    await desk.bind(ALICE_A, ALICE_B)
    await desk.bind(MALLORY_A, ALICE_C)
    assert "one and the same server" in desk.requests.confirm(ALICE_C, desk.begin(ALICE_B))
    assert "one and the same server" in desk.requests.confirm(ALICE_A, desk.begin(ALICE_C))
    assert "already" in desk.requests.confirm(ALICE_B, desk.begin(ALICE_A))
    assert not desk.are_one(ALICE_A, ALICE_C)


async def test_what_changed_while_a_request_was_open_counts(desk: Desk) -> None:
    """The last step looks again."""
    told = await desk.accept(ALICE_B, desk.confirm(ALICE_B, desk.begin(ALICE_A)))
    await desk.bindings.join(ALICE_A.bound, caller("other", "b").bound)
    last = await desk.accept(ALICE_A, number_in(told["alice"]))
    assert "one and the same server" in last["alice"]
    assert not desk.are_one(ALICE_A, ALICE_B)


async def test_two_passing_names_can_be_bound_and_no_third(desk: Desk) -> None:
    """Nobody can be sure who brings in the third."""
    nick_b, nick_c = caller("nick", "b", lasts=False), caller("knick", "c", lasts=False)
    await desk.bind(nick_b, nick_c)
    assert "names can change hands" in desk.requests.confirm(nick_b, desk.begin(ALICE_A))
    code, _ = desk.requests.begin(nick_c)
    assert code is None


# --- the bindings alone ---------------------------------------------------------------------------------------------


async def known(journal: Journal) -> tuple[OwnIdentities, Bindings]:
    identities = OwnIdentities(journal)
    for instance, realm in (("a", "one"), ("a2", "one"), ("b", "two"), ("c", "three")):
        await identities.learn(InstanceId(instance), "script", realm, UserId("relay"))
    bindings = Bindings(journal, identities)
    await bindings.load()
    return identities, bindings


def of(instance: str, author: Author, bindings: Bindings) -> Bound:
    account = bindings.account(InstanceId(instance), author.id)
    assert account is not None
    return Bound(account, author.username)


async def test_two_instances_on_one_server_know_one_account(journal: Journal) -> None:
    """Whichever of them a person was bound through."""
    _, bindings = await known(journal)
    await bindings.join(of("a", ALICE, bindings), of("b", ALLY, bindings))
    assert bindings.accounts(of("a2", ALICE, bindings).account) == bindings.accounts(of("a", ALICE, bindings).account)
    assert bindings.counterpart(of("b", ALLY, bindings).account, Home("script", "one")) is not None
    assert bindings.account(InstanceId("never-connected"), ALICE.id) is None


async def test_a_renamed_account_is_known_by_its_present_handle(journal: Journal) -> None:
    """As soon as it speaks; the old handle is nobody's, also after a restart."""
    _, bindings = await known(journal)
    home = Home("script", "one")
    await bindings.join(of("a", ALICE, bindings), of("b", ALLY, bindings))
    bindings.heard(InstanceId("a2"), replace(ALICE, username="Alicia"))
    bindings.heard(InstanceId("a2"), replace(ALICE, username="Ali\ncia"))
    bindings.heard(InstanceId("a"), MALLORY)
    bindings.heard(InstanceId("a"), replace(ALICE, username="a webhook of hers", bot=True))
    bindings.heard(InstanceId("never-connected"), ALICE)
    await journal.flush()
    for _ in range(2):
        assert bindings.named(home, "alice") is None
        assert bindings.named(home, "ALI CIA") == of("a", ALICE, bindings).account
        _, bindings = await known(journal)


async def test_a_handle_that_two_bound_accounts_have_is_nobodys(journal: Journal) -> None:
    """One of them has been renamed, and nobody can tell which."""
    _, bindings = await known(journal)
    await bindings.join(of("a", ALICE, bindings), of("b", ALLY, bindings))
    await bindings.join(Bound(of("a", MALLORY, bindings).account, "Alice"), of("c", MALLORY, bindings))
    assert bindings.named(Home("script", "one"), "alice") is None


async def test_a_crash_between_two_writes_leaves_one_person(journal: Journal) -> None:
    """The union is written before what it swallowed is removed: the newer of two is right."""
    _, bindings = await known(journal)
    alice, ally, bob = of("a", ALICE, bindings), of("b", ALLY, bindings), of("c", BOB, bindings)
    dora = Bound(Account(Home("script", "four"), UserId("dora")), "dora")
    await bindings.join(alice, ally)
    await bindings.join(bob, dora)
    before = await journal.read_all("core/bindings")
    await bindings.join(alice, bob)
    for key, value in before.items():
        if key not in await journal.read_all("core/bindings"):
            await journal.write("core/bindings", key, value)
    _, bindings = await known(journal)
    assert {each.account for each in bindings.accounts(bob.account)} == {
        each.account for each in (alice, ally, bob, dora)
    }
    await bindings.remove(bob.account)
    await bindings.remove(dora.account)
    _, bindings = await known(journal)
    assert bindings.accounts(bob.account) == ()


async def test_the_last_account_is_bound_to_nothing(journal: Journal) -> None:
    """And nothing of it stays on disk."""
    _, bindings = await known(journal)
    await bindings.join(of("a", ALICE, bindings), of("b", ALLY, bindings))
    assert await bindings.remove(of("b", ALLY, bindings).account)
    assert not await bindings.remove(of("b", ALLY, bindings).account)
    assert bindings.accounts(of("a", ALICE, bindings).account) == ()
    assert await journal.read_all("core/bindings") == {}
