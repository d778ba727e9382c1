"""A secret of the operator's file is in no output of the program."""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
import traceback
import zlib
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nextbridge.config.problem import render
from nextbridge.errors import ConfigError
from nextbridge.redaction import redaction

if TYPE_CHECKING:
    from tests.config.conftest import Folder


def pigeon(token: object, **more: object) -> str:
    return json.dumps({"pigeon": {"a": {"address": "x", "token": token, **more}}, "rules": []})


def test_a_secret_comes_from_the_environment(folder: Folder) -> None:
    """Alone, and inside a longer string."""
    folder.write(pigeon("pre-${ONE}-${TWO}-$${post}", password="${ONE}"))
    settings = folder.pigeon(folder.load(environment={"ONE": "env-one-1", "TWO": "env-two-2"}), "a")
    assert settings.token.reveal() == "pre-env-one-1-env-two-2-${post}"
    assert settings.password is not None
    assert settings.password.reveal() == "env-one-1"


@pytest.mark.parametrize("content", ["from-file-3", "from-file-3\n", "from-file-3\r\n"])
def test_a_secret_comes_from_a_file(folder: Folder, content: str) -> None:
    """A relative path starts at the folder of the config; one line end at the end is not part of it."""
    folder.write(content, "token")
    folder.write(pigeon({"file": "token"}))
    loaded = folder.load()
    assert folder.pigeon(loaded, "a").token.reveal() == "from-file-3"
    assert loaded.warnings == ()
    folder.write(pigeon({"file": "${WHERE}/token"}))
    settings = folder.pigeon(folder.load(environment={"WHERE": str(folder.path)}), "a")
    assert settings.token.reveal() == "from-file-3"


def test_a_secret_comes_from_a_systemd_credential(folder: Folder) -> None:
    """By the name that LoadCredential= gives it."""
    folder.write("from-credential-4\n", "mm-token")
    folder.write(pigeon({"credential": "mm-token"}))
    loaded = folder.load(environment={"CREDENTIALS_DIRECTORY": str(folder.path)})
    assert folder.pigeon(loaded, "a").token.reveal() == "from-credential-4"
    folder.write(pigeon({"credential": "other"}))
    assert folder.report(environment={"CREDENTIALS_DIRECTORY": str(folder.path)}) == [
        (
            "config.json:1:59: error: pigeon > a > token > credential: there is no readable credential other; "
            "the unit needs LoadCredential=other:/path/of/the/secret"
        )
    ]


def test_a_secret_of_a_channel_is_resolved_and_nothing_else_in_a_rule(folder: Folder) -> None:
    """A channel's key may be a reference; a format may hold ${…} as text."""
    folder.write(
        '{"pigeon": {"a": {"address": "x", "token": "${T}"}}, "beacon": {"h": {}}, "rules": [{"type": "connect",'
        ' "channels": {"a": {"perch": "${P}", "key": "${K}", "msg": {"msg_format": "$${{msg}"}},'
        ' "h": {"hill": "x"}}}]}'.replace("$${{msg}", "${{{{msg}}}} {msg}")
    )
    endpoint = folder.load(environment={"T": "tok-of-channel-5", "K": "key-of-channel-5"}).config.rules[0].sources[0]
    assert repr(endpoint.settings) == "PigeonChannel(perch='${P}', key=Secret(***))"
    assert endpoint.key == "${p}"
    assert redaction.mask("key-of-channel-5") == "***"


def test_a_literal_secret_in_a_file_that_others_can_read_is_a_warning(folder: Folder) -> None:
    """It works; what to do is said, and the value is not."""
    folder.write(pigeon("literal-secret-6"), mode=0o644)
    (warning,) = folder.load().warnings
    assert warning.message == "a secret in a file that everybody can read"
    assert warning.path == "pigeon > a > token"
    for mode in (0o640, 0o600):
        folder.write(pigeon("literal-secret-6"), mode=mode)
        assert folder.load().warnings == ()
    folder.write(pigeon("${T}"), mode=0o644)
    assert folder.load(environment={"T": "env-secret-6"}).warnings == ()


