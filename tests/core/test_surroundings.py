"""`check --online` of `global`: the address to listen on, and the collector."""

from __future__ import annotations

import asyncio
import json
import socket
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner

from nextbridge import config
from nextbridge.checking.surroundings import look_around
from nextbridge.cli import main
from nextbridge.config.model import HttpSettings
from nextbridge.driver import Finding, Pages
from nextbridge.envelope import InstanceId
from nextbridge.http.server import HttpServer
from tests.telemetry.collector import collecting


class Nothing:
    """No instance serves pages."""

    def get(self, platform: str, instance: InstanceId) -> Pages | None:
        return None


def write(folder: Path, **general: Any) -> Path:
    path = folder / "config.json"
    path.touch(mode=0o600)
    whole = {"global": general, "webchat": {"web": {}}, "rules": []}
    path.write_text(json.dumps(whole))
    return path


async def looked(folder: Path, **general: Any) -> list[Finding]:
    return await look_around(config.load(write(folder, **general)).config)


async def check(path: Path, *options: str) -> tuple[int, str]:
    arguments = ["check", "--online", "--config", str(path), *options]
    result = await asyncio.to_thread(CliRunner().invoke, main, arguments)
    return result.exit_code, result.output


async def test_a_port_that_is_free_is_said_and_stays_free(tmp_path: Path) -> None:
    """It is only looked whether it could be had."""
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = other.getsockname()[1]
    for _ in range(2):
        (finding,) = await looked(tmp_path, http={"port": port})
        assert finding == Finding(True, "http", f"the daemon can listen on 127.0.0.1, {port}")


async def test_a_port_of_another_program_is_a_finding(tmp_path: Path) -> None:
    """With what to do, for people and for programs, and as exit status 1."""

    async def hang_up(_: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        writer.close()

    async with await asyncio.start_server(hang_up, "127.0.0.1", 0) as other:
        port = other.sockets[0].getsockname()[1]
        said = (
            f"the HTTP server cannot listen on 127.0.0.1:{port}: Address already in use; set global.http.port to a "
            "free port"
        )
        path = write(tmp_path, http={"port": port})
        status, output = await check(path)
        assert status == 1
        assert f"global\n  ! http: {said}\n" in output
        assert output.endswith("1 finding to be seen to, marked with !\n")
        status, output = await check(path, "--json")
    assert status == 1
    assert [each for each in json.loads(output)["findings"] if not each["ok"]] == [
        {"instance": None, "platform": None, "ok": False, "subject": "http", "text": said}
    ]


@pytest.mark.parametrize("host", ["127.0.0.1", "0.0.0.0"])
async def test_a_daemon_that_runs_may_have_its_port(tmp_path: Path, host: str) -> None:
    """The command is for use beside it."""
    server = HttpServer(HttpSettings(host=host, port=0), Nothing(), dict)
    await server.start()
    try:
        port = int(server.address.rpartition(":")[2])
        (finding,) = await looked(tmp_path, http={"host": host, "port": port})
    finally:
        await server.stop()
    assert finding == Finding(True, "http", f"a daemon listens on {host}:{port}")


async def test_an_address_of_another_machine_is_a_finding(tmp_path: Path) -> None:
    """With the addresses that can be had."""
    (finding,) = await looked(tmp_path, http={"host": "192.0.2.1", "port": 0})
    assert not finding.ok
    assert "set global.http.host to an address of this machine" in finding.text


async def test_a_collector_is_asked_and_told_nothing(tmp_path: Path) -> None:
    """With the headers of the file; it takes no span for that."""
    async with collecting() as collector:
        otel = {"endpoint": collector.endpoint, "headers": {"Authorization": "Bearer s3cret-of-otel"}}
        _, finding = await looked(tmp_path, http={"port": 0}, otel=otel)
        assert finding == Finding(True, "otel", f"{collector.endpoint} takes traces")
        assert collector.spans == []
        assert collector.headers[0]["Authorization"] == "Bearer s3cret-of-otel"


@pytest.mark.parametrize(
    ("status", "advice"),
    [(401, "put the key that it wants into global.otel.headers"), (400, "look whether it takes OTLP over HTTP")],
)
async def test_a_collector_that_refuses_is_a_finding(tmp_path: Path, status: int, advice: str) -> None:
    """With what to do."""
    async with collecting() as collector:
        collector.status = status
        _, finding = await looked(tmp_path, http={"port": 0}, otel={"endpoint": collector.endpoint})
        assert not finding.ok
        assert f"{collector.endpoint} answers {status}: {advice}" in finding.text


async def test_a_collector_at_another_address_is_a_finding(tmp_path: Path) -> None:
    """A wrong path, TLS where it speaks none, and nobody there."""
    async with collecting() as collector:
        base = collector.endpoint.removesuffix("/v1/traces")
        _, finding = await looked(tmp_path, http={"port": 0}, otel={"endpoint": base})
        assert finding.text == f"{base} answers 404: look at the path, which is /v1/traces mostly"
        secure = collector.endpoint.replace("http:", "https:")
        _, finding, address = await looked(tmp_path, http={"port": 0}, otel={"endpoint": secure})
        assert "no TLS connection came about" in finding.text
        assert address.subject == "otel.endpoint"
        assert "speaks no TLS: write http://" in address.text
    _, finding, *_ = await looked(tmp_path, http={"port": 0}, otel={"endpoint": collector.endpoint})
    assert finding.text == f"{collector.endpoint} cannot be reached: Connection refused"
    proxied = {"http": {"port": 0}, "otel": {"endpoint": collector.endpoint}, "proxy": "http://127.0.0.1:1"}
    _, finding, *_ = await looked(tmp_path, **proxied)
    assert finding.text.endswith("Connection refused, and global.proxy is not used for it")
