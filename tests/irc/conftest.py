"""Real IRC servers in a temporary folder, and the other person in the channel."""

from __future__ import annotations

import asyncio
import contextlib
import os
import shutil
import socket
import subprocess
import time
import uuid
from collections.abc import AsyncIterator, Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Protocol

import pytest
import trustme

from drivers.irc import IrcDriver
from drivers.irc.settings import IrcChannel, IrcSettings
from nextbridge.config.types import Secret
from nextbridge.driver import ConfiguredChannel, Outgoing
from nextbridge.envelope import Author, ChannelKey, DeliveryKey, Mark, MessageId, Posted, UserId
from nextbridge.sandbox.host import RecordingHost
from tests.irc.services import Services

LOOPBACK = "127.0.0.1"


class Meet(Protocol):
    """What the fixture `meet` gives."""

    async def __call__(self, port: int, *, nick: str = "", password: str = "", capabilities: str = "") -> Person: ...


class Relays(Protocol):
    """What the fixture `relays` gives."""

    def __call__(self, settings: IrcSettings, *channels: str | IrcChannel) -> Relay: ...


def free_ports(count: int) -> list[int]:
    """Ports that nothing listens on."""
    with contextlib.ExitStack() as stack:
        sockets = [stack.enter_context(socket.socket()) for _ in range(count)]
        for each in sockets:
            each.bind((LOOPBACK, 0))
        return [each.getsockname()[1] for each in sockets]


def program(name: str, package: str) -> str:
    """Where a server's program is; skips the test where it is not installed."""
    path = shutil.which(name, path=os.environ.get("PATH", "") + ":/usr/sbin:/usr/local/sbin")
    if path is None:
        pytest.skip(f"needs {name}: apt-get install {package}")
    return path


def start(command: list[str], folder: Path, ports: list[int], *, seconds: float = 20) -> subprocess.Popen[bytes]:
    """Start a server and return once it listens on `ports`. What it says goes to `log` in its folder."""
    with (folder / "log").open("wb") as log:
        process = subprocess.Popen(command, cwd=folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log)
    until = time.monotonic() + seconds
    for port in ports:
        while True:
            with contextlib.suppress(OSError), socket.create_connection((LOOPBACK, port), timeout=1):
                break
            if process.poll() is not None or time.monotonic() > until:
                stop(process)
                pytest.fail(f"{command[0]} does not listen on {port}:\n{(folder / 'log').read_text()[-2000:]}")
            time.sleep(0.02)
    return process


def stop(process: subprocess.Popen[bytes]) -> None:
    process.terminate()
    try:
        process.wait(5)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()


@dataclass(frozen=True)
class Certificates:
    """An authority of the tests' own and what it signed, as PEM files."""

    authority: Path
    server: Path
    client: Path


def made_certificates(folder: Path) -> Certificates:
    """Fresh ones, in `folder`."""
    authority = trustme.CA()
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "client.pem")
    authority.cert_pem.write_to_path(made.authority)
    authority.issue_cert("localhost", LOOPBACK).private_key_and_cert_chain_pem.write_to_path(made.server)
    authority.issue_cert("relay@irc.test").private_key_and_cert_chain_pem.write_to_path(made.client)
    return made


@pytest.fixture(scope="session")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return made_certificates(tmp_path_factory.mktemp("certificates"))


@dataclass(frozen=True)
class Inspircd:
    """A running InspIRCd, with a port for each kind of door."""

    port: int
    tls_port: int
    password_port: int
    """Asks for the server's password, `open sesame`."""
    flood_port: int
    """Cuts off who sends more than a few lines a second."""
    link_port: int


