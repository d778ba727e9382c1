"""`nextbridge init`: at a terminal, with piped answers, and by flags."""

from __future__ import annotations

import asyncio
import os
import stat
import sys
from collections.abc import AsyncIterator, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pexpect
import pytest
import yaml
from msgspec import Struct

from nextbridge import config
from nextbridge.config.platforms import InstalledPlatforms
from nextbridge.sandbox.mattermost import SandboxMattermost
from nextbridge.setup.questions import WrongAnswer, asked_of_channel, asked_of_instance, setting

QUESTIONS = (
    "The first chat", "called in the file", "server_url", "token", "Kept", "The second chat", "called in the file",
    "further chat", "Its number", "room", "rule to be called", "further channels",
    "systemd unit",
)  # fmt: skip
"""Those of a conversation in which nothing goes wrong."""


class Server(Struct):
    """A Mattermost server with the relay in one channel."""

    url: str
    token: str
    channel: str

    @property
    def answers(self) -> list[str]:
        """To QUESTIONS."""
        return ["", "work", self.url, self.token, "", "webchat", "", "", "town", "lobby", "", "", ""]

    @property
    def flags(self) -> list[str]:
        """The same without a question."""
        return [
            "--instance", "work=mattermost", "--instance", "webchat=webchat",
            "--set", f"work.server_url={self.url}", "--set", f"work.token={self.token}",
            "--channel", f"work:channel_id={self.channel}", "--channel", "webchat:room=lobby", "--rule", "town-square",
        ]  # fmt: skip


@pytest.fixture
async def server() -> AsyncIterator[Server]:
    async with SandboxMattermost() as sandbox:
        team = sandbox.add_team("main")
        relay = sandbox.add_bot("relay", team=team)
        town = sandbox.add_channel(team, "town-square", display_name="Town Square", members=[relay])
        sandbox.add_channel(team, "other", display_name="Other", members=[relay])
        yield Server(sandbox.url, relay.token, town.id)


@contextmanager
def terminal(folder: Path, *arguments: str) -> Iterator[Any]:
    """`nextbridge init` in a folder, as a person has it before them."""
    child = pexpect.spawn(
        sys.executable, ["-m", "nextbridge", "init", *arguments], cwd=str(folder), encoding="utf-8", timeout=30,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )  # fmt: skip
    child.delaybeforesend = None
    try:
        yield child
    finally:
        child.close(force=True)


def asked(child: Any, question: str) -> None:
    """Wait until it is asked, and is not only named in what is said of an answer."""
    child.expect(f"\n[^!\n]*{question}[^\n]*: ")
    if "not shown" in child.after:
        assert child.waitnoecho(10)  # what is typed before is thrown away


def said(child: Any, *answers: tuple[str, str]) -> str:
    """What stands at the terminal after these answers to these questions, until the next one."""
    for question, answer in answers:
        asked(child, question)
        child.sendline(answer)
    return str(child.before)


def ended(child: Any) -> tuple[int, str]:
    """The status, and what is said last."""
    child.expect(pexpect.EOF)
    child.close()
    return child.exitstatus, child.before


async def held(folder: Path, server: Server, *arguments: str) -> tuple[int, str]:
    """A conversation in which nothing goes wrong."""

    def talk() -> tuple[int, str]:
        with terminal(folder, *arguments) as child:
            said(child, *zip(QUESTIONS, server.answers, strict=True))
            return ended(child)

    return await asyncio.to_thread(talk)


async def ran(folder: Path, *arguments: str, typed: str = "", **environment: str) -> tuple[int, str]:
    """The same without a terminal; what it says on both streams."""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-m", "nextbridge", "init", *arguments, cwd=folder,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path)), **environment},
        stdin=asyncio.subprocess.PIPE, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    async with asyncio.timeout(60):
        out, _ = await process.communicate(typed.encode())
    return process.returncode or 0, out.decode()


def names(folder: Path) -> list[str]:
    return sorted(each.name for each in folder.iterdir())


