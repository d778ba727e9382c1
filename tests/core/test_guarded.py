"""What a chat user gives the address of is fetched from the public internet alone, whatever the address leads to.

127.0.0.2 stands for the internet here (the operator's list allows it), 127.0.0.1 for the network that the daemon is in.
"""

from __future__ import annotations

import asyncio
import gzip
import socket
import ssl
from collections.abc import AsyncIterator, Sequence
from contextlib import AsyncExitStack
from pathlib import Path

import pytest
import trustme
from aiohttp import web
from aiohttp.abc import AbstractResolver, ResolveResult

from nextbridge.errors import DriverError, Gone, Rejected, Retry
from nextbridge.http.addresses import AddressGuard
from nextbridge.http.guarded import GuardedSession, open_guarded_session
from tests.mattermost.proxies import Socks5Proxy

OUTSIDE, INSIDE = "127.0.0.2", "127.0.0.1"
PNG = b"\x89PNG\r\n\x1a\n" + bytes(60)


class Names(AbstractResolver):
    """A DNS that answers as a test says, and remembers what it was asked; each answer once, the last for ever."""

    def __init__(self) -> None:
        self.answers: dict[str, list[list[str]]] = {}
        self.asked: list[str] = []

    async def resolve(
        self, host: str, port: int = 0, family: socket.AddressFamily = socket.AF_UNSPEC
    ) -> list[ResolveResult]:
        self.asked.append(host)
        answers = self.answers.get(host, [])
        if not answers:
            raise OSError("no such name")
        found = answers.pop(0) if len(answers) > 1 else answers[0]
        kind = {True: socket.AF_INET6, False: socket.AF_INET}
        return [
            ResolveResult(hostname=host, host=each, port=port, family=kind[":" in each], proto=0, flags=0)
            for each in found
        ]

    async def close(self) -> None:
        pass


class Scene:
    """A server that stands in both networks, and the session that is tried."""

    def __init__(self) -> None:
        self.port = 0
        self.names = Names()
        self.requests: list[tuple[str, str, dict[str, str]]] = []
        """The address that was connected to, the path, the headers."""
        self.session: GuardedSession

    def url(self, host: str, path: str = "/cat.png") -> str:
        return f"http://{host}:{self.port}{path}"

    @property
    def reached(self) -> set[str]:
        return {address for address, _, _ in self.requests}

    async def fetch(self, url: str, *, largest: int = 1000, kinds: Sequence[str] = (), seconds: float = 10) -> bytes:
        async with self.session.open(url, largest=largest, kinds=kinds, seconds=seconds) as chunks:
            return b"".join([chunk async for chunk in chunks])

    async def refused(self, url: str, **how: object) -> DriverError:
        with pytest.raises(DriverError) as caught:
            await self.fetch(url, **how)  # type: ignore[arg-type]
        return caught.value

    async def answer(self, request: web.Request) -> web.StreamResponse:
        assert request.transport is not None
        self.requests.append((request.transport.get_extra_info("sockname")[0], request.path, dict(request.headers)))
        match request.path.split("/")[1:]:
            case ["to", *_]:
                return web.Response(status=302, headers={"Location": request.query["to"], "Set-Cookie": "a=b"})
            case ["status", status]:
                return web.Response(status=int(status))
            case ["stall"]:
                response = web.StreamResponse()
                await response.prepare(request)
                await response.write(b"x")
                await asyncio.Event().wait()
            case ["endless"]:
                response = web.StreamResponse()
                await response.prepare(request)
                while True:
                    await response.write(bytes(1000))
            case ["packed"]:
                return web.Response(body=gzip.compress(bytes(1_000_000)), headers={"Content-Encoding": "gzip"})
            case ["page.png"]:
                return web.Response(body=b"<html><script>", content_type="image/png")
        return web.Response(body=PNG, content_type="text/html")


