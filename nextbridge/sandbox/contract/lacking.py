"""What the platform has and the server on the bench has not: the driver says so, as the contract has it."""

from __future__ import annotations

from collections.abc import Awaitable, Callable
from pathlib import Path
from typing import Any

from aiohttp.test_utils import make_mocked_request

from nextbridge.driver import (
    Deletes,
    DirectMessages,
    Edits,
    Identity,
    LocalFile,
    Members,
    Pages,
    Reactions,
    Recall,
    Threads,
    Topics,
    Typing,
    Uploads,
)
from nextbridge.envelope import Author, MessageId, UserId
from nextbridge.errors import Rejected
from nextbridge.sandbox.contract.bench import Bench
from nextbridge.sandbox.contract.supervised import Supervised, error_of

__all__ = ["Lacks"]

_SOMEBODY = Author(UserId("somebody"), "somebody", "Somebody")


async def _says_so(capability: type, relay: Supervised, bench: Bench, said: MessageId) -> bool:
    """Whether the driver says, in the way of the contract, that it cannot be done here."""
    driver: Any = relay.driver
    room = relay.room(0)
    if capability is Identity:
        return not driver.shows_identity
    if capability is Threads:
        return driver.answers is None
    if capability is Uploads:
        return bool(driver.refuses_file(room, LocalFile(Path("nowhere"), "small.txt", "text/plain", 1)))
    if capability is Recall:
        return await driver.recall(room, said) is None
    if capability is Members:
        return await driver.member(room, bench.person) is None
    if capability is Pages:
        return bool((await driver.handle(make_mocked_request("GET", "/"), "/")).status == 404)
    if capability is Typing:
        return await driver.typing(room, _SOMEBODY) is None
    told: dict[type, Callable[[], Awaitable[object]]] = {
        Deletes: lambda: driver.delete(room, said),
        DirectMessages: lambda: driver.tell(UserId("somebody"), "psst"),
        Edits: lambda: driver.edit(said, relay.outgoing("other words")),
        Reactions: lambda: driver.react(room, said, "👍", add=True),
        Topics: lambda: driver.set_topic(room, "a topic"),
    }
    error = await error_of(told[capability]())
    return isinstance(error, Rejected) and error.reason.strip() != ""


class Lacks:
    """The core goes on as if the class had not implemented it."""

    async def test_what_this_server_has_not_is_refused_as_the_contract_says(self, bench: Bench) -> None:
        """What is asked before says no, what is told to do something raises Rejected, and the driver goes on."""
        relay = await bench.relay()
        receipt = await relay.send("a message")
        await bench.hear()
        for each in bench.lacking:
            assert await _says_so(each, relay, bench, receipt.message or MessageId("1")), each.__name__
        await bench.say("end")
        await relay.received("end")
        assert relay.ends == []
