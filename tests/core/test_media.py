"""The media server: what a target cannot take is opened by its link, by nobody who has none, and does no harm."""

from __future__ import annotations

import asyncio
import base64
import io
import os
import re
import time
import wave
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any

import aiohttp
import pytest
from selenium import webdriver
from selenium.webdriver.support.ui import WebDriverWait
from yarl import URL

from nextbridge.control.client import reach
from nextbridge.control.protocol import DropDead
from nextbridge.driver import FileRejected, Outgoing, Receipt, Rejected, Retry
from nextbridge.envelope import Attachment, Deleted, Edited
from nextbridge.errors import Gone
from nextbridge.markup import RichText
from tests.core.conversing import ConversingDriver
from tests.core.script import Daemon, FilingDriver, RunDaemon, ScriptDriver, rule

OUTSIDE = "https://bridge.example/nb"
DOT = base64.b64decode("R0lGODlhAQABAIAAAAAAAP///yH5BAEAAAAALAAAAAABAAEAAAIBRAA7")
PNG = b"\x89PNG\r\n\x1a\n" + b"\0\0\0\rIHDR" + bytes(40)
HTML = b"<!DOCTYPE html><html><script>alert(1)</script></html>"
SVG = b'<?xml version="1.0"?><svg xmlns="http://www.w3.org/2000/svg"><script>alert(1)</script></svg>'


@pytest.fixture
async def http() -> AsyncIterator[aiohttp.ClientSession]:
    async with aiohttp.ClientSession() as session:
        yield session


def file(name: str, *, media_type: str = "image/png", size: int | None = None) -> Attachment:
    return Attachment(id=name, name=name, media_type=media_type, size=size)


def link_in(text: str) -> str:
    found = re.search(re.escape(OUTSIDE) + r"/media/\S+", text)
    assert found is not None, text
    return found[0]


def inside(running: Daemon, link: str) -> str:
    """Where a reverse proxy passes a link on to."""
    return link.replace(OUTSIDE, running.service.http.address)


async def shown_link(running: Daemon, name: str, *contents: bytes, media_type: str = "image/png") -> str:
    """Somebody posts a file, and a target that takes none shows this link."""
    source, target = running.filing("a"), running["b"]
    source.contents[name] = list(contents)
    before = len(target.shown)
    await source.post("look", attachments=(file(name, media_type=media_type),))
    await target.until(lambda: len(target.shown) == before + 1)
    return inside(running, link_in(target.texts[-1]))


async def test_what_a_target_cannot_take_is_opened_by_its_link(daemon: RunDaemon, http: aiohttp.ClientSession) -> None:
    """The label with the link stands in the text; the link gives the file's bytes, its type and its name."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=f"{OUTSIDE}/") as running:
        link = await shown_link(running, "Größe/ünï cat.png", PNG[:10], PNG[10:])
        label, address = running["b"].texts[0].splitlines()[1].rsplit(" ", 1)
        assert label == "[Image: Größe/ünï cat.png]"
        assert address.endswith("/Gr-e-n-cat.png")
        async with http.get(link) as response:
            assert response.status == 200
            assert await response.read() == PNG
            assert response.headers["Content-Type"] == "image/png"
            assert response.headers["Content-Disposition"].startswith("inline; ")
            assert "filename*=UTF-8''Gr%C3%B6%C3%9Fe_%C3%BCn%C3%AF%20cat.png" in response.headers["Content-Disposition"]
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "sandbox" in response.headers["Content-Security-Policy"]
            etag = response.headers["ETag"]
        async with http.head(link) as response:
            assert (response.status, response.content_length) == (200, len(PNG))
        async with http.get(link, headers={"If-None-Match": etag}) as response:
            assert response.status == 304


async def test_without_an_address_of_our_own_there_is_no_link(daemon: RunDaemon, http: aiohttp.ClientSession) -> None:
    """Without `base_url` the label stands alone, nothing is fetched for it, and nothing is served."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver) as running:
        await running["a"].post("look", attachments=(file("cat.png"),))
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running["b"].texts == ["look\n[Image: cat.png]"]
        assert running.filing("a").opened == []
        async with http.get(f"{running.service.http.address}/media/file/1.0.x/cat.png") as response:
            assert response.status == 404