@pytest.fixture
async def scene() -> AsyncIterator[Scene]:
    scene = Scene()
    app = web.Application()
    app.router.add_route("*", "/{path:.*}", scene.answer)
    runner = web.AppRunner(app, shutdown_timeout=0.1)
    await runner.setup()
    inside = web.TCPSite(runner, INSIDE, 0)
    await inside.start()
    scene.port = runner.addresses[0][1]
    await web.TCPSite(runner, OUTSIDE, scene.port).start()
    scene.names.answers = {
        "outside.example": [[OUTSIDE]],
        "inside.example": [[INSIDE]],
        "both.example": [[INSIDE, OUTSIDE]],
        "localhost": [[INSIDE, "::1"]],
    }
    scene.session = await open_guarded_session(allow=[OUTSIDE], resolver=scene.names)
    yield scene
    await scene.session.close()
    await runner.cleanup()


async def test_what_is_outside_is_fetched(scene: Scene) -> None:
    """Byte for byte; only what its content proves counts, not the type that its server says."""
    assert await scene.fetch(scene.url("outside.example")) == PNG
    assert await scene.fetch(scene.url(OUTSIDE), kinds=["image"]) == PNG
    error = await scene.refused(scene.url("outside.example", "/page.png"), kinds=["image"])
    assert isinstance(error, Rejected)


@pytest.mark.parametrize(
    "host",
    [
        "127.0.0.1",
        "127.1",
        "2130706433",
        "0x7f000001",
        "0177.0.0.1",
        "0",
        "0.0.0.0",
        "localhost",
        "LOCALHOST.",
        "[::1]",
        "[::]",
        "[::ffff:127.0.0.1]",
        "[::ffff:7f00:1]",
        "[::127.0.0.1]",
        "[64:ff9b::7f00:1]",
        "[2002:7f00:1::]",
        "[fe80::1%25lo]",
        "inside.example",
        "①②⑦.⓪.⓪.①",
    ],
)
async def test_what_is_inside_is_not_reached(scene: Scene, host: str) -> None:
    """By a number in any notation, or by a name: it is refused, and no connection comes about."""
    error = await scene.refused(scene.url(host))
    assert isinstance(error, Rejected | Retry), error
    assert scene.requests == []


async def test_the_machines_own_resolver_is_looked_at_too(scene: Scene) -> None:
    """What the system makes of a name (here of a number that it takes for an address) is judged, not the name."""
    session = await open_guarded_session()
    try:
        for host in ("localhost", "127.0.0.1", "ip6-localhost", "0x7f.1", "0x7f000001", "2130706433", "017700000001"):
            with pytest.raises(DriverError):
                async with session.open(scene.url(host), largest=1000):
                    pass
        assert scene.requests == []
    finally:
        await session.close()


async def test_a_name_that_changes_its_address_gains_nothing(scene: Scene) -> None:
    """The address that was looked at is the one that is connected to; it is looked at anew each time."""
    scene.names.answers["rebinding.example"] = [[OUTSIDE], [INSIDE]]
    assert await scene.fetch(scene.url("rebinding.example")) == PNG
    assert isinstance(await scene.refused(scene.url("rebinding.example")), Rejected)
    assert scene.reached == {OUTSIDE}
    scene.names.answers["rebinding.example"] = [[OUTSIDE], [INSIDE]]
    again = scene.url("rebinding.example")
    assert isinstance(await scene.refused(scene.url("rebinding.example", f"/to?to={again}")), Rejected)
    assert scene.reached == {OUTSIDE}
    assert scene.names.asked.count("rebinding.example") == 4


async def test_of_several_addresses_only_those_outside_are_tried(scene: Scene) -> None:
    """A name with one of each leads outside."""
    assert await scene.fetch(scene.url("both.example")) == PNG
    assert scene.reached == {OUTSIDE}


@pytest.mark.parametrize(
    "target",
    [
        "http://127.0.0.1:{port}/cat.png",
        "//127.0.0.1:{port}/cat.png",
        "http://inside.example:{port}/cat.png",
        "http://[::ffff:127.0.0.1]:{port}/",
        "file:///etc/passwd",
        "ftp://outside.example/x",
        "gopher://127.0.0.1:{port}/x",
        "http://user:pw@outside.example:{port}/cat.png",
        "http://[broken",
        "data:text/plain,hello",
    ],
)
async def test_a_redirect_leads_nowhere_that_could_not_be_asked_for(scene: Scene, target: str) -> None:
    """Each step is looked at as the first was."""
    where = target.replace("{port}", str(scene.port))
    error = await scene.refused(scene.url("outside.example", f"/to?to={where}"))
    assert isinstance(error, Rejected), error
    assert scene.reached == {OUTSIDE}
    assert len(scene.requests) == 1


