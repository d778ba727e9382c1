"""The shipped unit under a systemd that was booted for it: what docs/systemd.md says holds there."""

from __future__ import annotations

import json

import pytest

from tests.systemd.conftest import Machine

pytestmark = pytest.mark.xdist_group("booted")
SECRET = "hush-hush-7-hush"
CONFIG = "/etc/nextbridge/config.json"
OWN = """
[Service]
LoadCredential=web_token:/etc/nextbridge/web_token
RestartSec=100ms
"""


def file(*rooms: str, **settings: object) -> str:
    blocks = {each: {"token": {"credential": "web_token"}, **settings} for each in rooms}
    return json.dumps({"global": {"http": {"port": 0}}, "webchat": blocks, "rules": []})


@pytest.fixture
def machine(booted: Machine) -> Machine:
    """With a right file, a credential and settings of its own; the unit is stopped and has forgotten how it ended."""
    booted.run("systemctl", "stop", "nextbridge")
    booted.write("/etc/nextbridge/web_token", f"{SECRET}\n", "0600", "root:root")
    booted.write("/etc/systemd/system/nextbridge.service.d/own.conf", OWN)
    booted.write(CONFIG, file("w"))
    booted.do("systemctl daemon-reload; systemctl reset-failed nextbridge 2> /dev/null || true")
    return booted


def test_it_starts_in_its_sandbox_and_stops(machine: Machine) -> None:
    """Ready once it is connected, with the credential, a state folder of its own, and nothing to change the rest."""
    machine.do("systemctl start nextbridge")
    assert machine.unit("ActiveState", "SubState", "StatusText") == ("active", "running", "1 of 1 instances connected")
    (process,) = machine.unit("MainPID")
    assert machine.do("stat -c '%U %a' /var/lib/nextbridge").split() == ["nextbridge", "700"]
    status = dict(
        line.split(":\t", 1) for line in machine.do(f"cat /proc/{process}/status").splitlines() if ":\t" in line
    )
    assert (status["CapEff"], status["NoNewPrivs"], status["Seccomp"]) == ("0" * 16, "1", "2")
    assert machine.do(f"stat -c %U /proc/{process}").strip() == "nextbridge"
    assert "instance=w" in machine.log("NEXTBRIDGE_EVENT=connected")
    machine.do("systemctl stop nextbridge")
    assert machine.unit("ActiveState", "Result", "ExecMainStatus") == ("inactive", "success", "0")
    assert machine.log().index("Stopping nextbridge.service") < machine.log().rindex("Stopped nextbridge.service")
    assert SECRET not in machine.run("journalctl", "--no-pager", "--output=export").stdout


def test_a_reload_is_done_or_refused_and_systemctl_says_so(machine: Machine) -> None:
    """The daemon stays the same process, and as it was where the file is wrong."""
    machine.do("systemctl start nextbridge")
    before = machine.unit("MainPID")
    machine.write(CONFIG, file("w", "x"))
    machine.do("systemctl reload nextbridge")
    machine.until(lambda: machine.unit("StatusText") == ("2 of 2 instances connected",))
    machine.write(CONFIG, file("w", titel="x"))
    assert machine.run("systemctl", "reload", "nextbridge").returncode != 0
    assert (machine.unit("MainPID"), machine.unit("ActiveState")) == (before, ("active",))
    assert 'unknown key "titel"; did you mean "title"?' in machine.log()
    machine.write(CONFIG, file("w"))
    machine.do("systemctl kill --kill-whom=main --signal=HUP nextbridge")
    machine.until(lambda: machine.unit("StatusText") == ("1 of 1 instances connected",))
    assert machine.unit("MainPID") == before


def test_it_is_started_again_when_it_was_killed_and_not_on_a_wrong_file(machine: Machine) -> None:
    """Status 78 is for the operator: starting again would not help."""
    machine.do("systemctl start nextbridge && systemctl kill --signal=KILL nextbridge")
    machine.until(lambda: machine.unit("NRestarts", "ActiveState") == ("1", "active"))
    machine.write(CONFIG, file("w", titel="x"))
    machine.do("systemctl kill --signal=KILL nextbridge")
    machine.until(lambda: machine.unit("ActiveState") == ("failed",))
    assert machine.unit("Result", "ExecMainStatus", "NRestarts") == ("exit-code", "78", "2")


def test_it_is_killed_and_started_again_when_it_is_silent(machine: Machine) -> None:
    """It tells the watchdog that it lives, for as long as it does."""
    machine.write("/etc/systemd/system/nextbridge.service.d/own.conf", f"{OWN}WatchdogSec=1\n")
    machine.do("systemctl daemon-reload && systemctl start nextbridge")
    (process,) = machine.unit("MainPID")
    (since,) = machine.unit("WatchdogTimestampMonotonic")
    machine.until(lambda: int(machine.unit("WatchdogTimestampMonotonic")[0]) - int(since) > 2_000_000)
    assert machine.unit("MainPID", "NRestarts") == (process, "0")
    machine.do("systemctl kill --signal=STOP nextbridge")
    machine.until(lambda: machine.unit("NRestarts", "ActiveState") == ("1", "active"))
    assert machine.unit("MainPID") != (process,)
    assert "Watchdog timeout (limit 1s)!" in machine.log()
