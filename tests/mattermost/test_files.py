"""Files in both directions: whole, by their own names, within what is allowed, and streamed."""

from __future__ import annotations

from pathlib import Path

import pytest
from msgspec.structs import replace

from nextbridge.driver import LocalFile
from nextbridge.envelope import Attachment, ChannelKey
from nextbridge.errors import FileRejected, Gone, Paused, Rejected, Retry
from tests.mattermost.stage import Place, Running, Scene, Start, milliseconds_ago, outgoing, unique

UPLOAD = "POST /api/v4/files"
CREATE = "POST /api/v4/posts"
DOWNLOAD = "GET /api/v4/files/{file_id}"
ODD_NAME = 'my "notes" & 100%20 ünï…+;=\'🎉.txt'


def spooled(folder: Path, name: str, content: bytes, media_type: str = "text/plain") -> LocalFile:
    """A file as the core has it on disk."""
    path = folder / f"spooled-{len(list(folder.iterdir()))}"
    path.write_bytes(content)
    return LocalFile(path, name, media_type, len(content))


async def fetched(running: Running, attachment: Attachment) -> bytes:
    """All of an attachment's bytes."""
    async with running.driver.open_attachment(attachment) as chunks:
        return b"".join([chunk async for chunk in chunks])


# --- out ----------------------------------------------------------------------------------------------------------


async def test_files_are_attached_to_one_post_with_their_names(place: Place, relay: Start, tmp_path: Path) -> None:
    """Several files stand on one post, in order, byte for byte, and a name of any characters stays whole."""
    running = await relay()
    big = bytes(range(256)) * 2000
    files = (spooled(tmp_path, "big.bin", big), spooled(tmp_path, ODD_NAME, b"hello"))
    receipt = await running.driver.send(outgoing(place.channels["town"], unique("two"), files=files))
    (post,) = [each for each in await place.posts("town") if each["id"] == receipt.message]
    infos = {each["id"]: each for each in post["metadata"]["files"]}
    names = [infos[file]["name"] for file in post["file_ids"]]
    assert names == ["big.bin", ODD_NAME]
    assert await place.call(place["alice"], "GET", f"files/{post['file_ids'][0]}") == big


async def test_a_name_that_cannot_be_stored_is_put_right(scene: Scene, staged: Start, tmp_path: Path) -> None:
    """A NUL or half a surrogate pair in a name does not reach the server, and a file without a name has one."""
    running = await staged()
    files = (spooled(tmp_path, "a\x00b\ud800.txt", b"1"), spooled(tmp_path, "", b"2"))
    await running.driver.send(outgoing(scene.town.id, "", files=files))
    (post,) = scene.sandbox.posts(scene.town)
    assert scene.sandbox.files_of(post) == [("ab?.txt", b"1"), ("file", b"2")]


async def test_ten_files_go_on_one_post(place: Place, relay: Start, tmp_path: Path) -> None:
    """As many as the driver says that one post can have."""
    running = await relay()
    most = running.driver.limits(ChannelKey(place.channels["town"])).files
    files = tuple(spooled(tmp_path, f"{number}.txt", b"x") for number in range(most))
    receipt = await running.driver.send(outgoing(place.channels["town"], "", files=files))
    (post,) = [each for each in await place.posts("town") if each["id"] == receipt.message]
    assert len(post["file_ids"]) == most == 10


async def test_a_retry_uploads_nothing_twice(scene: Scene, staged: Start, tmp_path: Path) -> None:
    """Where the upload passed and the post did not, the next attempt makes the post of what is there."""
    running = await staged()
    message = outgoing(scene.town.id, "with a file", files=(spooled(tmp_path, "a.txt", b"hello"),))
    scene.faults.answer(503, route=CREATE)
    with pytest.raises(Retry):
        await running.driver.send(message)
    await running.driver.send(replace(message, attempted=milliseconds_ago(1)))
    assert scene.faults.requests[UPLOAD] == 1
    (post,) = scene.sandbox.posts(scene.town)
    assert scene.sandbox.files_of(post) == [("a.txt", b"hello")]


