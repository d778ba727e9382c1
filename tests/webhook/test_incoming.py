"""What programs post: as to Slack and Mattermost, by a template, let in by a token or a signature, and taken once."""

from __future__ import annotations

import asyncio
import base64
import hashlib
import hmac
import io
import json
import time
from typing import Any

import pytest
from aiohttp import FormData

from nextbridge.config.types import Secret
from nextbridge.errors import JournalError
from nextbridge.markup import Link, Paragraph
from tests.webhook.conftest import SECRET, TOKEN, Serve

BY_TOKEN = {"token": Secret(TOKEN)}
AS_JSON = {"Content-Type": "application/json"}
GITHUB = """\
{% if headers["x-github-event"] == "push" %}{{ body.pusher.name }} pushed {{ body.commits|length }} commits to
{{ body.repository.full_name }}{% for each in body.commits %}
- {{ each.message|truncate(20) }}{% endfor %}{% endif %}"""
ALERTMANAGER = """\
{% for alert in body.alerts %}[{{ alert.status|upper }}] {{ alert.labels.alertname }}: {{ alert.annotations.summary }}
{% endfor %}"""


def signed(body: bytes, secret: str = SECRET) -> dict[str, str]:
    digest = hmac.new(secret.encode(), body, hashlib.sha256).hexdigest()
    return {"X-Hub-Signature-256": f"sha256={digest}", "Content-Type": "application/json"}


def standard(body: bytes, name: str = "msg_1", at: int | None = None, key: bytes = SECRET.encode()) -> dict[str, str]:
    when = str(int(time.time()) if at is None else at)
    digest = base64.b64encode(hmac.new(key, f"{name}.{when}.".encode() + body, hashlib.sha256).digest()).decode()
    return {"webhook-id": name, "webhook-timestamp": when, "webhook-signature": f"v1,{digest}"}


@pytest.mark.parametrize("form", [False, True], ids=["JSON", "form"])
async def test_a_message_for_slack_or_mattermost_is_one_here(serve: Serve, form: bool) -> None:
    """As JSON or as a form's `payload`: text, name and picture; `ok` is the answer, as theirs is."""
    hooks = await serve(incoming=BY_TOKEN)
    message = {
        "text": "Build <https://ci.example/7|#7> passed &amp; 1 &lt; 2",
        "username": "Build\n bot",
        "icon_url": "https://ci.example/bot.png",
        "icon_emoji": ":robot:",
        "channel": "#elsewhere",
    }
    more: dict[str, Any] = {"data": FormData({"payload": json.dumps(message)})} if form else {"json": message}
    assert await hooks.post(f"/ops/{TOKEN}", **more) == (200, "ok")
    (event,) = hooks.posted
    assert (event.author.name, event.author.avatar, event.author.bot) == (
        "Build bot",
        "https://ci.example/bot.png",
        True,
    )
    assert event.author.id == "ops/Build bot"
    (paragraph,) = event.text.blocks
    assert isinstance(paragraph, Paragraph)
    assert [each.url for each in paragraph.children if isinstance(each, Link)] == ["https://ci.example/7"]
    assert hooks.texts == ["Build #7 (https://ci.example/7) passed & 1 < 2"]


async def test_attachments_and_blocks_are_text(serve: Serve) -> None:
    """Their titles, texts and fields, or what stands in for them; a message of nothing but pictures is none."""
    hooks = await serve(incoming=BY_TOKEN)
    attachment = {
        "fallback": "not this",
        "pretext": "before",
        "author_name": "Jenkins",
        "title": "Build 7",
        "title_link": "https://ci.example/7",
        "text": "all green",
        "fields": [{"title": "Branch", "value": "main", "short": True}, {"title": "Tests", "value": 12}],
        "footer": "after",
        "image_url": "https://x.example/a.png",
        "color": "good",
    }
    blocks = [
        {"type": "section", "text": {"type": "mrkdwn", "text": "a section"}, "fields": [{"text": "a field"}]},
        {"type": "divider"},
    ]
    for body in (
        {"text": "text", "attachments": [attachment]},
        {"attachments": [{"fallback": "stands in"}]},
        {"blocks": blocks},
    ):
        assert (await hooks.post(f"/ops/{TOKEN}", json=body))[0] == 200
    assert hooks.texts == [
        "text\nbefore\nJenkins\nBuild 7 (https://ci.example/7)\nall green\nBranch: main\nTests: 12\nafter",
        "stands in",
        "a section\na field",
    ]
    assert await hooks.post(f"/ops/{TOKEN}", json={"attachments": [{"image_url": "https://x.example"}]}) == (
        400,
        "no_text\n",
    )