def test_a_secret_file_that_everybody_can_read_is_a_warning(folder: Folder) -> None:
    """Only its owner is to read it."""
    folder.write("from-file-7", "token", mode=0o644)
    folder.write(pigeon({"file": "token"}))
    assert [each.sentence for each in folder.load().warnings] == [
        "pigeon > a > token > file: a secret in a file that everybody can read; chmod 600 it"
    ]


def test_a_pipe_does_not_hold_up_the_start(folder: Folder) -> None:
    """A named pipe that nobody writes to would be waited for without end."""
    os.mkfifo(folder.path / "pipe")
    folder.write(pigeon({"file": "pipe"}))
    assert folder.report() == ["config.json:1:53: error: pigeon > a > token > file: this is no regular file"]


def test_a_secret_that_is_too_short_to_mask_is_a_warning(folder: Folder) -> None:
    """The operator is told that the log cannot hide it."""
    folder.write(pigeon("${T}"))
    (warning,) = folder.load(environment={"T": "abc"}).warnings
    assert warning.message == "a secret of less than 4 characters cannot be masked in the log"


def test_what_a_disabled_instance_points_to_need_not_be_there(folder: Folder) -> None:
    """It is as if it were not there, but for a warning."""
    folder.write(pigeon("${NOWHERE}", password={"file": "/nowhere"}, enabled=False))
    loaded = folder.load()
    assert [each.message for each in loaded.warnings] == [
        "the environment variable NOWHERE is not set",
        "there is no such file",
    ]
    assert redaction.mask("unresolved") == "unresolved"


LEAKS: dict[str, tuple[str, str]] = {
    "under a misspelt key": (
        "config.json",
        '{"pigeon": {"a": {"address": "", "tokn": "SECRET", "passwd": 5}}, "rules": []}',
    ),
    "beside a mistake": ("config.json", '{"pigeon": {"a": {"address": "", "token": "SECRET"}}, "rules": []}'),
    "over several lines": (
        "config.yaml",
        'pigeon:\n  a:\n    token: >\n      SECRET\n      SECRET\n    adress: "SECRET\n      SECRET"\nrules: []\n',
    ),
    "under an unknown platform": ("config.json", '{"pigeonn": {"a": {"token": "SECRET"}}, "x": "SECRET"}'),
    "in place of an object": ("config.json", '{"pigeon": {"a": "SECRET"}, "rules": "SECRET"}'),
    "in place of a part": ("config.json", '{"beacon": {"h": {}}, "global": {"http": "SECRET"}, "rules": [["SECRET"]]}'),
    "in place of a channel": (
        "config.json",
        '{"beacon": {"h": {}}, "rules": [{"type": "connect", "channels": {"h": "SECRET", "i": "SECRET"}}]}',
    ),
    "as an unknown source": (
        "config.json",
        '{"pigeon": {"a": {"address": "x", "token": {"value": "SECRET"}}}, "rules": []}',
    ),
    "in a rule": (
        "config.json",
        '{"beacon": {"h": {}}, "rules": [{"type": "connect", "channels": [{"instance": "h", "pass": "SECRET"}]}]}',
    ),
    "in a proxy": ("config.json", '{"beacon": {"h": {}}, "global": {"proxy": "socks6://u:SECRET@host"}}'),
    "before a syntax error": ("config.json", '{"pigeon": {"a": {"token": "SECRET" "address": "x"}}}'),
    "as a syntax error": ("config.json", '{"pigeon": {"a": {"token": \'SECRET\', "address": SECRET}}}'),
    "where a key is expected": ("config.json", '{"pigeon": {"a": {"token": {"SECRET"}}}}'),
    "as a bare key": ("config.json", '{"pigeon": {"a": {"token": {SECRET}}}}'),
    "in a comment": ("config.json", '{"pigeon": {} // SECRET\n}'),
    "behind a wrong escape": ("config.json", '{"pigeon": {"a": {"token": "\\SECRET"}}}'),
    "in broken YAML": ("config.yaml", "pigeon:\n  a:\n    token: SECRET: x\n"),
    "in open YAML": ("config.yaml", "pigeon:\n  a:\n    token: 'SECRET\n"),
    "as a YAML key": ("config.yaml", "pigeon:\n  a:\n    token: {SECRET\n"),
}


