"""Every mistake is told with its place, its line and the likely fix: all of a file at once, and never by a traceback.

The tables in `mistakes/` hold, for each mistake, a file and the whole report on it.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from nextbridge.errors import ConfigError

if TYPE_CHECKING:
    from tests.config.conftest import Folder

ENVIRONMENT = {"T": "tok-of-everybody", "EMPTY": " ", "PORT": "443", "SPACED": "tok of somebody"}

AROUND = {
    "ops": """{ "pigeon": { "a": { "address": "x", "token": "${T}" } }, "rules": [], "global": { "ops_channel": {
  %s
} } }""",
    "settings": '{ "rules": [], "pigeon": { "a": {\n  %s\n} } }',
    "rules": """{
  "pigeon": { "a": { "address": "x", "token": "${T}" }, "b": { "address": "y", "token": "${T}" } },
  "beacon": { "h": {}, "off": { "enabled": false } },
  "rules": [
%s
  ]
}""",
    "filters": """{ "pigeon": { "a": { "address": "x", "token": "${T}" }, "b": { "address": "y", "token": "${T}" } },
  "rules": [ { "type": "connect", "channels": { "a": {"perch": "1"}, "b": {"perch": "1"} }, "filter":
%s
} ] }""",
}
"""What stands around the text of a table: one instance whose settings begin on line 2, rules that begin on line 5, a
rule's filter that begins on line 3."""


def table(name: str) -> list[object]:
    """The entries of a table: what is wrong, the text, the report."""
    found: list[object] = []
    for entry in (Path(__file__).parent / "mistakes" / f"{name}.txt").read_text().removeprefix("=== ").split("\n=== "):
        title, _, rest = entry.partition("\n")
        text, _, told = rest.partition("\n~~~\n")
        found.append(pytest.param(AROUND.get(name, "%s").replace("%s", text), told.strip("\n"), id=title))
    return found


def check(folder: Folder, name: str, text: str, told: str) -> None:
    folder.write(text, name)
    with pytest.raises(ConfigError) as caught:
        folder.load(name, ENVIRONMENT)
    report = str(caught.value).replace(f"{folder.path}/", "")
    assert "\n".join(line.rstrip() for line in report.splitlines()) == told


@pytest.mark.parametrize(("text", "told"), table("json_notation"))
def test_what_is_no_json_is_explained(folder: Folder, text: str, told: str) -> None:
    """The first mistake alone: behind it nothing is certain."""
    check(folder, "config.json", text, told)


@pytest.mark.parametrize(("text", "told"), table("yaml_notation"))
def test_what_is_no_yaml_is_explained(folder: Folder, text: str, told: str) -> None:
    """With a key that stands twice, and words that YAML reads as something else."""
    check(folder, "config.yaml", text, told)


@pytest.mark.parametrize(("text", "told"), table("blocks"))
def test_a_mistake_in_the_blocks_is_told(folder: Folder, text: str, told: str) -> None:
    """Platforms, instances, and what is global."""
    check(folder, "config.json", text, told)


@pytest.mark.parametrize(("text", "told"), table("settings"))
def test_a_mistake_in_an_instance_is_told(folder: Folder, text: str, told: str) -> None:
    """Its settings and its secrets."""
    check(folder, "config.json", text, told)


@pytest.mark.parametrize(("text", "told"), table("filters"))
def test_a_mistake_in_a_filter_is_told(folder: Folder, text: str, told: str) -> None:
    """Patterns that cannot be matched in bounded time, groups that are not there, people on instances that are none."""
    check(folder, "config.json", text, told)


@pytest.mark.parametrize(("text", "told"), table("ops"))
def test_a_mistake_in_the_operators_channel_is_told(folder: Folder, text: str, told: str) -> None:
    """As one in a rule's channel."""
    check(folder, "config.json", text, told)


@pytest.mark.parametrize(("text", "told"), table("rules"))
def test_a_mistake_in_the_rules_is_told(folder: Folder, text: str, told: str) -> None:
    """Types, channels, ids and formats."""
    check(folder, "config.json", text, told)


def laughs() -> str:
    """Ten values in the first line; each further line holds the one before ten times."""
    lines = ["a: &a [x, x, x, x, x, x, x, x, x, x]"]
    for before, name in zip("abcdefgh", "bcdefghi", strict=True):
        lines.append(f"{name}: &{name} [{', '.join([f'*{before}'] * 10)}]")
    return "\n".join(lines)


