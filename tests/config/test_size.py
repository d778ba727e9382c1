"""A large file loads in the time that an operator waits for."""

from __future__ import annotations

import json
import time
from typing import TYPE_CHECKING

import pytest
import yaml

if TYPE_CHECKING:
    from tests.config.conftest import Folder


@pytest.mark.parametrize(("name", "number", "seconds"), [("config.json", 10_000, 10), ("config.yaml", 2_000, 4)])
def test_thousands_of_rules_load_in_seconds(folder: Folder, name: str, number: int, seconds: float) -> None:
    """Each between two channels of its own; the time is that of this process alone, several times what it needs."""
    rules = [
        {
            "id": f"rule-{n}",
            "type": "connect",
            "channels": {
                f"p{n % 5}": {"perch": f"perch-{n}", "msg": {"msg_format": "<{nickname}> {msg}"}},
                f"b{n % 5}": {"hill": f"hill-{n}"},
            },
        }
        for n in range(number)
    ]
    instances = {
        "pigeon": {f"p{n}": {"address": "x", "token": f"token-of-loft-{n}"} for n in range(5)},
        "beacon": {f"b{n}": {} for n in range(5)},
    }
    whole = {**instances, "rules": rules}
    text = json.dumps(whole) if name == "config.json" else yaml.dump(whole, Dumper=yaml.CSafeDumper)
    folder.write(text, name)
    begun = time.process_time()
    loaded = folder.load(name)
    assert time.process_time() - begun < seconds
    assert len(loaded.config.rules) == number
