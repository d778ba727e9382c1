"""Whom a message calls, by its content and its `allowed_mentions` (Message Resource, "Allowed Mentions Object")."""

from __future__ import annotations

import re
from collections.abc import Iterable

from msgspec import UNSET, Struct, UnsetType

from nextbridge.sandbox.discord.refusals import invalid

__all__ = ["AllowedMentions", "Called", "called"]

_USER = re.compile(r"<@!?(\d+)>")
_ROLE = re.compile(r"<@&(\d+)>")
_EVERYBODY = re.compile(r"@(?:everyone|here)\b")


class AllowedMentions(Struct):
    """Without one, everything in the content calls."""

    parse: list[str] | UnsetType = UNSET
    users: list[str | int] = []
    roles: list[str | int] = []
    replied_user: bool = False

    def check(self) -> None:
        """Raises Refused for what excludes each other."""
        parse = self.parse or []
        if ("users" in parse and self.users) or ("roles" in parse and self.roles):
            raise invalid("allowed_mentions", "MESSAGE_ALLOWED_MENTIONS_PARSE_EXCLUSIVE", "parse and ids exclude")
        if len(self.users) > 100 or len(self.roles) > 100:
            raise invalid("allowed_mentions", "BASE_TYPE_BAD_LENGTH", "Must be 100 or fewer in length.")


class Called(Struct, frozen=True):
    """The ids of users and roles, and whether it is everybody."""

    users: tuple[str, ...] = ()
    roles: tuple[str, ...] = ()
    everyone: bool = False


def called(content: str, allowed: AllowedMentions | None, *, everyone: bool) -> Called:
    """Whom it calls. `everyone` is whether its author may call everybody."""
    users, roles = _unique(_USER.findall(content)), _unique(_ROLE.findall(content))
    calls_all = everyone and _EVERYBODY.search(content) is not None
    if allowed is None:
        return Called(users, roles, calls_all)
    allowed.check()
    parse = allowed.parse or []
    return Called(
        tuple(each for each in users if "users" in parse or each in map(str, allowed.users)),
        tuple(each for each in roles if "roles" in parse or each in map(str, allowed.roles)),
        calls_all and "everyone" in parse,
    )


def _unique(found: Iterable[str]) -> tuple[str, ...]:
    return tuple(dict.fromkeys(found))