INSPIRCD = """
<server name="irc.test" description="test" network="Test Net" id="001">
<admin name="a" nick="a" email="a@irc.test">
<bind address="127.0.0.1" port="{port}" type="clients">
<bind address="127.0.0.1" port="{tls_port}" type="clients" sslprofile="tls">
<bind address="127.0.0.1" port="{password_port}" type="clients">
<bind address="127.0.0.1" port="{flood_port}" type="clients">
<bind address="127.0.0.1" port="{link_port}" type="servers">
<sslprofile name="tls" provider="gnutls" certfile="{certificate}" keyfile="{certificate}" cafile="{authority}"
    requestclientcert="yes">
<connect name="password" allow="*" port="{password_port}" password="open sesame" {limits} threshold="100000">
<connect name="flood" allow="*" port="{flood_port}" {limits} threshold="12">
<connect name="main" allow="*" port="{port},{tls_port}" {limits} threshold="100000">
<class name="all" commands="*" privs="*" usermodes="*" chanmodes="*">
<type name="NetAdmin" classes="all">
<oper name="oper" password="oper" host="*@*" type="NetAdmin">
<path configdir="{folder}" datadir="{folder}" logdir="{folder}" runtimedir="{folder}">
<pid file="{folder}/pid">
<log method="file" type="*" level="default" target="{folder}/inspircd.log">
<options prefixquit="" hidebans="" netbuffersize="10240" defaultmodes="not">
<performance somaxconn="128" softlimit="12800" clonesonconnect="no">
<security hidesplits="no">
<connectban threshold="100000">
<limits maxnick="20" maxuser="12" maxhost="64">
<dns server="127.0.0.1" timeout="1">
<files motd="{folder}/motd">
{modules}
<sasl target="services.test" requiressl="no">
<link name="services.test" ipaddr="127.0.0.1" port="1" allowmask="127.0.0.0/8" sendpass="link" recvpass="link">
<uline server="services.test" silent="yes">
"""
LIMITS = (
    'fakelag="no" recvq="100K" hardsendq="100M" softsendq="1M" commandrate="1000000" localmax="1000" globalmax="1000" '
    'resolvehostnames="no" timeout="30" pingfreq="120" maxchans="100"'
)
MODULES = (
    "cap ircv3 ircv3_batch ircv3_capnotify ircv3_chghost ircv3_ctctags ircv3_echomessage ircv3_labeledresponse "
    "ircv3_msgid ircv3_servertime sasl services_account ssl_gnutls sslinfo spanningtree chghost blockcolor noctcp "
    "chanhistory redirect banredirect botmode sajoin sapart samode"
)


@contextlib.contextmanager
def running_inspircd(folder: Path, certificates: Certificates, modules: str = MODULES) -> Iterator[Inspircd]:
    """InspIRCd with its configuration in `folder`."""
    # AppArmor, where it is on, keeps the installed path out of every folder but its own
    command = [str(shutil.copy(program("inspircd", "inspircd"), folder / "inspircd"))]
    server = Inspircd(*free_ports(5))
    (folder / "motd").write_text("Hello.\n")
    (folder / "inspircd.conf").write_text(
        INSPIRCD.format(
            **server.__dict__,
            folder=folder,
            certificate=certificates.server,
            authority=certificates.authority,
            limits=LIMITS,
            modules="\n".join(f'<module name="{name}">' for name in modules.split()),
        )
    )
    command += [f"--config={folder / 'inspircd.conf'}", "--nofork", "--runasroot"]
    process = start(command, folder, [server.port, server.tls_port])
    try:
        yield server
    finally:
        stop(process)


@pytest.fixture(scope="session")
def inspircd(tmp_path_factory: pytest.TempPathFactory, certificates: Certificates) -> Iterator[Inspircd]:
    with running_inspircd(tmp_path_factory.mktemp("inspircd"), certificates) as server:
        yield server


NGIRCD = """
[Global]
Name = ngircd.test
Listen = 127.0.0.1
Ports = {port}
MotdPhrase = Hello
[Limits]
MaxConnectionsIP = 0
MaxJoins = 20
MaxPenaltyTime = 0
[Options]
DNS = no
Ident = no
PAM = no
OperCanUseMode = yes
[Operator]
Name = oper
Password = oper
"""


