"""Which accounts, on which servers and networks, are one person: so that a mention calls them where they are.

An account is known by its home and its user id, never by an instance's name: two instances on one server mean the same
account. What people say to bind accounts, and what keeps a third person out of it, is in `nextbridge.commands`.
"""

from __future__ import annotations

import asyncio
import secrets
from collections import Counter
from collections.abc import Sequence

import msgspec
from msgspec import Struct

from nextbridge.envelope import Author, InstanceId, UserId
from nextbridge.identities import Home, OwnIdentities
from nextbridge.journal import Journal
from nextbridge.render import one_line

__all__ = ["Account", "Bindings", "Bound"]

_NAMESPACE = "core/bindings"
_MOST_PEOPLE = 100_000
_LONGEST_NAME = 100


class Account(Struct, frozen=True, gc=False):
    """One account: where it is and its user id there."""

    home: Home
    user: UserId


class Bound(Struct, frozen=True, gc=False):
    """An account of a person, with the handle that it had when it was last heard of."""

    account: Account
    name: str


class _Person(Struct, frozen=True):
    """As it lies in the journal. Of two that hold one account, the one with the higher `serial` is right."""

    serial: int
    accounts: tuple[Bound, ...]


class Bindings:
    """Every person with more than one account. Read from the journal once, then looked up in memory.

    A change is in force when it is made, and on disk when the call returns.
    """

    def __init__(self, journal: Journal, identities: OwnIdentities) -> None:
        self._journal = journal
        self._identities = identities
        self._people: dict[str, _Person] = {}
        self._keys: dict[Account, str] = {}
        self._named: dict[tuple[Home, str], set[Account]] = {}
        self._at: Counter[Home] = Counter()
        """How many accounts are bound at a home."""
        self._serial = 0
        self._writing: set[asyncio.Task[None]] = set()

    async def load(self) -> None:
        """Take up what earlier runs bound. Before the first event is accepted."""
        kept = await self._journal.read_all(_NAMESPACE)
        people = {key: msgspec.json.decode(text, type=_Person) for key, text in kept.items()}
        # the newest first: a crash between the two writes of `join` leaves an account in the older of two people, too
        for key, person in sorted(people.items(), key=lambda item: -item[1].serial):
            self._serial = max(self._serial, person.serial)
            accounts = tuple(each for each in person.accounts if each.account not in self._keys)
            if len(accounts) > 1:
                self._place(key, _Person(person.serial, accounts))
            if accounts != person.accounts:
                await self._write(key)  # or it would hold again what is removed from the newer one

    def account(self, instance: InstanceId, user: UserId) -> Account | None:
        """The account that `instance` knows as `user`; None while it is not known where that instance is."""
        home = self._identities.home(instance)
        return None if home is None else Account(home, user)

    def accounts(self, account: Account) -> tuple[Bound, ...]:
        """Every account of the person, this one included; nothing where it is not bound."""
        key = self._keys.get(account)
        return () if key is None else self._people[key].accounts

    def counterpart(self, account: Account, home: Home) -> Bound | None:
        """The same person's account at `home`."""
        return next((each for each in self.accounts(account) if each.account.home == home), None)

    def named(self, home: Home, name: str) -> Account | None:
        """The bound account at `home` whose handle is `name`, in small or capital letters; None where several are."""
        found = self._named.get((home, name.casefold()), ())
        return next(iter(found)) if len(found) == 1 else None

    def heard(self, instance: InstanceId, author: Author) -> None:
        """`author` spoke: where the account is bound, its present handle is kept. Costs next to nothing.

        A bot's is not: a webhook speaks under any name, by the account of whoever made it.
        """
        if not self._keys or author.bot:
            return
        account = self.account(instance, author.id)
        key = None if account is None else self._keys.get(account)
        if account is None or key is None:
            return
        person, name = self._people[key], _handle(author.username)
        if not name or Bound(account, name) in person.accounts:
            return
        self._set(key, [Bound(account, name) if each.account == account else each for each in person.accounts])
        write = asyncio.create_task(self._write(key))
        self._writing.add(write)
        write.add_done_callback(self._written)

    def is_known_at(self, home: Home) -> bool:
        """Whether anybody is bound at `home`."""
        return self._at[home] > 0

    def objection(self, one: Account, other: Account) -> str | None:
        """Why the two cannot become one person, as a sentence for both of them; None where they can."""
        if one.home == other.home:
            return "Both accounts are on one server. Each person has one account there."
        if self._keys.get(one) is not None and self._keys.get(one) == self._keys.get(other):
            return "The two accounts are bound to each other already."
        homes = {each.account.home for each in self.accounts(one)} | {one.home}
        if any(each.account.home in homes for each in (*self.accounts(other), Bound(other, ""))):
            return "Both have another account on one and the same server. Remove one of them first (bind rm)."
        if len(self._people) >= _MOST_PEOPLE:
            return "There is no room for more bindings. Tell whoever runs this relay."
        return None

    async def join(self, one: Bound, other: Bound) -> None:
        """The two are one person, with everything that each is bound to. Only where `objection` has none."""
        key = self._keys.get(one.account) or self._keys.get(other.account) or secrets.token_hex(8)
        given_up = self._keys.get(other.account)
        accounts = [*(self.accounts(one.account) or (one,)), *(self.accounts(other.account) or (other,))]
        if given_up is not None and given_up != key:
            self._set(given_up, ())
        self._set(key, accounts)
        await self._write(key)
        if given_up is not None and given_up != key:
            await self._write(given_up)

    def called(self, person: str, instance: InstanceId | None = None) -> set[Account]:
        """The bound accounts whose id or handle this is: those that an instance sees, or all."""
        home = None if instance is None else self._identities.home(instance)
        return {
            each.account
            for kept in self._people.values()
            for each in kept.accounts
            if person in {each.account.user, each.name} and (instance is None or each.account.home == home)
        }

    async def remove(self, account: Account) -> bool:
        """Take an account from its person; false where it is not bound. One that is left alone is bound no more."""
        key = self._keys.get(account)
        if key is None:
            return False
        self._set(key, [each for each in self._people[key].accounts if each.account != account])
        await self._write(key)
        return True

    def _set(self, key: str, accounts: Sequence[Bound]) -> None:
        self._remove(key)
        if len(accounts) > 1:
            self._serial += 1
            self._place(key, _Person(self._serial, tuple(Bound(each.account, _handle(each.name)) for each in accounts)))

    async def _write(self, key: str) -> None:
        """Bring what is in force now to disk: whoever writes last writes what is right."""
        person = self._people.get(key)
        await self._journal.write(_NAMESPACE, key, None if person is None else msgspec.json.encode(person).decode())

    def _place(self, key: str, person: _Person) -> None:
        self._people[key] = person
        for each in person.accounts:
            self._keys[each.account] = key
            self._at[each.account.home] += 1
            self._named.setdefault((each.account.home, each.name.casefold()), set()).add(each.account)

    def _remove(self, key: str) -> None:
        person = self._people.pop(key, None)
        for each in person.accounts if person is not None else ():
            del self._keys[each.account]
            self._at[each.account.home] -= 1
            place = (each.account.home, each.name.casefold())
            self._named[place].discard(each.account)
            if not self._named[place]:
                del self._named[place]

    def _written(self, task: asyncio.Task[None]) -> None:
        self._writing.discard(task)
        if not task.cancelled():
            task.exception()  # of the journal's trouble the service knows already


def _handle(name: str) -> str:
    """A handle as it is kept: one line, of a bounded length."""
    return one_line(name, _LONGEST_NAME)