def mode(path: Path) -> int:
    return stat.S_IMODE(path.stat().st_mode)


async def test_two_chats_are_asked_for_and_joined(tmp_path: Path, server: Server) -> None:
    """The file has comments, can be used as it is, and is its owner's alone; what comes next is said."""
    status, last = await held(tmp_path, server)
    assert status == 0, last
    path = tmp_path / "config.yaml"
    text = path.read_text()
    assert mode(path) == 0o600
    assert "    # The server's address, as a browser opens it" in text
    assert "      work:  # main/town-square (Town Square)\n" in text
    loaded = config.load(path)
    assert loaded.warnings == ()
    (rule,) = loaded.config.rules
    assert [(str(each.instance), each.key) for each in rule.targets] == [("work", server.channel), ("webchat", "lobby")]
    assert "2 instances can work as the file has it" in last
    assert "nextbridge run --config config.yaml" in last
    assert names(tmp_path) == [path.name]


async def test_flags_answer_everything(tmp_path: Path, server: Server) -> None:
    """The file is the one that the conversation makes; as JSON it has no comments and says the same."""
    asked, by_flags = tmp_path / "asked", tmp_path / "flags"
    asked.mkdir()
    by_flags.mkdir()
    await held(asked, server)
    status, out = await ran(by_flags, *server.flags)
    assert status == 0, out
    status, out = await ran(by_flags, *server.flags, "--output", "config.json")
    assert status == 0, out
    files = [yaml.safe_load(each.read_text()) for each in (asked / "config.yaml", by_flags / "config.yaml")]
    assert files[0] == files[1] == yaml.safe_load((by_flags / "config.json").read_text())


async def test_answers_can_be_piped(tmp_path: Path, server: Server) -> None:
    """As a terminal's; the end of the input before the last question writes nothing."""
    answers = [*server.answers, ""]
    status, out = await ran(tmp_path, typed="\n".join(answers))
    assert status == 0, out
    cut = tmp_path / "cut"
    cut.mkdir()
    status, out = await ran(cut, typed="\n".join(answers[:4]))
    assert (status, names(cut)) == (1, [])
    assert "Aborted!" in out


@pytest.mark.parametrize("number", range(len(QUESTIONS)))
async def test_ctrl_c_at_any_question_leaves_nothing(tmp_path: Path, server: Server, number: int) -> None:
    """No file, no half of one, and no traceback."""

    def talk() -> tuple[int, str]:
        with terminal(tmp_path) as child:
            said(child, *list(zip(QUESTIONS, server.answers, strict=True))[:number])
            asked(child, QUESTIONS[number])
            child.sendintr()
            return ended(child)

    status, last = await asyncio.to_thread(talk)
    assert (status, names(tmp_path)) == (1, [])
    assert "Aborted!" in last
    assert "Traceback" not in last


async def test_what_is_wrong_is_said_and_asked_again(tmp_path: Path, server: Server) -> None:
    """A name, an address, a token, a platform and a room that are none; an earlier answer stands as the default."""

    def talk() -> str:
        with terminal(tmp_path) as child:
            assert "write one of api, discord" in said(child, ("The first chat", "teams"), ("The first chat", ""))
            assert "a name has letters" in said(
                child, ("called in the file", "my work"), ("called in the file", "work")
            )
            hint = "write the address that a browser opens"
            assert hint in said(child, ("server_url", "127.0.0.1"), ("server_url", "http://127.0.0.1:9"))
            said(child, ("token", server.token))
            found = said(child, ("What now", ""))
            assert "http://127.0.0.1:9 cannot be reached: Connection refused" in found
            said(child, (r"server_url \[http://127.0.0.1:9\]", server.url), ("token", ""), ("token", "with a space"))
            assert "it has a space or a line break inside" in said(child, ("What now", ""))
            said(child, ("server_url", ""), ("token", "x" * 26))
            assert "refuses the token. Was it revoked" in said(child, ("What now", ""))
            said(child, ("server_url", ""), ("token", server.token), ("Kept", ""))
            more = said(child, ("The second chat", "webhook"), ("The second chat", "webchat"))
            assert "has more to it than this can ask: docs/webhook.md" in more
            assert "there is a work already" in said(child, ("called in the file", "work"), ("called in the file", ""))
            said(child, ("further chat", ""))
            assert "no such channel in the list" in said(child, ("Its number", "nowhere"), ("Its number", "t"))
            assert "2 main/town-square" in said(child, ("Its number", "town"))
            assert "a room's name has 1 to 64 letters" in said(child, ("room", "a room"), ("room", "lobby"))
            said(child, ("rule to be called", ""), ("further channels", ""), ("systemd unit", ""))
            status, last = ended(child)
            assert status == 0, last
            return last

    assert "2 instances can work" in await asyncio.to_thread(talk)


