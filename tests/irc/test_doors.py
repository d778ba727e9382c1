"""Getting in: TLS, the server's password, SASL, a nick that is in use, a proxy; and what is said where it fails."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator

import pytest

from drivers.irc.settings import Sasl
from nextbridge.config.types import Secret
from nextbridge.errors import Paused, Retry
from tests.irc.conftest import LOOPBACK, Certificates, Inspircd, Meet, Relays, free_ports, settings, unique
from tests.irc.services import Services


async def test_tls_is_verified_against_the_given_authority(
    inspircd: Inspircd, certificates: Certificates, relays: Relays
) -> None:
    """With `ca_file` a private authority's server is trusted, and the connection is encrypted and works."""
    room = unique("#")
    relay = relays(settings(inspircd.tls_port, tls=True, ca_file=str(certificates.authority)), room)
    await relay.host.until(lambda: relay.host.is_connected)
    assert await relay.send(room, "hi")
    assert relay.host.realm == "test net"


async def test_a_certificate_that_is_not_trusted_pauses_and_says_what_to_do(inspircd: Inspircd, relays: Relays) -> None:
    """Nothing is sent to a server that might be another; the operator learns which keys there are for it."""
    relay = relays(settings(inspircd.tls_port, tls=True, password=Secret("pa55")), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Paused)
    assert error.scope == "instance"
    assert "ca_file" in error.reason


async def test_verification_can_be_turned_off(inspircd: Inspircd, relays: Relays) -> None:
    """`tls_verify: false` accepts any certificate."""
    relay = relays(settings(inspircd.tls_port, tls=True, tls_verify=False), unique("#"))
    await relay.host.until(lambda: relay.host.is_connected)


@pytest.mark.parametrize("kind", ["inspircd", "ngircd"])
async def test_tls_to_a_port_without_it_is_explained(kind: str, request: pytest.FixtureRequest, relays: Relays) -> None:
    """Whether the server answers in the clear or waits in silence: the two keys that may be wrong are named."""
    server = request.getfixturevalue(kind)
    port = server if isinstance(server, int) else server.port
    relay = relays(settings(port, tls=True, answer_timeout=0.5), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Retry)
    assert "check port and tls" in error.reason


async def test_a_file_that_cannot_be_read_is_named(inspircd: Inspircd, relays: Relays) -> None:
    """A `ca_file` that does not exist pauses the instance with its name."""
    relay = relays(settings(inspircd.tls_port, tls=True, ca_file="/nowhere/ca.pem"), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Paused)
    assert "/nowhere/ca.pem" in error.reason


async def test_nobody_there_is_tried_again(relays: Relays) -> None:
    """A server that is down is no reason to give up: each attempt says where it went."""
    (port,) = free_ports(1)
    relay = relays(settings(port), unique("#"))
    error = await relay.ended(3)
    assert isinstance(error, Retry)
    assert f"{LOOPBACK}:{port}" in error.reason


async def test_a_name_that_can_be_no_servers_pauses(relays: Relays) -> None:
    """What no name service could answer for is the operator's to correct, not a bug."""
    relay = relays(settings(6667, host="irc..example"), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Paused)
    assert "correct host" in error.reason


async def test_the_servers_password_lets_in(inspircd: Inspircd, relays: Relays) -> None:
    """PASS is sent where the operator gives one, spaces and all."""
    relay = relays(settings(inspircd.password_port, password=Secret("open sesame")), unique("#"))
    await relay.host.until(lambda: relay.host.is_connected)


@pytest.mark.parametrize("password", [None, Secret("open barley")])
async def test_a_wrong_password_pauses_the_instance(
    password: Secret | None, inspircd: Inspircd, relays: Relays
) -> None:
    """It is not hammered, the key to check is named, and the password is in nothing that is said."""
    relay = relays(settings(inspircd.password_port, password=password), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Paused)
    assert error.scope == "instance"
    assert "password" in error.reason
    assert "barley" not in error.reason


async def test_sasl_plain_logs_in(inspircd: Inspircd, services: Services, relays: Relays) -> None:
    """The account's name and password reach the network's services before the welcome."""
    sasl = Sasl(username="relay", password=Secret("s3cret"))
    relay = relays(settings(inspircd.port, sasl=sasl), unique("#"))
    await relay.host.until(lambda: relay.host.is_connected)
    assert services.mechanisms_tried == ["PLAIN"]


