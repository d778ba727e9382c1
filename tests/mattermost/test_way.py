"""The way to the server: through proxies, and past a certificate that a private CA has signed."""

from __future__ import annotations

import ssl
from collections.abc import AsyncIterator
from pathlib import Path
from urllib.parse import urlsplit

import pytest
import trustme

from nextbridge.errors import Paused, Retry
from tests.mattermost.proxies import HttpProxy, Socks5Proxy, TlsFront
from tests.mattermost.stage import Drive, Running, Scene, make, outgoing


@pytest.fixture(scope="module")
def authority() -> trustme.CA:
    return trustme.CA()


def certified(authority: trustme.CA) -> ssl.SSLContext:
    """What a server of this machine needs to speak TLS."""
    tls = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("127.0.0.1", "localhost").configure_cert(tls)
    return tls


@pytest.fixture
async def secure(scene: Scene, authority: trustme.CA) -> AsyncIterator[str]:
    """The stand-in's address over TLS, with a certificate of the private CA."""
    tls = certified(authority)
    async with TlsFront(tls, int(urlsplit(scene.sandbox.url).port or 0)) as front:
        yield f"https://127.0.0.1:{front.port}"


@pytest.fixture
def ca_file(authority: trustme.CA, tmp_path: Path) -> str:
    """The private CA's certificate."""
    path = tmp_path / "ca.pem"
    authority.cert_pem.write_to_path(str(path))
    return str(path)


async def both_ways(scene: Scene, running: Running) -> None:
    """A message in and a message out."""
    await running.connected()
    scene.say("in")
    await running.received("in")
    await running.driver.send(outgoing(scene.town.id, "out"))
    assert scene.sandbox.messages(scene.town) == ["in", "out"]


def port_of(url: str) -> str:
    return f"127.0.0.1:{urlsplit(url).port}"


async def test_rest_and_socket_go_through_an_http_proxy(scene: Scene, drive: Drive) -> None:
    """Every connection is made by CONNECT: one kept for requests, one for the socket."""
    async with HttpProxy() as proxy:
        running = drive(scene.sandbox.url, scene.relay.token, scene.town.id, proxy=f"http://127.0.0.1:{proxy.port}")
        await both_ways(scene, running)
        assert set(proxy.targets) == {port_of(scene.sandbox.url)}
        assert len(proxy.targets) >= 2
        await running.stop()
        await running.driver.close()


async def test_rest_and_socket_go_through_a_socks5_proxy(scene: Scene, drive: Drive) -> None:
    """So it is with SOCKS5."""
    async with Socks5Proxy() as proxy:
        running = drive(scene.sandbox.url, scene.relay.token, scene.town.id, proxy=f"socks5://127.0.0.1:{proxy.port}")
        await both_ways(scene, running)
        assert set(proxy.targets) == {port_of(scene.sandbox.url)}
        assert len(proxy.targets) >= 2
        await running.stop()
        await running.driver.close()


async def test_nothing_goes_past_the_proxy(scene: Scene, drive: Drive) -> None:
    """With a proxy that is not there, nothing reaches the server, and the reason names the proxy."""
    running = drive(scene.sandbox.url, scene.relay.token, scene.town.id, proxy="socks5://127.0.0.1:1")
    await running.ended()
    assert isinstance(running.ends[0], Retry)
    assert "the proxy cannot be reached: Connection refused" in running.ends[0].reason
    assert not scene.faults.requests


async def test_the_general_proxy_is_used_and_null_turns_it_off(scene: Scene, drive: Drive) -> None:
    """An instance without a proxy of its own uses the general one; with null it uses none."""
    async with HttpProxy() as proxy:
        general = f"http://127.0.0.1:{proxy.port}"
        through = drive(scene.sandbox.url, scene.relay.token, scene.town.id, general_proxy=general)
        await through.connected()
        assert proxy.targets
        before = len(proxy.targets)
        past = drive(scene.sandbox.url, scene.relay.token, scene.town.id, general_proxy=general, proxy=None)
        await past.connected()
        assert len(proxy.targets) == before
        for running in (through, past):
            await running.stop()
            await running.driver.close()


