"""A stand-in Discord for the tests of this folder: a guild with a relay, Alice and two channels."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.discord import Allowance, SandboxDiscord


class Place:
    """The stand-in with what is on it."""

    def __init__(self, sandbox: SandboxDiscord) -> None:
        self.sandbox = sandbox
        self.guild = sandbox.add_guild("Town")
        self.relay = sandbox.add_bot("relay", self.guild)
        self.alice = sandbox.add_person("alice", self.guild, name="Ally")
        self.bob = sandbox.add_person("bob", self.guild, nick="Bobby")
        self.town = sandbox.add_channel(self.guild, "town")
        self.dev = sandbox.add_channel(self.guild, "dev")


@pytest.fixture
async def place() -> AsyncIterator[Place]:
    async with SandboxDiscord(allowance=Allowance.generous()) as sandbox:
        yield Place(sandbox)
