"""Whoever listens where the server should be: it says what a test has it say, and keeps what it is told."""

from __future__ import annotations

import asyncio
import ssl
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import trustme

__all__ = ["HEADER", "Impostor", "features", "identity", "impostor"]

HEADER = (
    "<?xml version='1.0'?><stream:stream xmlns='jabber:client' xmlns:stream='http://etherx.jabber.org/streams' "
    "from='main.test' id='1' version='1.0'>"
)
_TLS = "urn:ietf:params:xml:ns:xmpp-tls"


def features(*, starttls: bool) -> str:
    """What a server offers at first: a login with the password itself, and encryption or none."""
    offer = f"<starttls xmlns='{_TLS}'/>" if starttls else ""
    sasl = "<mechanisms xmlns='urn:ietf:params:xml:ns:xmpp-sasl'><mechanism>PLAIN</mechanism></mechanisms>"
    return f"<stream:features>{offer}{sasl}</stream:features>"


class Impostor:
    """Made by `impostor`."""

    def __init__(self, greeting: str, answer: str, context: ssl.SSLContext | None) -> None:
        self.port = 0
        self.heard = b""
        """All that anybody told it, encrypted or not."""
        self._greeting = greeting
        self._answer = answer
        self._context = context

    async def take(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        """One connection."""
        with suppress(OSError, ssl.SSLError):
            greeted = False
            while data := await reader.read(65536):
                self.heard += data
                if b"<starttls" in data:
                    writer.write(self._answer.encode())
                    if self._context is not None:
                        await writer.start_tls(self._context)
                elif not greeted and b"<stream:stream" in self.heard:
                    greeted = True
                    writer.write(self._greeting.encode())
                await writer.drain()
        writer.close()


@asynccontextmanager
async def impostor(
    greeting: str = "",
    *,
    answer: str = "",
    starttls: ssl.SSLContext | None = None,
    direct: ssl.SSLContext | None = None,
) -> AsyncIterator[Impostor]:
    """Greets whoever connects so, and answers so to whoever asks for encryption, which then begins with `starttls`."""
    made = Impostor(greeting, answer, starttls)
    tasks: set[asyncio.Task[None]] = set()

    async def take(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        tasks.add(task)
        await made.take(reader, writer)

    server = await asyncio.start_server(take, "127.0.0.1", 0, ssl=direct)
    made.port = server.sockets[0].getsockname()[1]
    try:
        yield made
    finally:
        server.close()
        for task in tasks:
            task.cancel()
        await asyncio.gather(*tasks, return_exceptions=True)


def identity(folder: Path, host: str, *, days: int = 30) -> tuple[Path, ssl.SSLContext]:
    """An authority's certificate, and a server's encryption with what it signed for `host`, for so many days."""
    authority, now = trustme.CA(), datetime.now(UTC)
    path = folder / "authority.pem"
    authority.cert_pem.write_to_path(path)
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    made = authority.issue_cert(host, not_before=now - timedelta(days=90), not_after=now + timedelta(days=days))
    made.configure_cert(context)
    return path, context
