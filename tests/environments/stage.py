"""Servers that something is wrong with, and an instance of the operator's file for each."""

from __future__ import annotations

import asyncio
import datetime as dt
import socket
import ssl
from collections.abc import AsyncIterator, Awaitable, Callable, Mapping
from contextlib import AsyncExitStack, asynccontextmanager
from pathlib import Path
from typing import Any, NamedTuple

import trustme

from nextbridge.sandbox.mattermost import Account, Channel, SandboxMattermost
from tests.environments.commands import SECRET

__all__ = ["Stage", "open_stage"]

_HTML = b"HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 6\r\nConnection: close\r\n\r\n<html>"
_DENIED = b"HTTP/1.1 407 Proxy Authentication Required\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"


class Stage(NamedTuple):
    """What is there."""

    instances: Mapping[str, Mapping[str, Any]]
    """The block `mattermost` of a file."""
    channels: Mapping[str, Mapping[str, Any]]
    """The channel that a rule names of each."""

    def file(self) -> dict[str, Any]:
        """The operator's: a web chat that is relayed to every instance."""
        targets = [{"instance": name, **self.channels[name]} for name in self.instances]
        return {
            "global": {"http": {"port": 0}},
            "mattermost": self.instances,
            "webchat": {"web": {}},
            "rules": [{"type": "forward", "from": {"web": {"room": "r"}}, "to": targets}],
        }

    def at(self, name: str) -> str:
        """The address that the file has of an instance's server."""
        return str(self.instances[name]["server_url"])


class _Town(NamedTuple):
    """A server with people in it."""

    server: SandboxMattermost
    bot: Account
    town: Channel
    lobby: Channel
    """In which the relay is not."""


@asynccontextmanager
async def open_stage(folder: Path) -> AsyncIterator[Stage]:
    """Start every server. `folder` is for certificates."""
    async with AsyncExitStack() as stack:
        one, other, walled, poor = [await _town(stack) for _ in range(4)]
        other.server.faults.answer(
            502, body="<html>", content_type="text/html", route="GET /api/v4/websocket", times=1000
        )
        walled.server.faults.answer(403, body="<html>", content_type="text/html", times=1000)
        poor.server.take_right("create_post")
        poor.server.take_right("upload_file")
        revoked = one.server.add_token(one.bot)
        one.server.revoke_token(revoked)
        authority = trustme.CA()
        authority.cert_pem.write_to_path(folder / "ca.pem")
        (folder / "words.pem").write_text("no certificate\n")
        past = dt.datetime.now(dt.UTC) - dt.timedelta(days=1)
        trusted = await _listen(stack, _silence, _tls(authority.issue_cert("127.0.0.1")))
        expired = await _listen(stack, _silence, _tls(authority.issue_cert("127.0.0.1", not_after=past)))
        elsewhere = await _listen(stack, _silence, _tls(authority.issue_cert("elsewhere.test")))
        page, proxy = await _listen(stack, _saying(_HTML)), await _listen(stack, _saying(_DENIED))
        nobody = stack.enter_context(socket.socket())
        nobody.bind(("127.0.0.1", 0))  # and does not listen
        closed = f"127.0.0.1:{nobody.getsockname()[1]}"
        ca_file = {"ca_file": str(folder / "ca.pem")}
        home = {"server_url": one.server.url, "token": one.bot.token}
        instances: dict[str, dict[str, Any]] = {
            "wrong_token": {**home, "token": "w" * 26},
            "revoked_token": {**home, "token": revoked.token},
            "foreign_token": {**home, "token": other.bot.token},
            "unknown_name": {**home, "server_url": "https://chat.nextbridge.invalid"},
            "closed_port": {**home, "server_url": f"http://{closed}"},
            "expired_certificate": {**home, **ca_file, "server_url": f"https://{expired}"},
            "untrusted_certificate": {**home, "server_url": f"https://{trusted}"},
            "certificate_of_another_name": {**home, **ca_file, "server_url": f"https://{elsewhere}"},
            "https_to_http": {**home, "server_url": one.server.url.replace("http:", "https:")},
            "http_to_https": {**home, "server_url": f"http://{trusted}"},
            "missing_ca_file": {**home, "ca_file": str(folder / "nowhere.pem")},
            "empty_ca_file": {**home, "ca_file": str(folder / "words.pem")},
            "closed_proxy": {**home, "proxy": f"http://{closed}"},
            "unknown_proxy": {**home, "proxy": "socks5://proxy.nextbridge.invalid"},
            "proxy_that_refuses": {**home, "proxy": f"http://relay:{SECRET}@{proxy}"},
            "no_websockets": {"server_url": other.server.url, "token": other.bot.token},
            "walled_off": {"server_url": walled.server.url, "token": walled.bot.token},
            "another_program": {**home, "server_url": f"http://{page}"},
            "wrong_path": {**home, "server_url": f"{one.server.url}/chat"},
            "no_member": home,
            "no_channel": home,
            "no_team": home,
            "no_rights": {"server_url": poor.server.url, "token": poor.bot.token},
        }
        channels: dict[str, dict[str, Any]] = {
            **{name: {"channel_id": one.town.id} for name in instances},
            "no_websockets": {"channel_id": other.town.id},
            "no_member": {"channel_id": one.lobby.id},
            "no_channel": {"channel_id": "x" * 26},
            "no_team": {"team": "mian", "channel": "town"},
            "no_rights": {"channel_id": poor.town.id},
        }
        yield Stage(instances, channels)


async def _town(stack: AsyncExitStack) -> _Town:
    server = await stack.enter_async_context(SandboxMattermost())
    team = server.add_team("main")
    bot, ada = server.add_bot("relay", team=team), server.add_user("ada", team=team)
    town = server.add_channel(team, "town", members=[bot, ada])
    return _Town(server, bot, town, server.add_channel(team, "lobby", members=[ada]))


_Answer = Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]]


async def _listen(stack: AsyncExitStack, answer: _Answer, tls: ssl.SSLContext | None = None) -> str:
    server = await stack.enter_async_context(await asyncio.start_server(answer, "127.0.0.1", 0, ssl=tls))
    host, port = server.sockets[0].getsockname()
    return f"{host}:{port}"


async def _silence(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    await reader.read(1)
    writer.close()


def _saying(words: bytes) -> _Answer:
    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        await reader.readuntil(b"\r\n\r\n")
        writer.write(words)
        await writer.drain()
        writer.close()

    return say


def _tls(certificate: trustme.LeafCert) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    certificate.configure_cert(context)
    return context
