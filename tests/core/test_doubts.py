"""`check --online`: what an address is wrong in, and whose clock is, on every platform that has either."""

from __future__ import annotations

import asyncio
import json
import ssl
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from email.utils import formatdate
from pathlib import Path
from typing import Any

import pytest
import trustme

from nextbridge import config
from nextbridge.checking.doubts import doubt
from nextbridge.checking.probing import probe
from nextbridge.driver import Address

_DISCORD_TOKEN = "M" * 24 + "." + "G" * 6 + "." + "h" * 38
_TELEGRAM_TOKEN = "1234567:" + "a" * 35


def _file(scheme: str, place: str) -> dict[str, Any]:
    """An instance of each platform that the file says the server of, all at one place."""
    url, (host, port) = f"{scheme}://{place}", place.split(":")
    where = {"host": host, "port": int(port)}
    return {
        "mattermost": {"mm": {"server_url": url, "token": "w" * 26}},
        "matrix": {"mx": {"homeserver": url, "user_id": "@relay:example.com", "access_token": "w" * 26}},
        "slack": {"sl": {"api_url": f"{url}/api/", "bot_token": "xoxb-1-w", "app_token": "xapp-1-w"}},
        "discord": {"dc": {"api_url": f"{url}/api", "token": _DISCORD_TOKEN}},
        "telegram": {"tg": {"api_url": url, "token": _TELEGRAM_TOKEN}},
        "irc": {"net": {**where, "nick": "relay", "tls": scheme == "https", "answer_timeout": 5}},
        "xmpp": {
            "jabber": {
                **where,
                "jid": "relay@example.com",
                "password": "w",
                "tls": "direct" if scheme == "https" else "starttls",
                "answer_timeout": 5,
            }
        },
    }


HTTP = {"mm", "mx", "sl", "dc", "tg"}
CHANNELS: dict[str, dict[str, Any]] = {
    "mm": {"channel_id": "x" * 26},
    "mx": {"room_id": "!town:example.com"},
    "sl": {"channel_id": "C0123456789"},
    "dc": {"channel_id": "123456789012345678"},
    "tg": {"chat": -1001234567890},
    "net": {"channel": "#town"},
    "jabber": {"room": "town@rooms.example.com"},
}


async def found(
    folder: Path, scheme: str, place: str, subjects: set[str], *, proxy: str | None = None
) -> dict[str, str]:
    """What is amiss in one of these `subjects`, by instance."""
    path = folder / "config.json"
    path.touch(mode=0o600)
    rule = {"type": "connect", "channels": CHANNELS}
    general = {} if proxy is None else {"global": {"proxy": proxy}}
    path.write_text(json.dumps({**general, **_file(scheme, place), "rules": [rule]}))
    probed = await probe(config.load(path).config)
    assert not any(each.ok for each in probed)
    return {
        each.instance: finding.text
        for each in probed
        for finding in each.findings
        if not finding.ok and finding.subject in subjects
    }


@asynccontextmanager
async def listening(answer: bytes, tls: ssl.SSLContext | None = None) -> AsyncIterator[str]:
    """Something that says `answer` to whatever it is told, and hangs up."""

    async def say(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with suppress(ConnectionResetError):
            await reader.read(1)
        writer.write(answer)
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0, ssl=tls) as server:
        yield f"127.0.0.1:{server.sockets[0].getsockname()[1]}"


def certified() -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    trustme.CA().issue_cert("127.0.0.1").configure_cert(context)
    return context


ADDRESSES = {"server_url", "homeserver", "api_url", "host"}


async def test_a_port_that_speaks_tls_is_named_to_who_does_not(tmp_path: Path) -> None:
    """With what to write, on every platform whose server the file names."""
    async with listening(b"", certified()) as place:
        told = await found(tmp_path, "http", place, ADDRESSES)
    said = f"{place} speaks TLS: "
    assert told == {
        **dict.fromkeys(HTTP, f"{said}write https://"),
        "net": f'{said}set "tls": true',
        "jabber": f'{said}set "tls": "direct"',
    }


