"""People's pictures: fetched when somebody looks, kept, bounded, and nothing but pictures."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from contextlib import AbstractAsyncContextManager, asynccontextmanager
from pathlib import Path
from typing import ClassVar

import aiohttp
import pytest

from nextbridge.driver import Gone, Rejected, Retry
from nextbridge.envelope import Author, InstanceId, UserId
from nextbridge.media.links import PictureAsked
from nextbridge.media.pictures import Pictures
from tests.core.script import Daemon, IdentityDriver, RunDaemon, ScriptDriver, rule
from tests.core.test_media import OUTSIDE, PNG, inside

NAMED = {"name_format": "{nickname}"}
GIF = b"GIF89a" + bytes(30)
ADA = UserId("a/d.a ü")


class PortraitDriver(ScriptDriver):
    """A script platform whose people have pictures that only it can fetch."""

    platform: ClassVar[str] = "portraits"
    pictures: ClassVar[dict[str, bytes | Exception]] = {}
    asked: ClassVar[list[str]] = []

    def open_portrait(self, user: UserId) -> AbstractAsyncContextManager[AsyncIterator[bytes]]:
        return self._open(user)

    @asynccontextmanager
    async def _open(self, user: UserId) -> AsyncIterator[AsyncIterator[bytes]]:
        self.asked.append(user)
        found = self.pictures.get(user, Gone("nobody"))
        if isinstance(found, Exception):
            raise found

        async def chunks() -> AsyncIterator[bytes]:
            for start in range(0, len(found), 100_000):
                yield found[start : start + 100_000]

        yield chunks()


@pytest.fixture(autouse=True)
def _nobody() -> None:
    PortraitDriver.pictures.clear()
    PortraitDriver.asked.clear()


def author(version: str = "1", avatar: str | None = None) -> Author:
    return Author(id=ADA, username="ada", name="Ada", portrait=version, avatar=avatar)


async def shown_avatar(running: Daemon, who: Author) -> str:
    target = running["b"]
    before = len(target.shown)
    await running["a"].post("hello", author=who)
    await target.until(lambda: len(target.shown) == before + 1)
    return target.shown[-1].avatar or ""


async def get(link: str) -> tuple[int, bytes, str]:
    async with aiohttp.ClientSession() as http, http.get(link) as response:
        return response.status, await response.read(), response.headers["Content-Type"]


async def test_a_picture_that_only_its_driver_can_fetch_has_an_address(daemon: RunDaemon) -> None:
    """A target that shows pictures is given it; whoever opens it sees the picture, which is fetched once."""
    async with daemon(
        rule("r", "a/1", "b/1", msg=NAMED), a=PortraitDriver, b=IdentityDriver, base_url=OUTSIDE
    ) as running:
        PortraitDriver.pictures[ADA] = PNG
        avatar = await shown_avatar(running, author())
        assert PortraitDriver.asked == [], "nobody has looked at it yet"
        assert avatar.startswith(f"{OUTSIDE}/media/avatar/a/")
        link = inside(running, avatar)
        for answer in await asyncio.gather(*(get(link) for _ in range(5))):
            assert answer == (200, PNG, "image/png")
        assert PortraitDriver.asked == [ADA]
        assert await shown_avatar(running, author()) == avatar
    PortraitDriver.pictures[ADA] = Retry("away")
    async with daemon(
        rule("r", "a/1", "b/1", msg=NAMED), a=PortraitDriver, b=IdentityDriver, base_url=OUTSIDE
    ) as running:
        assert await get(inside(running, avatar)) == (200, PNG, "image/png")
        assert PortraitDriver.asked == [ADA], "it is kept over a restart"


async def test_a_picture_that_changes_has_another_address(daemon: RunDaemon) -> None:
    """What was cached under the old one, here or in a reader's client, does not hide the new one."""
    async with daemon(
        rule("r", "a/1", "b/1", msg=NAMED), a=PortraitDriver, b=IdentityDriver, base_url=OUTSIDE
    ) as running:
        PortraitDriver.pictures[ADA] = PNG
        first = await shown_avatar(running, author("1"))
        assert (await get(inside(running, first)))[1] == PNG
        PortraitDriver.pictures[ADA] = GIF
        second = await shown_avatar(running, author("2"))
        assert second != first
        assert await get(inside(running, second)) == (200, GIF, "image/gif")