async def test_a_long_password_is_sent_in_pieces(inspircd: Inspircd, services: Services, relays: Relays) -> None:
    """What is longer than one AUTHENTICATE line, to the byte or not, arrives whole."""
    for length in (293, 294, 700):
        password = "p" * length  # 293 with the name make exactly one chunk of 400 signs
        services.accounts["relay"] = password
        relay = relays(settings(inspircd.port, sasl=Sasl(username="relay", password=Secret(password))), unique("#"))
        await relay.host.until(lambda relay=relay: relay.host.is_connected)  # type: ignore[misc]


async def test_a_wrong_account_pauses_the_instance(inspircd: Inspircd, services: Services, relays: Relays) -> None:
    """The relay does not go on without the account that the operator wanted, and no password is in what it says."""
    sasl = Sasl(username="relay", password=Secret("wr0ng"))
    relay = relays(settings(inspircd.port, sasl=sasl), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Paused)
    assert "sasl" in error.reason
    assert "wr0ng" not in error.reason
    assert relay.host.connections == 0


async def test_sasl_external_logs_in_by_our_certificate(
    inspircd: Inspircd, certificates: Certificates, services: Services, relays: Relays
) -> None:
    """The services are asked for EXTERNAL and see the fingerprint of our own certificate."""
    cert = str(certificates.client)
    secure = settings(
        inspircd.tls_port, tls=True, tls_verify=False, tls_cert_file=cert, sasl=Sasl(mechanism="EXTERNAL")
    )
    relay = relays(secure, unique("#"))
    await relay.host.until(lambda: relay.host.is_connected)
    assert services.mechanisms_tried == ["EXTERNAL"]
    assert services.certificates_seen


@pytest.mark.parametrize("kind", ["inspircd", "ngircd"])
async def test_a_server_without_sasl_is_not_used_without_it(
    kind: str, request: pytest.FixtureRequest, relays: Relays
) -> None:
    """Whether it knows no capabilities at all or its services are down: the instance waits and says why."""
    server = request.getfixturevalue(kind)
    port = server if isinstance(server, int) else server.port
    relay = relays(settings(port, sasl=Sasl(username="relay", password=Secret("s3cret"))), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Paused)
    assert "offers no SASL" in error.reason