async def test_redirects_are_followed_a_few_times_and_nothing_goes_along(scene: Scene) -> None:
    """One leads to the file, an endless chain to a refusal; no cookie, referrer or credentials are sent."""
    there = scene.url("outside.example")
    assert await scene.fetch(scene.url("outside.example", f"/to?to={there}")) == PNG
    assert await scene.fetch(scene.url("outside.example", "/to/a?to=/cat.png")) == PNG
    for _, _, headers in scene.requests:
        assert headers.keys().isdisjoint({"Cookie", "Referer", "Authorization"})
    scene.requests.clear()
    assert isinstance(await scene.refused(scene.url("outside.example", "/to?to=/to%3Fto=/to?to=/to")), Rejected | Retry)
    loop = scene.url("outside.example", "/to/loop")
    error = await scene.refused(f"{loop}?to=" + f"{loop}?to=".replace("?", "%3F"))
    assert isinstance(error, Rejected | Retry)
    assert len(scene.requests) < 12


@pytest.mark.parametrize(
    "address",
    ["", "cat.png", "file:///etc/passwd", "http://", "http:///x", "http://outside.example:99999/", "javascript:1",
     "http://me:pw@outside.example/", "https://outside.example\r\nX: y", "http://" + "a" * 5000],
)  # fmt: skip
async def test_what_is_no_address_to_fetch_is_refused(scene: Scene, address: str) -> None:
    """Other schemes, credentials, and what is broken."""
    assert isinstance(await scene.refused(address), Rejected | Retry)
    assert scene.requests == []


async def test_size_time_and_packing_are_bounded(scene: Scene) -> None:
    """Too large by its announcement or as it comes, too slow, or packed small: none of it is taken whole."""
    at = "outside.example"
    for error in (
        await scene.refused(scene.url(at), largest=len(PNG) - 1),
        await scene.refused(scene.url(at, "/endless"), largest=5000),
        await scene.refused(scene.url(at, "/packed")),
    ):
        assert isinstance(error, Rejected), error
    assert isinstance(await scene.refused(scene.url(at, "/stall"), seconds=0.3), Retry)


async def test_what_a_status_means(scene: Scene) -> None:
    """Not there is Gone, a server's trouble is Retry, a refusal is Rejected."""
    for status, kind in ((404, Gone), (410, Gone), (429, Retry), (503, Retry), (403, Rejected), (204, Rejected)):
        assert type(await scene.refused(scene.url("outside.example", f"/status/{status}"))) is kind
    assert isinstance(await scene.refused("http://nowhere.example/"), Retry)


async def test_an_error_of_whoever_reads_stays_theirs(scene: Scene) -> None:
    """A full disk on our side is not told as the server's fault."""
    with pytest.raises(OSError, match="disk"):
        async with scene.session.open(scene.url("outside.example"), largest=1000):
            raise OSError("disk")


async def test_a_host_that_is_allowed_by_its_name_is_fetched_from(scene: Scene) -> None:
    """Wherever it is; another name for the same place is not, nor its number."""
    session = await open_guarded_session(allow=["Inside.example"], resolver=scene.names)
    try:
        async with session.open(scene.url("inside.example"), largest=1000) as chunks:
            assert [chunk async for chunk in chunks] == [PNG]
        for host in ("localhost", INSIDE, "both.example"):
            with pytest.raises(DriverError):
                async with session.open(scene.url(host), largest=1000):
                    pass
        assert len(scene.requests) == 1
    finally:
        await session.close()


