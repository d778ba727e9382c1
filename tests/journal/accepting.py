"""A process to be killed: accepts and completes without end, and says of each event that it is kept once it is.

    python accepting.py STATE ROUND

Prints `ready`, then the id of each event, once its future is done.
"""

from __future__ import annotations

import asyncio
import os
import sys
from pathlib import Path

from nextbridge.driver import Cursor, Receipt
from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, MessageId, Posted, UserId
from nextbridge.journal import NewDelivery
from nextbridge.journal.sqlite import SqliteJournal, open_journal
from nextbridge.markup import RichText

MM = InstanceId("mm_main")


async def source(journal: SqliteJournal, name: str) -> None:
    target = NewDelivery(Channel(InstanceId("libera"), ChannelKey("#ops")), "ops", "{}")
    for number in range(1_000_000):
        message = MessageId(f"{name} {number:06}")
        event = Posted(
            channel=Channel(MM, ChannelKey("town")),
            message=message,
            author=Author(UserId("u1"), "ada", "Ada"),
            at=1,
            text=RichText.plain("x" * (number % 3_000)),
        )
        deliveries = await journal.accept(event, [target], (MM, Cursor(name, message)))
        os.write(1, f"{message}\n".encode())
        if deliveries and number % 3 == 0:
            journal.complete(deliveries[0].id, 0, Receipt(message))


async def main() -> None:
    journal = await open_journal(Path(sys.argv[1]))
    os.write(1, b"ready\n")
    await asyncio.gather(*(source(journal, f"{sys.argv[2]} {name}") for name in "abcdefgh"))


asyncio.run(main())