@pytest.mark.parametrize(
    ("name", "text", "told"),
    [
        ("config.json", "", "config.json:1:1: error: the file is empty; an object is expected: { … }"),
        ("config.json", " \n\n", "config.json:1:1: error: the file is empty; an object is expected: { … }"),
        ("config.yaml", "", "config.yaml:1:1: error: the file is empty; keys are expected: mattermost:, irc:, rules:"),
        ("config.json", "[" * 100_000, "config.json:1:65: error: nested more than 64 levels deep"),
        ("config.json", '{"a":' * 100_000, "config.json:1:321: error: nested more than 64 levels deep"),
        ("config.yaml", "[" * 100_000, "config.yaml:1:65: error: nested more than 64 levels deep"),
        ("config.yaml", "- " * 5_000, "config.yaml:1:129: error: nested more than 64 levels deep"),
        ("config.yaml", laughs(), "config.yaml:6:44: error: aliases that expand to more than 1000000 values"),
        ("config.yaml", "a: &a [*a]", "config.yaml:1:8: error: there is no anchor &a before this alias"),
        (
            "config.json",
            b'{\n  "beacon": "caf\xe9"\n}',
            "config.json:2:17: error: the file is not UTF-8: byte 0xE9 at offset 18; save it as UTF-8",
        ),
        ("config.json", "{}".encode("utf-16"), "config.json: error: the file is UTF-16; save it as UTF-8"),
        ("config.json", b"{\x00}", "config.json:1:2: error: a key in double quotes is expected here"),
        ("config.yaml", b"a: \x00", "config.yaml:1:4: error: a character that YAML does not allow; remove it"),
        ("config.json", '{"beacon": 1' + "0" * 5000 + "}", "config.json:1:12: error: this number is too long"),
    ],
    ids=lambda value: None if isinstance(value, str | bytes) and len(value) > 20 else repr(value),
)
def test_what_no_editor_writes_is_refused_as_well(folder: Folder, name: str, text: str | bytes, told: str) -> None:
    """Empty, deeply nested, expanding or binary files are told like any other mistake."""
    folder.write(text, name)
    assert folder.report(name) == [told]


def test_a_very_long_line_is_cut_around_the_mistake(folder: Folder) -> None:
    """A file in one line is still shown at its mistake, and thousands of mistakes are told in a moment."""
    rules = ", ".join(
        f'{{"type": "connect", "channels": {{"h": {{"hill": "{n}"}}, "nowhere": {{"hill": "hush-hush-x"}}}}}}'
        for n in range(3000)
    )
    folder.write(f'{{"beacon": {{"h": {{}}}}, "rules": [{rules}]}}')
    with pytest.raises(ConfigError) as caught:
        folder.load()
    lines = str(caught.value).splitlines()
    assert len(lines) == 3 * 3000
    assert max(map(len, lines[1::3])) < 140
    assert all(
        above[below.index("^") :].startswith('"nowhere"') for above, below in zip(lines[1::3], lines[2::3], strict=True)
    )
    assert "hush-hush-x" not in str(caught.value)


def test_rules_in_two_places_are_refused(folder: Folder) -> None:
    """In the file and beside it, or in two files beside it: nobody could say which ones hold."""
    folder.write('{"beacon": {"h": {}},\n "rules": []}')
    folder.write("[]", "rules.json")
    assert folder.report() == [
        (
            "config.json:2:2: error: rules: there is a rules.json beside this file too; "
            "keep the rules in one of the two places"
        )
    ]
    folder.write("[]", "rules.yaml")
    assert folder.report() == ["rules.yaml: error: there is a rules.json beside it too; keep one of them"]


def test_a_mistake_in_the_rules_file_names_that_file(folder: Folder) -> None:
    """The main file's mistakes come first, then those of the rules beside it."""
    folder.write('{"beacon": {"h": {"lmap": "x"}}}')
    folder.write('{"rules": [\n  {"type": "connect", "channels": {"h": {}, "i": {}}}],\n  "beacon": {}}', "rules.json")
    assert folder.report() == [
        'config.json:1:19: error: beacon > h > lmap: unknown key "lmap"; did you mean "lamp"?',
        'rules.json:2:36: error: rules[0] > channels > h: the key "hill" is missing',
        'rules.json:2:45: error: rules[0] > channels > i: there is no instance "i"; the instances: h',
        'rules.json:3:3: error: beacon: unknown key "beacon"; known here: rules',
    ]


def test_a_file_that_cannot_be_read_is_told(folder: Folder) -> None:
    """A folder, for example."""
    (folder.path / "config.json").mkdir()
    assert folder.report() == ["config.json: error: the file cannot be read: Is a directory"]
