"""A machine with a booted systemd, in namespaces of its own, and the shipped unit on it."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import sysconfig
import time
from collections.abc import Callable, Iterator
from contextlib import suppress
from pathlib import Path

import pytest

CLONE = Path(__file__).parents[2]
INSTALL = """
set -e
useradd --system --user-group --home-dir /var/lib/nextbridge --shell /usr/sbin/nologin nextbridge
mkdir -p /opt/nextbridge/bin /etc/nextbridge
cat > /opt/nextbridge/bin/nextbridge <<'END'
#!/bin/sh
export LD_LIBRARY_PATH=/opt/nextbridge/python/lib PYTHONPATH=/opt/nextbridge/clone:/opt/nextbridge/packages
exec /opt/nextbridge/python/bin/{python} -B -c 'from nextbridge.cli import main; main(prog_name="nextbridge")' "$@"
END
chmod 755 /opt/nextbridge/bin/nextbridge
/opt/nextbridge/bin/nextbridge --version
cp /opt/nextbridge/clone/systemd/nextbridge.service /etc/systemd/system/
"""


class Machine:
    """One on which systemd is process 1."""

    def __init__(self, systemd: int) -> None:
        self._enter = ["nsenter", f"--target={systemd}", "--mount", "--pid", "--uts", "--ipc", "--cgroup"]
        self._enter += ["--root", "--wd"]

    def run(self, *words: str, text: str | None = None) -> subprocess.CompletedProcess[str]:
        """A command on it, which may fail; its output has its complaints, too."""
        return subprocess.run(
            [*self._enter, *words], input=text, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True,
            timeout=60, check=False,
        )  # fmt: skip

    def do(self, script: str) -> str:
        """What a script prints, which must succeed."""
        done = self.run("sh", "-s", text=script)
        assert done.returncode == 0, f"{done.stdout}\n{self.log()}"
        return done.stdout

    def write(self, path: str, text: str, mode: str = "0640", owner: str = "root:nextbridge") -> None:
        done = self.run("sh", "-c", f"mkdir -p $(dirname {path}) && cat > {path}", text=text)
        assert done.returncode == 0, done.stdout
        self.do(f"chmod {mode} {path} && chown {owner} {path}")

    def unit(self, *names: str) -> tuple[str, ...]:
        """What systemd says of the unit."""
        shown = self.do(f"systemctl show nextbridge {' '.join(f'-p {each}' for each in names)}")
        found = dict(line.split("=", 1) for line in shown.splitlines())
        return tuple(found[each] for each in names)

    def until(self, condition: Callable[[], bool]) -> None:
        """Return once it holds."""
        deadline = time.monotonic() + 30
        while not condition():
            assert time.monotonic() < deadline, self.log()
            time.sleep(0.1)

    def log(self, *which: str) -> str:
        """What the journal has of the unit."""
        return self.run("journalctl", "--unit=nextbridge", "--output=cat", "--no-pager", *which).stdout


@pytest.fixture(scope="module")
def booted(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Machine]:
    """Where the kernel lets root have one; it is gone with the tests, and has changed nothing."""
    if os.geteuid() != 0:
        pytest.skip("only root may boot a systemd")
    for needed in ("unshare", "nsenter", "pivot_root", "useradd", "/usr/lib/systemd/systemd"):
        if shutil.which(needed) is None:
            pytest.skip(f"booting a systemd needs {needed}")
    cgroups = [line.split()[1] for line in Path("/proc/mounts").read_text().splitlines() if " cgroup2 rw" in line]
    if not cgroups:
        pytest.skip("booting a systemd needs cgroups that can be written")
    cgroup = Path(cgroups[0]) / f"nextbridge-trial-{os.getpid()}"
    folder = tmp_path_factory.mktemp("machine")
    words = [Path(__file__).parent / "boot.sh", folder, CLONE, sys.base_prefix, sysconfig.get_path("purelib")]
    script = f'mkdir {cgroup} && echo $$ > {cgroup}/cgroup.procs && exec "$@"'
    namespaces = ["unshare", "--mount", "--pid", "--uts", "--ipc", "--cgroup", "--fork", "--kill-child"]
    with (folder / "boot.log").open("wb") as log:
        outside = subprocess.Popen(
            ["sh", "-c", script, "sh", *namespaces, "sh", *map(str, words)], stdout=log, stderr=log
        )
    try:
        yield _installed(outside, folder / "boot.log")
    finally:
        if (systemd := _child(outside.pid)) is not None:
            with suppress(ProcessLookupError):
                os.kill(systemd, signal.SIGKILL)  # and with it all that it started
        outside.kill()
        outside.wait(30)
        _remove(cgroup)


def _installed(outside: subprocess.Popen[bytes], log: Path) -> Machine:
    deadline = time.monotonic() + 30
    while time.monotonic() < deadline and outside.poll() is None:
        systemd = _child(outside.pid)
        if systemd is not None and Path(f"/proc/{systemd}/comm").read_text() == "systemd\n":
            machine = Machine(systemd)
            if machine.run("systemctl", "is-system-running").stdout.strip() in {"running", "degraded"}:
                machine.do(INSTALL.format(python=Path(sys.executable).resolve().name))
                return machine
        time.sleep(0.1)
    pytest.skip(f"no systemd can be booted here: {log.read_text().strip() or 'it does not come up'}")


def _remove(cgroup: Path) -> None:
    """With all below it, once the kernel has done with what was in it."""
    deadline = time.monotonic() + 10
    while cgroup.exists() and time.monotonic() < deadline:
        for each in sorted((cgroup, *(path for path in cgroup.rglob("*") if path.is_dir())), reverse=True):
            with suppress(OSError):
                each.rmdir()
        time.sleep(0.05)


def _child(process: int) -> int | None:
    try:
        children = Path(f"/proc/{process}/task/{process}/children").read_text().split()
    except OSError:
        return None
    return int(children[0]) if children else None
