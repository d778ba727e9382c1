"""Programs read and write rooms: what they see, what the relay gets, and what is refused."""

from __future__ import annotations

import asyncio
import io
from typing import Any

import aiohttp
import pytest

from nextbridge.envelope import Deleted, Edited, Posted, Reacted
from nextbridge.markup import PLAIN
from tests.api.conftest import Api, Serve, bearer


async def test_a_room_shows_both_sides_in_order(api: Api) -> None:
    """What came from a platform and what a program posted are entries of one log, each told apart."""
    await api.send("from Mattermost", avatar="https://x.example/a.png")
    await api.post("from the game", username="Steve", user_id="uuid-1")
    ada, steve = await api.entries()
    assert (ada["id"], ada["kind"], ada["text"], ada["origin"]) == (1, "message", "from Mattermost", "Mattermost")
    assert ada["author"] == {"name": "Ada", "username": "ada", "id": "u1", "avatar": "https://x.example/a.png"}
    assert (steve["id"], steve["text"], steve["token"]) == (2, "from the game", "game")
    assert "token" not in ada
    assert "origin" not in steve


async def test_a_program_speaks_for_its_people(api: Api) -> None:
    """The relay hears the name, an id that is that token's alone, the picture and whether it is a bot."""
    await api.post("hi", username=" Steve \x07 the\tBold ", user_id="u-1", avatar="https://x.example/s.png", bot=True)
    await api.post("beep", token="sensor")
    first, second = (event for event in api.host.events if isinstance(event, Posted))
    assert (first.author.id, first.author.name) == ("game/u-1", "Steve the Bold")
    assert (first.author.avatar, first.author.bot) == ("https://x.example/s.png", True)
    assert (second.author.id, second.author.name, second.author.bot) == ("sensor/sensor", "sensor", False)


async def test_what_is_done_to_a_message_is_told_to_both_sides(api: Api) -> None:
    """An edit, a reaction and a deletion are entries and events, once each; what changes nothing is neither."""
    number = await api.post("helo", username="Steve")
    assert await api.do("edit", message=number, text="hello", username="Steve") == {
        "message": number,
        "entry": 2,
        "repeated": False,
    }
    assert (await api.do("edit", message=number, text="hello", username="Steve"))["entry"] is None
    await api.do("reaction", message=number, emoji="👍", username="Alex")
    assert (await api.do("reaction", message=number, emoji="👍", username="Alex"))["entry"] is None
    await api.do("reaction", message=number, emoji="👍", username="Alex", add=False)
    await api.do("delete", message=number)
    kinds = [type(event) for event in api.host.events]
    assert kinds == [Posted, Edited, Reacted, Reacted, Deleted]
    edited = api.host.events[1]
    assert isinstance(edited, Edited)
    assert PLAIN.write(edited.text.blocks) == "hello"
    assert [each["kind"] for each in await api.entries()] == ["message", "edit", "reaction", "reaction", "delete"]


async def test_of_what_was_deleted_nothing_is_left(api: Api, tmp_path: object) -> None:
    """Neither its text nor that of its edits, for whoever reads later, nor on disk; its files are gone."""
    form = aiohttp.FormData({"text": "helo dear"})
    form.add_field("file", b"content", filename="a.txt")
    _, done = await api.ask("POST", "/rooms/ops/message", data=form)
    ((file,),) = [each["files"] for each in await api.entries()]
    await api.do("edit", message=done["message"], text="hello dear")
    await api.do("delete", message=done["message"])
    status, _ = await api.ask("GET", f"/rooms/ops/files/{file['id']}")
    assert status == 404
    assert all(each.get("gone") and "text" not in each for each in (await api.entries())[:2])
    assert "dear" not in "".join(api.host.store.values.values())
    assert [path for path in api.host.folder.rglob("*") if path.is_file()] == []
    status, _ = await api.ask("POST", "/rooms/ops/edit", json={"message": done["message"], "text": "again"})
    assert status == 404


async def test_each_token_has_its_rooms_and_rights(api: Api) -> None:
    """Who may only read cannot write, who may only write cannot read, and a room of others is not there."""
    assert await api.ask("GET", "/rooms", "sensor") == (
        200,
        [{"room": "ops", "topic": "", "last": 0, "reads": False, "writes": True}],
    )
    for token, method, path, status in (
        ("screen", "POST", "/rooms/ops/message", 403),
        ("screen", "GET", "/rooms/dev/messages", 200),
        ("sensor", "GET", "/rooms/ops/messages", 403),
        ("sensor", "GET", "/rooms/ops/stream", 403),
        ("sensor", "POST", "/rooms/dev/message", 404),
        ("game", "GET", "/rooms/nowhere/messages", 404),
        ("nobody", "GET", "/rooms", 401),
        (None, "GET", "/rooms", 401),
    ):
        found, answer = await api.ask(method, path, token, json={"text": "x"} if method == "POST" else None)
        assert (found, isinstance(answer, list) or "error" in answer or status == 200) == (status, True), (token, path)
    assert api.host.events == []