async def test_one_upload_that_breaks_off_costs_only_itself(scene: Scene, staged: Start, tmp_path: Path) -> None:
    """When the second of two uploads breaks off, the retry does not upload the first again."""
    running = await staged()
    files = (spooled(tmp_path, "a.txt", b"a"), spooled(tmp_path, "b.txt", b"b"))
    message = outgoing(scene.town.id, "", files=files)
    scene.faults.delay(0, route=UPLOAD)
    scene.faults.drop_answer(route=UPLOAD)
    with pytest.raises(Retry):
        await running.driver.send(message)
    await running.driver.send(message)
    assert scene.faults.requests[UPLOAD] == 3
    (post,) = scene.sandbox.posts(scene.town)
    assert scene.sandbox.files_of(post) == [("a.txt", b"a"), ("b.txt", b"b")]


@pytest.mark.parametrize("body", ['{"id": "x", "message": "Too big.", "status_code": 413}', "<html>nginx</html>"])
async def test_a_file_that_the_server_finds_too_large_is_refused_alone(
    scene: Scene, staged: Start, tmp_path: Path, body: str
) -> None:
    """413, from the server or from a proxy before it, is about this file: the message can go without it."""
    running = await staged()
    files = (spooled(tmp_path, "a.txt", b"a"), spooled(tmp_path, "b.txt", b"b"))
    scene.faults.delay(0, route=UPLOAD)
    scene.faults.answer(413, body=body, route=UPLOAD)
    message = outgoing(scene.town.id, "text", files=files)
    with pytest.raises(FileRejected) as caught:
        await running.driver.send(message)
    assert caught.value.index == 1
    await running.driver.send(replace(message, files=files[:1], attempted=milliseconds_ago(0)))
    (post,) = scene.sandbox.posts(scene.town)
    assert scene.sandbox.files_of(post) == [("a.txt", b"a")]


async def test_files_to_a_channel_that_we_are_not_in_wait_with_their_message(
    scene: Scene, staged: Start, tmp_path: Path
) -> None:
    """403 at an upload where we are no member pauses the channel: the file is not given up."""
    running = await staged()
    message = outgoing(scene.closed.id, "text", files=(spooled(tmp_path, "a.txt", b"a"),))
    with pytest.raises(Paused) as caught:
        await running.driver.send(message)
    assert caught.value.scope == "channel"


async def test_a_missing_right_to_upload_costs_the_file_only(scene: Scene, staged: Start, tmp_path: Path) -> None:
    """403 at an upload where we are a member is about files: the message can go without."""
    running = await staged()
    error = '{"id": "api.context.permissions.app_error", "message": "No uploads.", "status_code": 403}'
    scene.faults.answer(403, body=error, route=UPLOAD)
    with pytest.raises(FileRejected, match=r"No uploads\."):
        await running.driver.send(outgoing(scene.town.id, "x", files=(spooled(tmp_path, "a.txt", b"a"),)))


async def test_what_would_not_be_taken_is_known_beforehand(scene: Scene, staged: Start, tmp_path: Path) -> None:
    """The smaller of the server's limit and ours holds; the reason says whose it is."""
    scene.sandbox.settings.change(MaxFileSize="2000")
    running = await staged(max_file_size=1000)
    town = running.driver.channels[0].key

    def reason(size: int) -> str | None:
        return running.driver.refuses_file(town, LocalFile(tmp_path, "x", "text/plain", size))

    assert reason(1000) is None
    assert "1000 bytes that are relayed" in str(reason(1001))
    assert "empty" in str(reason(0))
    generous = await staged(max_file_size=5000)
    assert "1.953 KB that the server takes" in str(
        generous.driver.refuses_file(town, LocalFile(tmp_path, "x", "text/plain", 2001))
    )


