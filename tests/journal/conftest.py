"""A journal in a folder of the test's own, and the few things that are put into it."""

from __future__ import annotations

from collections.abc import AsyncIterator, Callable
from pathlib import Path

import pytest

from nextbridge.envelope import Author, Channel, ChannelKey, InstanceId, MessageId, Posted, UserId
from nextbridge.journal import NewDelivery
from nextbridge.journal.sqlite import SqliteJournal, open_journal
from nextbridge.markup import RichText


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path / "state"


@pytest.fixture
async def journal(folder: Path) -> AsyncIterator[SqliteJournal]:
    journal = await open_journal(folder)
    yield journal
    await journal.close()


@pytest.fixture
def town() -> Channel:
    """Where the posts come from."""
    return Channel(InstanceId("mm_main"), ChannelKey("town"))


@pytest.fixture
def ops() -> NewDelivery:
    return NewDelivery(Channel(InstanceId("libera"), ChannelKey("#ops")), "ops", '{"msg_format":"{msg}"}')


@pytest.fixture
def lobby() -> NewDelivery:
    return NewDelivery(Channel(InstanceId("chat"), ChannelKey("lobby")), "lobby", "{}")


@pytest.fixture
def post(town: Channel) -> Callable[[str], Posted]:
    """Makes the post in `town` with the given id."""

    def make(message: str) -> Posted:
        author = Author(UserId("u1"), "ada", "Ada")
        return Posted(
            channel=town, message=MessageId(message), author=author, at=1_000, text=RichText.plain(f"text of {message}")
        )

    return make
