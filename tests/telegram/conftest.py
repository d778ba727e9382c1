"""A stand-in Bot API with a group in it, and what the tests of this platform share."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest
from msgspec import Struct

from nextbridge.sandbox.telegram import Account, Room, SandboxTelegram, User


class Town(Struct):
    """A supergroup with Ann and a bot that hears everything."""

    sandbox: SandboxTelegram
    bot: Account
    ann: User
    room: Room


@pytest.fixture
async def town() -> AsyncIterator[Town]:
    async with SandboxTelegram() as sandbox:
        ann = sandbox.add_person("Ann", "Perkins", username="annie")
        bot = sandbox.add_bot("relay_bot", "Relay", privacy=False)
        yield Town(sandbox, bot, ann, sandbox.add_supergroup("Town", [ann, bot.user]))
