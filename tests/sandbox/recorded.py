"""The recordings of the real server, and a stand-in in the state in which it was when they began."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

from nextbridge.sandbox.mattermost import Account, Channel, SandboxMattermost

WIRE = Path(__file__).parents[1] / "wire" / "mattermost"

TOWN = "5seu33qhxif7jjxsfx3odms7jw"
DEV = "u66zxq8cm3n47cibyuz9auq47r"
PRIVATE = "hi8tunb59bfejm7enkt9zhzw9o"


def load(name: str) -> list[dict[str, Any]]:
    loaded: list[dict[str, Any]] = json.loads((WIRE / name).read_text(encoding="utf-8"))
    return loaded


class HandClock:
    """Stands still until it is turned."""

    def __init__(self) -> None:
        self.now = 1_795_000_000.0

    def __call__(self) -> float:
        return self.now

    def turn(self, seconds: float) -> None:
        self.now += seconds


class RecordedTown:
    """The people and channels of the recordings, under their recorded ids, and what had been said before."""

    def __init__(self) -> None:
        self.clock = HandClock()
        self.sandbox = SandboxMattermost(clock=self.clock)
        self.team = self.sandbox.add_team("main", team_id="a6cao9s44jd8xeywdspt5ai8qo")
        self.boss = self._person("boss", "ngimouw8utyiddftnreus164ew", is_admin=True)
        self.alice = self._person(
            "alice", "wz7or5qfupdm7qyai6x8at6yxy", nickname="Ally", first_name="Alice", last_name="Liddell"
        )
        self.bob = self._person("bob", "bjci5po9ebgsjem58o3r1gj17y", first_name="Bob", last_name="Stone")
        self.carol = self._person("carol", "4jwakjr8effh3jyhuk3anjqgaw")
        self.clock.turn(1)
        self.relay = self.sandbox.add_bot(
            "relay", display_name="Relay", description="bridge", user_id="c6aymamaniga5cfnuoexzty4jc", team=self.team
        )
        self.clock.turn(1)
        self.peer = self.sandbox.add_bot("peer", user_id="69dt9m4ef3fmdrss6pf7xn9uwe", team=self.team)
        self.town = self._channel("town", channel_id=TOWN, header="new header")
        self.dev = self._channel("dev", channel_id=DEV)
        for name in ("bench", "ops"):
            self._channel(name)
        for name, display_name in (("off-topic", "Off-Topic"), ("town-square", "Town Square")):
            self._channel(name, display_name=display_name, has_creator=False)
        self.sandbox.add_channel(
            self.team, "staff", is_private=True, members=[self.boss, self.alice], channel_id=PRIVATE
        )
        self._converse()
        for account, names in ((self.relay, {}), (self.alice, {"nickname": "Ally"})):
            self.clock.turn(1)
            self.sandbox.rename(account, **names)

    def account(self, name: str) -> Account:
        account = getattr(self, name)
        assert isinstance(account, Account)
        return account

    def _person(self, username: str, user_id: str, **names: Any) -> Account:
        self.clock.turn(1)
        return self.sandbox.add_user(username, user_id=user_id, team=self.team, **names)

    def _channel(self, name: str, *, has_creator: bool = True, **settings: Any) -> Channel:
        self.clock.turn(1)
        channel = self.sandbox.add_channel(self.team, name, members=[self.boss] if has_creator else [], **settings)
        for account in (self.boss, self.alice, self.bob, self.carol, self.peer):
            self.sandbox.add_member(channel, account)
        self.clock.turn(1)
        self.sandbox.add_member(channel, self.relay, by=self.boss)
        return channel

    def _converse(self) -> None:
        root = self.sandbox.post_as(self.boss, self.town, "the first of eleven")
        self.sandbox.post_as(self.boss, self.town, "an answer", root=root)
        for number in range(9):
            self.sandbox.post_as(self.boss, self.town, f"more {number}")
        for number in range(2):
            self.clock.turn(1)
            self.sandbox.post_as(self.boss, self.dev, f"before {number}")
        for one, other in ((self.relay, self.boss), (self.alice, self.relay)):
            self.clock.turn(1)
            channel = self.sandbox.add_direct_channel(one, other)
            self.clock.turn(1)
            self.sandbox.post_as(one, channel, "hello")
