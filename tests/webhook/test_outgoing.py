"""What is posted to others: bodies, signatures, what their answers mean, and which addresses are asked."""

from __future__ import annotations

import base64
import hashlib
import hmac
import time
from email.utils import formatdate
from typing import Any

import pytest
from aiohttp import web

from nextbridge.config.types import Secret
from nextbridge.errors import DriverError, Paused, Rejected, Retry
from tests.webhook.conftest import SECRET, Receiver, Serve


async def refused(sending: Any) -> DriverError:
    with pytest.raises((Retry, Rejected, Paused)) as caught:
        await sending
    assert SECRET not in str(caught.value)
    return caught.value


async def test_a_message_is_posted_as_slack_and_mattermost_take_it(serve: Serve, receiver: Receiver) -> None:
    """Under its author's name and picture; nothing in the text calls everybody, or hides an address."""
    hooks = await serve(outgoing={})
    await hooks.send("<!channel> & <https://evil.example|here>", avatar="https://x.example/a.png")
    hooks = await serve(outgoing={"style": "mattermost", "method": "PUT", "headers": {"X-Key": Secret(SECRET)}})
    await hooks.send("@all @Channel x@here.example @ada <b> <!channel>", action=True, name=None)
    slack, mattermost = receiver.bodies
    assert slack == {
        "text": "&lt;!channel&gt; &amp; &lt;https://evil.example|here&gt;",
        "username": "Ada",
        "icon_url": "https://x.example/a.png",
    }
    assert mattermost == {"text": "* @\u200ball @\u200bChannel x@\u200bhere.example @ada <b> <\u200b!channel>"}
    assert [method for method, _, _ in receiver.taken] == ["POST", "PUT"]
    assert receiver.taken[1][1]["x-key"] == SECRET


async def test_a_template_makes_the_body(serve: Serve, receiver: Receiver) -> None:
    """With all that is known of the message; what is no JSON is not sent as such, another kind of body is."""
    template = '{"content": {{ text|tojson }}, "username": {{ name|tojson }}, "from": "{{ platform }}/{{ username }}"}'
    hooks = await serve(outgoing={"template": template})
    await hooks.send('say "hi" {{ 7 * 7 }}')
    assert receiver.bodies == [{"content": 'say "hi" {{ 7 * 7 }}', "username": "Ada", "from": "Mattermost/ada"}]
    hooks = await serve(outgoing={"template": '{"content": "{{ text }}"}'})
    assert isinstance(await refused(hooks.send('"broken')), Rejected)
    hooks = await serve(outgoing={"template": "{{ name }}: {{ text }}", "content_type": "text/plain; charset=utf-8"})
    await hooks.send("grüße")
    assert receiver.taken[-1][2] == "Ada: grüße".encode()
    assert receiver.taken[-1][1]["content-type"] == "text/plain; charset=utf-8"
    assert len(receiver.taken) == 2


async def test_what_is_posted_can_be_signed_and_recognised(serve: Serve, receiver: Receiver) -> None:
    """By the secret, over the body, the time and an id that is the same each time it is sent again."""
    hooks = await serve(outgoing={"secret": Secret(SECRET)})
    message = hooks.outgoing("once")
    for _ in range(2):
        await hooks.driver.send(message)
    for _, headers, body in receiver.taken:
        at = headers["webhook-timestamp"]
        assert abs(int(at) - time.time()) < 60
        signed = f"{message.key}.{at}.".encode() + body
        digest = base64.b64encode(hmac.new(SECRET.encode(), signed, hashlib.sha256).digest()).decode()
        assert (headers["webhook-id"], headers["webhook-signature"]) == (message.key, f"v1,{digest}")
        assert headers["idempotency-key"] == message.key
    hooks = await serve(outgoing={"secret": Secret(SECRET), "signature": "github"})
    await hooks.send("x")
    _, headers, body = receiver.taken[-1]
    digest = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
    assert headers["x-hub-signature-256"] == f"sha256={digest}"


@pytest.mark.parametrize(
    ("status", "headers", "error", "after"),
    [
        (429, {"Retry-After": "7"}, Retry, 7),
        (503, {"Retry-After": "999999"}, Retry, 3600),
        (503, {"Retry-After": "soon"}, Retry, None),
        (500, {}, Retry, None),
        (408, {}, Retry, None),
        (400, {}, Rejected, None),
        (413, {}, Rejected, None),
        (401, {}, Paused, None),
        (404, {}, Paused, None),
        (302, {"Location": "http://127.0.0.1/elsewhere"}, Paused, None),
    ],
)
async def test_an_answer_says_what_to_do(
    serve: Serve, receiver: Receiver, status: int, headers: dict[str, str], error: type[Exception], after: float | None
) -> None:
    """Again later, never, or once the operator has put it right; where it leads on nothing is followed."""
    hooks = await serve(outgoing={})
    receiver.answers.append(web.Response(status=status, headers=headers, text=SECRET))
    found = await refused(hooks.send("x"))
    assert type(found) is error
    assert str(status) in found.reason
    assert getattr(found, "after", None) == after
    assert len(receiver.taken) == 1
    await hooks.send("x")


async def test_a_date_to_try_again_is_a_wait(serve: Serve, receiver: Receiver) -> None:
    """Retry-After may be a date, as HTTP has it."""
    hooks = await serve(outgoing={})
    receiver.answers.append(
        web.Response(status=503, headers={"Retry-After": formatdate(time.time() + 90, usegmt=True)})
    )
    found = await refused(hooks.send("x"))
    assert isinstance(found, Retry)
    assert found.after is not None
    assert 60 < found.after <= 90


async def test_inner_addresses_are_not_asked_unless_the_file_says_so(serve: Serve, receiver: Receiver) -> None:
    """By number or by name; the operator is told which key to write, and nothing is sent."""
    for outgoing in ({}, {"url": Secret("http://localhost:1/"), "secret": Secret(SECRET)}):
        hooks = await serve(outgoing=outgoing, allow=())
        found = await refused(hooks.send("x"))
        assert isinstance(found, Paused)
        assert found.scope == "channel"
        assert "global.fetch_allow" in found.reason
    assert receiver.taken == []


async def test_a_server_that_is_away_is_tried_again(serve: Serve, unused_tcp_port: int) -> None:
    """Nobody listens there."""
    hooks = await serve(outgoing={"url": Secret(f"http://127.0.0.1:{unused_tcp_port}/{SECRET}")})
    assert isinstance(await refused(hooks.send("x")), Retry)


async def test_a_hook_that_only_takes_is_sent_nothing(serve: Serve) -> None:
    """The dead letter says what to change."""
    hooks = await serve(incoming={"token": Secret("x" * 20)})
    found = await refused(hooks.send("x"))
    assert isinstance(found, Rejected)
    assert "outgoing" in found.reason
