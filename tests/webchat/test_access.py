"""Who may open the web chat, and how the page is kept from being used against its visitors."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING
from unittest.mock import Mock

import pytest
from aiohttp import WSServerHandshakeError, web
from aiohttp.test_utils import make_mocked_request
from yarl import URL

from drivers.webchat.settings import WebChatSettings
from nextbridge.config.types import Secret
from nextbridge.http.door import Door, TurnedAway

if TYPE_CHECKING:
    from tests.webchat.conftest import Start

TOKEN = "a-token-that-nobody-guesses"
WITH_TOKEN = WebChatSettings(token=Secret(TOKEN))


def request_from(peer: str, host: str, *, arrived_at: str = "127.0.0.1", **headers: str) -> web.Request:
    """A request as a socket would bring it, from machines that a test has not got."""
    transport = Mock(spec_set=["get_extra_info"])
    ends = {"peername": (peer, 5000), "sockname": (arrived_at, 8778)}
    transport.get_extra_info = lambda name, default=None: ends.get(name, default)
    sent = {"Host": host} | {name.replace("_", "-"): value for name, value in headers.items()}
    return make_mocked_request("GET", "/webchat/web/", headers=sent, transport=transport)


def door(*, token: str | None = TOKEN, base_url: str | None = None) -> Door:
    return Door(
        page="web chat", token_key="webchat.web.token", token=Secret(token) if token else None, base_url=base_url
    )


@pytest.mark.parametrize("host", ["localhost:8778", "127.0.0.1:8778", "[::1]:8778", "chat.localhost"])
def test_this_machine_needs_no_token_where_there_is_none(host: str) -> None:
    """Over loopback and under a loopback name the page is open without one; one that is set is always asked for."""
    assert not door(token=None).needs_token(request_from("::1", host))
    assert not door(token=None, base_url="http://127.0.0.1:8778").needs_token(request_from("127.0.0.1", host))
    assert door().needs_token(request_from("127.0.0.1", host))


@pytest.mark.parametrize(
    ("request_", "base_url"),
    [
        (request_from("192.0.2.7", "192.0.2.1:8778", arrived_at="192.0.2.1"), None),
        (request_from("192.0.2.7", "localhost", arrived_at="192.0.2.1"), None),
        (request_from("::ffff:192.0.2.7", "192.0.2.1", arrived_at="::ffff:192.0.2.1"), None),
        (request_from("127.0.0.1", "bridge.example.com"), "https://bridge.example.com"),
        (request_from("127.0.0.1", "127.0.0.1:8778"), "https://bridge.example.com/chat"),
        (request_from("127.0.0.1", "localhost", X_Forwarded_For="192.0.2.7"), None),
        (request_from("127.0.0.1", "localhost", Forwarded="for=192.0.2.7"), None),
    ],
)
def test_everybody_else_needs_the_token(request_: web.Request, base_url: str | None) -> None:
    """From another machine, or through a reverse proxy on this one, the token is asked for; with none it is shut."""
    assert door(base_url=base_url).needs_token(request_)
    with pytest.raises(TurnedAway, match=r"webchat\.web\.token") as turned:
        door(token=None, base_url=base_url).needs_token(request_)
    assert turned.value.status == 403


@pytest.mark.parametrize(
    "host", ["evil.example", "evil.example:8778", "127.0.0.1.evil.example", "192.0.2.9", "", "a b"]
)
def test_a_name_that_is_not_ours_is_refused(host: str) -> None:
    """A foreign name that is made to point here (DNS rebinding) reaches nothing, whoever asks."""
    with pytest.raises(TurnedAway) as turned:
        door(base_url="https://bridge.example.com").needs_token(request_from("127.0.0.1", host))
    assert turned.value.status == 421


@pytest.mark.parametrize(
    ("origin", "passes"),
    [
        (None, True),
        ("http://127.0.0.1:8778", True),
        ("https://bridge.example.com", True),
        ("http://127.0.0.1:9999", False),
        ("http://bridge.example.com", False),
        ("https://bridge.example.com.evil.example", False),
        ("https://evil.example", False),
        ("null", False),
        ("http://[", False),
    ],
)
def test_only_our_own_page_opens_a_connection(origin: str | None, passes: bool) -> None:
    """A page of another site cannot open one in a visitor's browser."""
    headers = {} if origin is None else {"Origin": origin}
    request = request_from("127.0.0.1", "127.0.0.1:8778", **headers)
    if passes:
        door(base_url="https://bridge.example.com").check_origin(request)
    else:
        with pytest.raises(TurnedAway):
            door(base_url="https://bridge.example.com").check_origin(request)