async def test_a_token_changes_only_what_it_posted(api: Api) -> None:
    """Neither another token's message nor one from a platform can be edited or deleted; anything can be reacted to."""
    theirs = int((await api.send("from Mattermost")).message or 0)
    game = await api.post("from the game")
    for token, message in (("sensor", game), ("game", theirs)):
        for what, more in (("edit", {"text": "mine"}), ("delete", {})):
            status, _ = await api.ask("POST", f"/rooms/ops/{what}", token, json={"message": message, **more})
            assert status == 403
    assert [each["text"] for each in await api.entries()] == ["from Mattermost", "from the game"]
    await api.do("reaction", message=theirs, emoji="🎉")


@pytest.mark.parametrize(
    ("body", "why"),
    [
        ({}, "text"),
        ({"text": ""}, "text"),
        ({"text": " \x00\n"}, "text"),
        ({"text": "x" * 4001}, "too long"),
        ({"text": "x", "colour": "red"}, "colour"),
        ({"text": 5}, "text"),
        ({"text": "x", "avatar": "javascript:alert(1)"}, "avatar"),
        ({"text": "x", "username": "  "}, "username"),
        ({"text": "x", "reply_to": 0}, "reply_to"),
        ({"text": "x", "reply_to": "1"}, "reply_to"),
    ],
)
async def test_a_body_that_is_not_as_documented_is_refused(api: Api, body: object, why: str) -> None:
    """With the field's name; nothing of it reaches the room."""
    status, answer = await api.ask("POST", "/rooms/ops/message", json=body)
    assert status == 400
    assert why in answer["error"]
    assert await api.entries() == []


async def test_what_is_no_request_is_refused_in_json(api: Api) -> None:
    """A body that is no JSON, of another kind or too large, another method, a query that is none, an unknown path."""
    raw = {"data": b'{"text": "\\ud800"}', "headers": {"Content-Type": "application/json"}}
    large = {"data": io.BytesIO(b"[" * (2 << 20)), "headers": {"Content-Type": "application/json"}}
    for method, path, more, status in (
        ("POST", "/rooms/ops/message", raw, 400),
        ("POST", "/rooms/ops/message", large, 413),
        ("POST", "/rooms/ops/message", {"data": b"text=x"}, 415),
        ("POST", "/rooms/ops/edit", {"data": aiohttp.FormData({"text": "x"}, default_to_multipart=True)}, 415),
        ("GET", "/rooms/ops/message", {}, 405),
        ("DELETE", "/rooms/ops/messages", {}, 405),
        ("GET", "/rooms/ops/messages", {"params": {"after": "-1"}}, 400),
        ("GET", "/rooms/ops/messages", {"params": {"limit": "0"}}, 400),
        ("GET", "/rooms/ops/messages", {"params": {"wait": "61"}}, 400),
        ("GET", "/rooms/ops/messages", {"params": {"since": "1"}}, 400),
        ("GET", "/rooms/ops/socket", {}, 426),
        ("GET", "/elsewhere", {}, 404),
    ):
        found, answer = await api.ask(method, path, **more)
        assert (found, list(answer)) == (status, ["error"]), (method, path)


async def test_a_repeated_request_is_done_once(api: Api) -> None:
    """The same key gets the same answer, and with another text it is refused; each token has keys of its own."""
    headers = {"Idempotency-Key": "k-1"}
    path = "/rooms/ops/message"
    first = await api.ask("POST", path, json={"text": "once"}, headers=headers)
    assert first == (200, {"message": 1, "entry": 1, "repeated": False})
    assert await api.ask("POST", path, json={"text": "once"}, headers=headers) == (
        200,
        {"message": 1, "entry": 1, "repeated": True},
    )
    status, _ = await api.ask("POST", path, json={"text": "twice"}, headers=headers)
    assert status == 409
    assert (await api.ask("POST", path, "sensor", json={"text": "once"}, headers=headers))[1]["repeated"] is False
    assert [each["text"] for each in await api.entries()] == ["once", "once"]
    assert (await api.ask("POST", path, json={"text": "x"}, headers={"Idempotency-Key": "k" * 256}))[0] == 400


async def test_a_repeated_edit_does_not_undo_a_later_one(api: Api) -> None:
    """The key tells that it was done already, whatever the message says by now."""
    number = await api.post("one")
    edit: dict[str, Any] = {"json": {"message": number, "text": "two"}, "headers": {"Idempotency-Key": "k"}}
    await api.ask("POST", "/rooms/ops/edit", **edit)
    await api.do("edit", message=number, text="three")
    status, done = await api.ask("POST", "/rooms/ops/edit", **edit)
    assert (status, done["repeated"]) == (200, True)
    assert [each["text"] for each in await api.entries()] == ["one", "two", "three"]


