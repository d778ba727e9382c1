"""Moving stickers and voice messages in formats that programs elsewhere show, where this machine has the tool for it.

Nothing is needed: without the tools a moving sticker is its still picture or the film that it is, and a voice message
is an Ogg file. The tools are `ffmpeg` and, for Telegram's own format, `lottie_convert.py` of the Python package
`lottie`. What they read comes from chat users, so each has bounds of time, memory and size, and runs alone.
"""

from __future__ import annotations

import asyncio
import shutil
import tempfile
from collections.abc import AsyncIterator, Mapping
from contextlib import asynccontextmanager
from pathlib import Path
from typing import Final

from msgspec import Struct

from drivers.telegram.api import Api
from drivers.telegram.files import ANIMATED, VIDEO, VOICE, download, read_chunks
from nextbridge.errors import Rejected

__all__ = ["Converter"]

_SECONDS = 60
_KILOBYTES = 2 * 1024 * 1024
"""Of memory."""
_BLOCKS = 128 * 1024
"""Of 512 bytes, in one file."""
_PREFIX = "convert-"
# the shell's own limits, so that nothing of the daemon has to run between fork and exec
_LIMITED: Final = ("sh", "-c", f'ulimit -t {_SECONDS} -v {_KILOBYTES} -f {_BLOCKS}; exec "$@"', "sh")


class _Tool(Struct, frozen=True):
    program: str
    arguments: tuple[str, ...]
    """`IN` and `OUT` stand for the files."""
    source: str
    """The ending that the tool knows what it reads by."""
    result: str


_SOUND = ("-vn", "-c:a", "aac", "-b:a", "64k")
_QUIET = ("-nostdin", "-loglevel", "error", "-y", "-protocol_whitelist", "file")
_TOOLS: Mapping[str, _Tool] = {
    ANIMATED: _Tool("lottie_convert.py", ("IN", "OUT"), ".tgs", ".gif"),
    VIDEO: _Tool(
        "ffmpeg", (*_QUIET, "-f", "matroska", "-i", "IN", "-vf", "fps=15,scale=256:-1", "OUT"), ".webm", ".gif"
    ),
    VOICE: _Tool("ffmpeg", (*_QUIET, "-f", "ogg", "-i", "IN", *_SOUND, "OUT"), ".ogg", ".m4a"),
}


class Converter:
    """Of one instance. One file at a time."""

    def __init__(self, folder: Path) -> None:
        """`folder` is for files on their way; it is made when there is one."""
        self._folder = folder
        self._turn = asyncio.Lock()
        self._is_tidy = False

    async def kinds(self) -> frozenset[str]:
        """What can be converted on this machine now."""

        def found() -> frozenset[str]:
            if not self._is_tidy:  # what a kill has left
                for left in self._folder.glob(f"{_PREFIX}*"):
                    shutil.rmtree(left, ignore_errors=True)
            return frozenset(kind for kind, tool in _TOOLS.items() if shutil.which(tool.program))

        kinds = await asyncio.to_thread(found)
        self._is_tidy = True
        return kinds

    @asynccontextmanager
    async def open(self, api: Api, kind: str, file_id: str, largest: int) -> AsyncIterator[AsyncIterator[bytes]]:
        """A file of Telegram's, converted. Entering raises as `download`, and Rejected where it cannot be converted."""
        tool = _TOOLS.get(kind)
        if tool is None:
            raise Rejected("the file is of no kind that is converted")
        await asyncio.to_thread(self._folder.mkdir, parents=True, exist_ok=True)
        folder = Path(await asyncio.to_thread(tempfile.mkdtemp, dir=self._folder, prefix=_PREFIX))
        try:
            source, result = folder / f"in{tool.source}", folder / f"out{tool.result}"
            async with download(api, file_id, largest) as chunks:
                await _save(chunks, source)
            async with self._turn:
                await _run(tool, source, result)
            size = (await asyncio.to_thread(result.stat)).st_size
            if size > largest:
                raise Rejected("what became of it is larger than what is relayed")
            yield read_chunks(result)
        finally:
            await asyncio.to_thread(shutil.rmtree, folder, ignore_errors=True)


async def _save(chunks: AsyncIterator[bytes], path: Path) -> None:
    file = await asyncio.to_thread(path.open, "wb")
    try:
        async for chunk in chunks:
            await asyncio.to_thread(file.write, chunk)
    finally:
        await asyncio.to_thread(file.close)


async def _run(tool: _Tool, source: Path, result: Path) -> None:
    files = {"IN": str(source), "OUT": str(result)}
    arguments = [files.get(each, each) for each in tool.arguments]
    process = await asyncio.create_subprocess_exec(
        *_LIMITED,
        tool.program,
        *arguments,
        stdin=asyncio.subprocess.DEVNULL,
        stdout=asyncio.subprocess.DEVNULL,
        stderr=asyncio.subprocess.DEVNULL,
        cwd=source.parent,
    )
    try:
        async with asyncio.timeout(_SECONDS):
            status = await process.wait()
    except TimeoutError:
        status = -1
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    if status != 0 or not await asyncio.to_thread(result.is_file):
        raise Rejected(f"{tool.program} cannot convert it")