async def test_another_sites_page_is_refused_on_the_wire(start: Start) -> None:
    """The upgrade itself is refused, so that not one frame passes."""
    chat = await start()
    with pytest.raises(WSServerHandshakeError) as refused:
        async with chat.connect(Origin="https://evil.example"):
            pass
    assert refused.value.status == 403


async def test_a_rebound_name_gets_neither_page_nor_connection(start: Start) -> None:
    """Under a foreign name every address answers 421 and says what to set."""
    chat = await start()
    for path in ("", "chat.js", "live"):
        async with chat.http.get(chat.url + path, headers={"Host": "evil.example"}) as response:
            assert response.status == 421
            assert "global.base_url" in await response.text()


async def test_without_a_token_a_proxied_visitor_is_told_what_to_set(start: Start) -> None:
    """The page says which key opens the chat to others."""
    chat = await start()
    async with chat.http.get(chat.url, headers={"X-Forwarded-For": "192.0.2.7"}) as response:
        assert response.status == 403
        assert "webchat.web.token" in await response.text()


async def test_the_token_opens_the_connection(start: Start) -> None:
    """Behind a base_url: nothing without the token, everything with it, in the first frame or as a header."""
    chat = await start(settings=WITH_TOKEN, base_url="https://bridge.example.com")
    async with chat.connect() as browser:
        assert (await browser.hello())["what"] == "token"
        assert await browser.ended() is not None
    async with chat.connect() as browser:
        assert (await browser.hello(token=TOKEN))["type"] == "welcome"
    async with chat.connect(Authorization=f"Bearer {TOKEN}") as browser:
        assert (await browser.hello())["type"] == "welcome"


async def test_a_wrong_token_costs_time_and_says_nothing(start: Start) -> None:
    """It is answered late, the connection ends, and the chat's title, rooms and token are not given away."""
    chat = await start(settings=WITH_TOKEN, base_url="https://bridge.example.com")
    begun = asyncio.get_running_loop().time()
    async with chat.connect() as browser:
        answer = await browser.hello(token="wrong")
        assert answer == {"type": "refused", "what": "token", "reason": "This is not the token of this chat."}
        assert asyncio.get_running_loop().time() - begun >= 1
        assert await browser.ended() is not None


async def test_a_first_frame_other_than_hello_ends_the_connection(start: Start) -> None:
    """Nobody joins or posts without having shown the token."""
    chat = await start(settings=WITH_TOKEN, base_url="https://bridge.example.com")
    async with chat.connect() as browser:
        await browser.say(type="join", room="lobby", name="Eve")
        assert await browser.ended() == 1008


async def test_the_page_may_run_its_own_script_and_nothing_else(start: Start) -> None:
    """No inline code, no foreign address, no frame around it unless the operator names the site."""
    chat = await start()
    async with chat.http.get(chat.url) as response:
        policy = response.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy
        assert "script-src 'self';" in policy
        assert "unsafe" not in policy
        assert "frame-ancestors 'none'" in policy
        assert response.headers["X-Frame-Options"] == "DENY"
        assert response.headers["X-Content-Type-Options"] == "nosniff"
        assert response.headers["Referrer-Policy"] == "no-referrer"
    framed = await start(settings=WebChatSettings(embed_from=("https://a.example", "http://127.0.0.1:8065")))
    async with framed.http.get(framed.url) as response:
        policy = response.headers["Content-Security-Policy"]
        assert policy.endswith("frame-ancestors https://a.example http://127.0.0.1:8065")
        assert "X-Frame-Options" not in response.headers


@pytest.mark.parametrize("path", ["%2e%2e%2fdriver.py", "..%2f..%2fdriver.py", "page/index.html", "nothing", "/"])
async def test_nothing_but_the_page_is_served(start: Start, path: str) -> None:
    """No path leads to another file."""
    chat = await start()
    async with chat.http.get(URL(chat.url + path, encoded=True)) as response:
        assert response.status == 404


async def test_only_looking_is_allowed(start: Start) -> None:
    """Nothing can be posted to the page by a form of another site."""
    chat = await start()
    async with chat.http.post(chat.url, data={"text": "hello"}) as response:
        assert response.status == 405