async def test_a_secret_is_never_shown_and_kept_where_it_is_wanted(tmp_path: Path, server: Server) -> None:
    """In the file, in one of its own, or in the environment, with which it is tried all the same."""

    def talk(folder: Path, kept: str) -> str:
        answers = [
            kept if question == "Kept" else each for question, each in zip(QUESTIONS, server.answers, strict=True)
        ]
        with terminal(folder) as child:
            seen: list[str] = []
            for question, answer in zip(QUESTIONS, answers, strict=True):
                asked(child, question)
                seen.append(child.before)
                child.sendline(answer)
            status, last = ended(child)
            assert status == 0, last
            return "".join([*seen, last])

    for kept in ("here", "file", "env"):
        folder = tmp_path / kept
        folder.mkdir()
        shown = await asyncio.to_thread(talk, folder, kept)
        assert server.token not in shown
        text = (folder / "config.yaml").read_text()
        assert (server.token in text) == (kept == "here")
        if kept == "file":
            beside = folder / "work-token"
            assert (beside.read_text().strip(), mode(beside)) == (server.token, 0o600)
            assert config.load(folder / "config.yaml").warnings == ()
        if kept == "env":
            assert "token: ${WORK_TOKEN}" in text
            assert "Set WORK_TOKEN in the environment of the daemon first." in shown


@pytest.mark.parametrize(
    ("changed", "sentence"),
    [
        (("work=mattermost", "work=mattermst"), "--instance work=mattermst: write NAME=PLATFORM, with one of api,"),
        (("work=mattermost", "my work=mattermost"), "--instance my work=mattermost: a name has letters"),
        (
            ("work.server_url", "werk.server_url"),
            "--set werk.server_url: there is no --instance werk=…; there are work",
        ),
        (("work.server_url", "work.server_ur"), "--set work.server_ur: an instance of Mattermost has no single value"),
        (("webchat:room=lobby", "webchat:lobby"), "--channel webchat:lobby: write NAME:KEY=VALUE"),
        (("webchat:room=lobby", "webchat:room=a b"), "--channel webchat:room=a b: room: a room's name has"),
    ],
)
async def test_a_wrong_flag_is_named(tmp_path: Path, server: Server, changed: tuple[str, str], sentence: str) -> None:
    """With what it may be; nothing is written."""
    status, out = await ran(tmp_path, *(each.replace(*changed) for each in server.flags))
    assert (status, names(tmp_path)) == (78, []), out
    assert sentence in out


async def test_secrets_of_flags_need_not_be_on_the_command_line(tmp_path: Path, server: Server) -> None:
    """They are read from a line of input, or stay in the environment, a file or a credential."""

    def flags(token: str) -> Sequence[str]:
        return [f"work.token={token}" if each.startswith("work.token") else each for each in server.flags]

    status, out = await ran(tmp_path, *flags("-"), "--output", "read.yaml", typed=f"{server.token}\n")
    assert status == 0, out
    assert server.token not in out
    assert yaml.safe_load((tmp_path / "read.yaml").read_text())["mattermost"]["work"]["token"] == server.token
    status, out = await ran(tmp_path, *flags("${MINE}"), "--output", "env.yaml", MINE=server.token)
    assert status == 0, out
    secret = tmp_path / "secret"
    secret.write_text(server.token)
    status, out = await ran(tmp_path, *flags(f"file:{secret}"), "--output", "file.yaml")
    assert status == 0, out
    status, out = await ran(
        tmp_path, *flags("credential:secret"), "--output", "c.yaml", CREDENTIALS_DIRECTORY=str(tmp_path)
    )
    assert status == 0, out
    written = [
        yaml.safe_load((tmp_path / name).read_text())["mattermost"]["work"]["token"]
        for name in ("env.yaml", "file.yaml", "c.yaml")
    ]
    assert written == ["${MINE}", {"file": str(secret)}, {"credential": "secret"}]