async def test_a_template_makes_a_message_of_githubs_json(serve: Serve) -> None:
    """Signed with the secret; where the template makes nothing, nothing is relayed, and it is counted."""
    hooks = await serve(incoming={"secret": Secret(SECRET), "template": GITHUB, "username": "GitHub"})
    push = {
        "pusher": {"name": "ada"},
        "repository": {"full_name": "ada/engine"},
        "commits": [{"message": "A first one"}, {"message": "A second one that is {{ 7 * 7 }} longer"}],
    }
    for kind, body in (("push", push), ("ping", {"zen": "Design for failure."})):
        data = json.dumps(body).encode()
        headers = {**signed(data), "X-GitHub-Event": kind, "X-GitHub-Delivery": "72d3162e"}
        assert await hooks.post("/ops", data=data, headers=headers) == (200, "ok")
    assert hooks.texts == ["ada pushed 2 commits to\nada/engine\n- A first one\n- A second one..."]
    assert hooks.posted[0].author.name == "GitHub"
    assert hooks.host.skips == {"webhook_template_empty": 1}


async def test_a_template_makes_a_message_of_alertmanagers_json(serve: Serve) -> None:
    """With the token as `Authorization: Bearer`; what is not in the body is nothing."""
    hooks = await serve(incoming={**BY_TOKEN, "template": ALERTMANAGER})
    body = {
        "version": "4",
        "status": "firing",
        "alerts": [
            {"status": "firing", "labels": {"alertname": "DiskFull"}, "annotations": {"summary": "9 %"}},
            {"status": "resolved", "labels": {"alertname": "Down"}},
        ],
    }
    assert (await hooks.post("/ops", json=body, headers={"Authorization": f"Bearer {TOKEN}"}))[0] == 200
    assert hooks.texts == ["[FIRING] DiskFull: 9 %\n[RESOLVED] Down:"]


async def test_who_has_neither_token_nor_signature_is_refused(serve: Serve) -> None:
    """Nothing of it reaches the relay, and the operator is told, a few times a minute, without the token."""
    by_token = await serve(incoming=BY_TOKEN)
    body = b'{"text": "hello"}'
    for path, headers in (
        ("/ops", {}),
        ("/ops/wrong", {}),
        ("/ops", {"Authorization": "Bearer wrong"}),
        ("/ops", {"Authorization": f"Basic {TOKEN}"}),
        ("/ops", {"X-Gitlab-Token": "wrong"}),
    ):
        assert (await by_token.post(path, data=body, headers=headers))[0] == 401, path
    assert (await by_token.post("/ops", data=body, headers={"X-Gitlab-Token": TOKEN}))[0] == 200
    assert (await by_token.post(f"/nowhere/{TOKEN}", data=body))[0] == 404
    assert (await by_token.post(f"/ops/{TOKEN}/more", data=body))[0] == 404
    by_signature = await serve(incoming={"secret": Secret(SECRET)})
    for headers in ({}, signed(body, "another"), signed(b"other"), {"X-Hub-Signature-256": "sha256=\xe9"}):
        assert (await by_signature.post("/ops", data=body, headers=headers))[0] == 401
    assert (await by_signature.post(f"/ops/{TOKEN}", data=body, headers=signed(body)))[0] == 404
    assert len(by_token.posted) == 1
    assert by_signature.posted == []


async def test_a_signed_delivery_is_taken_once(serve: Serve) -> None:
    """Whoever recorded it and posts it again, with other headers or after a restart, is answered and not heard."""
    hooks = await serve(incoming={"secret": Secret(SECRET)})
    body = b'{"text": "hello"}'
    for delivery in ("a", "b", "a"):
        answer = await hooks.post("/ops", data=body, headers={**signed(body), "X-GitHub-Delivery": delivery})
        assert answer == (200, "ok")
    again = await serve(incoming={"secret": Secret(SECRET)}, store=hooks.host.store)
    assert await again.post("/ops", data=body, headers=signed(body)) == (200, "ok")
    assert (hooks.texts, again.texts) == (["hello"], [])
    assert (hooks.host.skips, again.host.skips) == ({"webhook_repeated": 2}, {"webhook_repeated": 1})