async def test_a_proxys_password_is_sent_to_it_and_shown_to_nobody(scene: Scene, drive: Drive) -> None:
    """Credentials stand in the address; a wrong one is told without either."""
    async with HttpProxy("user:p@ss/word") as proxy:
        at = f"127.0.0.1:{proxy.port}"
        right = drive(scene.sandbox.url, scene.relay.token, scene.town.id, proxy=f"http://user:p%40ss%2Fword@{at}")
        await right.connected()
        wrong = drive(scene.sandbox.url, scene.relay.token, scene.town.id, proxy=f"http://user:sesame@{at}")
        await wrong.ended()
        assert isinstance(wrong.ends[0], Retry)
        assert "sesame" not in repr(wrong.ends)
        assert proxy.refused
        await right.stop()
        await right.driver.close()


async def test_a_proxy_can_itself_speak_tls(scene: Scene, drive: Drive, authority: trustme.CA, ca_file: str) -> None:
    """An https proxy is spoken to over TLS, and its certificate is looked at."""
    async with HttpProxy(tls=certified(authority)) as proxy:
        address = f"https://127.0.0.1:{proxy.port}"
        running = drive(scene.sandbox.url, scene.relay.token, scene.town.id, proxy=address, ca_file=ca_file)
        await both_ways(scene, running)
        assert proxy.targets
        strict = drive(scene.sandbox.url, scene.relay.token, scene.town.id, proxy=address)
        await strict.ended()
        assert "certificate is not trusted" in str(strict.ends[0])
        for each in (running, strict):
            await each.stop()
            await each.driver.close()


async def test_tls_goes_through_a_proxy_whole(scene: Scene, drive: Drive, secure: str, ca_file: str) -> None:
    """Through a proxy the server's own certificate is looked at, not the proxy's."""
    async with Socks5Proxy() as proxy:
        address = f"socks5://127.0.0.1:{proxy.port}"
        running = drive(secure, scene.relay.token, scene.town.id, proxy=address, ca_file=ca_file)
        await both_ways(scene, running)
        strict = drive(secure, scene.relay.token, scene.town.id, proxy=address)
        await strict.ended()
        assert "certificate is not trusted" in str(strict.ends[0])
        for each in (running, strict):
            await each.stop()
            await each.driver.close()


async def test_a_private_ca_is_trusted_where_it_is_named(scene: Scene, drive: Drive, secure: str, ca_file: str) -> None:
    """REST and socket trust the operator's own CA."""
    running = drive(secure, scene.relay.token, scene.town.id, ca_file=ca_file)
    await both_ways(scene, running)
    await running.stop()
    await running.driver.close()


async def test_a_private_ca_is_not_trusted_otherwise(scene: Scene, drive: Drive, secure: str) -> None:
    """Without ca_file nothing is sent, and the reason says which key to set."""
    running = drive(secure, scene.relay.token, scene.town.id)
    await running.ended()
    assert isinstance(running.ends[0], Retry)
    assert "ca_file" in running.ends[0].reason
    assert not scene.faults.requests


async def test_https_to_a_server_without_it_is_told(scene: Scene, drive: Drive) -> None:
    """The reason says what is wrong with the address, in words for an operator."""
    running = drive(scene.sandbox.url.replace("http://", "https://"), scene.relay.token, scene.town.id)
    await running.ended()
    assert str(running.ends[0]).endswith("look at the port, and whether it is https")


@pytest.mark.parametrize(("content", "reason"), [(None, "cannot be read"), ("no certificate", "no certificate in PEM")])
async def test_a_ca_file_that_cannot_be_used_is_told(
    scene: Scene, tmp_path: Path, content: str | None, reason: str
) -> None:
    """The operator is told which file it is and what is wrong with it."""
    path = tmp_path / "ca.pem"
    if content is not None:
        path.write_text(content)
    driver, _ = make(scene.sandbox.url, scene.relay.token, ca_file=str(path))
    with pytest.raises(Paused, match=reason) as caught:
        await driver.run()
    assert str(path) in caught.value.reason
    await driver.close()