async def test_a_file_that_cannot_be_used_is_not_written_unless_it_is_only_to_be_written(
    tmp_path: Path, server: Server
) -> None:
    """What is missing is said, without places in a file that is not there; with --offline it is written and told."""
    flags = [each for each in server.flags if not each.startswith("work.token")]
    flags = [each for place, each in enumerate(flags) if not (each == "--set" and flags[place + 1].startswith("--"))]
    status, out = await ran(tmp_path, *flags)
    assert (status, names(tmp_path)) == (78, []), out
    assert 'mattermost > work: the key "token" is missing' in out
    assert "config.json" not in out
    status, out = await ran(tmp_path, *flags, "--offline")
    assert status == 1
    assert "config.yaml is written. Before it can be used:" in out


async def test_what_was_there_is_kept(tmp_path: Path, server: Server) -> None:
    """Unless --force says otherwise; a folder that cannot be written is said, and nothing else is left in it."""
    path = tmp_path / "config.yaml"
    path.write_text("# mine\n")
    status, out = await ran(tmp_path, *server.flags)
    assert (status, path.read_text()) == (74, "# mine\n")
    assert "config.yaml is there already; --force writes over it" in out
    status, out = await ran(tmp_path, *server.flags, "--force")
    assert status == 0, out
    assert mode(path) == 0o600
    status, out = await ran(tmp_path, *server.flags, "--output", "nowhere/config.yaml")
    assert status == 74
    assert "nowhere/config.yaml cannot be written: No such file or directory" in out
    status, out = await ran(tmp_path, *server.flags, "--output", "config.toml")
    assert status == 2
    assert "its name has to end with .yaml or .json" in out
    assert names(tmp_path) == ["config.yaml"]