@pytest.fixture(scope="session")
def ngircd(tmp_path_factory: pytest.TempPathFactory) -> Iterator[int]:
    """The port of a running ngIRCd: it has no capabilities that acknowledge a message, and nicks of nine characters."""
    path = program("ngircd", "ngircd")
    folder = tmp_path_factory.mktemp("ngircd")
    (port,) = free_ports(1)
    (folder / "ngircd.conf").write_text(NGIRCD.format(port=port))
    process = start([path, "--nodaemon", "--config", str(folder / "ngircd.conf")], folder, [port])
    try:
        yield port
    finally:
        stop(process)


@pytest.fixture
async def services(inspircd: Inspircd) -> AsyncIterator[Services]:
    """Services that know the account `relay`."""
    services = Services({"relay": "s3cret"})
    task = asyncio.create_task(services.link(inspircd.link_port))
    async with asyncio.timeout(10):
        await services.linked.wait()
    yield services
    task.cancel()
    await asyncio.wait([task])


# --- the other person -----------------------------------------------------------------------------------------------


class Person:
    """Somebody with a plain client: everything that reaches them is kept, as the server wrote it."""

    def __init__(self, nick: str) -> None:
        self.nick = nick
        self.lines: list[str] = []
        self._seen = 0
        self._arrived = asyncio.Condition()
        self._tasks: list[asyncio.Task[None]] = []

    async def connect(self, port: int, *, password: str = "", capabilities: str = "") -> Person:
        reader, self._writer = await asyncio.open_connection(LOOPBACK, port)
        if password:
            self.send(f"PASS :{password}")
        if capabilities:
            self.send(f"CAP REQ :{capabilities}")
        self.send(f"NICK {self.nick}")
        self.send(f"USER {self.nick} 0 * :{self.nick}")
        if capabilities:
            self.send("CAP END")
        self._tasks.append(asyncio.create_task(self._read(reader)))
        await self.expect(lambda line: " 376 " in line or " 422 " in line)
        return self

    async def _read(self, reader: asyncio.StreamReader) -> None:
        while data := await reader.readline():
            line = data.decode("utf-8", "replace").rstrip("\r\n")
            if line.startswith("PING"):
                self.send("PONG" + line[4:])
            async with self._arrived:
                self.lines.append(line)
                self._arrived.notify_all()

    def send(self, line: str | bytes) -> None:
        self._writer.write((line if isinstance(line, bytes) else line.encode()) + b"\r\n")

    def say(self, channel: str, text: str) -> None:
        self.send(f"PRIVMSG {channel} :{text}")

    async def join(self, channel: str, key: str = "") -> None:
        self.send(f"JOIN {channel} {key}".rstrip())
        await self.expect(lambda line: f" 366 {self.nick} {channel} " in line)

    async def expect(self, wanted: Callable[[str], bool], *, within: float = 15) -> str:
        """The next line, after the last one that was expected, that is `wanted`."""
        async with asyncio.timeout(within), self._arrived:
            while True:
                while self._seen < len(self.lines):
                    self._seen += 1
                    if wanted(self.lines[self._seen - 1]):
                        return self.lines[self._seen - 1]
                await self._arrived.wait()

    async def hears(self, channel: str, *, within: float = 15) -> str:
        """The text of the next message to `channel`."""
        line = await self.expect(lambda line: f" PRIVMSG {channel} :" in line, within=within)
        return line.partition(f" PRIVMSG {channel} :")[2]

    async def settled(self) -> None:
        """Return once the server has worked through all that was sent."""
        token = uuid.uuid4().hex
        self.send(f"PING {token}")
        await self.expect(lambda line: "PONG" in line and token in line)

    async def leave(self) -> None:
        self._writer.close()
        for task in self._tasks:
            task.cancel()
        await asyncio.gather(*self._tasks, return_exceptions=True)
        with contextlib.suppress(OSError):
            await self._writer.wait_closed()