class _Noting(Socks5Proxy):
    """Remembers what it was asked to connect to."""

    def __init__(self) -> None:
        super().__init__()
        self.hosts: list[str] = []

    async def welcome(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> tuple[str, int] | None:
        target = await super().welcome(reader, writer)
        assert target is not None
        self.hosts.append(target[0])
        return target


async def test_a_proxy_is_told_the_address_that_was_looked_at(
    scene: Scene, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It looks no name up itself; a certificate still has to be the name's; nothing inside is asked of it."""
    authority = trustme.CA()
    authority.cert_pem.write_to_path(str(tmp_path / "ca.pem"))
    monkeypatch.setenv("SSL_CERT_FILE", str(tmp_path / "ca.pem"))
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    authority.issue_cert("outside.example").configure_cert(context)
    scene.names.answers["other.example"] = [[OUTSIDE]]
    async with AsyncExitStack() as stack:
        proxy = await stack.enter_async_context(_Noting())
        app = web.Application()
        app.router.add_get("/{path:.*}", scene.answer)
        runner = web.AppRunner(app)
        await runner.setup()
        stack.push_async_callback(runner.cleanup)
        await web.TCPSite(runner, OUTSIDE, 0, ssl_context=context).start()
        secure = runner.addresses[0][1]
        session = await open_guarded_session(
            proxy=f"socks5://127.0.0.1:{proxy.port}", allow=[OUTSIDE], resolver=scene.names
        )
        stack.push_async_callback(session.close)
        for url in (scene.url("outside.example"), f"https://outside.example:{secure}/cat.png", scene.url(OUTSIDE)):
            async with session.open(url, largest=1000) as chunks:
                assert b"".join([chunk async for chunk in chunks]) == PNG
        assert set(proxy.hosts) == {OUTSIDE}
        asked = len(proxy.hosts)
        for url in (scene.url("inside.example"), scene.url(INSIDE), scene.url("[::1]"), scene.url("127.1")):
            with pytest.raises(DriverError):
                async with session.open(url, largest=1000):
                    pass
        assert len(proxy.hosts) == asked
        with pytest.raises(Retry, match="certificate"):
            async with session.open(f"https://other.example:{secure}/cat.png", largest=1000):
                pass


@pytest.mark.parametrize(
    "address",
    [
        "0.0.0.0",
        "0.1.2.3",
        "10.0.0.1",
        "100.64.0.1",
        "100.100.100.200",
        "127.0.0.1",
        "127.255.255.254",
        "168.63.129.16",
        "169.254.169.254",
        "172.16.0.1",
        "172.31.255.255",
        "192.0.0.1",
        "192.0.2.1",
        "192.88.99.1",
        "192.168.1.1",
        "198.18.0.1",
        "198.51.100.1",
        "203.0.113.1",
        "224.0.0.1",
        "239.255.255.255",
        "240.0.0.1",
        "255.255.255.255",
        "::",
        "::1",
        "::8.8.8.8",
        "::ffff:8.8.8.8",
        "::ffff:10.0.0.1",
        "::ffff:0:8.8.8.8",
        "64:ff9b::808:808",
        "64:ff9b::a00:1",
        "64:ff9b:1::1",
        "100::1",
        "2001::1",
        "2001:db8::1",
        "2002:808:808::1",
        "fc00::1",
        "fd00:ec2::254",
        "fe80::1",
        "fe80::1%eth0",
        "fec0::1",
        "ff02::1",
        "2606:4700::1%eth0",
        "nonsense",
        "1.2.3",
        "1.2.3.4.5",
    ],
)
def test_addresses_that_are_not_of_the_public_internet(address: str) -> None:
    """Each range that is somebody's own, and each way to write one address inside another."""
    assert not AddressGuard().lets(address)


@pytest.mark.parametrize("address", ["8.8.8.8", "1.1.1.1", "172.32.0.1", "2606:4700:4700::1111", "2a00:1450::1"])
def test_addresses_of_the_public_internet(address: str) -> None:
    """Nothing else is in the way."""
    assert AddressGuard().lets(address)


def test_what_the_operator_allows() -> None:
    """Networks of either kind, single addresses, and hosts by their whole name."""
    guard = AddressGuard(["10.1.0.0/16", "192.168.1.5", "fd00::/64", "Files.Example.Internal."])
    for each in ("10.1.2.3", "192.168.1.5", "fd00::7"):
        assert guard.lets(each)
    for each in ("10.2.0.1", "192.168.1.6", "fd01::7", "::ffff:10.1.2.3"):
        assert not guard.lets(each)
    assert guard.lets_host("files.example.internal")
    assert not guard.lets_host("evil.files.example.internal")
    for wrong in ("10.1.0.5/16", "", "a b", "300.1.1.1", "http://x"):
        with pytest.raises(ValueError):  # noqa: PT011 - the reason is Python's own
            AddressGuard([wrong])
