"""Files: both ways to upload one, what is told of it, and who may fetch it."""

from __future__ import annotations

from urllib.parse import urlencode

import pytest
from aiohttp import FormData

from tests.sandbox.conftest import Town

GIF = b"GIF89a\x03\x00\x05\x00" + bytes(10)
JPEG = bytes.fromhex("ffd8ffe000104a46494600010100000100010000ffc0001108000700090301220002110103110100")


def form(channel_id: str, *files: tuple[str, bytes]) -> FormData:
    made = FormData(quote_fields=False)
    made.add_field("channel_id", channel_id)
    for name, content in files:
        made.add_field("files", content, filename=name)
    return made


async def test_several_files_come_in_one_form(town: Town) -> None:
    """In their order, with the names kept whole."""
    names = ["one.txt", "zwei ünï 🎉.txt", "three"]
    answer = await town.relay.call("POST", "files", data=form(town.town.id, *((name, b"x") for name in names)))
    assert answer.status == 201
    assert [info["name"] for info in answer.body["file_infos"]] == names
    assert answer.body["file_infos"][2]["mime_type"] == "application/octet-stream"


async def test_one_file_comes_as_bare_bytes(town: Town) -> None:
    """With its channel and its name in the query."""
    query = urlencode({"channel_id": town.town.id, "filename": "notes.txt"})
    answer = await town.relay.call("POST", f"files?{query}", data=b"hello")
    (info,) = answer.body["file_infos"]
    assert (answer.status, info["name"], info["size"]) == (201, "notes.txt", 5)
    assert (await town.relay.get(f"files/{info['id']}")).body == b"hello"


@pytest.mark.parametrize(("name", "content", "size"), [("a.gif", GIF, (3, 5)), ("a.jpg", JPEG, (9, 7))])
async def test_a_picture_is_told_with_its_size(town: Town, name: str, content: bytes, size: tuple[int, int]) -> None:
    """In pixels; what is no picture has no size."""
    info = (await town.relay.call("POST", "files", data=form(town.town.id, (name, content)))).body["file_infos"][0]
    assert (info["width"], info["height"]) == size
    plain = (await town.relay.call("POST", "files", data=form(town.town.id, (name, b"x")))).body["file_infos"][0]
    assert "width" not in plain


async def test_a_file_over_the_limit_is_refused_either_way(town: Town) -> None:
    """And one that just fits is not."""
    town.sandbox.settings.change(MaxFileSize="10")
    refused = (413, "api.file.upload_file.too_large_detailed.app_error")
    assert (await town.relay.call("POST", "files", data=form(town.town.id, ("x", bytes(11))))).error == refused
    bare = f"files?channel_id={town.town.id}&filename=x"
    assert (await town.relay.call("POST", bare, data=bytes(11))).error == refused
    assert (await town.relay.call("POST", bare, data=bytes(10))).status == 201


async def test_an_upload_without_files_or_channel_is_refused(town: Town) -> None:
    """400, with what was missing."""
    assert (await town.relay.call("POST", "files", data=form(town.town.id))).status == 400
    nowhere = await town.relay.call("POST", "files", data=form("", ("x", b"x")))
    assert nowhere.error == (400, "api.context.invalid_body_param.app_error")


async def test_a_file_is_for_the_members_of_its_channel(town: Town) -> None:
    """And for whom it belongs to."""
    file = town.sandbox.upload_as(town.boss.account, town.staff, "plan.txt", b"secret")
    for path in (f"files/{file.id}", f"files/{file.id}/info"):
        assert (await town.alice.get(path)).error == (403, "api.context.permissions.app_error")
        assert (await town.boss.get(path)).status == 200


async def test_what_a_browser_could_run_is_sent_as_a_download(town: Town) -> None:
    """A page or a script in a file is never shown in place; a picture is."""
    page = town.sandbox.upload_as(town.alice.account, town.town, "a.html", b"<script>")
    picture = town.sandbox.upload_as(town.alice.account, town.town, "a.gif", GIF)
    sent = await town.alice.get(f"files/{page.id}")
    assert sent.headers["Content-Disposition"].startswith("attachment;")
    assert sent.headers["X-Content-Type-Options"] == "nosniff"
    assert (await town.alice.get(f"files/{picture.id}")).headers["Content-Disposition"].startswith("inline;")


async def test_the_files_of_a_post_can_be_looked_at(town: Town) -> None:
    """By name and content, from Python."""
    file = town.sandbox.upload_as(town.alice.account, town.town, "a.txt", b"hello")
    post = town.sandbox.post_as(town.alice.account, town.town, "", files=[file])
    assert town.sandbox.files_of(post) == [("a.txt", b"hello")]
    assert town.sandbox.files_of(town.sandbox.post_as(town.alice.account, town.town, "none")) == []
