"""What is wrong with the machine: the state folder, ports, open files, streams. The daemon says so and ends."""

from __future__ import annotations

import json
import os
import resource
import signal
import socket
import subprocess
import sys
import time
from pathlib import Path

import pytest

from nextbridge.process import allow_open_files
from tests.environments.commands import nextbridge, without_rights
from tests.process import Daemon

OWNER = (
    "It cannot be written. Make the state folder and the files in it belong to the user that NextBridge runs as, on a "
    "file system that is not mounted read-only."
)
EX_OSERR, EX_IOERR, EX_TEMPFAIL = 71, 74, 75


def write(folder: Path, **http: object) -> Path:
    path = folder / "config.json"
    path.write_text(json.dumps({"global": {"http": {"port": 0, **http}}, "webchat": {"w": {}}, "rules": []}))
    path.chmod(0o600)
    return path


def run(folder: Path, state: Path, *rights: str, **http: object) -> tuple[int, str]:
    """How the daemon ends that cannot begin, and its last line."""
    config = write(folder, **http)
    done = nextbridge("run", "--config", config, "--state", state, by=without_rights(*rights))
    return done.status, done.output.splitlines()[-1]


def test_a_state_folder_that_cannot_be_made_or_used(tmp_path: Path) -> None:
    """Whose it must be is said, with its path."""
    shut = tmp_path / "shut"
    shut.mkdir(mode=0o500)
    made = tmp_path / "made"
    made.mkdir(mode=0o500)
    file = write(tmp_path)
    for state, why in (
        (shut / "state", "Permission denied"),
        (made, "Permission denied"),
        (file / "state", "Not a directory"),
        (Path("/proc/nextbridge"), "No such file or directory"),
        (tmp_path / ("s" * 300), "File name too long"),
    ):
        assert run(tmp_path, state) == (EX_IOERR, f"The journal {state} cannot be used ({why}). {OWNER}")


def test_a_journal_that_may_not_be_written(tmp_path: Path) -> None:
    """Or that is a folder."""
    state = tmp_path / "state"
    state.mkdir()
    journal = state / "journal.sqlite3"
    journal.touch(mode=0o400)
    assert run(tmp_path, state) == (EX_IOERR, f"The journal {journal} cannot be used (Permission denied). {OWNER}")
    journal.unlink()
    journal.mkdir()
    assert run(tmp_path, state) == (EX_IOERR, f"The journal {journal} cannot be used (Is a directory). {OWNER}")


async def test_a_state_folder_that_another_daemon_holds(daemon: Daemon, tmp_path: Path) -> None:
    """Which is named; the status says that it may be tried again."""
    await daemon.start({"global": {"http": {"port": 0}}, "webchat": {"w": {}}, "rules": []})
    state = tmp_path / "state"
    status, line = run(tmp_path, state)
    assert status == EX_TEMPFAIL
    assert line == (
        f"The state folder {state} is in use by another NextBridge (process {daemon.pid}). Stop that one, or give this "
        "one a folder of its own (--state)."
    )
    assert await daemon.stop() == 0


def test_a_place_where_the_http_server_cannot_listen(tmp_path: Path, unused_tcp_port: int) -> None:
    """A port that is taken, one that is the system's, an address that is another machine's, and a name of nobody."""
    state = tmp_path / "state"
    with socket.create_server(("127.0.0.1", unused_tcp_port)):
        status, line = run(tmp_path, state, port=unused_tcp_port)
    assert status == EX_OSERR
    assert line == (
        f"the HTTP server cannot listen on 127.0.0.1:{unused_tcp_port}: Address already in use; set "
        "global.http.port to a free port"
    )
    address = "set global.http.host to an address of this machine: 127.0.0.1, or 0.0.0.0 for all"
    assert run(tmp_path, state, host="192.0.2.1") == (
        EX_OSERR,
        f"the HTTP server cannot listen on 192.0.2.1:0: Cannot assign requested address; {address}",
    )
    for name in ("nextbridge.invalid", f"{'n' * 70}.test"):
        assert run(tmp_path, state, host=name) == (
            EX_OSERR,
            f"the HTTP server cannot listen on {name}:0: there is no such name; {address}",
        )
    if int(Path("/proc/sys/net/ipv4/ip_unprivileged_port_start").read_text()) > 80:
        status, line = run(tmp_path, state, "net_bind_service", port=80)
        assert status == EX_OSERR
        assert line == (
            "the HTTP server cannot listen on 127.0.0.1:80: Permission denied; set global.http.port to one above 1023, "
            "and have a reverse proxy lead there"
        )