async def test_a_file_is_fetched_once_for_links_and_uploads(daemon: RunDaemon, http: aiohttp.ClientSession) -> None:
    """A target that takes files gets it, two that do not show the same link; it was asked for one time."""
    rules = rule("r", "a/1", "b/1", "c/1", "d/1")
    drivers = {"a": FilingDriver, "b": ScriptDriver, "c": FilingDriver, "d": ScriptDriver}
    async with daemon(rules, base_url=OUTSIDE, **drivers) as running:
        await shown_link(running, "cat.png", PNG)
        for name in "cd":
            await running[name].until(lambda name=name: len(running[name].shown) == 1)  # type: ignore[misc]
        assert running.filing("c").received == [{"cat.png": PNG}]
        assert link_in(running["b"].texts[0]) == link_in(running["d"].texts[0])
        assert running.filing("a").opened == ["cat.png"]


async def test_what_a_target_refuses_has_its_link_and_the_limit(daemon: RunDaemon, http: aiohttp.ClientSession) -> None:
    """Refused beforehand or when it is sent: the label says why, and the file is there all the same."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver, base_url=OUTSIDE) as running:
        target = running.filing("b")
        target.refuses = "over the 10 bytes that Script takes"
        link = await shown_link(running, "cat.png", PNG)
        assert "[Image: cat.png (56 bytes, over the 10 bytes that Script takes)] https://" in target.texts[0]
        async with http.get(link) as response:
            assert await response.read() == PNG
        target.refuses = None

        async def refuse(message: Outgoing) -> Receipt:
            if message.files:
                raise FileRejected("virus", index=0)
            return await target.deliver(message)

        target.answer = refuse
        link = await shown_link(running, "dog.png", PNG)
        assert "[Image: dog.png (56 bytes, Script does not take it)] https://" in target.texts[1]
        async with http.get(link) as response:
            assert await response.read() == PNG


async def test_what_was_not_fetched_has_a_label_without_a_link(daemon: RunDaemon) -> None:
    """Gone at its source, or over our own limit: there is nothing to open."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        running.filing("a").contents["gone.png"] = [Gone("deleted")]
        await running["a"].post("look", attachments=(file("gone.png"), file("big.png", size=5000)))
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running["b"].texts[0].splitlines()[1:] == [
            "[Image: gone.png]",
            "[Image: big.png (4.883 KB, over the 1000 bytes that are relayed)]",
        ]


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("cat.png", HTML, "image/png"),
        ("page.html", HTML, "text/html"),
        ("drawing.svg", SVG, "image/svg+xml"),
        ("gif.gif", b"GIF89a/*" + HTML, "image/gif"),
        ("notes.txt", b"hello", "text/plain"),
        ("x.pdf", b"%PDF-1.4\n%\xe2\xe3\xcf\xd3", "application/pdf"),
        ("x.png", b"\x01\x02\x03\xff", "image/png"),
        ("x.html\r\nSet-Cookie: a=b", HTML, "text/html; charset=utf-7"),
    ],
)
async def test_whatever_could_do_something_in_a_browser_is_saved_instead(
    daemon: RunDaemon, http: aiohttp.ClientSession, name: str, content: bytes, said: str
) -> None:
    """A page that is called a picture, a drawing with a script, a document: bytes to be saved, of no type."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        link = await shown_link(running, name, content, media_type=said)
        async with http.get(link) as response:
            assert await response.read() == content
            assert response.headers["Content-Type"] == "application/octet-stream"
            assert response.headers["Content-Disposition"].startswith("attachment; ")
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert "Set-Cookie" not in response.headers


async def test_only_a_link_of_ours_opens_anything(
    daemon: RunDaemon, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """Another file's signature, a changed one, a path out of the folder, a listing: 404, all alike."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        first, second = [await shown_link(running, name, PNG) for name in ("one.png", "two.png")]
        base = f"{running.service.http.address}/media"
        one, two = (link.removeprefix(f"{base}/file/").split("/")[0].split(".") for link in (first, second))
        assert one[2] != two[2]
        paths = [
            "/",
            "/file",
            "/file/",
            f"/file/{one[0]}",
            f"/file/{one[0]}.{one[1]}/one.png",
            f"/file/{one[0]}.{one[1]}./one.png",
            f"/file/{one[0]}.{one[1]}.{two[2]}/one.png",
            f"/file/{two[0]}.{two[1]}.{one[2]}/one.png",
            f"/file/{one[0]}.1.{one[2]}/one.png",
            f"/file/0{one[0]}.0.{one[2]}/one.png",
            f"/file/{one[0]}.0.{one[2]}x/one.png",
            f"/file/{one[0]}.0.{one[2]}",
            f"/file/{one[0]}.0.{one[2]}/one.png/more",
            f"/file/..%2f..%2fjournal.sqlite3/{one[2]}",
            "/file/..%2f..%2fjournal.sqlite3",
            "/..%2f..%2fjournal.sqlite3",
            f"/file/{one[0]}.0%2f..%2f..%2fjournal.sqlite3.{one[2]}/x",
            f"/avatar/a/u1/1.{one[2]}",
            "/%00",
            "/file/%ff.%ff.%ff/%ff",
        ]
        bodies = set()
        for path in paths:
            async with http.get(URL(base + path, encoded=True)) as response:
                assert response.status == 404, path
                bodies.add(await response.read())
        assert bodies == {b"There is nothing here.\n"}
        for method in ("POST", "PUT", "DELETE", "OPTIONS"):
            async with http.request(method, first) as response:
                assert response.status == 405


