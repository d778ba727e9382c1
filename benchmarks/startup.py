"""How long the daemon takes to start where none of the extras is installed, and what it imports.

    python benchmarks/startup.py [--runs 15]

A virtual environment is made from requirements.lock for the run, which takes a minute, and removed after it. The bare
interpreter is started in turn with the daemon: on a file of the web chat alone, and on one of platforms that need no
extra, whose servers are not there. It has started when it says so to systemd's socket: every instance has connected or
has said why not.
"""

from __future__ import annotations

import argparse
import json
import os
import shutil
import signal
import socket
import statistics
import subprocess
import tempfile
import time
import venv
from importlib.metadata import entry_points
from pathlib import Path

CLONE = Path(__file__).parents[1]
ALONE = {
    "global": {"http": {"port": 0}},
    "webchat": {"chat": {}},
    "rules": [{"type": "connect", "channels": [{"instance": "chat", "room": "a"}, {"instance": "chat", "room": "b"}]}],
}
MANY = {
    **ALONE,
    "mattermost": {"mm": {"server_url": "http://127.0.0.1:9", "token": "abcdefghijklmnopqrstuvwxyz"}},
    "irc": {"irc": {"host": "127.0.0.1", "port": 9, "tls": False, "nick": "relay"}},
    "discord": {"discord": {"token": "a.token.of-nobody", "api_url": "http://127.0.0.1:9/api"}},
    "telegram": {"telegram": {"token": "123456:" + "A" * 35, "api_url": "http://127.0.0.1:9"}},
    "api": {"api": {"tokens": [{"name": "program", "token": "t" * 24}]}},
}


def environment(folder: Path) -> Path:
    """An environment with the core's packages and this project; its Python."""
    venv.create(folder, with_pip=True)
    python = folder / "bin" / "python"
    pip = [str(python), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
    subprocess.run([*pip, "--require-hashes", "--requirement", str(CLONE / "requirements.lock")], check=True)
    subprocess.run([*pip, "--no-deps", "--no-build-isolation", str(CLONE)], check=True)
    return python


def started(python: Path, folder: Path, file: object, *, verbose: bool = False) -> tuple[float, str]:
    """Seconds from the start of the process until it is ready, and what it wrote to standard error."""
    shutil.rmtree(folder, ignore_errors=True)
    folder.mkdir()
    (folder / "config.json").write_text(json.dumps(file))
    (folder / "config.json").chmod(0o600)
    address = str(folder / "notify")
    with socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as manager:
        manager.bind(address)
        manager.settimeout(60)
        options = ["-v"] if verbose else []
        command = [str(python), *options, "-m", "nextbridge", "run", "--config", "config.json", "--state", "state"]
        with (folder / "log").open("wb") as log:
            began = time.perf_counter()
            daemon = subprocess.Popen(command, cwd=folder, stderr=log, env={**os.environ, "NOTIFY_SOCKET": address})
            while b"READY=1" not in manager.recv(65536):
                pass
            took = time.perf_counter() - began
        daemon.send_signal(signal.SIGTERM)
        daemon.wait(60)
    return took, (folder / "log").read_text(errors="replace")


def main() -> None:
    """Measure, and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--runs", type=int, default=15)
    runs = parser.parse_args().runs
    with tempfile.TemporaryDirectory() as place:
        folder = Path(place)
        python = environment(folder / "environment")
        bare: list[float] = []
        took: dict[str, list[float]] = {"the web chat alone": [], "six platforms": []}
        for _ in range(runs):
            began = time.perf_counter()
            subprocess.run([str(python), "-c", "pass"], check=True)
            bare.append(time.perf_counter() - began)
            for (name, times), file in zip(took.items(), (ALONE, MANY), strict=True):
                times.append(started(python, folder / name, file)[0])
        print(f"the bare interpreter: {statistics.median(bare) * 1000:.0f} ms")
        for name, times in took.items():
            ratio = statistics.median(each / base for each, base in zip(times, bare, strict=True))
            print(
                f"{name}: {statistics.median(times) * 1000:.0f} ms "
                f"({min(times) * 1000:.0f}-{max(times) * 1000:.0f}), {ratio:.1f} times the interpreter"
            )
        _, imports = started(python, folder / "imports", ALONE, verbose=True)
        drivers = sorted({line.split("'")[1] for line in imports.splitlines() if line.startswith("import 'drivers.")})
        print("with the web chat alone it imports of the drivers:", ", ".join({each.split(".")[1] for each in drivers}))
        libraries = {each for driver in entry_points(group="nextbridge.drivers") for each in driver.load().libraries}
        print(
            "and of the extras' libraries:",
            ", ".join(each for each in sorted(libraries) if f"import '{each}" in imports) or "none",
        )


if __name__ == "__main__":
    main()
