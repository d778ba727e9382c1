"""The way to the server: whom the relay trusts, what it says to nobody else, and how it goes on after a break."""

from __future__ import annotations

import asyncio
from pathlib import Path

import pytest

from drivers.xmpp.settings import XmppSettings
from nextbridge.config.types import Secret
from nextbridge.driver import Cursor
from nextbridge.errors import DriverError, Paused, Retry
from nextbridge.sandbox.contract import Supervised
from nextbridge.sandbox.contract.supervised import again, error_of, said
from tests.xmpp.impostor import HEADER, features, identity, impostor
from tests.xmpp.person import CLIENT
from tests.xmpp.prosody import BARE, MAIN, PASSWORD, Prosody
from tests.xmpp.relaying import Scene

_TLS = "urn:ietf:params:xml:ns:xmpp-tls"


async def _end(scene: Scene, settings: XmppSettings) -> DriverError:
    """What the relay's first run ends with."""
    relay = scene.begun(settings)
    await relay.until(lambda: bool(relay.ends))
    await relay.close()
    error = relay.ends[0]
    assert error is not None
    assert PASSWORD not in error.reason
    return error


# --- encrypted, or not at all -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("tls", ["starttls", "direct", None])
async def test_a_connection_is_encrypted_from_its_first_byte_or_soon(prosody: Prosody, tls: str | None) -> None:
    """Both ways lead into the room; what nobody chose is STARTTLS, where a host is given."""
    async with Scene(prosody) as scene:
        port = prosody.tls_port if tls == "direct" else prosody.port
        relay = await scene.relay(scene.settings(tls=tls, port=port))
        assert (await relay.send("hello")).message is not None


@pytest.mark.parametrize("tls", ["starttls", "direct"])
async def test_a_certificate_of_an_unknown_authority_is_refused(prosody: Prosody, tls: str) -> None:
    """Whoever it is, the operator reads which certificate, why, and what to set."""
    async with Scene(prosody) as scene:
        port = prosody.tls_port if tls == "direct" else prosody.port
        error = await _end(scene, scene.settings(tls=tls, port=port, ca_file=None))
        assert isinstance(error, Paused)
        assert "the certificate of main.test is not trusted" in error.reason
        assert "ca_file" in error.reason


@pytest.mark.parametrize("tls", ["starttls", "direct"])
@pytest.mark.parametrize(("host", "days", "why"), [(MAIN, -1, "expired"), ("elsewhere.test", 30, "not valid for")])
async def test_a_certificate_that_is_not_the_domains_or_out_of_date_is_refused(
    prosody: Prosody, tmp_path: Path, tls: str, host: str, days: int, why: str
) -> None:
    """The domain of the address has to be in it, whatever the host is called; nothing of a login was said before."""
    authority, context = await asyncio.to_thread(identity, tmp_path, host, days=days)
    started, direct = (None, context) if tls == "direct" else (context, None)
    proceed = f"<proceed xmlns='{_TLS}'/>"
    async with (
        Scene(prosody) as scene,
        impostor(HEADER + features(starttls=True), answer=proceed, starttls=started, direct=direct) as it,
    ):
        error = await _end(scene, scene.settings(tls=tls, port=it.port, ca_file=str(authority)))
        assert isinstance(error, Paused)
        assert "the certificate of main.test is not trusted" in error.reason
        assert why in error.reason
        assert b"<auth" not in it.heard


@pytest.mark.parametrize(
    ("offer", "answer"), [(features(starttls=False), ""), (features(starttls=True), f"<failure xmlns='{_TLS}'/>")]
)
async def test_nothing_is_said_to_who_does_not_encrypt(prosody: Prosody, offer: str, answer: str) -> None:
    """Somebody in between takes the offer of STARTTLS out, or refuses it: no password is on the way in the clear."""
    async with Scene(prosody) as scene, impostor(HEADER + offer, answer=answer) as it:
        error = await _end(scene, scene.settings(port=it.port))
        assert isinstance(error, Paused)
        assert "offers no encryption" in error.reason
        assert b"<stream:stream" in it.heard
        assert b"<auth" not in it.heard


_BOMB = "".join(f'<!ENTITY e{n + 1} "{f"&e{n};" * 10}">' for n in range(9))


@pytest.mark.parametrize(
    "greeting",
    [
        "HTTP/1.1 400 Bad Request\r\n\r\n",
        f'<?xml version="1.0"?><!DOCTYPE x [<!ENTITY e0 "ha">{_BOMB}]>' + HEADER.partition("?>")[2] + "<x>&e9;</x>",
        HEADER + "<message><body>unfinished</message>",
        HEADER + "<stream:error><host-unknown xmlns='urn:ietf:params:xml:ns:xmpp-streams'/></stream:error>",
    ],
    ids=["no XML", "entities of entities", "unfinished", "unknown host"],
)
async def test_whoever_speaks_no_xmpp_is_left_soon(prosody: Prosody, greeting: str) -> None:
    """What is no stream, or would grow without end, ends with a reason, in a time that has a bound."""
    async with Scene(prosody) as scene, impostor(greeting) as it:
        error = await _end(scene, scene.settings(port=it.port, answer_timeout=1.0))
        assert isinstance(error, Retry | Paused)
        assert b"<auth" not in it.heard


