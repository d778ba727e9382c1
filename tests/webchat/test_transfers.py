"""Files over HTTP: who may upload and fetch them, and that nothing in them runs in the page's name."""

from __future__ import annotations

import asyncio
import io
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from drivers.webchat.settings import WebChatSettings
from nextbridge.config.types import Secret
from nextbridge.driver import FileRejected, Gone, Rejected, Retry
from nextbridge.envelope import MessageId, Posted
from nextbridge.sandbox.contract.supervised import spooled
from tests.core.test_hosted import PNG

if TYPE_CHECKING:
    from tests.webchat.conftest import Browser, Chat, Start

TOKEN = "a-token-that-nobody-guesses"


async def upload(chat: Chat, browser: Browser, content: bytes, name: str = "a.txt", **headers: str) -> tuple[int, str]:
    """The status, and the file's id or the reason."""
    sent = {"X-Session": browser.welcome["session"], "X-File-Name": name} | {
        key.replace("_", "-"): value for key, value in headers.items()
    }
    async with chat.http.post(f"{chat.url}upload", data=io.BytesIO(content), headers=sent) as response:
        if response.status != 200:
            return response.status, await response.text()
        return 200, (await response.json())["id"]


async def posted(chat: Chat, browser: Browser, content: bytes, name: str = "a.txt") -> str:
    """The id of a file that somebody has posted."""
    status, file = await upload(chat, browser, content, name)
    assert status == 200
    await browser.say(type="post", id=f"file-{file}", text="", files=[file])
    assert (await browser.until("sent"))["type"] == "sent"
    return file


def files_of(chat: Chat) -> list[str]:
    """What is on disk, without the notes about it."""
    return [path.name for path in (chat.host.folder / "files").iterdir() if path.suffix != ".json"]


async def until(condition: Callable[[], bool]) -> None:
    """Return once the disk, which tells nobody, shows it."""
    async with asyncio.timeout(10):
        while not condition():  # noqa: ASYNC110
            await asyncio.sleep(0.01)


@pytest.mark.parametrize(
    ("content", "name", "media_type", "kind"),
    [
        (PNG, "photo.html", "image/png", "inline"),
        (b"<script>alert(1)</script>", "page.html", "application/octet-stream", "attachment"),
        (b"<svg onload='alert(1)'/>", "photo.png", "application/octet-stream", "attachment"),
        (b"%PDF-1.7", "paper.pdf", "application/octet-stream", "attachment"),
    ],
)
async def test_a_file_is_what_its_bytes_are_and_never_active(
    start: Start, content: bytes, name: str, media_type: str, kind: str
) -> None:
    """Pictures are shown, all else is saved; the browser guesses nothing and runs nothing."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        file = await posted(chat, ada, content, name)
        async with chat.http.get(f"{chat.url}files/{file}") as response:
            assert await response.read() == content
            assert response.headers["Content-Type"] == media_type
            assert response.headers["Content-Disposition"] == f"{kind}; filename*=UTF-8''{name}"
            assert response.headers["X-Content-Type-Options"] == "nosniff"
            assert response.headers["Content-Security-Policy"] == "default-src 'none'; sandbox"


async def test_only_who_is_in_a_room_uploads(start: Start) -> None:
    """Neither a stranger, nor one who has left, nor a forged session, nor another site's page."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        assert (await upload(chat, ada, b"x"))[0] == 200
        assert (await upload(chat, ada, b"x", X_Session="forged.00"))[0] == 403
        assert (await upload(chat, ada, b"x", Origin="https://evil.example"))[0] == 403
        async with chat.http.get(f"{chat.url}upload") as response:
            assert response.status == 405
    async with chat.connect() as eve:
        await eve.hello()
        assert (await upload(chat, eve, b"x"))[0] == 403


async def test_files_need_the_token_where_the_chat_has_one(start: Start) -> None:
    """Both ways, also for who knows the address; a wrong one is told to the operator and answered late."""
    chat = await start(settings=WebChatSettings(token=Secret(TOKEN)), base_url="https://bridge.example.com")
    right = {"Authorization": f"Bearer {TOKEN}"}
    async with chat.connect() as ada:
        await ada.hello(token=TOKEN)
        await ada.join("Ada")
        assert (await upload(chat, ada, b"x"))[0] == 401
        status, file = await upload(chat, ada, b"x", **right)
        assert status == 200
        await ada.say(type="post", id="file-00000001", text="", files=[file])
        await ada.until("sent")
    for headers, expected in (({}, 401), ({"Authorization": "Bearer wrong"}, 401), (right, 200)):
        async with chat.http.get(f"{chat.url}files/{file}", headers=headers) as response:
            assert response.status == expected


async def test_what_is_too_large_is_not_read(start: Start) -> None:
    """It is refused by what it says of itself, and by what it turns out to be."""
    chat = await start(settings=WebChatSettings(max_file_size=1000))
    async with chat.joined("Ada") as ada:
        assert (await upload(chat, ada, bytes(1000)))[0] == 200
        status, reason = await upload(chat, ada, bytes(1001))
        assert status == 413
        assert "larger than 1000 bytes" in reason

        async def endless() -> object:
            while True:
                yield bytes(1000)

        headers = {"X-Session": ada.welcome["session"]}
        async with chat.http.post(f"{chat.url}upload", data=endless(), headers=headers) as response:
            assert response.status == 411