@pytest.mark.parametrize(
    ("asked", "status", "body"),
    [
        ("bytes=0-3", 206, PNG[:4]),
        ("bytes=50-", 206, PNG[50:]),
        ("bytes=-5", 206, PNG[-5:]),
        ("bytes=-5000", 206, PNG),
        ("bytes=5000-", 416, None),
        ("bytes=9-3", 416, None),
        ("bytes=0-0,1-1,2-2", 416, None),
        ("bytes=" + ",".join(["0-"] * 500), 416, None),
        ("bytes=99999999999999999999999-", 416, None),
        ("pages=1-2", 416, None),
    ],
)
async def test_a_part_of_a_file_can_be_asked_for(
    daemon: RunDaemon, http: aiohttp.ClientSession, asked: str, status: int, body: bytes | None
) -> None:
    """One range, as players do; many at once, or one that is nowhere, are refused."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        link = await shown_link(running, "cat.png", PNG)
        async with http.get(link, headers={"Range": asked}) as response:
            assert response.status == status
            if body is not None:
                assert await response.read() == body


async def test_a_link_lasts_over_a_restart_and_no_longer_than_it_is_to_be_kept(
    daemon: RunDaemon, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """The same link opens the file after a restart; once its time is over it is 404, and the file goes."""
    spool = tmp_path / "state" / "spool"

    def run() -> Any:
        return daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE, media_keep="1h")

    async with run() as running:
        link = await shown_link(running, "cat.png", PNG)
        outside = link.replace(running.service.http.address, OUTSIDE)
    async with run() as running:
        async with http.get(inside(running, outside)) as response:
            assert await response.read() == PNG
        (note,) = spool.glob("*/*.link")
        past = time.time() - 3700
        os.utime(note, (past, past))
        async with http.get(inside(running, outside)) as response:
            assert response.status == 404
        assert list(spool.glob("*/0"))
    async with run():
        assert list(spool.iterdir()) == []


async def test_a_link_of_another_daemon_opens_nothing(daemon: RunDaemon, http: aiohttp.ClientSession) -> None:
    """Each state folder has a key of its own."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        link = (await shown_link(running, "cat.png", PNG)).replace(running.service.http.address, OUTSIDE)
    async with daemon(
        rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE, state="another"
    ) as running:
        assert (await shown_link(running, "cat.png", PNG)).replace(running.service.http.address, OUTSIDE) != link
        async with http.get(inside(running, link)) as response:
            assert response.status == 404


