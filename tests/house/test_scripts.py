"""How scripts/demo and scripts/test treat the machine that they are started on.

They run here as they are, in a copy of the clone, with a stand-in interpreter on the PATH that writes down what it was
asked to do: no network, and no installation that takes its time.
"""

import os
import re
import shutil
import subprocess
import tempfile
from pathlib import Path

import pytest

_NOBODY = 65534
_TOOLS = ("sh", "dash", "cat", "cksum", "dirname", "rm", "mkdir", "ln", "cut", "tr", "readlink", "grep", "sleep")

_INTERPRETER = """#!/bin/sh
echo "$@" >>"$CALLS"
case "$*" in
    *"sys.version_info <"*) exit ${TOO_OLD:-0} ;;
    *sys.base_prefix*) echo "/usr 3 11" ;;
    --version) echo "Python 3.9.2" ;;
    *ensurepip*) exit ${NO_VENV:-0} ;;
    "-m venv "*)
        mkdir -p "$3/bin"
        cat "$0" >"$3/bin/python"
        printf '#!/bin/sh\\necho "nextbridge $*"\\n' >"$3/bin/nextbridge"
        chmod 755 "$3/bin/python" "$3/bin/nextbridge"
        ;;
    "-m $FAILING") exit 1 ;;
    *"pip "*) exit ${NO_NETWORK:-0} ;;
esac
"""


class Newcomer:
    """Somebody with a clone in a folder whose name has a space, and little else."""

    def __init__(self, clone: Path, home: Path) -> None:
        self.clone = home / "my clone"
        self.bin = home / "bin"
        self.calls = home / "calls"
        self.bin.mkdir()
        for tool in (*_TOOLS, "chmod"):
            found = shutil.which(tool)
            if found:
                (self.bin / tool).symlink_to(found)
        shutil.copytree(clone / "scripts", self.clone / "scripts")
        for name in ("pyproject.toml", "requirements.lock", "requirements-dev.lock", "requirements-synapse.lock"):
            shutil.copy(clone / name, self.clone)
        interpreter = self.bin / "python3"
        interpreter.write_text(_INTERPRETER)
        interpreter.chmod(0o755)
        plain_user = self.bin / "id"
        plain_user.write_text("#!/bin/sh\necho 1000\n")
        plain_user.chmod(0o755)
        self.home = home

    def runs(
        self, script: str, *arguments: str, user: int | None = None, **environ: str
    ) -> subprocess.CompletedProcess[str]:
        """Start a script from another folder; `calls` then holds what the interpreter was asked."""
        self.calls.write_text("")
        return subprocess.run(
            [self.clone / "scripts" / script, *arguments],
            capture_output=True,
            text=True,
            timeout=60,
            check=False,
            cwd=self.home,
            user=user,
            env={"PATH": str(self.bin), "HOME": str(self.home), "CALLS": str(self.calls), **environ},
        )

    @property
    def installed(self) -> bool:
        """Whether the last run asked pip for anything."""
        return "pip " in self.calls.read_text()


@pytest.fixture
def newcomer(clone: Path, tmp_path: Path) -> Newcomer:
    return Newcomer(clone, tmp_path)


def test_the_first_run_sets_up_and_the_second_has_nothing_to_do(newcomer: Newcomer) -> None:
    """The demo installs what the lock names, once; then it starts at once, and needs no network."""
    first = newcomer.runs("demo", "--port", "0")
    assert (first.returncode, first.stdout.splitlines()[-1]) == (0, "nextbridge demo --port 0"), first.stderr
    assert newcomer.installed
    assert "--require-hashes --requirement requirements.lock" in newcomer.calls.read_text()
    second = newcomer.runs("demo", NO_NETWORK="1")
    assert (second.returncode, second.stdout) == (0, "nextbridge demo\n"), second.stderr
    assert not newcomer.installed


def test_a_changed_lock_is_installed(newcomer: Newcomer) -> None:
    """After an update of the clone, its environment follows."""
    newcomer.runs("demo")
    with (newcomer.clone / "requirements.lock").open("a") as lock:
        lock.write("# another version\n")
    assert newcomer.runs("demo").returncode == 0
    assert newcomer.installed


def test_an_installation_that_failed_is_tried_again(newcomer: Newcomer) -> None:
    """Without a network the first run fails, and what it left behind does not pass for a finished one."""
    assert newcomer.runs("demo", NO_NETWORK="1").returncode != 0
    assert newcomer.runs("demo").returncode == 0
    assert newcomer.installed


