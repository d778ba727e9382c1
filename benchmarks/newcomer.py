"""How long it takes from `nextbridge init` to the first message across, without the time in which a person types.

    python benchmarks/newcomer.py

A newcomer at a terminal joins a channel of a Mattermost server (the stand-in) with a room of the web chat: answers what
is asked, one mistake included, starts the daemon with the file that was written, and posts. What they see is printed.
"""

from __future__ import annotations

import asyncio
import json
import os
import signal
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

import aiohttp
import pexpect

from nextbridge.sandbox.mattermost import SandboxMattermost


def answer(folder: Path, address: str, token: str) -> None:
    """Hold the conversation, as a person does. Raises pexpect.ExceptionPexpect where something else is asked."""
    terminal = pexpect.spawn(
        sys.executable,
        ["-m", "nextbridge", "init"],
        cwd=str(folder),
        encoding="utf-8",
        timeout=60,
        env={**os.environ, "PYTHONPATH": os.pathsep.join(filter(None, sys.path))},
    )
    terminal.delaybeforesend = None
    terminal.logfile_read = sys.stdout
    for question, said in (
        ("The first chat", ""),
        ("called in the file", "work"),
        ("server_url", address),
        ("token", token[:-1]),  # not copied whole
        ("What now", "again"),
        ("server_url", ""),
        ("token", token),
        ("Kept", ""),
        ("The second chat", "webchat"),
        ("called in the file", ""),
        ("further chat", ""),
        ("Its number", "town"),
        ("room", "lobby"),
        ("rule to be called", ""),
        ("further channels", ""),
        ("systemd unit", ""),
    ):
        terminal.expect(f"\n[^!\n]*{question}[^\n]*: ")
        if question == "token":
            terminal.waitnoecho()
        terminal.sendline(said)
    terminal.expect(pexpect.EOF)
    terminal.close()
    if terminal.exitstatus != 0:
        raise SystemExit(f"init ended with {terminal.exitstatus}")


async def crossed(folder: Path, post: Callable[[str], object]) -> None:
    """Run the daemon until what is posted on Mattermost is in the web chat."""
    file = folder / "config.yaml"
    file.write_text(
        file.read_text().replace("global:\n", "global:\n  http: {port: 0}\n")
    )  # another may have the usual one
    program = [sys.executable, "-m", "nextbridge", "run"]
    with (folder / "daemon.log").open("wb") as log:
        daemon = await asyncio.create_subprocess_exec(*program, cwd=folder, stdout=log, stderr=log)
    try:
        async with asyncio.timeout(60), aiohttp.ClientSession() as http:
            address = await listening(folder / "daemon.log")
            while (await http.get(f"{address}/readyz")).status != 200:  # noqa: ASYNC110 - of another process
                await asyncio.sleep(0.02)
            async with http.ws_connect(f"{address}/webchat/webchat/live") as room:
                await room.send_json({"type": "hello"})
                await room.send_json({"type": "join", "room": "lobby", "name": "Grace"})
                post("hello from Mattermost")
                while "hello from Mattermost" not in (await room.receive()).data:
                    pass
    finally:
        daemon.send_signal(signal.SIGTERM)
        await daemon.wait()


async def listening(log: Path) -> str:
    """The daemon's HTTP server, once it has one."""
    while True:
        for line in (await asyncio.to_thread(log.read_text)).splitlines():
            if '"http_listening"' in line:
                return str(json.loads(line)["address"])
        await asyncio.sleep(0.02)


async def main() -> None:
    """Be the newcomer, and print how long it took."""
    async with SandboxMattermost() as mattermost:
        team = mattermost.add_team("main")
        relay, ada = mattermost.add_bot("relay", team=team), mattermost.add_user("ada", team=team)
        town = mattermost.add_channel(team, "town-square", display_name="Town Square", members=[relay, ada])
        with tempfile.TemporaryDirectory(prefix="nextbridge-newcomer-") as name:
            began = time.perf_counter()
            await asyncio.to_thread(answer, Path(name), mattermost.url, relay.token)
            asked = time.perf_counter()
            await crossed(Path(name), lambda text: mattermost.post_as(ada, town, text))
            done = time.perf_counter()
    print(f"\nfrom init to its file: {asked - began:.1f} s; to the first message across: {done - began:.1f} s")


if __name__ == "__main__":
    asyncio.run(main())
