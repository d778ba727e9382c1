"""Accounts as the relay speaks of them: who said something, and how an account is named to people."""

from __future__ import annotations

from collections.abc import Mapping

from nextbridge.bindings import Account
from nextbridge.commands.requests import Caller
from nextbridge.envelope import InstanceId, Posted
from nextbridge.identities import Home, OwnIdentities
from nextbridge.instance import Instance
from nextbridge.render import one_line

__all__ = ["AccountDirectory"]

_LONGEST_NAME = 60


class AccountDirectory:
    """Looks accounts up by what the running instances know."""

    def __init__(self, instances: Mapping[InstanceId, Instance], identities: OwnIdentities) -> None:
        self._instances = instances
        self._identities = identities

    def own_name(self, instance: InstanceId) -> str:
        """What people call the relay there; empty where that is not known."""
        running = self._instances.get(instance)
        return "" if running is None else running.driver.own_name

    def caller(self, event: Posted) -> Caller | None:
        """Who said it; None while it is not known where that instance is."""
        instance = event.channel.instance
        running, home = self._instances.get(instance), self._identities.home(instance)
        if running is None or home is None:
            return None
        name = one_line(event.author.username or event.author.name, _LONGEST_NAME)
        title = _title(name, running.driver.title, instance)
        lasts = running.driver.accounts_last
        return Caller(Account(home, event.author.id), name, title, lasts, event.channel, event.direct)

    def home(self, word: str) -> Home | None:
        """Where the instance is that a person calls `word`; None where there is none."""
        named = next((each for each in self._instances if each.casefold() == word.casefold()), None)
        return None if named is None else self._identities.home(named)

    def title(self, home: Home, name: str) -> str:
        """An account by its instance, or by the server's name where none is there any more."""
        for instance in self._identities.instances_at(home):
            if (running := self._instances.get(instance)) is not None:
                return _title(name, running.driver.title, instance)
        return _title(name, home.platform, home.realm)


def _title(name: str, platform: str, place: str) -> str:
    """The name in quotation marks, which it cannot end itself: it could be `alice on Mattermost (mm)`."""
    shown = one_line(name, _LONGEST_NAME).replace('"', "'")
    return f'"{shown}" on {platform} ({place})'
