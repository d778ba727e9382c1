"""The web chat as the core sees it."""

from __future__ import annotations

from typing import TYPE_CHECKING

import msgspec
import pytest

from drivers.webchat import WebChatDriver
from drivers.webchat.settings import RoomSettings, WebChatSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Identity, Pages, Rejected
from nextbridge.envelope import ChannelKey, DeliveryKey

if TYPE_CHECKING:
    from tests.webchat.conftest import Start


async def test_it_is_connected_at_once_with_every_room(start: Start) -> None:
    """It says who it is and which channels it has, and offers its page and identities."""
    chat = await start("Lobby", "ops")
    assert (chat.host.me, chat.host.realm) == ("webchat:web", "webchat:web")
    assert chat.host.resolutions == {"lobby": ("lobby", "Lobby"), "ops": ("ops", "ops")}
    assert isinstance(chat.driver, Pages)
    assert isinstance(chat.driver, Identity)
    assert chat.driver.shows_identity
    assert all(finding.ok for finding in await chat.driver.probe())


async def test_a_sent_message_is_heard_with_its_name_and_where_it_came_from(start: Start) -> None:
    """The page gets the author's name, the instance as a badge, and the text as it is."""
    chat = await start()
    async with chat.joined("Ida") as ida:
        receipt = await chat.send("<script>alert(1)</script>", name="Ada", action=True)
        message = (await ida.until("message"))["message"]
    assert receipt.message == str(message["id"])
    del message["id"], message["at"], message["revision"]
    assert message == {"name": "Ada", "text": "<script>alert(1)</script>", "origin": "mm_main", "action": True}
    assert chat.host.events == []


async def test_a_repeated_delivery_is_one_message(start: Start) -> None:
    """The same key gives the same receipt and shows nothing twice, after a restart too."""
    chat = await start()
    first = await chat.send("hello", key=DeliveryKey("k1"))
    assert await chat.send("hello", key=DeliveryKey("k1")) == first
    await chat.stop()
    again = await start(host=chat.host)
    assert await again.send("hello", key=DeliveryKey("k1")) == first
    async with again.joined("Ida") as ida:
        assert [message["text"] for message in ida.history] == ["hello"]


async def test_a_browser_that_repeats_a_deliverys_key_is_no_delivery(start: Start) -> None:
    """The ids that browsers choose cannot stand for a delivery of the relay."""
    chat = await start()
    async with chat.joined("Eve") as eve:
        await eve.post("mine", id="delivery-0001")
    receipt = await chat.send("theirs", key=DeliveryKey("delivery-0001"))
    async with chat.joined("Ida") as ida:
        assert [message["text"] for message in ida.history] == ["mine", "theirs"]
        assert receipt.message == str(ida.history[1]["id"])


async def test_a_room_that_nobody_configured_takes_nothing(start: Start) -> None:
    """A delivery to it will never pass."""
    chat = await start()
    with pytest.raises(Rejected, match="nowhere"):
        await chat.send("hello", channel=ChannelKey("nowhere"))


async def test_the_page_is_at_the_address_with_its_final_slash(start: Start) -> None:
    """Without the slash the page's own files would not be found, so it leads there."""
    chat = await start()
    async with chat.http.get(chat.url.rstrip("/")) as response:
        assert str(response.url) == chat.url
        assert response.status == 200
        assert "text/html" in response.headers["Content-Type"]


def test_a_rooms_name_is_one_whatever_its_case() -> None:
    """`Lobby` and `lobby` are one channel."""
    assert WebChatDriver.channel_key(RoomSettings(room="Lobby")) == WebChatDriver.channel_key(
        RoomSettings(room="lobby")
    )


@pytest.mark.parametrize("room", ["", "a b", "a/b", "#ops", "x" * 65, "lobby\n", "é"])
def test_a_rooms_name_can_stand_in_an_address(room: str) -> None:
    """Letters, digits, dots, underscores and hyphens only."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"room": room}, RoomSettings)


@pytest.mark.parametrize(
    "origin", ["https://a.example/", "a.example", "https://a.example;x", "https://a b", "'self'", "*"]
)
def test_a_site_that_may_frame_the_page_is_an_origin(origin: str) -> None:
    """Nothing else can get into the header."""
    with pytest.raises(msgspec.ValidationError):
        msgspec.convert({"embed_from": [origin]}, WebChatSettings)


@pytest.mark.parametrize("token", ["", "hunter2", "fifteen-letters", "with-a-space-at-its-end "])
def test_a_token_that_keeps_nobody_out_is_found_in_the_file(token: str) -> None:
    """A token that is short, or that nobody can type as it is, is a mistake, told without the token."""
    (remark,) = WebChatDriver.remarks(WebChatSettings(token=Secret(token)))
    assert remark.fatal
    assert remark.path == ("token",)
    assert token == "" or token not in remark.text


def test_a_long_token_is_fine() -> None:
    """And so is none."""
    assert list(WebChatDriver.remarks(WebChatSettings(token=Secret("0123456789abcdef")))) == []
    assert list(WebChatDriver.remarks(WebChatSettings())) == []
