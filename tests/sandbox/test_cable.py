"""What the cable does to the bytes of a connection, seen from both ends."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, suppress

import pytest

from nextbridge.sandbox.cable import Cable, Towards

HOST = "127.0.0.1"
End = tuple[asyncio.StreamReader, asyncio.StreamWriter]


@asynccontextmanager
async def joined() -> AsyncIterator[tuple[Cable, End, End]]:
    """A cable, the client's end of a connection through it, and the server's."""
    arrived: asyncio.Queue[End] = asyncio.Queue()
    server = await asyncio.start_server(lambda *end: arrived.put_nowait(end), HOST, 0)
    async with server, Cable(HOST, server.sockets[0].getsockname()[1]) as cable:
        client = await asyncio.open_connection(HOST, cable.port)
        async with asyncio.timeout(10):
            theirs = await arrived.get()
            client[1].write(b"!")  # once that is through, so is the connection
            await theirs[0].readexactly(1)
            yield cable, client, theirs
        for _, writer in (client, theirs):
            await leave(writer)
        await cable.cut()
        while not arrived.empty():
            await leave(arrived.get_nowait()[1])


async def leave(writer: asyncio.StreamWriter) -> None:
    writer.close()
    with suppress(ConnectionError):
        await writer.wait_closed()


async def test_what_is_sent_arrives_both_ways_and_so_does_its_end() -> None:
    """A cable that nobody touches is a connection like any other."""
    async with joined() as (_, (heard, said), (theirs, to_us)):
        said.write(b"question")
        said.write_eof()
        assert await theirs.read() == b"question"
        to_us.write(b"answer")
        to_us.write_eof()
        assert await heard.read() == b"answer"


async def test_a_lag_delays_each_way() -> None:
    """There and back takes two lags."""
    async with joined() as (cable, (heard, said), (theirs, to_us)):
        cable.lag = 0.05
        began = time.monotonic()
        said.write(b"question")
        to_us.write(await theirs.readexactly(8))
        assert await heard.readexactly(8) == b"question"
        assert time.monotonic() - began >= 0.1


async def test_a_cut_may_fall_inside_a_message() -> None:
    """So many bytes pass, of whatever; then both ends are cut off, and the next connection stands."""
    async with joined() as (cable, (heard, said), (theirs, _)):
        cable.cut_after(5)
        said.write(b"question")
        got = b""
        with pytest.raises(ConnectionError):
            while data := await theirs.read(100):
                got += data
            raise ConnectionError
        assert got == b"quest"
        with pytest.raises(ConnectionError):
            assert await heard.read() == b""
            raise ConnectionError
        _, again = await asyncio.open_connection(HOST, cable.port)
        await leave(again)


@pytest.mark.parametrize("towards", list(Towards))
async def test_one_half_may_be_closed_while_the_other_goes_on(towards: Towards) -> None:
    """One end hears that no more will come, whatever is sent; what it sends itself still arrives."""
    async with joined() as (cable, client, server):
        deaf, speaking = (client, server) if towards is Towards.CLIENT else (server, client)
        cable.half_close(towards)
        speaking[1].write(b"unheard")
        assert await deaf[0].read() == b""
        deaf[1].write(b"still there")
        assert await speaking[0].readexactly(11) == b"still there"


@pytest.mark.parametrize("towards", list(Towards))
async def test_who_was_told_that_no_more_will_come_and_leaves_is_gone(towards: Towards) -> None:
    """The other end hears so, and what it still sends is refused, as by any network: it is not kept waiting."""
    async with joined() as (cable, client, server):
        leaving, staying = (client, server) if towards is Towards.CLIENT else (server, client)
        cable.half_close(towards)
        assert await leaving[0].read() == b""
        leaving[1].write(b"goodbye")
        leaving[1].close()
        assert await staying[0].read() == b"goodbye"
        with pytest.raises(ConnectionError):
            while True:
                staying[1].write(b"still there?")
                await staying[1].drain()
                await asyncio.sleep(0)


async def test_a_mended_cable_takes_connections_at_the_same_port() -> None:
    """After a cut nothing passes, and nobody is let in, until it is mended."""
    async with joined() as (cable, (heard, _), _):
        await cable.cut()
        with pytest.raises(ConnectionError):
            assert await heard.read() == b""
            raise ConnectionError
        with pytest.raises(ConnectionError):
            await asyncio.open_connection(HOST, cable.port)
        await cable.mend()
        _, again = await asyncio.open_connection(HOST, cable.port)
        await leave(again)
