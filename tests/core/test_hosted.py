"""The files of a platform that the daemon hosts: kept while they are needed, bounded, and gone afterwards."""

from __future__ import annotations

import tempfile
from collections.abc import AsyncIterator, Iterator
from pathlib import Path

import pytest

from nextbridge.media.hosted import File, FileMissing, Files, NoRoom, clean_name, read
from nextbridge.sandbox.contract.supervised import spooled

PNG = b"\x89PNG\r\n\x1a\n" + bytes(20)


async def chunks(content: bytes, size: int = 7) -> AsyncIterator[bytes]:
    for start in range(0, len(content), size):
        yield content[start : start + size]


async def loaded(folder: Path, *posted: File, largest: int = 100, total: int = 1000) -> Files:
    files = Files(folder / "files", largest=largest, total=total)
    await files.load(posted)
    return files


def on_disk(folder: Path) -> set[str]:
    return {path.name for path in (folder / "files").iterdir()}


async def test_an_uploaded_file_is_posted_by_its_author_alone(tmp_path: Path) -> None:
    """Until it is posted it is at no address; nobody else can post it, and nobody twice."""
    files = await loaded(tmp_path)
    file = await files.upload("a1", "a.txt", chunks(b"hello there"))
    assert (file.name, file.size, file.image, files.find(file.id)) == ("a.txt", 11, None, None)
    with pytest.raises(FileMissing):
        files.claim("b2", [file.id])
    assert files.claim("a1", [file.id, file.id]) == (file,)
    with pytest.raises(FileMissing):
        files.claim("a1", [file.id])
    await files.settle([file])
    found = files.find(file.id)
    assert found is not None
    assert b"".join([chunk async for chunk in read(found[1])]) == b"hello there"
    assert on_disk(tmp_path) == {file.id}


async def test_what_is_uploaded_can_be_posted_after_a_restart(tmp_path: Path) -> None:
    """By its author, once; what was posted is known from its message, and what nobody needs is removed."""
    files = await loaded(tmp_path)
    loose, posted, dropped = [await files.upload("a1", f"{name}.txt", chunks(b"x")) for name in "abc"]
    await files.settle(files.claim("a1", [posted.id, dropped.id]))
    (tmp_path / "files" / "half").write_bytes(b"of an upload that was cut off")
    again = await loaded(tmp_path, posted)
    assert again.find(posted.id) is not None
    assert again.find(loose.id) is again.find(dropped.id) is None
    assert on_disk(tmp_path) == {posted.id, loose.id, f"{loose.id}.json"}
    assert again.claim("a1", [loose.id]) == (loose,)


async def test_a_file_that_is_too_large_or_breaks_off_leaves_nothing(tmp_path: Path) -> None:
    """Neither on disk nor in the count, whatever ends it."""

    async def breaking() -> AsyncIterator[bytes]:
        yield b"half"
        raise ConnectionError

    files = await loaded(tmp_path)
    for _ in range(30):
        with pytest.raises(NoRoom, match="larger than 100 bytes"):
            await files.upload("a1", "large", chunks(bytes(101), 50))
        with pytest.raises(ConnectionError):
            await files.upload("a1", "broken", breaking())
        with pytest.raises(NoRoom):
            await files.adopt([spooled(tmp_path, "ok", b"x"), spooled(tmp_path, "large", bytes(101))])
    assert on_disk(tmp_path) == set()
    await files.upload("a1", "whole", chunks(bytes(100)))


async def test_the_oldest_files_make_room(tmp_path: Path) -> None:
    """All files together stay within the bound, and the newest are there."""
    files = await loaded(tmp_path)
    made = [(await files.adopt([spooled(tmp_path, f"{number}", bytes(100))]))[0] for number in range(25)]
    assert [files.find(file.id) is not None for file in made] == [False] * 15 + [True] * 10
    assert on_disk(tmp_path) == {file.id for file in made[15:]}
    await files.discard(made[20:])
    assert on_disk(tmp_path) == {file.id for file in made[15:20]}


async def test_uploads_that_are_not_posted_push_nothing_out(tmp_path: Path) -> None:
    """They take a part of the room only, and each author has so many: the oldest of these make way."""
    files = await loaded(tmp_path)
    posted = await files.adopt([spooled(tmp_path, "posted", bytes(100)) for _ in range(7)])
    for number in range(50):
        await files.upload(f"author {number}", "loose", chunks(bytes(100)))
    assert all(files.find(file.id) for file in posted)
    for _ in range(50):
        await files.upload("a1", "tiny", chunks(b""))
    assert len([name for name in on_disk(tmp_path) if name.endswith(".json")]) <= 22


async def test_a_file_from_elsewhere_is_taken_over(tmp_path: Path) -> None:
    """It is there when the spool's own is gone, and a picture is known by its bytes and not by its name."""
    files = await loaded(tmp_path)
    originals = [spooled(tmp_path, "photo.txt", PNG), spooled(tmp_path, "fake.png", b"<svg onload=alert(1)>")]
    picture, fake = await files.adopt(originals)
    for original in originals:
        original.path.unlink()
    assert (picture.image, fake.image) == ("image/png", None)
    found = files.find(picture.id)
    assert found is not None
    assert found[1].read_bytes() == PNG
    assert await files.adopt([]) == ()


@pytest.fixture
def elsewhere(tmp_path: Path) -> Iterator[Path]:
    """A folder on another file system."""
    memory = Path("/dev/shm")
    if not memory.is_dir() or memory.stat().st_dev == tmp_path.stat().st_dev:
        pytest.skip("there is no second file system")
    with tempfile.TemporaryDirectory(dir=memory) as folder:
        yield Path(folder)


async def test_a_file_from_another_file_system_is_copied(tmp_path: Path, elsewhere: Path) -> None:
    """Where no link can be made the bytes are."""
    files = await loaded(tmp_path)
    (file,) = await files.adopt([spooled(elsewhere, "photo.png", PNG)])
    found = files.find(file.id)
    assert found is not None
    assert found[1].read_bytes() == PNG


@pytest.mark.parametrize("head", [b"<svg", b"<html>", b"%PDF-1.7", b"RIFF1234WAVE", b"GIF88a", b""])
async def test_only_pictures_that_hold_nothing_active_are_shown(tmp_path: Path, head: bytes) -> None:
    """Anything else is a file to be saved."""
    files = await loaded(tmp_path)
    assert (await files.upload("a1", "photo.png", chunks(head, 1))).image is None


@pytest.mark.parametrize(
    ("given", "shown"),
    [
        ("photo (1).png", "photo (1).png"),
        ("../../etc/passwd", ".._.._etc_passwd"),
        ("a\\b\r\nc\x00\u202egnp.exe", "a_bcgnp.exe"),
        ("", "file"),
        ("x" * 300 + ".tar", "x" * 146 + ".tar"),
        ("x" * 300, "x" * 150),
    ],
)
def test_a_files_name_is_shown_and_no_path(given: str, shown: str) -> None:
    """It has neither separators nor what cannot be seen, and a length."""
    assert clean_name(given) == shown
