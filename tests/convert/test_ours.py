"""A file of ours in the other notation, and two files as one; and the command."""

from __future__ import annotations

import json
import stat
from pathlib import Path

import pytest
import yaml
from click.testing import CliRunner

from nextbridge.cli import main
from nextbridge.convert import ConversionError, from_ours, in_notation

INSTANCES = {"webchat": {"chat": {"token": "${CHAT_TOKEN}"}}}
RULES = [
    {"id": "r", "type": "connect", "channels": [{"instance": "chat", "room": "a"}, {"instance": "chat", "room": "b"}]}
]
WHOLE = {**INSTANCES, "rules": RULES}


def written(path: Path, value: object) -> Path:
    path.write_text(yaml.safe_dump(value) if path.suffix == ".yaml" else json.dumps(value))
    path.chmod(0o600)
    return path


def test_either_notation_becomes_the_other(tmp_path: Path) -> None:
    """With the same values; what names a secret still names it."""
    path = written(tmp_path / "config.json", WHOLE)
    made = from_ours(path)
    assert (made.file, made.notes) == (WHOLE, ())
    there = tmp_path / "other.yaml"
    there.write_text(in_notation(made.file, "yaml"))
    assert from_ours(there).file == WHOLE
    assert "${CHAT_TOKEN}" in there.read_text()


@pytest.mark.parametrize("rules", [RULES, {"rules": RULES}], ids=["a list", "an object"])
def test_a_file_and_its_rules_become_one(tmp_path: Path, rules: object) -> None:
    """Named, or beside it under the name that is looked for."""
    path = written(tmp_path / "instances.json", INSTANCES)
    assert from_ours(path, written(tmp_path / "ways.yaml", rules)).file == WHOLE
    written(tmp_path / "rules.json", rules)
    assert from_ours(path).file == WHOLE


def test_comments_are_said_to_be_lost(tmp_path: Path) -> None:
    """They belong to the notation."""
    path = tmp_path / "config.yaml"
    path.write_text("# ours\nwebchat: {chat: {}}\n")
    assert [each.sentence for each in from_ours(path).notes] == ["its comments are not taken over"]


def test_what_cannot_be_joined_is_refused(tmp_path: Path) -> None:
    """Rules in both, keys besides the rules, no file of ours at all, a key that stands twice."""
    whole = written(tmp_path / "config.json", WHOLE)
    with pytest.raises(ConversionError, match="has rules, too"):
        from_ours(whole, written(tmp_path / "ways.json", RULES))
    instances = written(tmp_path / "instances.json", INSTANCES)
    with pytest.raises(ConversionError, match="it has webchat"):
        from_ours(instances, written(tmp_path / "others.json", {"rules": [], **INSTANCES}))
    with pytest.raises(ConversionError, match="object is expected"):
        from_ours(written(tmp_path / "list.json", []))
    twice = tmp_path / "twice.json"
    twice.write_text('{"webchat": {}, "webchat": {}}')
    with pytest.raises(ConversionError, match="stands twice"):
        from_ours(twice)
    with pytest.raises(ConversionError, match="the file cannot be read"):
        from_ours(tmp_path / "nothing.json")


def test_the_command_writes_what_its_owner_alone_can_read(tmp_path: Path) -> None:
    """It says whether the new file can be used, and overwrites nothing unless it is told to."""
    source = written(tmp_path / "config.json", WHOLE)
    output = tmp_path / "new.yaml"
    run = CliRunner(env={"CHAT_TOKEN": "seven green bottles"}).invoke
    done = run(main, ["convert", str(source), "--output", str(output)])
    assert (done.exit_code, done.output) == (
        0, f"{output} is written, and can be used as it is. nextbridge check --online looks further.\n"
    )  # fmt: skip
    assert stat.S_IMODE(output.stat().st_mode) == 0o600
    again = run(main, ["convert", str(source), "--output", str(output)])
    assert (again.exit_code, again.output) == (74, f"{output} is there already; --force writes over it\n")
    assert run(main, ["convert", str(source), "--output", str(output), "--force"]).exit_code == 0
    assert run(main, ["convert", str(source), "--output", str(tmp_path / "new.txt")]).exit_code == 2
    assert run(main, ["convert", str(tmp_path / "no.toml"), "--output", str(tmp_path / "n.json")]).exit_code == 78


def test_the_command_says_what_is_still_to_be_done(tmp_path: Path) -> None:
    """The new file is there, with every mistake in it named; no secret of it is shown."""
    source = tmp_path / "matterbridge.toml"
    source.write_text(
        '[discord.d]\nToken="seven.green.bottles"\n[irc.i]\nServer="irc.example"\nNick="n"\nColorNicks=true\n'
        '[[gateway]]\nname="g"\nenable=true\n[[gateway.inout]]\naccount="discord.d"\nchannel="general"\n'
        '[[gateway.inout]]\naccount="irc.i"\nchannel="#g"\n'
    )
    output = tmp_path / "new.json"
    done = CliRunner().invoke(main, ["convert", str(source), "--output", str(output)])
    assert done.exit_code == 1
    assert "irc.i ColorNicks: names are not coloured\n" in done.output
    assert "new.json is written. Before it can be used:\n" in done.output
    assert "> channel_id: a channel id is a number" in done.output
    assert "bottles" not in done.output
    assert json.loads(output.read_text())["discord"]["d"]["token"] == "seven.green.bottles"