async def test_old_links_give_way_to_new_files_and_what_waits_does_not(
    daemon: RunDaemon, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """In a full spool the oldest link ends; a file that a dead letter needs stays, and a new one is refused then."""
    rules = rule("r", "a/1", "b/1")
    async with daemon(rules, a=FilingDriver, b=FilingDriver, base_url=OUTSIDE, spool_size=150) as running:
        target = running.filing("b")

        async def bury(message: Outgoing) -> Receipt:
            raise Rejected("never")

        target.answer = bury
        running.filing("a").contents["dead.png"] = [PNG]
        await running["a"].post("dead", attachments=(file("dead.png"),))
        await target.until(lambda: len(target.sent) == 1)
        target.answer = target.deliver
        target.refuses = "no files"
        first = await shown_link(running, "first.png", PNG)
        second = await shown_link(running, "second.png", PNG)
        async with http.get(first) as response:
            assert response.status == 404
        async with http.get(second) as response:
            assert response.status == 200
        running.filing("a").contents["large.png"] = [PNG, PNG]
        await running["a"].post("look", attachments=(file("large.png", size=112),))
        await target.until(lambda: len(target.shown) == 3)
        assert target.texts[-1] == "look\n[Image: large.png (112 bytes, there is no room for it now)]"
        kept = sorted((tmp_path / "state" / "spool").glob("*/0"), key=lambda path: int(path.parent.name))
        assert [path.with_suffix(".link").exists() for path in kept] == [False, True]


async def test_a_dead_letter_keeps_its_file_without_a_link(daemon: RunDaemon, tmp_path: Path) -> None:
    """It is sent with its file when it is tried again after a restart, though the source has it no more."""
    rules = rule("r", "a/1", "b/1")
    async with daemon(rules, a=FilingDriver, b=FilingDriver, base_url=OUTSIDE) as running:
        target = running.filing("b")

        async def down(message: Outgoing) -> Receipt:
            raise Retry("down", after=1000)

        target.answer = down
        running.filing("a").contents["cat.png"] = [PNG]
        await running["a"].post("look", attachments=(file("cat.png"),))
        await target.until(lambda: len(target.sent) == 1)
    async with daemon(rules, a=FilingDriver, b=FilingDriver, base_url=OUTSIDE) as running:
        target = running.filing("b")
        await target.until(lambda: len(target.shown) == 1)
        assert target.received == [{"cat.png": PNG}]
        assert running.filing("a").opened == []


async def test_more_than_a_server_should_answer_is_put_off(daemon: RunDaemon, http: aiohttp.ClientSession) -> None:
    """A flood of requests is answered with 429 and when to come again, not with files."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        link = await shown_link(running, "cat.png", PNG)

        async def ask() -> int:
            async with http.head(link) as response:
                return response.status

        statuses = await asyncio.gather(*(ask() for _ in range(1500)))
        assert set(statuses) == {200, 429}


async def test_a_file_that_is_refused_after_the_parts_were_planned_still_has_its_label(daemon: RunDaemon) -> None:
    """A long text leaves room for it: no part grows over the limit, and nothing is lost."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver, base_url=OUTSIDE) as running:
        source, target = running.filing("a"), running.filing("b")

        async def refuse(message: Outgoing) -> Receipt:
            if message.files:
                raise FileRejected("virus", index=0)
            assert len(message.text) <= target.text_limit
            return await target.deliver(message)

        target.answer = refuse
        source.contents["cat.png"] = [PNG]
        words = "word " * 399
        await source.post(words, attachments=(file("cat.png"),))
        await target.until(lambda: len(target.shown) == 3, within=20)
        assert " ".join(target.texts[:2]).split() == words.split()
        assert target.texts[2].startswith("[Image: cat.png (56 bytes, Script does not take it)] https://")


async def test_an_edit_keeps_the_link_that_was_given_out(daemon: RunDaemon, http: aiohttp.ClientSession) -> None:
    """Also after a restart: the edited message shows the new text and the same link."""
    rules = rule("r", "a/1", "b/1")
    async with daemon(rules, a=FilingDriver, b=ConversingDriver, base_url=OUTSIDE) as running:
        source, target = running.filing("a"), running["b"]
        source.contents["cat.png"] = [PNG]
        posted = await source.post("look", attachments=(file("cat.png", media_type="application/x-unknown"),))
        await target.until(lambda: len(target.sent) == 1)
        (before,) = [message.text for message in target.sent]
        assert before.startswith("look\n[Image: cat.png] ")
    async with daemon(rules, a=FilingDriver, b=ConversingDriver, base_url=OUTSIDE) as running:
        board = ConversingDriver.boards["b"]
        edited = Edited(
            channel=posted.channel, message=posted.message, author=posted.author, at=posted.at + 1,
            text=RichText.plain("see"), attachments=posted.attachments, version="1",
        )  # fmt: skip
        await (await running["a"].host.accept(edited))
        await running["b"].until(lambda: [each.text for each in board.values()] == [before.replace("look", "see")])
        async with http.get(inside(running, link_in(before))) as response:
            assert await response.read() == PNG


async def test_a_link_ends_when_its_message_is_deleted(daemon: RunDaemon, http: aiohttp.ClientSession) -> None:
    """What somebody took back is served to nobody, also where the platform shows the message for ever."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        source, target = running.filing("a"), running["b"]
        source.contents["cat.png"] = [PNG]
        posted = await source.post("look", attachments=(file("cat.png"),))
        await target.until(lambda: len(target.shown) == 1)
        link = inside(running, link_in(target.texts[0]))
        deleted = Deleted(channel=posted.channel, message=posted.message, author=posted.author, at=posted.at + 1)
        await (await source.host.accept(deleted))
        await source.post("next")
        await target.until(lambda: len(target.shown) == 2)
        async with http.get(link) as response:
            assert response.status == 404


async def test_commands_without_a_daemon_leave_links_alone(
    daemon: RunDaemon, http: aiohttp.ClientSession, tmp_path: Path
) -> None:
    """They know no file of the operator's, and so not how long links last."""
    state = tmp_path / "state"
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        link = (await shown_link(running, "cat.png", PNG)).replace(running.service.http.address, OUTSIDE)

    def drop() -> object:
        with reach(state) as ask:
            return ask(DropDead(ids=(1,)))

    await asyncio.to_thread(drop)
    async with (
        daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running,
        http.get(inside(running, link)) as response,
    ):
        assert response.status == 200


async def test_a_browser_shows_pictures_and_plays_sound_and_runs_nothing(
    daemon: RunDaemon, browser: webdriver.Chrome
) -> None:
    """In a real one: the picture has its size and the sound its length; a page called a picture is no page there."""
    sound = io.BytesIO()
    with wave.open(sound, "wb") as written:
        written.setnchannels(1)
        written.setsampwidth(1)
        written.setframerate(8000)
        written.writeframes(bytes(800))

    def shown(link: str, what: str) -> object:
        browser.get(link)
        script = f"return document.querySelector('img, video')?.{what}"
        return WebDriverWait(browser, 10).until(lambda _: browser.execute_script(script))

    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver, base_url=OUTSIDE) as running:
        picture = await shown_link(running, "dot.gif", DOT)
        assert await asyncio.to_thread(shown, picture, "naturalWidth") == 1
        link = await shown_link(running, "tone.wav", sound.getvalue(), media_type="audio/wav")
        assert await asyncio.to_thread(shown, link, "duration") == 0.1
        page = await shown_link(running, "page.png", b"<script>document.title = 'owned'</script>")
        await asyncio.to_thread(browser.get, page)
        assert browser.current_url != page, "it is saved, and no page"
        assert "owned" not in browser.title