@pytest.fixture
async def meet() -> AsyncIterator[Meet]:
    """Makes a Person who is connected."""
    people: list[Person] = []

    async def make(port: int, *, nick: str = "", password: str = "", capabilities: str = "") -> Person:
        person = Person(nick or unique("p"))
        people.append(person)
        return await person.connect(port, password=password, capabilities=capabilities)

    yield make
    for person in people:
        await person.leave()


# --- the relay ------------------------------------------------------------------------------------------------------


def unique(prefix: str, length: int = 8) -> str:
    """A nick or channel that no other test uses; nine characters at most with a prefix of one."""
    return prefix + uuid.uuid4().hex[:length]


class Relay:
    """The driver with a stand-in for the core that, like the core, runs it again whenever it ends."""

    def __init__(self, settings: IrcSettings, channels: list[IrcChannel]) -> None:
        self.host = RecordingHost("net")
        configured = [ConfiguredChannel(IrcDriver.channel_key(each), each, ("ops",)) for each in channels]
        self.driver = IrcDriver(settings, configured, self.host)
        self.ends: list[Exception] = []
        """What each `run` ended with."""
        self._task: asyncio.Task[None] | None = None
        self._sent = 0

    @property
    def posted(self) -> list[Posted]:
        """What was said in the channels."""
        return [event for event in self.host.events if isinstance(event, Posted) and not event.direct]

    def start(self) -> None:
        self._task = asyncio.create_task(self._run())

    async def _run(self) -> None:
        while True:
            try:
                await self.driver.run()
            except Exception as error:  # noqa: BLE001 - what a test looks at
                self.ends.append(error)
                self.host.disconnected(str(error))
            await asyncio.sleep(self.driver.settings.reconnect_delay)

    async def ended(self, count: int = 1) -> Exception:
        """What the first `count` runs ended with last."""
        await self.host.until(lambda: len(self.ends) >= count, within=20)
        return self.ends[count - 1]

    async def send(
        self, channel: str, text: str, *, action: bool = False, reply_to: MessageId | None = None
    ) -> MessageId | None:
        self._sent += 1
        message = Outgoing(
            key=DeliveryKey(f"d-{self._sent}"),
            channel=ChannelKey(channel),
            text=text,
            mark=Mark(daemon="test", delivery=DeliveryKey(f"d-{self._sent}"), origin="mm/town"),
            author=Author(id=UserId("u"), username="anna", name="Anna"),
            action=action,
            reply_to=reply_to,
        )
        return (await self.driver.send(message)).message

    async def stop(self) -> None:
        if self._task is not None:
            self._task.cancel()
            await asyncio.wait([self._task])
        await self.driver.close()


def settings(port: int, nick: str = "", **more: object) -> IrcSettings:
    """An instance on a server of the tests: fast, without TLS unless asked for."""
    values: dict[str, object] = {
        "host": LOOPBACK,
        "port": port,
        "tls": False,
        "nick": nick or unique("r"),
        "messages_per_second": 10000.0,
        "burst": 10000,
        "reconnect_delay": 0.05,
        "rejoin_delay": 0.2,
        "answer_timeout": 10.0,
    }
    return IrcSettings(**(values | more))  # type: ignore[arg-type]


def channel(name: str, key: str | None = None) -> IrcChannel:
    return IrcChannel(channel=name, key=None if key is None else Secret(key))


@pytest.fixture
async def relays() -> AsyncIterator[Relays]:
    """Makes a Relay and starts it."""
    made: list[Relay] = []

    def make(settings: IrcSettings, *channels: str | IrcChannel) -> Relay:
        relay = Relay(settings, [each if isinstance(each, IrcChannel) else channel(each) for each in channels])
        made.append(relay)
        relay.start()
        return relay

    yield make
    for relay in made:
        await relay.stop()