async def test_a_full_disk_leaves_what_was_there(tmp_path: Path, server: Server) -> None:
    """The new file is written beside the old one, and takes its place whole."""
    path = tmp_path / "config.yaml"
    path.write_text("# mine\n")
    limited = """
import resource, runpy, signal, sys
signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
resource.setrlimit(resource.RLIMIT_FSIZE, (200, 200))
runpy.run_module("nextbridge", run_name="__main__", alter_sys=True)
"""
    process = await asyncio.create_subprocess_exec(
        sys.executable, "-c", limited, "init", *server.flags, "--force", "--offline", cwd=tmp_path,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
        stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    out, _ = await process.communicate()
    assert process.returncode == 74, out.decode()
    assert "config.yaml cannot be written: File too large" in out.decode()
    assert (path.read_text(), names(tmp_path)) == ("# mine\n", ["config.yaml"])


async def test_the_unit_has_the_places_of_this_installation(tmp_path: Path, server: Server) -> None:
    """It is the project's own, with this program and this file in it; the commands for root are said."""
    status, out = await ran(tmp_path, *server.flags, "--unit", "nextbridge.service")
    assert status == 0, out
    unit = (tmp_path / "nextbridge.service").read_text()
    assert f"ExecStart={Path(sys.executable).parent}/nextbridge run --config {tmp_path}/config.yaml\n" in unit
    assert "/opt/nextbridge/bin" not in unit
    assert mode(tmp_path / "nextbridge.service") == 0o644
    assert f"chown root:nextbridge {tmp_path}/config.yaml" in out
    assert f"install -m 0644 {tmp_path}/nextbridge.service /etc/systemd/system/nextbridge.service" in out


async def test_the_unit_is_offered(tmp_path: Path, server: Server) -> None:
    """Where it is to be is asked until it can be there."""
    (tmp_path / "there.service").touch()

    def talk() -> tuple[int, str]:
        with terminal(tmp_path) as child:
            said(child, *zip(QUESTIONS[:-1], server.answers[:-1], strict=True))
            told = said(
                child,
                ("systemd unit", "y"),
                ("Its file", str(tmp_path)),
                ("Its file", str(tmp_path / "there.service")),
                ("Its file", str(tmp_path / "nowhere" / "nextbridge.service")),
                ("Its file", str(tmp_path / "nextbridge.service")),
            )
            status, last = ended(child)
            return status, told + last

    status, out = await asyncio.to_thread(talk)
    assert status == 0, out
    assert "can be put there by root later" in out
    assert f"--config {tmp_path}/config.yaml" in (tmp_path / "nextbridge.service").read_text()
    assert f"install -m 0644 {tmp_path}/nextbridge.service /etc/systemd/system/nextbridge.service" in out


async def test_a_secrets_file_that_is_there_is_said_before_all_is_answered(tmp_path: Path, server: Server) -> None:
    """Nothing that was answered is lost for it."""
    (tmp_path / "work-token").write_text("mine\n")

    def talk() -> tuple[int, str]:
        with terminal(tmp_path) as child:
            said(child, *zip(QUESTIONS[:4], server.answers[:4], strict=True))
            told = said(child, ("Kept", "file"), ("Kept", "here"))
            said(child, *zip(QUESTIONS[5:], server.answers[5:], strict=True))
            return ended(child)[0], told

    status, told = await asyncio.to_thread(talk)
    assert status == 0
    assert "work-token is there already" in told
    assert (tmp_path / "work-token").read_text() == "mine\n"


def test_every_platform_is_asked_for_by_its_own_settings() -> None:
    """Each question has words of its own; those of tokens are secret; one platform is written by hand."""
    platforms = InstalledPlatforms()
    asked = {name: asked_of_instance(name, platforms.get(name)) for name in platforms.names}
    assert [name for name, questions in asked.items() if questions is None] == ["webhook"]
    for name, questions in asked.items():
        for question in [*(questions or ()), *asked_of_channel(name, platforms.get(name))]:
            assert len(question.description) > 10, (name, question.key)
            assert (
                question.secret == any(word in question.key for word in ("token", "password", "secret"))
                or question.key == "tokens.0.name"
            )
    keys = {name: [each.key for each in questions or ()] for name, questions in asked.items()}
    assert keys["mattermost"] == ["server_url", "token"]
    assert keys["irc"] == ["host", "port", "tls", "nick", "sasl.username", "sasl.password"]
    assert keys["api"] == ["tokens.0.name", "tokens.0.token"]
    assert keys["webchat"] == []


def test_an_answer_becomes_what_the_file_has() -> None:
    """A number, a switch, a choice or a word; of what does not fit it is said what would."""
    irc = InstalledPlatforms().get("irc")
    assert setting("irc", irc, "port").read("6697") == 6697
    assert setting("irc", irc, "tls").read("no") is False
    assert setting("irc", irc, "host").read(" irc.libera.chat ") == "irc.libera.chat"
    assert setting("irc", irc, "host").read("${IRC_HOST}") == "${IRC_HOST}"
    assert setting("irc", irc, "sasl.password").read("a${b") == "a$${b"
    for key, wrong, hint in (
        ("port", "many", "whole number"),
        ("port", "70000", "65535"),
        ("tls", "maybe", "yes or no"),
        ("host", " ", "a host name or an address alone"),
    ):
        with pytest.raises(WrongAnswer, match=hint):
            setting("irc", irc, key).read(wrong)
    telegram = InstalledPlatforms().get("telegram")
    (chat,) = asked_of_channel("telegram", telegram)
    assert (chat.read("-1001234567890"), chat.read("@my_group")) == (-1001234567890, "@my_group")