@pytest.mark.parametrize(("name", "text"), LEAKS.values(), ids=LEAKS.keys())
def test_a_report_shows_no_secret(folder: Folder, name: str, text: str) -> None:
    """Wherever it stands, even where nobody can know that it is one."""
    # Another one each time: what an earlier file registered would be masked here too.
    folder.write(text.replace("SECRET", f"hush8-{zlib.crc32(text.encode())}-hush8"), name, mode=0o644)
    with pytest.raises(ConfigError) as caught:
        folder.load(name)
    whole = "".join(traceback.format_exception(caught.value)) + repr(caught.value)
    assert "hush8" not in whole
    assert "error: " in str(caught.value)


def test_a_loaded_file_shows_no_secret(folder: Folder) -> None:
    """Not in the config's repr, not in the warnings, and not in what msgspec makes of it."""
    folder.write("hush9-of-file", "pw")
    folder.write(
        '{"global": {"proxy": "socks5://me:hush9-of-proxy@127.0.0.1:1080"}, "pigeon": {"a": {"address": "x/",'
        ' "token": "hush9-literal", "password": {"file": "pw"}, "proxy": "http://u:hush9%2Dof-user@127.0.0.1:1"}},'
        ' "rules": []}',
        mode=0o644,
    )
    loaded = folder.load()
    assert len(loaded.warnings) == 2
    assert "hush9" not in repr(loaded) + str(loaded) + render(loaded.warnings) + repr(loaded.warnings)
    assert folder.pigeon(loaded, "a").token.reveal() == "hush9-literal"
    for each in ("hush9-of-file", "hush9-of-proxy", "hush9-literal", "hush9-of-user"):
        assert redaction.mask(f"<{each}>") == "<***>"


PROGRAM = """
import asyncio, logging, sys, threading
from nextbridge import logs
from nextbridge.redaction import install_excepthooks, redaction
logs.configure()
secret = sys.stdin.read()
redaction.add(secret)
install_excepthooks()
WAY
"""
WAYS = {
    "an exception that nobody caught": "raise ValueError(f'refused {secret}')",
    "its cause": "try: 1 / 0\nexcept ArithmeticError as error: raise ValueError(secret) from KeyError(secret)",
    "a thread": "t = threading.Thread(target=lambda: [].index(secret)); t.start(); t.join()",
    "a finaliser": "class X:\n    def __del__(self): raise ValueError(secret)\nX()",
    "a task that nobody awaited": """
async def fail():
    raise ValueError(secret)
async def main():
    install_excepthooks(asyncio.get_running_loop())
    task = asyncio.create_task(fail(), name=secret)
    await asyncio.sleep(0)
    await asyncio.sleep(0)
    del task
asyncio.run(main())""",
    "a callback": """
async def main():
    loop = asyncio.get_running_loop()
    install_excepthooks(loop)
    loop.call_soon([].index, secret)
    await asyncio.sleep(0)
asyncio.run(main())""",
    "the log": "import structlog\nlog = structlog.get_logger()\n"
    "log.error('sent ' + secret, where={'token': [secret]}, what=ValueError(secret))\n"
    "try: [].index(secret)\nexcept ValueError: log.exception('failed', token=secret)",
    "a library's log": "logging.getLogger('aiohttp').warning('sent %s', secret)\n"
    "try: raise OSError(secret)\nexcept OSError: logging.getLogger('asyncio').exception('failed')",
}


@pytest.mark.parametrize("way", WAYS.values(), ids=WAYS.keys())
def test_a_secret_in_an_exception_is_masked(way: str) -> None:
    """A whole program that does it: nothing that it prints holds the secret, and something is printed."""
    program = PROGRAM.replace("WAY", way)
    done = subprocess.run(
        [sys.executable, "-c", program],
        input="hush10hush10",
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
        cwd=Path(__file__).parents[2],
    )
    assert "hush10" not in done.stdout + done.stderr
    assert re.search(r"\*\*\*", done.stderr), done.stderr