async def test_a_nick_in_use_is_replaced_and_regained(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """The relay works under another nick and takes its own as soon as it sees it free; its own id follows."""
    room, nick = unique("#"), unique("N")
    holder = await meet(inspircd.port, nick=nick)
    await holder.join(room)
    relay = relays(settings(inspircd.port, nick=nick), room)
    await relay.host.until(lambda: relay.host.is_connected)
    assert relay.host.me == nick.lower() + "_"
    await holder.expect(lambda line: line.startswith(f":{nick}_!") and "JOIN" in line)
    holder.send("QUIT :bye")
    await relay.host.until(lambda: relay.host.me == nick.lower())
    assert await relay.send(room, "back")


async def test_a_nick_that_is_given_up_is_regained(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """Likewise where its holder only takes another."""
    room, nick = unique("#"), unique("N")
    holder = await meet(inspircd.port, nick=nick)
    await holder.join(room)
    relay = relays(settings(inspircd.port, nick=nick), room)
    await holder.expect(lambda line: line.startswith(f":{nick}_!") and "JOIN" in line)
    holder.send(f"NICK {unique('z')}")
    await relay.host.until(lambda: relay.host.me == nick.lower())


async def test_a_nick_that_is_too_long_is_shortened(ngircd: int, relays: Relays) -> None:
    """A server that takes nine characters gets nine."""
    nick = unique("longer", 12)
    relay = relays(settings(ngircd, nick=nick), unique("#"))
    await relay.host.until(lambda: relay.host.is_connected)
    assert relay.host.me == nick[:9].lower()


async def test_a_nick_that_no_server_takes_pauses(inspircd: Inspircd, relays: Relays) -> None:
    """The operator is told to choose another."""
    relay = relays(settings(inspircd.port, nick="1relay"), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Paused)
    assert "choose another" in error.reason


async def test_two_instances_on_one_network_give_one_realm(inspircd: Inspircd, relays: Relays) -> None:
    """However they reach it: so each knows the other's posts for the relay's own."""
    one = relays(settings(inspircd.port), unique("#"))
    two = relays(settings(inspircd.tls_port, tls=True, tls_verify=False, host="localhost"), unique("#"))
    for relay in (one, two):
        await relay.host.until(lambda relay=relay: relay.host.is_connected)  # type: ignore[misc]
    assert one.host.realm == two.host.realm
    assert one.host.me != two.host.me


async def test_the_relay_says_farewell(inspircd: Inspircd, meet: Meet, relays: Relays) -> None:
    """When the daemon stops, people see that the relay left on purpose."""
    room = unique("#")
    anna = await meet(inspircd.port)
    await anna.join(room)
    relay = relays(settings(inspircd.port), room)
    await anna.expect(lambda line: "JOIN" in line and relay.driver.settings.nick in line)
    await relay.stop()
    assert "relay stops" in await anna.expect(lambda line: " QUIT " in line)


# --- proxies --------------------------------------------------------------------------------------------------------


class Proxy:
    """A proxy that speaks SOCKS5 and HTTP CONNECT, and counts what goes through it."""

    def __init__(self) -> None:
        self.asked_for: list[str] = []

    async def visited(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.readexactly(1)
        if first == b"\x05":
            await reader.readexactly((await reader.readexactly(1))[0])
            writer.write(b"\x05\x00")
            kind = (await reader.readexactly(4))[3]
            length = 4 if kind == 1 else (await reader.readexactly(1))[0]
            address = await reader.readexactly(length)
            host = ".".join(map(str, address)) if kind == 1 else address.decode()
            port = int.from_bytes(await reader.readexactly(2), "big")
            answer = b"\x05\x00\x00\x01\x00\x00\x00\x00\x00\x00"
        else:
            head = first + await reader.readuntil(b"\r\n\r\n")
            host, _, digits = head.split()[1].decode().rpartition(":")
            port, answer = int(digits), b"HTTP/1.1 200 OK\r\n\r\n"
        self.asked_for.append(host)
        there_reader, there_writer = await asyncio.open_connection(LOOPBACK, port)
        writer.write(answer)
        await asyncio.gather(self._pass(reader, there_writer), self._pass(there_reader, writer))

    @staticmethod
    async def _pass(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        with contextlib.suppress(OSError):
            while data := await reader.read(65536):
                writer.write(data)
        writer.close()

    @contextlib.asynccontextmanager
    async def serving(self) -> AsyncIterator[int]:
        tasks: set[asyncio.Task[None]] = set()

        def visited(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
            tasks.add(asyncio.create_task(self.visited(reader, writer)))

        async with await asyncio.start_server(visited, LOOPBACK, 0) as server:
            yield server.sockets[0].getsockname()[1]
            for task in tasks:
                task.cancel()
            await asyncio.gather(*tasks, return_exceptions=True)


@pytest.mark.parametrize("scheme", ["socks5", "http"])
async def test_a_proxy_is_used_and_resolves_the_name(
    scheme: str, inspircd: Inspircd, certificates: Certificates, relays: Relays
) -> None:
    """The whole connection goes through it, TLS is with the server behind it, and no name is looked up here."""
    proxy, room = Proxy(), unique("#")
    async with proxy.serving() as port:
        behind = settings(
            inspircd.tls_port,
            host="localhost",
            tls=True,
            ca_file=str(certificates.authority),
            proxy=f"{scheme}://{LOOPBACK}:{port}",
        )
        relay = relays(behind, room)
        await relay.host.until(lambda: relay.host.is_connected)
        assert await relay.send(room, "hi")
        await relay.stop()
    assert proxy.asked_for == ["localhost"]


async def test_a_proxy_that_is_down_is_tried_again(inspircd: Inspircd, relays: Relays) -> None:
    """It is no bug of the driver's, and its password is in nothing that is said."""
    (port,) = free_ports(1)
    relay = relays(settings(inspircd.port, proxy=f"socks5://me:pa55@{LOOPBACK}:{port}"), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Retry)
    assert "pa55" not in error.reason


async def test_the_general_proxy_that_irc_cannot_use_pauses(inspircd: Inspircd, relays: Relays) -> None:
    """An https:// proxy for everything else is no way for IRC: the instance says which key to set."""
    relay = relays(settings(inspircd.port, proxy="https://proxy.example"), unique("#"))
    error = await relay.ended()
    assert isinstance(error, Paused)
    assert "proxy" in error.reason