def test_a_moved_clone_gets_a_new_environment(newcomer: Newcomer) -> None:
    """A virtual environment holds absolute paths, so it is made again where the clone is now."""
    newcomer.runs("demo")
    newcomer.clone = newcomer.clone.rename(newcomer.home / "moved")
    assert newcomer.runs("demo").returncode == 0
    assert "-m venv" in newcomer.calls.read_text()
    assert newcomer.installed


def test_an_environment_of_your_own_is_left_alone(newcomer: Newcomer) -> None:
    """A .venv that these scripts have not made is not theirs to replace."""
    own = newcomer.clone / ".venv" / "own"
    own.parent.mkdir()
    own.touch()
    run = newcomer.runs("demo")
    assert run.returncode != 0
    assert "was not made by this script" in run.stderr
    assert own.exists()


@pytest.mark.parametrize("script", ["demo", "test"])
def test_a_python_that_is_too_old_is_named(newcomer: Newcomer, script: str) -> None:
    """The reader learns what was found, what is needed and what to set."""
    run = newcomer.runs(script, TOO_OLD="1")
    assert run.returncode != 0
    assert "needs Python 3.11 or newer; found: Python 3.9.2. Set PYTHON to" in run.stderr
    assert not (newcomer.clone / ".venv").exists()


@pytest.mark.parametrize("script", ["demo", "test"])
def test_a_missing_venv_module_is_named(newcomer: Newcomer, script: str) -> None:
    """Debian ships Python without venv: the reader learns which package brings it."""
    run = newcomer.runs(script, NO_VENV="1")
    assert run.returncode != 0
    assert "apt-get install python3-venv" in run.stderr
    assert not (newcomer.clone / ".venv").exists()


def test_a_python_can_be_chosen(newcomer: Newcomer) -> None:
    """$PYTHON is taken before any other, and nothing else instead of it."""
    chosen = newcomer.bin / "my-python"
    (newcomer.bin / "python3").rename(chosen)
    assert newcomer.runs("demo", PYTHON="my-python").returncode == 0
    wrong = newcomer.runs("demo", PYTHON="my-python", TOO_OLD="1")
    assert wrong.returncode != 0


def test_a_clone_of_somebody_else_is_explained(clone: Path) -> None:
    """Where nothing can be written, the reader learns who should have made the clone."""
    with tempfile.TemporaryDirectory() as home:  # tmp_path is closed to other users
        Path(home).chmod(0o755)
        newcomer = Newcomer(clone, Path(home))
        newcomer.calls.touch()
        newcomer.calls.chmod(0o666)
        newcomer.clone.chmod(0o555)
        run = newcomer.runs("demo", user=_NOBODY if os.geteuid() == 0 else None)
        newcomer.clone.chmod(0o755)
    assert run.returncode != 0
    assert "clone the repository as the user who is to run this" in run.stderr


def test_a_plain_user_is_told_what_is_left_out_and_the_rest_runs(newcomer: Newcomer) -> None:
    """Who cannot install Debian's packages reads which are missing and what for; then every check runs, pytest last."""
    with (newcomer.clone / "scripts" / "test-packages").open("a") as packages:
        packages.write("teapotd  brew-in-teapot  tests/teapot: nothing is brewed\n")
    run = newcomer.runs("test", "-k", "a name")
    assert re.search("LEFT OUT.*\n(  .*\n)*  teapotd +tests/teapot: nothing is brewed\n", run.stdout), run.stdout
    asked = [call for call in newcomer.calls.read_text().splitlines() if call.startswith(("-m ruff", "-m my", "-m py"))]
    assert asked == [
        "-m ruff check",
        "-m ruff format --check",
        "-m mypy",
        "-m pytest -n auto --dist loadgroup -k a name",
    ]
    assert run.returncode == 0, run.stderr


def test_a_check_that_fails_fails_the_whole(newcomer: Newcomer) -> None:
    """The tests run even so, and the last line says what failed before them."""
    run = newcomer.runs("test", FAILING="ruff format --check")
    assert run.returncode != 0
    assert "-m pytest" in newcomer.calls.read_text()
    assert run.stderr.splitlines()[-1] == "This failed before the tests, see above: ruff format --check"


def test_the_packages_of_the_tests_are_described(clone: Path) -> None:
    """Each line of scripts/test-packages has a package, a command and what is left out without it."""
    lines = (clone / "scripts" / "test-packages").read_text().splitlines()
    described = [line.split(maxsplit=2) for line in lines if line and not line.startswith("#")]
    assert described
    assert [line for line in described if len(line) != 3] == []
