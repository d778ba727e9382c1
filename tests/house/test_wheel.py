"""What is built from the clone, and what it can do in an environment that holds nothing else."""

import json
import signal
import subprocess
import sys
import zipfile
from importlib.metadata import distributions
from pathlib import Path
from urllib.request import urlopen

import pytest

from nextbridge import __version__
from nextbridge.config.platforms import InstalledPlatforms

pytestmark = pytest.mark.xdist_group("wheel")  # one worker builds it, once

_SHIPPED = ("nextbridge", "drivers")

_IMPORT_EVERYTHING = """
import importlib, pkgutil
from importlib.metadata import entry_points
from nextbridge.config.extras import TELEMETRY_LIBRARIES

drivers = entry_points(group="nextbridge.drivers")
extra = {library for driver in drivers for library in driver.load().libraries}
extra |= {library.partition(".")[0] for library in TELEMETRY_LIBRARIES}
for top in ("nextbridge", "drivers"):
    package = importlib.import_module(top)
    for module in pkgutil.walk_packages(package.__path__, f"{top}."):
        if not module.name.endswith("__main__"):
            try:
                importlib.import_module(module.name)
            except ModuleNotFoundError as error:
                if error.name.partition(".")[0] not in extra:
                    raise
for driver in drivers:
    assert driver.load().platform == driver.name, driver
print(*sorted(drivers.names))
"""


@pytest.fixture(scope="session")
def wheel(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A wheel of the clone, built without the network by the backend that the lock names."""
    folder = tmp_path_factory.mktemp("wheel")
    _run(sys.executable, "-m", "pip", "wheel", "--quiet", "--no-deps", "--no-build-isolation", "-w", folder, clone)
    (wheel,) = folder.iterdir()
    return wheel


@pytest.fixture(scope="session")
def empty_environment(wheel: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The bin folder of a virtual environment into which only the wheel was installed, with what it asks for.

    Of each package it gets the version that these tests run with, so that a release made today breaks nothing here.
    """
    folder = tmp_path_factory.mktemp("empty environment")
    versions = folder / "versions"
    here = {each.metadata["Name"]: each.version for each in distributions() if each.metadata["Name"] != "nextbridge"}
    versions.write_text("".join(f"{name}=={version}\n" for name, version in here.items()))
    _run(sys.executable, "-m", "venv", "--without-pip", folder / "venv")
    programs = folder / "venv" / "bin"
    pip = (sys.executable, "-m", "pip", "--python", programs / "python", "install", "--quiet", "--no-compile")
    install = subprocess.run(
        [*pip, "--constraint", versions, wheel], capture_output=True, text=True, timeout=300, check=False
    )
    if install.returncode and "Retry(total=0" in install.stderr:  # pip's last attempt at a connection
        pytest.skip("the package registry is out of reach: the wheel is not installed into an empty environment")
    assert install.returncode == 0, install.stderr
    return programs


def test_the_wheel_holds_all_that_the_program_is_made_of(clone: Path, wheel: Path) -> None:
    """Every file of the packages is in it (pages, styles and type marks too), and nothing beside them."""
    with zipfile.ZipFile(wheel) as archive:
        names = {name for name in archive.namelist() if ".dist-info/" not in name}
        shipped = archive.read("nextbridge/setup/nextbridge.service")
    assert shipped == (clone / "systemd/nextbridge.service").read_bytes()
    pages = f"nextbridge-{__version__}.data/data/share/man/man1/"
    packed = {name for name in names if not name.startswith(pages)}
    tree = {
        path.relative_to(clone).as_posix()
        for top in _SHIPPED
        for path in (clone / top).rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }
    unit = "nextbridge/setup/nextbridge.service"  # of systemd/, for `nextbridge init --unit`
    assert packed == tree | {unit}
    manual = {path.name for path in (clone / "docs" / "man").iterdir()}
    assert names - packed == {f"{pages}{name}" for name in manual}
    assert any(name.endswith(".html") for name in packed), "the pages"


def test_the_wheel_carries_its_licence_and_readme(wheel: Path) -> None:
    """Who has only the wheel has the licence's text and reads the README in its metadata."""
    with zipfile.ZipFile(wheel) as archive:
        info = f"nextbridge-{__version__}.dist-info"
        licence = archive.read(f"{info}/licenses/LICENSE").decode()
        metadata = archive.read(f"{info}/METADATA").decode()
    assert "Apache License" in licence
    assert "License-Expression: Apache-2.0" in metadata
    assert "\n# NextBridge" in metadata


def test_the_program_runs_in_an_empty_environment(empty_environment: Path, tmp_path: Path) -> None:
    """The wheel alone brings a program that starts and knows its version."""
    assert __version__ in _run(empty_environment / "nextbridge", "--version", cwd=tmp_path)


def test_nothing_needs_what_only_development_has(empty_environment: Path, tmp_path: Path) -> None:
    """Every driver can be imported with the declared dependencies alone, and every module but those of an extra."""
    drivers = _run(empty_environment / "python", "-W", "error", "-c", _IMPORT_EVERYTHING, cwd=tmp_path)
    assert drivers.split() == sorted(InstalledPlatforms().names)


def _run(*command: str | Path, cwd: Path | None = None) -> str:
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, check=False, cwd=cwd)
    assert done.returncode == 0, f"{done.stdout}{done.stderr}"
    return done.stdout


def test_the_demo_runs_from_the_wheel_alone(empty_environment: Path, tmp_path: Path) -> None:
    """After a plain install `nextbridge demo` serves its pages with all that they load, and ends at SIGINT."""
    demo = subprocess.Popen(
        [empty_environment / "nextbridge", "demo", "--port", "0"],
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        cwd=tmp_path,
        env={"PATH": "/usr/bin:/bin"},
    )
    try:
        assert demo.stdout is not None
        address = demo.stdout.readline().removeprefix("Open ").partition(" ")[0]
        for name in ("", "stage.css", "stage.js"):
            with urlopen(address + name, timeout=10) as answer:
                assert answer.status == 200
        with urlopen(f"{address}frames", timeout=10) as answer:
            frames = json.load(answer)
        assert [frame["title"] for frame in frames] == ["Mattermost", "Web chat"]
        for frame in frames:
            with urlopen(frame["address"].partition("#")[0], timeout=10) as answer:
                assert "<script" in answer.read().decode()
        demo.send_signal(signal.SIGINT)
        assert demo.wait(timeout=20) == 0
    finally:
        demo.kill()
        demo.communicate()
