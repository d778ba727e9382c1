"""How alike a recorded answer and the stand-in's are, down to each value.

Ids and times cannot be the same, so each recorded one must stand for one and the same of the stand-in's throughout.
"""

from __future__ import annotations

import json
import re
from typing import Any

ID = re.compile(r"(?<![a-z0-9])[ybndrfg8ejkmcpqxot1uwisza345h769]{26}(?![a-z0-9])")
TIME = re.compile(r"(?<!\d)1\d{12}(?!\d)")
JSON_IN_A_STRING = {"post", "reaction", "channel", "mentions", "teammate_ids"}


class Likeness:
    def __init__(self) -> None:
        self._stands_for: dict[str | int, str | int] = {}

    def known(self, recorded: str) -> str:
        """The recorded text with the stand-in's ids and times in place of the recorded ones."""

        def replaced(match: re.Match[str]) -> str:
            found: str = match.group()
            known = self._stands_for.get(found) or self._stands_for.get(int(found) if found.isdecimal() else found)
            return str(known or found)

        return TIME.sub(replaced, ID.sub(replaced, recorded))

    def differences(self, recorded: Any, actual: Any, path: str = "") -> list[str]:
        """Where the two differ, as `path: what`. Empty where they are alike."""
        if type(recorded) is not type(actual):
            return [f"{path}: {recorded!r:.60} is {actual!r:.60} here"]
        if isinstance(recorded, dict):
            return self._of_objects(recorded, actual, path)
        if isinstance(recorded, list):
            if len(recorded) != len(actual):
                return [f"{path}: {len(recorded)} items are {len(actual)} here"]
            pairs = zip(recorded, actual, strict=True)
            return [d for i, (r, a) in enumerate(pairs) for d in self.differences(r, a, f"{path}[{i}]")]
        if isinstance(recorded, int) and not isinstance(recorded, bool) and recorded > 10**12:
            return self._same_one(recorded, actual, path) if actual > 10**12 else [f"{path}: a time is {actual} here"]
        if isinstance(recorded, str):
            return self._of_texts(recorded, actual, path)
        return [] if recorded == actual else [f"{path}: {recorded!r} is {actual!r} here"]

    def _of_objects(self, recorded: dict[str, Any], actual: dict[str, Any], path: str) -> list[str]:
        found = []
        if "order" in recorded:
            # A list of posts: its order says which is which.
            found += self.differences(recorded["order"], actual.get("order"), f"{path}.order")
        expected = {self.known(key): key for key in recorded if key != "order"}
        found += [f"{path}.{key}: missing" for key in expected if key not in actual]
        found += [f"{path}.{key}: not in the recording" for key in actual if key not in expected and key != "order"]
        for key, recorded_key in expected.items():
            if key in actual:
                found += self._of_values(key, recorded[recorded_key], actual[key], f"{path}.{key}")
        return found

    def _of_values(self, key: str, recorded: Any, actual: Any, path: str) -> list[str]:
        if key in JSON_IN_A_STRING and isinstance(recorded, str) and isinstance(actual, str):
            recorded, actual = json.loads(recorded), json.loads(actual)
        if key == "mentions":
            # A map's keys: their order is not the same twice on the real server.
            recorded, actual = sorted(map(self.known, recorded)), sorted(actual)
        return self.differences(recorded, actual, path)

    def _of_texts(self, recorded: str, actual: str, path: str) -> list[str]:
        if ID.fullmatch(recorded):
            return self._same_one(recorded, actual, path) if ID.fullmatch(actual) else [f"{path}: no id: {actual!r}"]
        expected = self.known(recorded)
        return [] if expected == actual else [f"{path}: {expected!r:.150} is {actual!r:.150} here"]

    def _same_one(self, recorded: str | int, actual: str | int, path: str) -> list[str]:
        known = self._stands_for.setdefault(recorded, actual)
        return [] if known == actual else [f"{path}: {recorded} was {known} before and is {actual} here"]
