"""The OpenAPI document says what is so: an independent tool that was given nothing else finds no difference."""

from __future__ import annotations

import asyncio
import sys
from pathlib import Path

import msgspec

from tests.api.conftest import Serve

_ENDLESS = "/(stream|socket)$"
"""What is never answered whole; `test_readers` has it."""
_SECONDS = 120


async def test_schemathesis_finds_nothing_that_is_not_as_documented(serve: Serve, tmp_path: Path) -> None:
    """Neither with requests that the document allows nor with such that it forbids, nor with sequences of them."""
    api = await serve()
    first = await api.post("something to read")
    await api.do("reaction", message=first, emoji="👍")
    await api.send("from elsewhere")
    settings = tmp_path / "schemathesis.toml"
    # a room that is there, so that what is refused is not refused for that alone; nothing to wait for
    settings.write_text('[parameters]\n"path.room" = "ops"\n"query.wait" = 0\n')
    program = Path(sys.executable).with_name("schemathesis")
    process = await asyncio.create_subprocess_exec(
        program, "--config-file", settings, "run", f"{api.url}/openapi.json",
        "--header", "Authorization: Bearer token-of-the-game",
        "--exclude-path-regex", _ENDLESS,
        "--checks", "all", "--max-examples", "15", "--seed", "1", "--no-color",
        cwd=tmp_path, stdout=asyncio.subprocess.PIPE, stderr=asyncio.subprocess.STDOUT,
    )  # fmt: skip
    try:
        async with asyncio.timeout(_SECONDS):
            said, _ = await process.communicate()
    finally:
        if process.returncode is None:
            process.kill()
            await process.wait()
    report = said.decode()
    assert process.returncode == 0, report
    assert "Tested: 7" in report
    assert api.running.done() is False


async def test_the_document_is_for_everybody_and_names_nobody(serve: Serve) -> None:
    """It is there without a token, says the bounds of this instance, and holds neither rooms nor tokens."""
    api = await serve(max_message=77, history=99)
    status, document = await api.ask("GET", "/openapi.json", None)
    assert (status, document["openapi"], document["servers"]) == (200, "3.1.0", [{"url": "/api/tools"}])
    assert document["components"]["schemas"]["MessageRequest"]["properties"]["text"]["maxLength"] == 77
    text = msgspec.json.encode(document).decode()
    assert "newest 99 entries" in text
    assert [each for each in ("token-of", "game", "sensor", '"ops"') if each in text] == []
    assert (await api.ask("POST", "/openapi.json", None))[0] == 405
