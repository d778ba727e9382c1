"""How two accounts become one person, so that no third one can make it so.

What is bound is where mentions go and nothing else; even so nobody may be bound to somebody they are not. The steps:

1. `bind`, as the first account: it is told a code, alone.
2. `bind confirm CODE`, as the second account: it is told whose code that is, and a number.
3. `bind accept NUMBER`, as the second account: the first is told who has confirmed, and another number.
4. `bind accept NUMBER`, as the first account: the two are one person.

The attacks that this has to stand:

- *Somebody gives away a code of their own*, that another may confirm it: the one who confirms is told first whose code
  it is, and nothing happens unless they accept that account by the number that stands beside its name. Both have to.
- *Somebody comes by another's code* and confirms it as themselves: the owner is told who confirmed, and does nothing.
- *An `accept` is meant for another*: each number stands for one account and one side of one request, and is told only
  together with the other's name.
- *Codes are guessed*: a code names its request and has 40 random bits beside that. It is void after three wrong
  ones for its request, and an account that was wrong five times has to wait; so is a number after three wrong ones.
- *A code is used again, or late*: the first confirmation uses it up, and every step is open for five minutes. A new
  request ends the account's earlier one. All of it is in memory alone: a restart ends every request.
- *A name changes hands* (a nick on IRC): an account whose id does not last can be bound once, and then can neither
  bring in nor remove other accounts: whoever takes the nick later gets that nick's mentions, and can take the nick out,
  and no more. A handle that changes hands is another user id where accounts last.
- *Two people who each have accounts already* are joined only if that leaves one account for each server.
- *Bots* are not listened to: what speaks for others could be made to speak for anybody.
"""

from __future__ import annotations

import hmac
import secrets
from collections import OrderedDict
from collections.abc import Callable
from typing import TypeAlias

from msgspec import Struct

from nextbridge.bindings import Account, Bindings, Bound
from nextbridge.envelope import Channel

__all__ = ["BindRequests", "Caller", "Saying"]

STEP_SECONDS = 300.0
"""How long each step may take."""
_LETTERS = "0123456789ABCDEFGHJKMNPQRSTVWXYZ"
"""Of a code: none that looks like another."""
_ID_LETTERS, _SECRET_LETTERS = 4, 8
_WRONG_OF_ONE_REQUEST = 3
_WRONG_OF_ONE_ACCOUNT = 5
_LOCKED_SECONDS = 900.0
_MOST_REQUESTS = 1000
_MOST_ACCOUNTS = 10_000
_NO_SUCH_CODE = "This code is not valid (any more). Begin anew with: {bind}"
_NO_SUCH_NUMBER = "Nothing of yours waits for this number. Begin anew with: {bind}"


class Caller(Struct, frozen=True):
    """An account that speaks to the relay, and where."""

    account: Account
    name: str
    """Its handle there."""
    title: str
    """The account as others are told of it: `"alice" on Mattermost (mm_main)`."""
    lasts: bool
    """See `Driver.accounts_last`."""
    place: Channel
    """Where it spoke."""
    direct: bool
    """It spoke to the relay alone there."""

    @property
    def bound(self) -> Bound:
        return Bound(self.account, self.name)


Saying: TypeAlias = tuple[Caller, str]
"""Whom to tell what. `{bind}` and the like stand for commands as that one has to write them."""


class _Request(Struct):
    id: str
    secret: str
    first: Caller
    ends: float
    second: Caller | None = None
    waits_for: Caller | None = None
    """Who has to accept."""
    number: str = ""
    """What they have to accept it with."""
    wrong: int = 0


