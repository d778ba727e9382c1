"""What is wrong with a server, a token, a right or the way there: told by `check --online`, and by the daemon's log."""

from __future__ import annotations

import asyncio
import json
from pathlib import Path
from typing import NamedTuple
from urllib.parse import urlsplit

from tests.environments.commands import nextbridge
from tests.environments.stage import Stage, open_stage
from tests.process import Daemon


class Told(NamedTuple):
    """What an operator is told of an instance. In both sentences {at} is its server's address."""

    subject: str
    sentence: str
    event: str | None
    """The name of the line that the daemon's log has of it, with the same sentence; None where it has none."""


REFUSED = (
    "{at} refuses the token. Was it revoked or the bot disabled, is it of another server, was it copied whole and "
    "without spaces, or was a new one made since? Put the right one into the file"
)
SPELLING = "Look at its spelling; if it is right, add the bot to the channel, by /invite @relay typed there"
ENDED, PAUSED, CHANNEL = "connection_ended", "instance_paused", "channel_unavailable"
TOLD = {
    "wrong_token": Told("token", REFUSED, PAUSED),
    "revoked_token": Told("token", REFUSED, PAUSED),
    "foreign_token": Told("token", REFUSED, PAUSED),
    "unknown_name": Told(
        "server", "{at} cannot be reached: its name is not known to the DNS; look at the spelling", ENDED
    ),
    "closed_port": Told("server", "{at} cannot be reached: Connection refused", ENDED),
    "expired_certificate": Told(
        "server",
        "{at} cannot be reached: its certificate has expired; it has to be renewed there, unless this machine's clock "
        "is wrong",
        ENDED,
    ),
    "untrusted_certificate": Told(
        "server",
        "{at} cannot be reached: its certificate is not trusted (unable to get local issuer certificate); name the "
        "file of a private CA as ca_file",
        ENDED,
    ),
    "certificate_of_another_name": Told(
        "server",
        "{at} cannot be reached: its certificate is for another name; write the server's name as its certificate has "
        "it",
        ENDED,
    ),
    "https_to_http": Told(
        "server",
        "{at} cannot be reached: no TLS connection came about (wrong version number); look at the port, and whether it "
        "is https",
        ENDED,
    ),
    "http_to_https": Told("server", "{at} cannot be reached: the connection broke off", ENDED),
    "missing_ca_file": Told(
        "connection", "ca_file {folder}/nowhere.pem cannot be read: No such file or directory", PAUSED
    ),
    "empty_ca_file": Told("connection", "ca_file {folder}/words.pem: holds no certificate in PEM form", PAUSED),
    "closed_proxy": Told("server", "{at} cannot be reached: the proxy cannot be reached: Connection refused", ENDED),
    "unknown_proxy": Told(
        "server",
        "{at} cannot be reached: the proxy cannot be reached: its name is not known to the DNS; look at the spelling",
        ENDED,
    ),
    "proxy_that_refuses": Told(
        "server",
        "{at} cannot be reached: the proxy does not let us through: 407 Proxy Authentication Required",
        ENDED,
    ),
    "no_websockets": Told(
        "events",
        "{socket} answers 502 instead of opening a WebSocket; a proxy before the server must let WebSocket connections "
        "through",
        ENDED,
    ),
    "walled_off": Told(
        "server",
        "{at} answers 403, and not as Mattermost does; look at server_url and at the proxy before the server",
        ENDED,
    ),
    "another_program": Told(
        "server",
        "{at} answers 200 with something that is not Mattermost's JSON; look at server_url and at the proxy before the "
        "server",
        ENDED,
    ),
    "wrong_path": Told(
        "token",
        "{at} does not tell who we are (404: Sorry, we could not find the page.); look at server_url",
        ENDED,
    ),
    "no_member": Told(
        "channel lobby",
        "@relay is no member of channel Lobby: add the bot to the channel, by /invite @relay typed there",
        CHANNEL,
    ),
    "no_channel": Told(
        f"channel {'x' * 26}",
        f"channel {'x' * 26} is not there for us (404: Unable to find the existing channel.) {SPELLING}",
        CHANNEL,
    ),
    "no_team": Told(
        "channel name:mian/town",
        f"channel mian/town is not there for us (404: Unable to find the existing team.) {SPELLING}",
        CHANNEL,
    ),
    "no_rights": Told(
        "rights in channel town",
        "@relay may not post, upload files; give its role in the channel the right to",
        None,
    ),
}


WORKING = {"web", "no_member", "no_channel", "no_team", "no_rights"}
"""Those that connect all the same."""


def sentence(name: str, stage: Stage, folder: Path) -> str:
    at = stage.at(name)
    socket = f"{at.replace('http', 'ws', 1)}/api/v4/websocket"
    return TOLD[name].sentence.format(at=at, socket=socket, folder=folder)


async def test_check_says_of_each_what_is_wrong_and_what_to_do(tmp_path: Path) -> None:
    """All at once, in seconds: one finding an instance, marked, and what the address itself is wrong in; no more."""
    async with open_stage(tmp_path) as stage:
        path = tmp_path / "config.json"
        path.write_text(json.dumps(stage.file()))
        path.chmod(0o600)

        def place(name: str) -> str:
            return urlsplit(stage.at(name)).netloc

        done = await asyncio.to_thread(nextbridge, "check", "--online", "--json", "--config", path)
        assert done.status == 1
        found: dict[str, list[tuple[str, str]]] = {name: [] for name in TOLD}
        for each in json.loads(done.output)["findings"]:
            # where the tests run in a container, that is said of 127.0.0.1 as well
            if not each["ok"] and "is this container itself" not in each["text"]:
                found[each["instance"]].append((each["subject"], each["text"]))
        expected = {name: [(told.subject, sentence(name, stage, tmp_path))] for name, told in TOLD.items()}
        expected["http_to_https"].append(("server_url", f"{place('http_to_https')} speaks TLS: write https://"))
        expected["https_to_http"].append(
            ("server_url", f"{place('https_to_http')} speaks no TLS: write http://, or another port")
        )
        assert found == expected


async def test_the_log_says_of_each_what_is_wrong(daemon: Daemon, tmp_path: Path) -> None:
    """In one line that has a name, a level and the sentence; the others go on."""
    async with open_stage(tmp_path) as stage:
        await daemon.start(stage.file(), until_ready=False, debug=False)
        expected = {name: told.event for name, told in TOLD.items() if told.event is not None}

        def said() -> dict[str, tuple[str, str]]:
            first: dict[str, tuple[str, str]] = {}
            for event in (ENDED, PAUSED, CHANNEL):
                for line in daemon.events(event):
                    first.setdefault(str(line["instance"]), (event, str(line["reason"])))
            return first

        def connected() -> set[str]:
            return {str(line["instance"]) for line in daemon.events("connected")}

        async with asyncio.timeout(30):
            while said().keys() < expected.keys() or len(connected()) < len(WORKING):  # noqa: ASYNC110 - a log tells nobody
                await asyncio.sleep(0.05)
        assert said() == {name: (event, sentence(name, stage, tmp_path)) for name, event in expected.items()}
        levels = {event: {line["level"] for line in daemon.events(event)} for event in (ENDED, PAUSED, CHANNEL)}
        assert levels == {ENDED: {"warning"}, PAUSED: {"error"}, CHANNEL: {"error"}}
        assert connected() == WORKING
        assert await daemon.stop() == 0
