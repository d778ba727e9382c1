"""The demo: the real daemon between a stand-in Mattermost and a web chat, side by side on one page.

Everything is as an operator would have it (a file, rules, a state folder, real drivers over real connections) but for
the Mattermost server. It listens on 127.0.0.1 only, and its state is gone when it ends.
"""

from __future__ import annotations

import asyncio
import json
import tempfile
from pathlib import Path
from urllib.parse import urlencode

import click

from nextbridge import config
from nextbridge.demo.stage import Frame, Stage
from nextbridge.demo.traffic import Traffic
from nextbridge.errors import NextBridgeError
from nextbridge.sandbox.mattermost import SandboxMattermost
from nextbridge.service import Service

__all__ = ["run_demo"]

_READY_WITHIN = 20.0
_ROOM = "lobby"


class DemoError(NextBridgeError):
    """The demo could not be set up."""


async def run_demo(port: int) -> None:
    """Run the demo with its page on 127.0.0.1:`port` (0 takes a free one), until Ctrl-C or SIGTERM.

    Raises NextBridgeError where something of it cannot start.
    """
    async with SandboxMattermost() as mattermost, Stage(port) as stage:
        team = mattermost.add_team("demo")
        relay = mattermost.add_bot("relay", display_name="NextBridge", team=team)
        ada = mattermost.add_user("ada", first_name="Ada", last_name="Lovelace", team=team)
        town = mattermost.add_channel(team, "town-square", display_name="Town Square", members=[relay, ada])
        with tempfile.TemporaryDirectory(prefix="nextbridge-demo-") as folder:
            path = Path(folder) / "config.json"
            await asyncio.to_thread(_write, path, mattermost.url, relay.token, town.id, stage.origin)
            service = Service(config.load(path).config, Path(folder) / "state", observers=(Traffic(),))
            started = asyncio.Event()
            running = asyncio.create_task(service.run(started=started))
            try:
                await _until_ready(service, started, running)
                chat = f"{service.http.address}/webchat/webchat/#{urlencode({'room': _ROOM, 'name': 'Grace'})}"
                stage.show(
                    Frame("Mattermost", f"{mattermost.url}/#{urlencode({'token': ada.token, 'channel': town.id})}"),
                    Frame("Web chat", chat),
                )
                click.echo(
                    f"Open {stage.origin}/ and type on either side; {service.http.address}/status/ shows what crosses. "
                    "Ctrl-C ends it."
                )
                await running
            finally:
                service.stop()
                await asyncio.wait({running})


def _write(path: Path, server_url: str, token: str, channel_id: str, stage: str) -> None:
    path.touch(mode=0o600)
    file = {
        "global": {"http": {"port": 0}, "status_page": {}},
        "mattermost": {"mattermost": {"server_url": server_url, "token": token}},
        "webchat": {"webchat": {"title": "Web chat", "embed_from": [stage]}},
        "rules": [
            {
                "id": "demo",
                "type": "connect",
                "channels": {"mattermost": {"channel_id": channel_id}, "webchat": {"room": _ROOM}},
            }
        ],
    }
    path.write_text(json.dumps(file, indent=2))


async def _until_ready(service: Service, started: asyncio.Event, running: asyncio.Task[None]) -> None:
    waiting = asyncio.create_task(started.wait())
    await asyncio.wait({running, waiting}, timeout=_READY_WITHIN, return_when=asyncio.FIRST_COMPLETED)
    waiting.cancel()
    if running.done():
        await running
    try:
        async with asyncio.timeout(_READY_WITHIN):
            for instance in service.instances.values():
                await instance.reported.wait()
    except TimeoutError:
        raise DemoError(f"the demo's own servers did not answer within {_READY_WITHIN:.0f} seconds") from None
    if waiting_for := service.instances.not_ready():
        raise DemoError(f"the demo's own servers do not connect: {waiting_for}")