async def test_standard_webhooks_bear_a_time_and_an_id(serve: Serve) -> None:
    """Signed with them: another id or time is refused, so is an old one; the same id is taken once."""
    key = b"0123456789abcdef0123"
    secret = Secret(f"whsec_{base64.b64encode(key).decode()}")
    hooks = await serve(incoming={"secret": secret, "signature": "standard"})
    body = b'{"text": "hello"}'
    good = standard(body, key=key)
    two = {**good, "webhook-signature": f"v1,AAAA {good['webhook-signature']} v1a,BBBB"}
    for headers, status in (
        (good, 200),
        (good, 200),
        (two, 200),
        ({**good, "webhook-id": "msg_2"}, 401),
        ({**good, "webhook-timestamp": str(int(time.time()) + 1)}, 401),
        (standard(body, name="msg_3", at=int(time.time()) - 400, key=key), 401),
        (standard(body, name="msg_4"), 401),
        (standard(body, name="msg_5", key=key), 200),
    ):
        assert (await hooks.post("/ops", data=body, headers=headers))[0] == status, headers
    assert hooks.texts == ["hello", "hello"]


async def test_a_delivery_that_has_a_name_is_taken_once(serve: Serve) -> None:
    """A sender that got no answer and sends again, at once or later; two without a name are two."""
    hooks = await serve(incoming=BY_TOKEN)
    path = f"/ops/{TOKEN}"
    same = {"json": {"text": "one"}, "headers": {"Idempotency-Key": "k1"}}
    await asyncio.gather(*(hooks.post(path, **same) for _ in range(5)))
    assert hooks.texts == ["one"]
    for _ in range(2):
        await hooks.post(path, json={"text": "two"})
    assert hooks.texts == ["one", "two", "two"]


async def test_what_the_relay_cannot_keep_is_to_be_posted_again(serve: Serve) -> None:
    """The sender is told so, and then it is taken."""
    hooks = await serve(incoming=BY_TOKEN)
    accept = hooks.host.accept

    async def full(*_: object, **__: object) -> None:
        raise JournalError("the disk is full")

    hooks.host.accept = full
    same = {"json": {"text": "one"}, "headers": {"Idempotency-Key": "k1"}}
    assert (await hooks.post(f"/ops/{TOKEN}", **same))[0] == 503
    hooks.host.accept = accept
    assert (await hooks.post(f"/ops/{TOKEN}", **same))[0] == 200
    assert hooks.texts == ["one"]


@pytest.mark.parametrize(
    ("body", "status"),
    [
        (b"", 400),
        (b"text", 400),
        (b"[]", 400),
        (b'{"text": 7}', 400),
        (b'{"text": "\\ud800"}', 400),
        (b'{"text": " "}', 400),
        (b'{"attachments": ' + b"[" * 100_000, 400),
        (b'{"text": "' + b"x" * 900_000 + b'"}', 200),
        (b'{"text": "' + b"x" * (1 << 20) + b'"}', 413),
    ],
    ids=["empty", "words", "list", "number", "surrogate", "blank", "deep", "long", "too long"],
)
async def test_what_is_no_message_is_refused(serve: Serve, body: bytes, status: int) -> None:
    """In words, and never by a traceback; a long text is cut to what a message may hold."""
    for template in (None, "{{ body.text }}"):
        hooks = await serve(incoming={**BY_TOKEN, "template": template})
        found, _ = await hooks.post(
            f"/ops/{TOKEN}", data=io.BytesIO(body), headers={"Content-Type": "application/json"}
        )
        if template is None or status in {200, 413}:
            assert found == status
        assert found in {200, 400, 413}
        assert all(len(text) <= 16_000 for text in hooks.texts)


async def test_what_is_posted_without_a_pause_is_slowed_down(serve: Serve) -> None:
    """A burst passes, and what is more is told when to come again."""
    hooks = await serve(incoming={**BY_TOKEN, "messages_per_minute": 6})
    statuses = [(await hooks.post(f"/ops/{TOKEN}", json={"text": "x"}))[0] for _ in range(11)]
    assert statuses == [200] * 10 + [429]


async def test_only_what_is_posted_is_taken(serve: Serve) -> None:
    """A look at the address changes nothing."""
    hooks = await serve(incoming=BY_TOKEN)
    async with hooks.http.get(f"{hooks.server.address}/webhook/hooks/ops/{TOKEN}") as response:
        assert response.status == 405