async def test_a_server_without_attachments_takes_none(scene: Scene, staged: Start, tmp_path: Path) -> None:
    """Where attachments are turned off, the driver says so before anything is tried."""
    scene.sandbox.settings.change(EnableFileAttachments="false")
    running = await staged()
    assert running.driver.limits(running.driver.channels[0].key).files == 0


# --- in -----------------------------------------------------------------------------------------------------------


async def test_an_attachment_is_fetched_with_our_token(place: Place, relay: Start, tmp_path: Path) -> None:
    """A file that somebody else posts arrives byte for byte."""
    sender = await relay(who="bob")
    receiver = await relay()
    content = bytes(range(256)) * 1000
    text = unique("a file")
    await sender.driver.send(
        outgoing(place.channels["town"], text, files=(spooled(tmp_path, "cat.png", content, "image/png"),))
    )
    (attachment,) = (await receiver.received(text)).attachments
    assert (attachment.name, attachment.size, attachment.media_type) == ("cat.png", len(content), "image/png")
    assert await fetched(receiver, attachment) == content


async def test_what_is_larger_than_allowed_is_not_read(scene: Scene, staged: Start) -> None:
    """More than max_file_size is rejected, whatever the event said of its size."""
    running = await staged(max_file_size=1000)
    assert running.driver.largest_file == 1000
    file = scene.sandbox.upload_as(scene.alice, scene.town, "big.bin", b"x" * 1001)
    with pytest.raises(Rejected, match="1000 bytes"):
        await fetched(running, Attachment(file.id, "big.bin", size=10))


async def test_a_file_that_is_gone_or_closed_is_told_apart(scene: Scene, staged: Start) -> None:
    """404 is Gone, 403 is Rejected, and trouble is to be tried again."""
    running = await staged()
    with pytest.raises(Gone):
        await fetched(running, Attachment("a" * 26, "x"))
    secret = scene.sandbox.upload_as(scene.boss, scene.closed, "secret.txt", b"x")
    with pytest.raises(Rejected):
        await fetched(running, Attachment(secret.id, "x"))
    file = scene.sandbox.upload_as(scene.alice, scene.town, "a.txt", b"x")
    scene.faults.answer(502, body="<html>", route=DOWNLOAD)
    with pytest.raises(Retry):
        await fetched(running, Attachment(file.id, "x"))
    scene.faults.drop_answer(route=DOWNLOAD, times=2)  # aiohttp itself asks a second time on a kept connection
    with pytest.raises(Retry):
        await fetched(running, Attachment(file.id, "x"))
    assert await fetched(running, Attachment(file.id, "x")) == b"x"


async def test_a_failure_of_the_reader_is_not_taken_for_the_servers(scene: Scene, staged: Start) -> None:
    """A full disk on our side, while a file is read, stays what it is."""
    running = await staged()
    file = scene.sandbox.upload_as(scene.alice, scene.town, "a.txt", b"x")
    with pytest.raises(OSError, match="disk full"):
        async with running.driver.open_attachment(Attachment(file.id, "x")):
            raise OSError("disk full")


# --- pictures ---------------------------------------------------------------------------------------------------------


async def test_a_picture_is_another_once_its_person_changes_it(scene: Scene, staged: Start) -> None:
    """The author's portrait has another name after a change and after it is taken away, and is still a picture."""
    running = await staged()
    versions, pictures = [], []
    for text in ("as made", "changed", "taken away"):
        if text != "as made":
            scene.sandbox.change_picture(scene.alice, removed=text == "taken away")
        scene.say(text)
        author = (await running.received(text)).author
        versions.append(author.portrait)
        async with running.driver.open_portrait(author.id) as chunks:
            pictures.append(b"".join([chunk async for chunk in chunks]))
    assert versions[0] == "0"
    assert len(set(versions)) == 3
    assert len(set(pictures)) == 3
    assert all(each.startswith(b"\x89PNG") for each in pictures)
