"""The log in systemd's journal: as the protocol has it on a socket of ours, and as a real journald shows it."""

from __future__ import annotations

import json
import os
import shutil
import socket
import struct
import subprocess
import sys
import uuid
from collections.abc import Iterator
from pathlib import Path

import pytest

PROGRAM = """
import os, sys
from pathlib import Path
import structlog
from nextbridge import logs
from nextbridge.redaction import redaction
redaction.add("hush11hush11")
about = os.fstat(2)
logs.configure(environ={"JOURNAL_STREAM": JOINED_TO}, journal_socket=Path(sys.argv[1]))
log = structlog.get_logger().bind(instance="mm_main")
log.error("delivery_buried", reason="it is hush11hush11\\x1b[2J\\nPRIORITY=0", attempt=3, empty="", nothing=None)
try:
    raise ValueError("refused hush11hush11")
except ValueError:
    log.exception("driver_failed", file="x" * LARGE)
log.debug("message_skipped")
"""
JOINED = "f'{about.st_dev}:{about.st_ino}'"
JOURNALD = "/usr/lib/systemd/systemd-journald"


def fields(datagram: bytes) -> dict[str, str]:
    """An entry, read by systemd's JOURNAL_NATIVE_PROTOCOL: `NAME=value`, or a name, a length and bytes."""
    found: dict[str, str] = {}
    while datagram:
        line, _, rest = datagram.partition(b"\n")
        name, has_value, value = line.partition(b"=")
        if not has_value:
            (length,) = struct.unpack_from("<Q", rest)
            value, rest = rest[8 : 8 + length], rest[9 + length :]
        found[name.decode()] = value.decode()
        datagram = rest
    return found


def log_into(place: Path, *, stream: str = JOINED, large: int = 1) -> str:
    """Run the program with its journal at `place`; what it writes to standard error."""
    program = PROGRAM.replace("JOINED_TO", stream).replace("LARGE", str(large))
    command = [sys.executable, "-c", program, str(place)]
    done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return done.stderr


def test_an_event_is_an_entry_with_its_values_as_fields(tmp_path: Path) -> None:
    """Name, priority and each value stand apart; no value can add a field, steer a terminal or tell a secret."""
    place = tmp_path / "socket"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as journal:
        journal.bind(str(place))
        journal.settimeout(10)
        assert log_into(place) == ""
        buried, failed = fields(journal.recv(65536)), fields(journal.recv(65536))
        journal.setblocking(False)
        with pytest.raises(BlockingIOError):
            journal.recv(65536)
    reason = "it is ***\\x1b[2J\nPRIORITY=0"
    message = buried.pop("MESSAGE")
    assert buried == {
        "PRIORITY": "3",
        "SYSLOG_IDENTIFIER": "nextbridge",
        "NEXTBRIDGE_EVENT": "delivery_buried",
        "NEXTBRIDGE_INSTANCE": "mm_main",
        "NEXTBRIDGE_REASON": reason,
        "NEXTBRIDGE_ATTEMPT": "3",
    }
    assert message.startswith("delivery_buried instance=mm_main reason=")
    assert "\n" not in message
    assert "hush11" not in message
    assert failed["MESSAGE"].startswith("driver_failed instance=mm_main file=x\nTraceback")
    assert failed["MESSAGE"].endswith("ValueError: refused ***")


def test_the_log_is_not_lost_where_no_journald_listens(tmp_path: Path) -> None:
    """The lines come on standard error, as JSON, masked."""
    lines = [json.loads(line) for line in log_into(tmp_path / "nobody").splitlines()]
    assert [each["event"] for each in lines] == ["delivery_buried", "driver_failed"]
    assert lines[0]["reason"].startswith("it is ***")


@pytest.mark.parametrize("stream", ["'1:1'", "''", "'here'", "'1:2:3'"])
def test_a_stream_that_does_not_end_in_the_journal_has_json(tmp_path: Path, stream: str) -> None:
    """Where standard error was joined to something else, or the variable is nonsense, the lines go there."""
    assert len(log_into(tmp_path / "nobody", stream=stream).splitlines()) == 2


@pytest.fixture
def namespace() -> Iterator[str]:
    """A real journald, of a namespace of its own."""
    if not Path(JOURNALD).exists() or shutil.which("journalctl") is None:
        pytest.skip("needs systemd")
    if os.geteuid() != 0:
        pytest.skip("a journald of one's own needs root")
    name = f"nb{uuid.uuid4().hex[:12]}"
    notified = f"@{name}"
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as ready:
        ready.bind(f"\0{name}")
        ready.settimeout(20)
        daemon = subprocess.Popen([JOURNALD, name], env={**os.environ, "NOTIFY_SOCKET": notified})
        try:
            while b"READY=1" not in ready.recv(4096):
                pass
            yield name
        finally:
            daemon.terminate()
            daemon.wait(20)
            for place in Path("/run/systemd").glob(f"journal.{name}*"):
                shutil.rmtree(place, ignore_errors=True)
            for folder in (Path("/run/log/journal"), Path("/var/log/journal")):
                for place in folder.glob(f"*.{name}"):
                    shutil.rmtree(place, ignore_errors=True)


def test_journalctl_finds_an_event_by_its_fields(namespace: str) -> None:
    """A real journald takes an entry, also one of 300 kB; `journalctl` finds it by what an operator asks for."""
    assert log_into(Path(f"/run/systemd/journal.{namespace}/socket"), large=300_000) == ""
    journalctl = ["journalctl", f"--namespace={namespace}", "--output=json", "--no-pager", "--all", "--quiet"]
    subprocess.run([*journalctl, "--sync"], check=True, timeout=30)
    found = subprocess.run(
        [*journalctl, "--priority=err", "NEXTBRIDGE_EVENT=driver_failed"],
        capture_output=True,
        text=True,
        check=True,
        timeout=30,
    )
    (entry,) = map(json.loads, found.stdout.splitlines())
    assert entry["SYSLOG_IDENTIFIER"] == "nextbridge"
    assert entry["NEXTBRIDGE_INSTANCE"] == "mm_main"
    assert entry["NEXTBRIDGE_FILE"] == "x" * 300_000
