"""What the operator may write of webhooks, and what is told with a way out."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from nextbridge import config
from nextbridge.errors import ConfigError

SECRET = "b3b5c7a19f6d4e1c"
IN: dict[str, Any] = {"incoming": {"token": "${SECRET}"}}
OUT: dict[str, Any] = {"outgoing": {"url": "${URL}"}}


FROM_HOOK = {"type": "forward", "from": {"hooks": {"hook": "ci"}}, "to": {"web": {"room": "ops"}}}
BOTH_WAYS = {"type": "connect", "channels": {"hooks": {"hook": "ci"}, "web": {"room": "ops"}}}
TO_HOOK = {"type": "forward", "from": {"web": {"room": "ops"}}, "to": {"hooks": {"hook": "ci"}}}


def written(folder: Path, hook: object, name: str = "ci", rule: object = FROM_HOOK) -> Path:
    path = folder / "config.json"
    file = {"webhook": {"hooks": {"hooks": {name: hook}}}, "webchat": {"web": {}}, "rules": [rule]}
    path.write_text(json.dumps(file, indent=1))
    path.chmod(0o600)
    return path


def loaded(folder: Path, hook: object, **more: Any) -> tuple[str, ...]:
    """The warnings of a file with this hook. Raises ConfigError."""
    environment = {"SECRET": SECRET, "SHORT": "abcdefg", "URL": "https://hooks.example.com/T0/B0", "TWO": f"{SECRET}/x"}
    return tuple(each.sentence for each in config.load(written(folder, hook, **more), environment=environment).warnings)


def test_a_token_or_an_address_is_enough(tmp_path: Path) -> None:
    """So is all that the page of the docs shows, and a name in other letters."""
    assert loaded(tmp_path, IN) == ()
    assert loaded(tmp_path, IN | OUT, name="CI", rule=BOTH_WAYS) == ()
    both = {"secret": "${SECRET}", "signature": "standard", "template": "{{ body.text }}"}
    headers = {"Authorization": "Bearer ${SECRET}"}
    template = '{"content": {{ text|tojson }}}'
    out = {"url": "${URL}", "template": template, "headers": headers, "secret": "whsec_MDEyMzQ1Njc4OWFiY2RlZg=="}
    assert loaded(tmp_path, {"incoming": both, "outgoing": out}, rule=BOTH_WAYS) == ()


@pytest.mark.parametrize(
    ("hook", "told"),
    [
        ({}, "goes nowhere"),
        ({"incoming": {}}, "everybody could post"),
        ({"incoming": {"token": "${SHORT}"}}, "openssl rand -hex 16"),
        ({"incoming": {"token": "${TWO}"}}, "openssl rand -hex 16"),
        ({"incoming": {"secret": "${SHORT}"}}, "at least 16 random characters"),
        ({"incoming": {"secret": "whsec_?"}}, "base64"),
        ({"incoming": {"token": "${SECRET}", "template": "a\n{% if %}"}}, "line 2 of it"),
        ({"incoming": {"token": "${SECRET}", "template": "{{ body|pprint }}"}}, "filter"),
        ({"incoming": {"token": "${SECRET}", "tmplate": "x"}}, "did you mean"),
        ({"outgoing": {}}, "url"),
        ({"outgoing": {"url": "hooks.example.com"}}, "write the whole address"),
        ({"outgoing": {"url": "https://u:p@hooks.example.com/"}}, "without a name or password"),
        ({"outgoing": {"url": "${URL}", "headers": {"X-A": "a\nb"}}}, "printable characters"),
        ({"outgoing": {"url": "${URL}", "headers": {"X A": "a"}}}, "headers"),
        ({"outgoing": {"url": "${URL}", "method": "GET"}}, "method"),
        ({"outgoing": {"url": "${URL}", "content_type": "json"}}, "content_type"),
    ],
)
def test_a_mistake_is_told_with_the_way_out(tmp_path: Path, hook: dict[str, Any], told: str) -> None:
    """Without showing a secret."""
    with pytest.raises(ConfigError, match=told) as caught:
        loaded(tmp_path, hook)
    assert SECRET not in str(caught.value)
    assert "T0/B0" not in str(caught.value)


def test_a_channel_names_a_hook_that_is_there(tmp_path: Path) -> None:
    """Otherwise the hooks that are there are said."""
    with pytest.raises(ConfigError, match="it has ci"):
        loaded(tmp_path, IN, rule={**FROM_HOOK, "from": {"hooks": {"hook": "cd"}}})


@pytest.mark.parametrize("rule", [BOTH_WAYS, TO_HOOK])
def test_nothing_can_be_sent_to_a_hook_that_posts_nowhere(tmp_path: Path, rule: object) -> None:
    """A rule that would send there is a mistake, and not a dead letter for each message."""
    with pytest.raises(ConfigError, match='give it outgoing, or make the rule a "forward" one'):
        loaded(tmp_path, IN, rule=rule)
    assert loaded(tmp_path, OUT, rule=rule) == ()


def test_jinja_is_loaded_only_where_there_is_a_template(tmp_path: Path) -> None:
    """The check of a file without one takes no time for it."""
    path = written(tmp_path, IN)
    script = (
        "import sys\nfrom pathlib import Path\nfrom nextbridge import config\n"
        f"config.load(Path({str(path)!r}), environment={{'SECRET': {SECRET!r}}})\n"
        "print('drivers.webhook' in sys.modules, 'jinja2' in sys.modules)\n"
    )
    done = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True, timeout=60)
    assert done.stdout == "True False\n"
