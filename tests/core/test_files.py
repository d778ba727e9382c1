"""Attachments: fetched once for every target that takes files; where they cannot be had, a label stands."""

from __future__ import annotations

import asyncio
from pathlib import Path

import structlog

from nextbridge.driver import FileRejected, Outgoing, Receipt, Retry
from nextbridge.envelope import Attachment
from nextbridge.errors import Gone
from tests.core.script import FilingDriver, RunDaemon, ScriptDriver, rule


def file(name: str, *, media_type: str = "image/png", size: int | None = None) -> Attachment:
    return Attachment(id=name, name=name, media_type=media_type, size=size)


async def test_a_file_is_fetched_once_for_all_targets(daemon: RunDaemon) -> None:
    """Two targets show the file's bytes under its whole name; it was fetched one time."""
    async with daemon(rule("r", "a/1", "b/1", "c/1"), a=FilingDriver, b=FilingDriver, c=FilingDriver) as running:
        source = running.filing("a")
        source.contents["ünï cat.png"] = [b"meow", b"!"]
        await source.post("look", attachments=(file("ünï cat.png"),))
        for target in ("b", "c"):
            driver = running.filing(target)
            await driver.until(lambda driver=driver: len(driver.shown) == 1)  # type: ignore[misc]
            assert driver.received == [{"ünï cat.png": b"meow!"}]
            assert driver.texts == ["look"]
        assert source.opened == ["ünï cat.png"]


async def test_a_post_of_files_alone_is_relayed(daemon: RunDaemon) -> None:
    """No text is needed beside a file."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver) as running:
        running.filing("a").contents["a"] = [b"1"]
        await running["a"].post("", attachments=(file("a"),))
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running.filing("b").received == [{"a": b"1"}]


async def test_where_no_files_are_taken_their_labels_stand(daemon: RunDaemon) -> None:
    """A target without uploads shows what kind of file it was and its name; nothing is fetched."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=ScriptDriver) as running:
        attachments = (
            file("cat.png"),
            file("notes.txt", media_type="text/plain"),
            file("x.mp4", media_type="video/mp4"),
        )
        await running["a"].post("look", attachments=attachments)
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running["b"].texts == ["look\n[Image: cat.png]\n[File: notes.txt]\n[Video: x.mp4]"]
        assert running.filing("a").opened == []


async def test_the_reason_for_a_label_is_logged_with_the_events_id(daemon: RunDaemon) -> None:
    """Each line about a message names it alike, so that one search finds its whole way."""
    with structlog.testing.capture_logs() as logs:
        async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver) as running:
            running.filing("a").contents["gone.png"] = [Gone("deleted")]
            await running["a"].post("look", attachments=(file("gone.png"),))
            await running["b"].until(lambda: len(running["b"].shown) == 1)
    told = {line["event"]: line for line in logs if "file" in line}
    assert told["attachment_missing"]["reason"] == "deleted"
    assert told["attachment_missing"]["event_id"] == told["file_not_relayed"]["event_id"]


async def test_a_file_that_cannot_be_fetched_leaves_its_label(daemon: RunDaemon) -> None:
    """What is gone, too large by its announcement, or too large as it comes is a label; the message arrives."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver) as running:
        contents = running.filing("a").contents
        contents["gone.png"] = [Gone("deleted")]
        contents["liar.png"] = [b"x" * 600, b"x" * 600]
        contents["fine.png"] = [b"fine"]
        await running["a"].post(
            "look", attachments=(file("gone.png"), file("huge.png", size=5000), file("liar.png"), file("fine.png"))
        )
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running["b"].texts[0].split("\n") == [
            "look",
            "[Image: gone.png]",
            "[Image: huge.png (4.883 KB, over the 1000 bytes that are relayed)]",
            "[Image: liar.png (over the 1000 bytes that are relayed)]",
        ]
        assert running.filing("b").received == [{"fine.png": b"fine"}]


async def test_a_fetch_that_fails_for_now_is_tried_again(daemon: RunDaemon) -> None:
    """Retry from the source is not the end of a file."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver) as running:
        source = running.filing("a")
        source.contents["a"] = [b"half", Retry("cut", after=0.0)]
        await source.post("look", attachments=(file("a"),))
        async with asyncio.timeout(5):
            while not source.opened:  # noqa: ASYNC110 - opening tells nobody
                await asyncio.sleep(0.01)
        source.contents["a"] = [b"whole"]
        await running["b"].until(lambda: len(running["b"].shown) == 1)
        assert running.filing("b").received == [{"a": b"whole"}]


async def test_what_the_target_refuses_beforehand_or_when_it_is_sent_leaves_its_label(daemon: RunDaemon) -> None:
    """A file over the target's limit is a label in the same message, which is never lost for it."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver) as running:
        source, target = running.filing("a"), running.filing("b")
        source.contents |= {"a": [b"a"], "b": [b"b"]}
        refused = False

        async def refuse_once(message: Outgoing) -> Receipt:
            nonlocal refused
            if not refused:
                refused = True
                raise FileRejected("too large", index=1)
            return await target.deliver(message)

        target.answer = refuse_once
        await source.post("one", attachments=(file("a"), file("b")))
        await target.until(lambda: len(target.shown) == 1)
        assert target.texts == ["one\n[File: b (1 byte, Script does not take it)]"]
        assert target.received == [{"a": b"a"}]
        target.refuses = "no files today"
        await source.post("two", attachments=(file("a"),))
        await target.until(lambda: len(target.shown) == 2)
        assert target.texts[1] == "two\n[File: a (1 byte, no files today)]"


async def test_more_files_than_a_message_holds_go_on_in_further_parts(daemon: RunDaemon) -> None:
    """Three files, two to a message: the text with the first two, then the third."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver) as running:
        source, target = running.filing("a"), running.filing("b")
        source.contents |= {name: [name.encode()] for name in "abc"}
        await source.post("look", attachments=tuple(map(file, "abc")))
        await target.until(lambda: len(target.shown) == 2)
        assert target.received == [{"a": b"a", "b": b"b"}, {"c": b"c"}]
        assert target.texts == ["look", ""]


async def test_a_full_spool_leaves_labels_and_blocks_nothing(daemon: RunDaemon) -> None:
    """The spool's bound is kept, and the message goes on without the file."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver, spool_size=10) as running:
        source, target = running.filing("a"), running.filing("b")
        source.contents |= {"small": [b"12345"], "large": [b"1234567890"]}
        await source.post("look", attachments=(file("small"), file("large")))
        await target.until(lambda: len(target.shown) == 1)
        assert target.received == [{"small": b"12345"}]
        assert target.texts == ["look\n[Image: large (there is no room for it now)]"]


async def test_files_that_wait_survive_a_restart_and_go_when_they_are_delivered(
    daemon: RunDaemon, tmp_path: Path
) -> None:
    """A spooled file is not fetched again after a restart; once nothing needs it, it is removed."""
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver) as running:
        source, target = running.filing("a"), running.filing("b")
        source.contents["a"] = [b"kept"]

        async def down(message: Outgoing) -> Receipt:
            raise Retry("down", after=1000)

        target.answer = down
        await source.post("look", attachments=(file("a"),))
        await target.until(lambda: len(target.sent) == 1)
    spool = tmp_path / "state" / "spool"
    assert len(list(spool.iterdir())) == 1
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver) as running:
        target = running.filing("b")
        await target.until(lambda: len(target.shown) == 1)
        assert target.received == [{"a": b"kept"}]
        assert running.filing("a").opened == []
    async with daemon(rule("r", "a/1", "b/1"), a=FilingDriver, b=FilingDriver):
        assert list(spool.iterdir()) == []
