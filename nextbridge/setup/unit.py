"""The systemd unit for the file that was made: the project's own, with the places of this installation in it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path

__all__ = ["UNIT", "steps", "unit"]

UNIT = Path("/etc/systemd/system/nextbridge.service")
_CLONE = Path(__file__).parents[2] / "systemd" / UNIT.name
_PROGRAM = "/opt/nextbridge/bin/nextbridge"
_FILE = "/etc/nextbridge/config.json"


def unit(config: Path) -> str:
    """The unit that runs this very program with the file `config`."""
    shipped = files(__package__).joinpath(UNIT.name)
    text = shipped.read_text() if shipped.is_file() else _CLONE.read_text()
    return text.replace(_PROGRAM, str(program())).replace(_FILE, str(config.absolute()))


def program() -> Path:
    """The command that was called, or the one of this environment."""
    return Path(sys.executable).parent / "nextbridge"


def steps(read: Sequence[Path], written: Path | None) -> list[str]:
    """What is to be done as root until the daemon runs: commands. `read` are the files that it reads."""
    places = [each.absolute() for each in read]
    paths = shlex.join(map(str, places))
    hidden = [each for each in (*places, program()) if each.is_relative_to("/home") or each.is_relative_to("/root")]
    place = [f"# the unit shuts homes away: put {shlex.join(map(str, hidden))} elsewhere first"] if hidden else []
    if written is None:
        place += [f"# the unit, systemd/{UNIT.name} of the project with these paths in it, belongs at {UNIT}"]
    elif written.absolute() != UNIT:
        place += [f"install -m 0644 {shlex.quote(str(written.absolute()))} {UNIT}"]
    return [
        "useradd --system --user-group --home-dir /var/lib/nextbridge --shell /usr/sbin/nologin nextbridge",
        f"chown root:nextbridge {paths}",
        f"chmod 0640 {paths}",
        *place,
        "systemctl daemon-reload",
        "systemctl enable --now nextbridge",
        "journalctl -u nextbridge -f",
    ]