async def test_a_wrong_password_is_for_the_operator(prosody: Prosody) -> None:
    """Neither an account's nor a component's is tried again and again, and the reason names the keys."""
    async with Scene(prosody) as scene:
        wrong = Secret("open sesame, please")
        for settings, key in (
            (scene.settings(password=wrong), "password"),
            (scene.component(component_secret=wrong), "component_secret"),
        ):
            error = await _end(scene, settings)
            assert isinstance(error, Paused)
            assert key in error.reason
            assert "sesame" not in error.reason


# --- broken, and gone on with -----------------------------------------------------------------------------------------


async def _bodies(scene: Scene) -> list[str]:
    """What the relay has said, as Ada sees it, once the server has worked everything through."""
    await scene.ada.settled()
    return [
        each.findtext(f"{{{CLIENT}}}body", "")
        for each in scene.ada.stanzas
        if each.get("from") == f"{scene.room}/relay" and each.tag == f"{{{CLIENT}}}message"
    ]


async def test_a_broken_connection_is_gone_on_with(prosody: Prosody) -> None:
    """What was said meanwhile comes once and in order, what was under way is said once, and no room is joined anew."""
    async with Scene(prosody) as scene:
        relay = await scene.relay()
        await scene.says(scene.ada, "zero")
        await relay.received("zero")
        scene.cable.mute()  # what goes to the server arrives, and no answer to it
        message = relay.outgoing("did this arrive?")
        sending = asyncio.ensure_future(error_of(relay.send(message)))
        await scene.heard("did this arrive?")
        await scene.cable.cut()
        assert isinstance(await sending, Retry)
        for text in ("one", "two", "three"):
            await scene.says(scene.ada, text)
        await scene.cable.mend()
        receipt = await relay.send(again(message))
        assert receipt.message is not None
        await scene.nothing_but(relay, scene.ada, "zero", "one", "two", "three")
        assert await _bodies(scene) == ["did this arrive?"]
        assert len(relay.host.gaps) == 1, "the room was joined anew"
        assert relay.host.connections == 2
        assert not relay.ends


async def _restored(scene: Scene, relay: Supervised, cursor: str) -> list[str]:
    key = relay.room(0)
    async with relay.driver.history(key, Cursor(key, cursor), age=3600, most=500) as past:  # type: ignore[attr-defined]
        return [said(event) async for event, _ in past.events]


async def test_a_session_that_is_gone_is_begun_anew(prosody: Prosody) -> None:
    """The server does not keep it any more: the room is joined again, and its archive has what was said meanwhile."""
    async with Scene(prosody) as scene:
        settings = scene.settings()
        relay = await scene.relay(settings)
        await scene.says(scene.ada, "before")
        await relay.received("before")
        cursor = relay.host.cursors[relay.room(0)]
        await scene.cable.cut()
        taking = await scene.person(jid=settings.jid, resource=relay.host.store.values["resource"])
        await taking.settled()
        await scene.says(scene.ada, "meanwhile")
        await taking.leave()
        await scene.cable.mend()
        await scene.joined(relay, times=2)
        assert await _restored(scene, relay, cursor) == ["meanwhile"]
        await scene.says(scene.ada, "after")
        await relay.received("after")
        assert relay.texts == ["before", "after"]


async def test_where_nothing_is_resumed_the_rooms_are_joined_anew(prosody: Prosody) -> None:
    """On a server without XEP-0198 a cut costs nothing that the room still remembers."""
    async with Scene(prosody, BARE) as scene:
        relay = await scene.relay()
        await scene.says(scene.ada, "before")
        await relay.received("before")
        cursor = relay.host.cursors[relay.room(0)]
        await scene.cable.cut()
        await scene.says(scene.ada, "meanwhile")
        await scene.cable.mend()
        await scene.joined(relay, times=2)
        assert await _restored(scene, relay, cursor) == ["meanwhile"]


async def test_a_second_relay_on_the_same_place_says_so(prosody: Prosody) -> None:
    """A copy of the state logs in with the same resource: the first one is told what is wrong."""
    async with Scene(prosody) as scene:
        settings = scene.settings()
        relay = await scene.relay(settings)
        await scene.person(jid=settings.jid, resource=relay.host.store.values["resource"])
        await relay.until(lambda: bool(relay.ends))
        error = relay.ends[0]
        assert isinstance(error, Retry)
        assert "let only one daemon have it" in error.reason