class BindRequests:
    """The requests of the last minutes. Its methods return what is to be said to whom."""

    def __init__(self, bindings: Bindings, clock: Callable[[], float]) -> None:
        """`clock` gives monotonic seconds."""
        self._bindings = bindings
        self._clock = clock
        self._requests: OrderedDict[str, _Request] = OrderedDict()
        self._of: dict[Account, _Request] = {}
        """The one request that an account is part of."""
        self._mistakes: OrderedDict[Account, tuple[int, float]] = OrderedDict()
        """By account, how often it was wrong, and until when that counts."""

    def begin(self, caller: Caller) -> tuple[str | None, str]:
        """Step 1: the code, to be told to the caller alone, or None, with the words for it."""
        self._forget_old()
        if (reason := self._fixed(caller)) is not None:
            return None, reason
        self.end(caller.account)
        if len(self._requests) >= _MOST_REQUESTS:
            return None, "Too many people do this right now. Try again in a few minutes."
        number = _random(_ID_LETTERS)
        while number in self._requests:
            number = _random(_ID_LETTERS)
        request = _Request(number, _random(_SECRET_LETTERS), caller, self._clock() + STEP_SECONDS)
        self._requests[number] = self._of[caller.account] = request
        code = f"{request.id}-{request.secret}"
        return code, (
            f"Your code is {code} (for 5 minutes, for you alone: show it to nobody). As your other account, say to me: "
            f"{{bind}} confirm {code}"
        )

    def confirm(self, caller: Caller, code: str) -> str:
        """Step 2: what to answer."""
        self._forget_old()
        if self._is_locked(caller.account):
            return "That was wrong too often. Try again in a quarter of an hour."
        request = self._find(caller.account, code)
        if request is None:
            return _NO_SUCH_CODE
        if request.first.account == caller.account:
            return "You have to say this as your other account."
        reason = self._fixed(caller) or self._fixed(request.first)
        reason = reason or self._bindings.objection(request.first.account, caller.account)
        if reason is not None:
            self._drop(request)
            return reason
        self.end(caller.account)
        request.second = caller
        self._of[caller.account] = request
        self._ask(request, caller)
        return (
            f"This code is of {request.first.title}. Only if that is you, and you have just asked for it there, "
            f"answer: {{bind}} accept {request.number}"
        )

    async def accept(self, caller: Caller, number: str) -> list[Saying]:
        """Steps 3 and 4. The two are bound once it returns."""
        self._forget_old()
        request = self._of.get(caller.account)
        if request is None or request.waits_for is None or request.waits_for.account != caller.account:
            return [(caller, _NO_SUCH_NUMBER)]
        if not hmac.compare_digest(request.number.encode(), number.encode("utf-8", "replace")):
            self._mistake(request)
            return [(caller, _NO_SUCH_NUMBER)]
        first, second = request.first, request.second
        assert second is not None  # noqa: S101 - nobody is asked to accept before
        if caller.account == second.account:
            self._ask(request, first)
            confirmed = (
                f"{second.title} has confirmed your code. Only if that is you, answer: "
                f"{{bind}} accept {request.number} - If it is not you, do nothing."
            )
            return [(first, confirmed), (caller, f"Now say yes as {first.title}: I have written there how.")]
        self._drop(request)
        reason = self._fixed(first) or self._fixed(second)
        reason = reason or self._bindings.objection(first.account, second.account)
        if reason is not None:
            return [(first, reason), (second, reason)]
        await self._bindings.join(first.bound, second.bound)
        return [(first, f"You are bound to {second.title}."), (second, f"You are bound to {first.title}.")]

    def end(self, account: Account) -> None:
        """Whatever request the account is part of is over."""
        if (request := self._of.get(account)) is not None:
            self._drop(request)

    def _fixed(self, caller: Caller) -> str | None:
        """Why the account may bring in no other, though it may be bound already."""
        if caller.lasts or not self._bindings.accounts(caller.account):
            return None
        return (
            f"{caller.title} is bound already, and names can change hands there. Begin as another of your accounts, or "
            "remove this one first: {bind} rm"
        )

    def _ask(self, request: _Request, caller: Caller) -> None:
        request.waits_for = caller
        request.number = f"{secrets.randbelow(9000) + 1000}"
        request.wrong = 0
        request.ends = self._clock() + STEP_SECONDS
        self._requests.move_to_end(request.id)

    def _find(self, account: Account, code: str) -> _Request | None:
        """The request that still waits for this code. A code that is none is a mistake of the account's."""
        letters = "".join(letter for letter in code.upper() if letter in _LETTERS)
        request = self._requests.get(letters[:_ID_LETTERS])
        if request is not None and request.second is None:
            if hmac.compare_digest(request.secret, letters[_ID_LETTERS:]):
                return request
            self._mistake(request)
        count, _ = self._mistakes.pop(account, (0, 0.0))
        self._mistakes[account] = count + 1, self._clock() + _LOCKED_SECONDS
        if len(self._mistakes) > _MOST_ACCOUNTS:
            self._mistakes.popitem(last=False)
        return None

    def _mistake(self, request: _Request) -> None:
        request.wrong += 1
        if request.wrong >= _WRONG_OF_ONE_REQUEST:
            self._drop(request)

    def _is_locked(self, account: Account) -> bool:
        count, until = self._mistakes.get(account, (0, 0.0))
        if count and self._clock() >= until:
            del self._mistakes[account]
            return False
        return count >= _WRONG_OF_ONE_ACCOUNT

    def _drop(self, request: _Request) -> None:
        self._requests.pop(request.id, None)
        for caller in (request.first, request.second):
            if caller is not None and self._of.get(caller.account) is request:
                del self._of[caller.account]

    def _forget_old(self) -> None:
        # each step puts a request at the end and gives it the same time
        while self._requests:
            oldest = next(iter(self._requests.values()))
            if oldest.ends > self._clock():
                break
            self._drop(oldest)


def _random(letters: int) -> str:
    return "".join(secrets.choice(_LETTERS) for _ in range(letters))