async def test_files_are_posted_with_a_form_and_had_by_who_may_read(api: Api) -> None:
    """Byte for byte, with and without a text, under their names; the same form with the same key is one message."""

    def form(content: bytes = b"\x89PNG\r\n\x1a\n and more", **fields: str) -> aiohttp.FormData:
        made = aiohttp.FormData(fields)
        made.add_field("file", content, filename="map.png")
        made.add_field("file", b"", filename="empty")
        return made

    headers = {"Idempotency-Key": "form"}
    status, done = await api.ask("POST", "/rooms/ops/message", data=form(text="a map", bot="true"), headers=headers)
    assert (status, done["repeated"]) == (200, False)
    status, done = await api.ask("POST", "/rooms/ops/message", data=form(text="a map", bot="true"), headers=headers)
    assert (status, done["repeated"]) == (200, True)
    status, _ = await api.ask(
        "POST", "/rooms/ops/message", data=form(b"other", text="a map", bot="true"), headers=headers
    )
    assert status == 409
    await api.ask("POST", "/rooms/ops/message", data=form(b"alone"))
    first, second = await api.entries()
    assert (first["text"], first["author"]["bot"], second.get("text")) == ("a map", True, None)
    assert [(file["name"], file["size"], file.get("image")) for file in first["files"]] == [
        ("map.png", 17, "image/png"),
        ("empty", 0, None),
    ]
    address = f"{api.url}/rooms/ops/files/{first['files'][0]['id']}"
    async with api.http.get(address, headers=bearer("screen")) as response:
        assert (response.status, await response.read()) == (200, b"\x89PNG\r\n\x1a\n and more")
        assert response.headers["Content-Disposition"] == "attachment; filename*=UTF-8''map.png"
    assert (await api.ask("GET", f"/rooms/dev/files/{first['files'][0]['id']}"))[0] == 404
    assert (await api.ask("GET", f"/rooms/ops/files/{first['files'][0]['id']}", "sensor"))[0] == 403
    assert len([path for path in api.host.folder.rglob("*") if path.is_file()]) == 4


async def test_a_form_that_is_refused_leaves_nothing(serve: Serve) -> None:
    """Too large a file, too many, a field that is none or is missing, and a form that breaks off."""
    api = await serve(max_file_size=100, files_size=1000)
    cases: list[tuple[int, list[tuple[str, object, str | None]]]] = [
        (413, [("file", b"x" * 101, "large")]),
        (400, [("file", b"x", str(number)) for number in range(11)]),
        (400, [("file", b"x", "f"), ("colour", "red", None)]),
        (400, [("file", b"x", "f"), ("text", "a", None), ("text", "b", None)]),
        (400, [("username", "nobody", None)]),
        (404, [("file", b"x", "f"), ("reply_to", "7", None)]),
        (400, [("file", b"x", "f"), ("text", "x" * 4001, None)]),
    ]
    for status, parts in cases:
        form = aiohttp.FormData(default_to_multipart=True)
        for name, value, filename in parts:
            form.add_field(name, value, filename=filename)
        found, answer = await api.ask("POST", "/rooms/ops/message", data=form)
        assert (found, list(answer)) == (status, ["error"]), parts
    broken = {"Content-Type": "multipart/form-data; boundary=x"}
    body = b'--x\r\nContent-Disposition: form-data; name="file"; filename="f"\r\n\r\nhalf'
    assert (await api.ask("POST", "/rooms/ops/message", data=body, headers=broken))[0] == 400
    assert await api.entries() == []
    assert [path for path in api.host.folder.rglob("*") if path.is_file()] == []


async def test_a_token_that_writes_without_a_pause_is_slowed_down(serve: Serve) -> None:
    """Its burst passes, what is more is told when to come again; another token goes on."""
    api = await serve(messages_per_minute=12)
    answers = []
    for number in range(11):
        async with api.http.post(
            f"{api.url}/rooms/ops/message", json={"text": f"{number}"}, headers=bearer("game")
        ) as response:
            answers.append((response.status, response.headers.get("Retry-After")))
    assert answers[:10] == [(200, None)] * 10
    assert answers[10] == (429, "5")
    await api.post("beep", token="sensor")


async def test_what_a_program_posts_is_in_the_relay_before_it_is_told_so(api: Api) -> None:
    """Until then nobody reads it, and what comes meanwhile follows it."""
    accept = api.host.accept
    asked, held = asyncio.Event(), asyncio.Event()

    async def slow(event: object, **more: object) -> object:
        asked.set()
        await held.wait()
        return await accept(event, **more)  # type: ignore[arg-type]

    api.host.accept = slow  # type: ignore[assignment, method-assign]
    asking = asyncio.create_task(api.post("hello"))
    await asked.wait()
    sending = asyncio.create_task(api.send("after it"))
    before = await api.entries()
    held.set()
    await asyncio.gather(asking, sending)
    assert before == []
    assert [each["text"] for each in await api.entries()] == ["hello", "after it"]