def test_a_limit_of_open_files_that_is_too_low(tmp_path: Path) -> None:
    """It is said at the start, and not found out when nobody can connect any more."""
    config = write(tmp_path)
    done = nextbridge(
        "run", "--config", config, "--state", tmp_path / "state", by=["sh", "-c", 'ulimit -n 20; exec "$@"', "sh"]
    )
    assert done == (
        EX_OSERR,
        "This process may open 20 files, and needs 128: raise the limit (LimitNOFILE= in the unit, or ulimit -n).\n",
    )


async def test_a_daemon_may_open_as_many_files_as_the_system_lets_it(daemon: Daemon) -> None:
    """What systems begin with is for programs of long ago."""
    soft, most = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (min(256, most), most))
    try:
        await daemon.start({"global": {"http": {"port": 0}}, "webchat": {"w": {}}, "rules": []})
    finally:
        resource.setrlimit(resource.RLIMIT_NOFILE, (soft, most))
    assert resource.prlimit(daemon.pid, resource.RLIMIT_NOFILE) == (most, most)
    assert await daemon.stop() == 0


@pytest.mark.parametrize("command", [("check",), ("schema",), ("--version",)], ids=" ".join)
def test_output_that_cannot_be_written(tmp_path: Path, command: tuple[str, ...]) -> None:
    """Behind `>` the disk may be full."""
    write(tmp_path)
    done = nextbridge(*command, cwd=tmp_path, by=["sh", "-c", 'exec "$@" > /dev/full', "sh"])
    assert done == (EX_OSERR, "nextbridge: No space left on device\n")


def test_a_reader_that_has_enough_ends_the_output(tmp_path: Path) -> None:
    """As `| head` does; without a word."""
    write(tmp_path)
    done = nextbridge("schema", cwd=tmp_path, by=["sh", "-c", '"$@" | head -c 1', "sh"])
    assert done == (0, "{")


def test_a_daemon_whose_streams_are_closed_runs_and_keeps_its_journal(tmp_path: Path) -> None:
    """Else the journal would be the file that complaints are written to."""
    state = tmp_path / "state"
    words = [sys.executable, "-m", "nextbridge", "run", "--config", str(write(tmp_path)), "--state", str(state)]
    process = subprocess.Popen(["sh", "-c", 'exec "$@" <&- >&- 2>&-', "sh", *words])
    try:
        deadline = time.monotonic() + 30
        while not (state / "control.sock").exists():
            assert process.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        streams = [Path(f"/proc/{process.pid}/fd/{number}").readlink() for number in range(3)]
        assert streams == [Path(os.devnull)] * 3
        assert nextbridge("status", "--state", state).status == 0
    finally:
        process.send_signal(signal.SIGTERM)
        assert process.wait(30) == 0


def test_the_least_number_of_open_files_is_less_than_what_systems_begin_with() -> None:
    """So that nobody has to raise it who has a common system."""
    allow_open_files()


def test_a_command_finds_no_daemon(tmp_path: Path) -> None:
    """Where there is no folder, none that may be looked into, or one of something else."""
    shut = tmp_path / "shut"
    shut.mkdir(mode=0)
    which = "Name the daemon's state folder (--state; under systemd /var/lib/nextbridge), and be its owner or root."
    assert nextbridge("status", "--state", tmp_path / "nowhere") == (
        69,
        f"{tmp_path / 'nowhere'} cannot be opened (No such file or directory). {which}\n",
    )
    assert nextbridge("queue", "--state", tmp_path) == (69, f"There is no journal in {tmp_path}. {which}\n")
    assert nextbridge("dead", "list", "--state", shut, by=without_rights()) == (
        69,
        f"{shut} cannot be opened (Permission denied). {which}\n",
    )
