"""The unit file, judged by systemd itself."""

import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from nextbridge.cli import run
from nextbridge.service import DRAIN_SECONDS

UNIT = Path(__file__).parents[2] / "systemd" / "nextbridge.service"
PAGE = UNIT.parents[1] / "docs" / "systemd.md"
PROGRAM = "/opt/nextbridge/bin/nextbridge"
with_systemd = pytest.mark.skipif(
    shutil.which("systemd-analyze") is None,
    reason="systemd-analyze is not installed (Debian package: systemd): the unit file is not verified",
)


def assignments(name: str) -> list[str]:
    return re.findall(rf"^{name}=(.*)$", UNIT.read_text(), re.MULTILINE)


def analyze(*arguments: str | Path) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        ["systemd-analyze", "--no-pager", *arguments], capture_output=True, text=True, timeout=60, check=False
    )


@with_systemd
def test_systemd_accepts_the_unit(tmp_path: Path) -> None:
    """`systemd-analyze verify` has nothing to say about the unit as it is shipped.

    It also looks whether the program is there, which is so on the operator's machine only: here this interpreter stands
    in its place. Every other line is the shipped one.
    """
    text = UNIT.read_text()
    assert text.count(f"ExecStart={PROGRAM} ") == 1
    copy = tmp_path / UNIT.name
    copy.write_text(text.replace(f"={PROGRAM} ", f'="{sys.executable}" '))
    verdict = analyze("verify", "--man=no", copy)
    assert (verdict.returncode, verdict.stdout + verdict.stderr) == (0, "")


@with_systemd
def test_systemd_finds_a_mistake(tmp_path: Path) -> None:
    """The verification above would not pass a misspelt setting: systemd-analyze works on this machine."""
    copy = tmp_path / UNIT.name
    copy.write_text(UNIT.read_text().replace("ProtectSystem=", "ProtectSistem="))
    verdict = analyze("verify", "--man=no", copy)
    assert "ProtectSistem" in verdict.stderr


@with_systemd
def test_the_page_says_how_exposed_the_daemon_is() -> None:
    """What `systemd-analyze security` computes from the hardening is what its page says; versions differ a little."""
    said = re.search(r"`systemd-analyze\s+security`\D{1,40}(\d\.\d)", PAGE.read_text())
    assert said is not None
    verdict = analyze("security", "--offline=true", UNIT)
    measured = re.search(r"Overall exposure level for nextbridge\.service: ([\d.]+)", verdict.stdout)
    assert measured is not None, verdict.stderr
    assert float(measured[1]) == pytest.approx(float(said[1]), abs=0.3)


def test_a_wrong_file_is_not_started_again() -> None:
    """Exit status 78 (the file is wrong) ends it for good; a crash does not."""
    assert assignments("Restart") == ["on-failure"]
    assert assignments("RestartPreventExitStatus") == ["78"]


def test_systemd_waits_for_the_daemon_to_drain() -> None:
    """systemd kills only what has outlived the daemon's own bound, with room for closing its connections."""
    (seconds,) = assignments("TimeoutStopSec")
    assert int(seconds) >= DRAIN_SECONDS + 10


def test_the_unit_starts_the_program_as_it_can_be_started() -> None:
    """The command line is one that the program knows, with the file where the unit's folder of it is."""
    (command,) = assignments("ExecStart")
    program, name, *arguments = shlex.split(command)
    assert (program, name) == (PROGRAM, "run")
    context = run.make_context(name, arguments)
    assert context.params["config_path"] == Path("/etc", *assignments("ConfigurationDirectory"), "config.json")


def test_the_unit_shows_a_credential_that_a_config_can_name() -> None:
    """The commented example names the same credential as the text above it."""
    text = UNIT.read_text()
    named = re.search(r'\{"credential": "(\w+)"\}', text)
    assert named is not None
    assert f"\n#LoadCredential={named[1]}:/etc/nextbridge/" in text
