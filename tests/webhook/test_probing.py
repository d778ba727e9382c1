"""`check --online` of hooks: who is there is looked at, and nothing is asked of them."""

from __future__ import annotations

import asyncio
import socket

import pytest

from nextbridge.config.types import Secret
from nextbridge.driver import Finding
from tests.webhook.conftest import SECRET, Hooks, Receiver, Serve


async def told(hooks: Hooks) -> Finding:
    (found,) = [each for each in await hooks.driver.probe() if each.subject == "hook Ops, outgoing"]
    assert SECRET not in found.text
    return found


async def test_who_takes_a_hooks_messages_is_looked_for(serve: Serve, receiver: Receiver) -> None:
    """Whether somebody is there; no request of any kind is made, for some act on any."""
    found = await told(await serve(outgoing={}))
    assert found.ok
    assert found.text.startswith("posts to 127.0.0.1, which is there; ")
    assert receiver.taken == []


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost"])
async def test_an_address_that_is_not_asked_is_a_finding(serve: Serve, host: str) -> None:
    """As the daemon has it: what is inside is asked where the operator allows it."""
    found = await told(await serve(outgoing={"url": Secret(f"http://{host}:1/{SECRET}")}, allow=()))
    assert not found.ok
    assert f"{host} is not posted to: it is at no public address; global.fetch_allow names" in found.text


async def test_an_address_that_nobody_is_at_is_a_finding(serve: Serve) -> None:
    """A name of nobody, a closed port, and TLS where there is none: each with what to do."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    for url, words in (
        (f"https://hooks.invalid/{SECRET}", "its name is not known to the DNS"),
        (f"http://127.0.0.1:{port}/{SECRET}", "Connection refused"),
    ):
        found = await told(await serve(outgoing={"url": Secret(url)}))
        assert not found.ok
        assert f"cannot be reached: {words}" in found.text

    async def say(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.write(b"HTTP/1.1 400 Bad Request\r\n\r\n")
        writer.close()

    async with await asyncio.start_server(say, "127.0.0.1", 0) as plain:
        port = plain.sockets[0].getsockname()[1]
        found = await told(await serve(outgoing={"url": Secret(f"https://127.0.0.1:{port}/{SECRET}")}))
    assert not found.ok
    assert f"127.0.0.1:{port} speaks no TLS: write http://" in found.text