async def test_the_address_stands_in_a_template(daemon: RunDaemon) -> None:
    """`{user_avatar}` is filled with it, and with nothing where there is none."""
    rules = rule("r", "a/1", "b/1", msg={"msg_format": "{user_avatar} {msg}"})
    async with daemon(rules, a=PortraitDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        await shown_avatar(running, author())
        await shown_avatar(running, author(avatar="https://elsewhere.example/ada.png"))
        await shown_avatar(running, author(""))
        first, second, third = running["b"].texts
        assert first.startswith(f"{OUTSIDE}/media/avatar/a/")
        assert second == "https://elsewhere.example/ada.png hello"
        assert third.strip() == "hello"
    async with daemon(rules, a=PortraitDriver, b=ScriptDriver) as running:
        await shown_avatar(running, author())
        assert running["b"].texts[0].strip() == "hello", "without a base_url there is no address"


@pytest.mark.parametrize(
    "picture",
    [
        Gone("taken away"),
        Rejected("not for you"),
        Retry("down"),
        RuntimeError("a bug"),
        b"<html><script>alert(1)</script>",
        b"<svg xmlns='http://www.w3.org/2000/svg'><script/></svg>",
        b"%PDF-1.4",
        b"",
        PNG + bytes(3_000_000),
    ],
    ids=["gone", "rejected", "retry", "bug", "page", "drawing", "document", "empty", "large"],
)
async def test_what_is_no_picture_to_be_had_is_not_found(daemon: RunDaemon, picture: bytes | Exception) -> None:
    """Taken away, refused, no picture by its content, or too large: 404, asked for once, and nothing else breaks."""
    async with daemon(
        rule("r", "a/1", "b/1", msg=NAMED), a=PortraitDriver, b=IdentityDriver, base_url=OUTSIDE
    ) as running:
        PortraitDriver.pictures[ADA] = picture
        link = inside(running, await shown_avatar(running, author()))
        assert (await get(link))[0] == 404
        assert (await get(link))[0] == 404
        assert PortraitDriver.asked == [ADA]
        PortraitDriver.pictures[ADA] = PNG
        assert (await get(inside(running, await shown_avatar(running, author("2")))))[0] == 200


async def test_an_address_that_was_made_up_fetches_nothing(daemon: RunDaemon) -> None:
    """Another person's, another version's, another instance's: without its own signature none is opened."""
    async with daemon(
        rule("r", "a/1", "b/1", msg=NAMED), a=PortraitDriver, b=IdentityDriver, base_url=OUTSIDE
    ) as running:
        PortraitDriver.pictures |= {ADA: PNG, "bob": PNG}
        link = inside(running, await shown_avatar(running, author()))
        base, instance, user, signed = link.rsplit("/", 3)
        signature = signed.partition(".")[2]
        for made_up in (
            f"{base}/{instance}/bob/{signed}",
            f"{base}/b/{user}/{signed}",
            f"{base}/{instance}/{user}/2.{signature}",
            f"{base}/{instance}/{user}/1.",
            f"{base}/{instance}/{user}/{signature}",
            f"{base}/{instance}/..%2f..%2fjournal.sqlite3/{signed}",
        ):
            assert (await get(made_up))[0] == 404
        assert PortraitDriver.asked == []


async def test_the_pictures_that_nobody_asks_for_any_more_give_way(tmp_path: Path) -> None:
    """The folder is bounded in number and bytes, over restarts too; what is asked for again stays."""
    driver = PortraitDriver.__new__(PortraitDriver)
    PortraitDriver.pictures |= {f"u{number}": PNG for number in range(5)}

    def asked(number: int) -> PictureAsked:
        return PictureAsked(InstanceId("a"), UserId(f"u{number}"), "1")

    pictures = Pictures(tmp_path / "pictures", lambda _: driver, most=3)
    await pictures.open()
    for number in (0, 1, 2, 0, 3):
        assert await pictures.get(asked(number)) is not None
    assert len(list((tmp_path / "pictures").iterdir())) == 3
    again = Pictures(tmp_path / "pictures", lambda _: driver, most=3)
    await again.open()
    PortraitDriver.asked.clear()
    for number in (0, 2, 3):
        assert await again.get(asked(number)) is not None
    assert PortraitDriver.asked == []
    assert await again.get(asked(4)) is not None
    assert len(list((tmp_path / "pictures").iterdir())) == 3
