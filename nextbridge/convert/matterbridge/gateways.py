"""Matterbridge's gateways as rules.

A gateway relays from each of its `in` and `inout` channels to each of its `out` and `inout` channels.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from nextbridge.convert.conversion import Note
from nextbridge.convert.matterbridge.accounts import Account
from nextbridge.convert.matterbridge.section import Section

__all__ = ["Gateways"]

_PLACEHOLDERS = {
    "{NICK}": "{nickname}",
    "{NOPINGNICK}": "{nickname}",
    "{USERID}": "{user_id}",
    "{BRIDGE}": "{instance_id}",
    "{PROTOCOL}": "{platform}",
    "{CHANNEL}": "{from}",
}
_PLACEHOLDER = re.compile(r"\{[A-Z]+\}")


class _Place(Struct, frozen=True):
    """A channel of a gateway."""

    account: Account
    keys: tuple[tuple[str, Any], ...]

    def written(self, msg: dict[str, str]) -> dict[str, Any]:
        return {"instance": self.account.instance, **dict(self.keys), **({"msg": msg} if msg else {})}


class Gateways:
    """Makes the rules; `notes` has what is to be said of them."""

    def __init__(self, accounts: Mapping[str, Account], general: Section) -> None:
        self._accounts = accounts
        self._formats: dict[str, dict[str, str]] = {}
        self._given = {
            each.instance: each.section.verbatim("RemoteNickFormat") or general.verbatim("RemoteNickFormat")
            for each in accounts.values()
        }
        self._ids: set[str] = set()
        self.notes: list[Note] = []
        self._filters = {each.instance: _Filter(each.section) for each in accounts.values()}
        self._common = _Filter(general)
        self._tells = {
            key: {each.instance for each in accounts.values() if each.section.says(shown)}
            | ({""} if general.says(shown) else set())
            for key, shown in (("joins", "ShowJoinPart"), ("topics", "ShowTopicChange"))
        }

    def rules(self, section: Section) -> Iterator[dict[str, Any]]:
        """Those of one `[[gateway]]`."""
        name, enabled = section.text("name"), section.says("enable")
        sides: dict[str, list[_Place]] = {}
        for side in ("in", "out", "inout"):
            places = (self._place(Section(f"{section.name} {side}", each), name) for each in section.tables(side))
            sides[side] = list(dict.fromkeys(each for each in places if each is not None))
        both = [*sides["inout"], *(each for each in sides["in"] if each in sides["out"])]
        both = list(dict.fromkeys(both))
        heard = [each for each in sides["in"] if each not in both]
        shown = [each for each in sides["out"] if each not in both]
        self.notes += section.left()
        yield from self._made(name, enabled, both, heard, shown)

    def same_channels(self, section: Section) -> Iterator[dict[str, Any]]:
        """Those of one `[[samechannelgateway]]`."""
        name, enabled = section.text("name"), section.says("enable")
        accounts, channels = section.strings("accounts"), section.strings("channels")
        for channel in channels:
            places = [
                self._place(Section(f"{section.name} {each}", {"account": each, "channel": channel}), name)
                for each in accounts
            ]
            yield from self._made(f"{name}-{channel}", enabled, [each for each in places if each is not None], [], [])
        self.notes += section.left()

    def _place(self, section: Section, gateway: str) -> _Place | None:
        name, channel = section.text("account"), section.text("channel")
        options = Section(f"{section.name} options", section.table("options"))
        account = self._accounts.get(name.lower())
        if account is None:
            self.notes.append(Note(section.name, f"the channel {channel} of {name} is left out: see there"))
            return None
        keys, to_do = account.channel(channel, options.text("key"), gateway)
        if to_do:
            self.notes.append(Note(f"{section.name} {name} {channel}", to_do))
        options.text("WebhookURL")  # the relay makes its own
        self.notes += [*options.left(), *section.left()]
        return _Place(account, tuple(keys.items()))

    def _made(
        self, name: str, enabled: bool, both: list[_Place], heard: list[_Place], shown: list[_Place]
    ) -> Iterator[dict[str, Any]]:
        ways: list[tuple[str, dict[str, list[_Place]]]] = []
        if len(both) > 1:
            ways.append(("connect", {"channels": both}))
        if heard and (both or shown):
            ways.append(("forward", {"from": heard, "to": [*both, *shown]}))
        if both and shown:
            ways.append(("forward", {"from": both, "to": shown}))
        if not ways:
            self.notes.append(Note(f"gateway {name}", "nothing is left of it to be relayed"))
        for kind, sides in ways:
            places = list(dict.fromkeys(each for side in sides.values() for each in side))
            rule: dict[str, Any] = {"id": self._id(name), "type": kind}
            if not enabled:
                rule["enabled"] = False
            for side, members in sides.items():
                rule[side] = [each.written(self._format(each) if side != "from" else {}) for each in members]
            rule |= {
                key: True
                for key, where in self._tells.items()
                if "" in where or any(each.account.instance in where for each in places)
            }
            sources = sides.get("from") or sides["channels"]
            if given := self._filter(rule["id"], sources):
                rule["filter"] = given
            yield rule

    def _id(self, name: str) -> str:
        made = base = name or "gateway"
        number = 2
        while made in self._ids:
            made, number = f"{base}-{number}", number + 1
        self._ids.add(made)
        return made

    def _format(self, place: _Place) -> dict[str, str]:
        """How names are shown in a place; what cannot be said in ours is left to the default, and told."""
        account = place.account
        if account.instance not in self._formats:
            given = self._given[account.instance]
            made = _PLACEHOLDER.sub(lambda found: _PLACEHOLDERS.get(found[0], found[0]), given)
            key = "name_format" if account.shows_identity else "msg_format"
            if not given or account.platform == "api":
                self._formats[account.instance] = {}
            elif unknown := _PLACEHOLDER.findall(made):
                sentence = f"{' and '.join(sorted(set(unknown)))} cannot be shown, so the format is ours"
                self.notes.append(Note(f"{account.section.name} RemoteNickFormat", sentence))
                self._formats[account.instance] = {}
            else:
                self._formats[account.instance] = {key: made.strip() if key == "name_format" else f"{made}{{msg}}"}
        return self._formats[account.instance]

    def _filter(self, rule: str, sources: list[_Place]) -> dict[str, Any]:
        own = [self._filters[each.account.instance] for each in sources]
        made = self._common.merged(own)
        if any(not each.is_empty for each in own) and any(each.written != own[0].written for each in own):
            sentence = "what one account ignores or replaces holds for all channels of the rule"
            self.notes.append(Note(f"rule {rule}", sentence))
        return made


class _Filter:
    """What an account ignores and replaces of its own people's messages."""

    def __init__(self, section: Section) -> None:
        self.written: dict[str, list[Any]] = {
            "ignore_names": section.words("IgnoreNicks"),
            "ignore_text": section.words("IgnoreMessages"),
            "replace": [_replacement(*each) for each in section.pairs("ReplaceMessages")],
        }

    @property
    def is_empty(self) -> bool:
        return not any(self.written.values())

    def merged(self, others: list[_Filter]) -> dict[str, Any]:
        """All of them, each entry once."""
        made: dict[str, Any] = {}
        for key in self.written:
            found: list[Any] = []
            for each in (self, *others):
                found += [entry for entry in each.written[key] if entry not in found]
            if found:
                made[key] = found
        return made


def _replacement(pattern: str, put: str) -> dict[str, str]:
    r"""As Go writes it (`$1`, `${1}`, `$$`) and as RE2 does (`\1`)."""

    def piece(found: re.Match[str]) -> str:
        if found[0] == "$$":
            return "$"
        return "\\\\" if found[0] == "\\" else f"\\{found[1] or found[2]}"

    return {"pattern": pattern, "with": re.sub(r"\$\$|\\|\$(\d)|\$\{(\d)\}", piece, put)}
