"""The operator's file and what it refers to, as the commands find them on disk and in the environment."""

from __future__ import annotations

import codecs
import json
import os
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.environments.commands import SECRET, nextbridge, without_rights

WEBCHAT = '{"global": {"http": {"port": 0}}, "webchat": {"w": {}}, "rules": []}'


def write(folder: Path, text: str | bytes = WEBCHAT, name: str = "config.json", mode: int = 0o600) -> Path:
    path = folder / name
    path.write_bytes(text.encode() if isinstance(text, str) else text)
    path.chmod(mode)
    return path


def test_what_a_file_refers_to_is_told_in_one_report(tmp_path: Path) -> None:
    """Each variable, file and credential by itself, with what to do; what is there and right is not shown."""
    places = {
        "missing": None,
        "folder": "folder",
        "unreadable": SECRET,
        "empty": "",
        "blank": " \n",
        "lines": f"{SECRET}\n{SECRET}\n",
        "latin": SECRET.encode() + b"\xe9",
        "large": "x" * 2_000_000,
        "right": f"{SECRET}\n",
    }
    for name, text in places.items():
        if text == "folder":
            (tmp_path / name).mkdir()
        elif text is not None:
            write(tmp_path, text, name, 0 if name == "unreadable" else 0o600)
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "credentials").mkdir()
    sources: dict[str, object] = {
        "v_missing": "${NEXTBRIDGE_TEST_NOWHERE}",
        "v_empty": "${NEXTBRIDGE_TEST_EMPTY}",
        "v_spaces": "${NEXTBRIDGE_TEST_SPACES}",
        **{f"f_{name}": {"file": name} for name in (*places, "pipe")},
        "c_missing": {"credential": "token"},
    }
    instances = {name: {"server_url": "https://chat.example.com", "token": token} for name, token in sources.items()}
    path = write(tmp_path, json.dumps({"mattermost": instances, "rules": []}))
    environ = {
        "NEXTBRIDGE_TEST_NOWHERE": None,
        "NEXTBRIDGE_TEST_EMPTY": "",
        "NEXTBRIDGE_TEST_SPACES": f"{SECRET} {SECRET}",
        "CREDENTIALS_DIRECTORY": str(tmp_path / "credentials"),
    }
    done = nextbridge("check", "--json", "--config", path, environ=environ, by=without_rights())
    problems = json.loads(done.output)["problems"]
    told = {each["path"].split(" > ")[1]: (each["message"], each["suggestion"]) for each in problems}
    blank, words = (
        ("it is blank", "give it a value"),
        ("it has a space or a line break inside; copy the token alone", ""),
    )
    start = f"a relative path starts at the folder of this file: {tmp_path / 'missing'}"
    assert done.status == 78
    assert {each["severity"] for each in problems} == {"error"}
    assert told == {
        "v_missing": ("the environment variable NEXTBRIDGE_TEST_NOWHERE is not set", ""),
        "v_empty": blank,
        "v_spaces": words,
        "f_missing": ("there is no such file", start),
        "f_folder": ("this is no regular file", ""),
        "f_unreadable": ("the file cannot be read: Permission denied", ""),
        "f_empty": blank,
        "f_blank": blank,
        "f_lines": words,
        "f_latin": ("its content is not UTF-8 text", ""),
        "f_large": ("this is no secret: it is larger than 65536 bytes", ""),
        "f_pipe": ("this is no regular file", ""),
        "c_missing": (
            "there is no readable credential token",
            "the unit needs LoadCredential=token:/path/of/the/secret",
        ),
    }


def nothing(folder: Path) -> None:
    """There is no file."""


def a_folder(folder: Path) -> None:
    (folder / "config.json").mkdir()


def unreadable(folder: Path) -> None:
    write(folder, mode=0)


def a_circle(folder: Path) -> None:
    (folder / "config.json").symlink_to("config.json")


def empty(folder: Path) -> None:
    write(folder, "")


def utf16(folder: Path) -> None:
    write(folder, WEBCHAT.encode("utf-16"))


def latin(folder: Path) -> None:
    write(folder, WEBCHAT.replace("{}}, ", "{}}, \n", 1).encode() + b"\xe9")


def huge(folder: Path) -> None:
    os.truncate(write(folder), 70_000_000)  # which takes no room on disk


def two_homes_of_rules(folder: Path) -> None:
    write(folder)
    write(folder, "[]", "rules.json")


def no_driver(folder: Path) -> None:
    write(folder, '{"telegraf": {"t": {}}, "rules": []}')


TWO_PLACES = "there is a rules.json beside this file too; keep the rules in one of the two places"
BEGINNING = "start from config.example.json, or name your file with --config FILE"


@pytest.mark.parametrize(
    ("broken", "told"),
    [
        (nothing, f"config.json: error: there is no such file here, nor in /etc/nextbridge; {BEGINNING}"),
        (a_folder, "config.json: error: the file cannot be read: Is a directory"),
        (unreadable, "config.json: error: the file cannot be read: Permission denied"),
        (a_circle, f"config.json: error: there is no such file here, nor in /etc/nextbridge; {BEGINNING}"),
        (empty, "config.json:1:1: error: the file is empty; an object is expected: { … }"),
        (utf16, "config.json: error: the file is UTF-16; save it as UTF-8"),
        (latin, "config.json:2:13: error: the file is not UTF-8: byte 0xE9 at offset 69; save it as UTF-8"),
        (huge, "config.json: error: the file is larger than 64 MiB"),
        (two_homes_of_rules, f"config.json:1:57: error: rules: {TWO_PLACES}"),
        (no_driver, 'config.json:1:2: error: telegraf: unknown key "telegraf"; did you mean "telegram"?'),
    ],
)
def test_a_file_that_cannot_be_used_is_told(tmp_path: Path, broken: Callable[[Path], None], told: str) -> None:
    """By the daemon as by `check`, with the status after which systemd does not start it again."""
    broken(tmp_path)
    done = nextbridge("run", cwd=tmp_path, by=without_rights())
    assert (done.status, done.output.partition("\n")[0]) == (78, told)


def test_a_folder_that_cannot_be_looked_into_is_told(tmp_path: Path) -> None:
    """What is in it is not taken for missing."""
    folder = tmp_path / "shut"
    folder.mkdir()
    path = write(folder)
    folder.chmod(0)
    done = nextbridge("check", "--config", path, by=without_rights())
    folder.chmod(0o700)
    assert done == (78, f"{path}: error: the file cannot be read: Permission denied\n")


@pytest.mark.parametrize(
    "environ",
    [
        {"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"},
        {"LC_ALL": "de_DE.ISO-8859-1"},
        {"PYTHONIOENCODING": "ascii"},
        {"HOME": None, "USER": None, "LANG": None},
        {"TERM": None, "PATH": "/nowhere"},
    ],
    ids=str,
)
def test_a_poor_environment_changes_nothing(tmp_path: Path, environ: dict[str, str | None]) -> None:
    """A file is UTF-8 whatever the locale, and what is said of it is printed as well as can be."""
    write(tmp_path, codecs.BOM_UTF8 + WEBCHAT.replace("{}}", '{"titel": "Größe ⚠"}}', 1).encode())
    done = nextbridge("check", cwd=tmp_path, environ=environ)
    assert done.status == 78
    assert done.output.startswith(
        'config.json:1:53: error: webchat > w > titel: unknown key "titel"; did you mean "title"?'
    )
