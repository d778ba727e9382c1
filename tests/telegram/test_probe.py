"""What `check --online` says of a group's members, and that the server does as it says."""

from __future__ import annotations

from pathlib import Path

from nextbridge.errors import FileRejected, Paused
from nextbridge.sandbox.contract.supervised import error_of, spooled
from tests.telegram.stage import Town


async def test_what_members_may_not_send_is_told(town: Town, tmp_path: Path) -> None:
    """Files are labels then, and without writing nothing crosses; an administrator is no such member."""
    town.room.admit(town.bot.user)

    async def told() -> list[tuple[bool, str]]:
        found = await relay.driver.probe()
        return [(each.ok, each.text) for each in found if each.subject == f"rights in {town.room.title}"]

    async with town.relay() as relay:
        assert await told() == []
        town.room.forbidden |= {"can_send_documents", "can_send_photos"}
        ((ok, text),) = await told()
        assert ok
        assert "@relay_bot may not send documents and photos" in text
        files = (spooled(tmp_path, "a.bin", b"x"),)
        assert isinstance(await error_of(relay.send(relay.outgoing("one", files=files))), FileRejected)
        town.room.forbidden.add("can_send_messages")
        ((ok, text),) = await told()
        assert not ok
        assert "@relay_bot may not write in" in text
        assert "make the bot an administrator" in text
        assert isinstance(await error_of(relay.send(relay.outgoing("two"))), Paused)
        town.room.admit(town.bot.user, "administrator")
        assert await told() == []