async def test_a_port_that_speaks_no_tls_is_named_to_who_does(tmp_path: Path) -> None:
    """Likewise."""
    async with listening(b"HTTP/1.1 400 Bad Request\r\n\r\n") as place:
        told = await found(tmp_path, "https", place, ADDRESSES)
    said = f"{place} speaks no TLS: "
    assert told == {
        **dict.fromkeys(HTTP, f"{said}write http://, or another port"),
        "net": f'{said}set "tls": false, or another port',
        "jabber": f'{said}set "tls": "starttls", or another port',
    }


_SERVER = {**dict.fromkeys(HTTP, "server"), "net": "connection", "jabber": "connection"}
"""What each calls that which it does not reach."""


async def test_a_name_that_nobody_has_is_named(tmp_path: Path) -> None:
    """On every platform, under the name of what it is about."""
    told = await found(tmp_path, "https", "chat.nextbridge.invalid:443", {"server", "connection"})
    assert told.keys() == _SERVER.keys()
    assert all(text.endswith("its name is not known to the DNS; look at the spelling") for text in told.values())


async def test_a_certificate_that_nobody_vouches_for_is_named(tmp_path: Path) -> None:
    """With where the authority's own is written."""
    async with listening(b"", certified()) as place:
        told = await found(tmp_path, "https", place, {"server", "connection", "login", "token", "bot_token"})
    assert told.keys() == _SERVER.keys()
    assert all("is not trusted (unable to get local issuer certificate)" in text for text in told.values())
    assert all("ca_file" in text for text in told.values())


@pytest.mark.parametrize("scheme", ["http", "socks5"])
async def test_a_proxy_that_is_not_there_is_named_as_that(tmp_path: Path, scheme: str) -> None:
    """And not the server behind it."""
    async with listening(b"") as place:
        pass
    told = await found(tmp_path, "https", "chat.example.com:443", {"server", "connection"}, proxy=f"{scheme}://{place}")
    assert told.keys() == _SERVER.keys()
    assert all(text.endswith("the proxy cannot be reached: Connection refused") for text in told.values())


async def test_an_address_that_is_right_is_not_doubted(tmp_path: Path) -> None:
    """Neither where another certificate is the trouble, nor where a proxy stands before it."""
    async with listening(b"", certified()) as place:
        assert await found(tmp_path, "https", place, ADDRESSES) == {}
        assert await found(tmp_path, "http", place, {*ADDRESSES, "proxy"}, proxy=f"http://{place}") == {}


@pytest.mark.parametrize(("seconds", "words"), [(-3600, "s ahead of the"), (3600, "s behind the"), (30, None)])
async def test_clocks_that_differ_are_found(tmp_path: Path, seconds: int, words: str | None) -> None:
    """By the Date of the answers, on every platform that is spoken to by HTTP; half a minute is let pass."""
    date = formatdate(time.time() + seconds, usegmt=True)
    answer = f"HTTP/1.1 401 Unauthorized\r\nDate: {date}\r\nContent-Length: 0\r\nConnection: close\r\n\r\n"
    async with listening(answer.encode()) as place:
        told = await found(tmp_path, "http", place, {"clock"})
    assert told.keys() == (set() if words is None else HTTP)
    assert all(words in each for each in told.values() if words)


async def test_a_container_that_is_asked_for_its_own_localhost_is_named(tmp_path: Path) -> None:
    """Only in a container, only where the address is its own, and only where nobody listens there."""
    sign = tmp_path / ".dockerenv"
    sign.touch()

    async def doubted(host: str, port: int, *signs: Path) -> str:
        return await doubt(Address("host", host, port, None, "", ""), signs=signs) or ""

    async with listening(b"") as place:
        port = int(place.split(":")[1])
        assert await doubted("127.0.0.1", port, sign) == ""
    for host in ("localhost", "127.0.0.1", "127.1.2.3", "::1"):
        assert "this container itself" in await doubted(host, port, sign)
        assert await doubted(host, port, tmp_path / "none") == ""
    assert await doubted("chat.nextbridge.invalid", port, sign) == ""
