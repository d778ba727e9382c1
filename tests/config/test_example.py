"""config.example.json is right, and shows everything that it should."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator

from nextbridge import config
from nextbridge.config.model import GlobalSettings, MessageSettings
from nextbridge.config.platforms import InstalledPlatforms
from nextbridge.errors import ConfigError

EXAMPLE = Path(__file__).parents[2] / "config.example.json"
ENVIRONMENT = {
    "MM_TOKEN": "mm-token-of-example",
    "WEBCHAT_TOKEN": "web-token-of-example",
    "GAME_TOKEN": "game-token-of-example",
    "SCREEN_TOKEN": "screen-token-of-example",
    "DISCORD_TOKEN": "discord-token-of-example",
    "CI_SECRET": "ci-secret-of-example",
    "STATUS_URL": "https://hooks.example.com/services/T0/B0/of-example",
    "MATRIX_TOKEN": "matrix-token-of-example",
    "SLACK_BOT_TOKEN": "xoxb-token-of-example",
    "SLACK_APP_TOKEN": "xapp-token-of-example",
    "XMPP_PASSWORD": "xmpp-password-of-example",
    "TELEGRAM_TOKEN": "123456789:telegram-token-of-example",
}


@pytest.fixture
def shown() -> dict[str, Any]:
    found: dict[str, Any] = json.loads(EXAMPLE.read_text())
    return found


def test_it_loads(tmp_path: Path) -> None:
    """With the secrets that it points to, there is no error and no warning."""
    path = Path(shutil.copy(EXAMPLE, tmp_path / "config.json"))
    for name in (
        "mm_partner_token",
        "secrets/oftc-password",
        "secrets/matrix-password",
        "secrets/matrix-as-token",
        "secrets/matrix-hs-token",
        "secrets/slack-bot-token",
        "secrets/slack-signing-secret",
    ):
        (tmp_path / name).parent.mkdir(exist_ok=True)
        (tmp_path / name).write_text(f"secret-of-example-{Path(name).name}\n")
        (tmp_path / name).chmod(0o600)
    loaded = config.load(path, environment={**ENVIRONMENT, "CREDENTIALS_DIRECTORY": str(tmp_path)})
    assert loaded.warnings == ()
    assert [each.id for each in loaded.config.rules] == ["ops", "announcements", "oftc-trial"]


def test_only_what_is_enabled_needs_its_secrets() -> None:
    """As it stands in the repository: the disabled instances' secrets are missing, which is a warning."""
    loaded = config.load(EXAMPLE, environment=ENVIRONMENT)
    assert {each.path.split(" > ")[1] for each in loaded.warnings} == {
        "mm_partner",
        "oftc",
        "partner",
        "ours",
        "guests",
    }
    with pytest.raises(ConfigError, match="MM_TOKEN is not set"):
        config.load(EXAMPLE, environment={})


def test_it_shows_every_platform_and_every_general_key(shown: dict[str, Any]) -> None:
    """Whoever adds a platform or a key adds it here."""
    assert set(InstalledPlatforms().names) <= shown.keys()
    assert {*GlobalSettings.__struct_fields__, "ops_channel"} == shown["global"].keys()
    schema = config.schema()
    assert schema["properties"].keys() == shown.keys()
    assert schema["$defs"]["rule"]["properties"].keys() == {key for rule in shown["rules"] for key in rule}
    written = EXAMPLE.read_text()
    assert all(f'"{key}"' in written for key in MessageSettings.__struct_fields__)


def test_it_shows_every_way_to_give_a_secret_and_to_list_channels(shown: dict[str, Any]) -> None:
    """From the environment, a file and a credential; by instance and as a list."""
    written = EXAMPLE.read_text()
    assert all(way in written for way in ('"${', '"file"', '"credential"', "<richheader"))
    sides = [rule[key] for rule in shown["rules"] for key in ("channels", "from", "to") if key in rule]
    assert {type(each) for each in sides} == {dict, list}


def test_it_fits_its_own_schema(shown: dict[str, Any]) -> None:
    """An editor underlines nothing in it."""
    for schema in (config.schema(), config.schema(EXAMPLE)):
        assert list(Draft202012Validator(schema).iter_errors(shown)) == []