async def test_an_upload_that_breaks_off_leaves_nothing(start: Start) -> None:
    """A connection that ends in the middle is no file, and the chat goes on."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        _, writer = await asyncio.open_connection("127.0.0.1", chat.server.port)
        writer.write(
            f"POST {chat.path}/upload HTTP/1.1\r\nHost: 127.0.0.1\r\nX-Session: {ada.welcome['session']}\r\n"
            "Content-Length: 1000\r\n\r\nhalf of it".encode()
        )
        await writer.drain()
        await until(lambda: files_of(chat) != [])
        writer.close()
        await until(lambda: files_of(chat) == [])
        assert (await upload(chat, ada, b"x"))[0] == 200


async def test_nobody_uploads_without_end(start: Start) -> None:
    """Over the pace an author is asked to wait."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        answers = [(await upload(chat, ada, b"x"))[0] for _ in range(30)]
    assert answers[:20] == [200] * 20
    assert 429 in answers


async def test_a_files_address_ends_with_its_message(start: Start) -> None:
    """What was only uploaded is at no address; what was deleted is there no more, for people and for the relay."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        _, loose = await upload(chat, ada, b"x")
        file = await posted(chat, ada, b"content")
        (event,) = chat.host.events
        assert isinstance(event, Posted)
        await ada.say(type="delete", id="delete-00001", message=int(event.message))
        await ada.until("sent")
        for gone in (loose, file, "0" * 32, "..%2f..%2fjournal.sqlite3"):
            async with chat.http.get(f"{chat.url}files/{gone}") as response:
                assert response.status == 404
    with pytest.raises(Gone):
        async with chat.driver.open_attachment(event.attachments[0]):
            pass
    assert files_of(chat) == [loose]


async def test_a_file_is_posted_once_however_often_it_is_asked_for(start: Start) -> None:
    """The same post again after a reconnection is the same message with its file; another one cannot have it."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        file = await posted(chat, ada, b"content")
        await ada.say(type="post", id=f"file-{file}", text="", files=[file])
        assert (await ada.until("sent"))["message"] == 1
        await ada.say(type="post", id="another-0001", text="", files=[file])
        assert "Add them again" in (await ada.until("unsent"))["reason"]
    assert len(chat.host.events) == 1


async def test_a_large_file_goes_through_in_small_pieces(start: Start) -> None:
    """Megabytes are neither held whole nor hold up what is said meanwhile."""
    chat = await start()
    content = bytes(range(256)) * 4 * 10_000
    async with chat.joined("Ada") as ada, chat.joined("Ida") as ida:
        uploading = asyncio.create_task(upload(chat, ada, content))
        await ida.post("meanwhile")
        status, file = await uploading
        assert status == 200
        await ada.say(type="post", id="large-00000001", text="", files=[file])
        await ada.until("sent")
    event = chat.host.events[-1]
    assert isinstance(event, Posted)
    async with chat.driver.open_attachment(event.attachments[0]) as pieces:
        sizes = [len(piece) async for piece in pieces]
    assert sum(sizes) == len(content)
    assert max(sizes) <= 1 << 18


async def test_what_was_posted_under_a_larger_limit_is_not_handed_out(start: Start) -> None:
    """A limit that the operator has lowered holds for what is there, too."""
    chat = await start()
    async with chat.joined("Ada") as ada:
        await posted(chat, ada, bytes(2000))
    await chat.stop()
    again = await start(host=chat.host, settings=WebChatSettings(max_file_size=1000))
    event = chat.host.events[0]
    assert isinstance(event, Posted)
    with pytest.raises(Rejected, match="larger than 1000"):
        async with again.driver.open_attachment(event.attachments[0]):
            pass


async def test_a_delivery_with_files_is_one_message_whatever_happens(start: Start, tmp_path: Path) -> None:
    """A file that is too large is named; what is repeated copies nothing again."""
    chat = await start(settings=WebChatSettings(max_file_size=1000))
    small, large = spooled(tmp_path, "small", bytes(1000)), spooled(tmp_path, "large", bytes(1001))
    with pytest.raises(FileRejected) as refused:
        await chat.send("files", files=(small, large))
    assert refused.value.index == 1
    message = chat.outgoing("files", files=(small,))
    assert await chat.driver.send(message) == await chat.driver.send(message)
    assert len(files_of(chat)) == 1
    assert chat.driver.refuses_file(message.channel, large)
    await chat.driver.delete(message.channel, MessageId("1"))
    assert files_of(chat) == []


async def test_a_folder_that_cannot_be_used_is_said(start: Start) -> None:
    """The operator is told, and the web chat is started again later, with all that was said."""
    chat = await start()
    await chat.send("said before")
    await chat.stop()
    folder = chat.host.folder / "files"
    folder.rmdir()
    folder.write_text("in the way")
    with pytest.raises(Retry, match="folder of its files"):
        await chat.driver.run()
    folder.unlink()
    again = await start(host=chat.host)
    async with again.joined("Ada") as ada:
        assert [message["text"] for message in ada.history] == ["said before"]


def test_files_that_can_never_fit_are_found_in_the_file() -> None:
    """One file may take a quarter of the room for all; the mistake is told with what to write."""
    from drivers.webchat import WebChatDriver

    (remark,) = WebChatDriver.remarks(WebChatSettings(max_file_size=1001, files_size=4000))
    assert (remark.path, remark.fatal) == (("max_file_size",), True)
    assert "1000 at most" in remark.text
    assert list(WebChatDriver.remarks(WebChatSettings(max_file_size=0, files_size=0))) == []
