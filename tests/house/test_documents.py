"""What the documents tell a reader to type or to open: it is there."""

import re
import shlex
from collections.abc import Iterator
from pathlib import Path

import click
import pytest

from nextbridge.cli import main

CLONE = Path(__file__).parents[2]
DOCUMENTS = (
    "README.md",
    "CONTRIBUTING.md",
    "CHANGELOG.md",
    *sorted(path.relative_to(CLONE).as_posix() for path in (CLONE / "docs").glob("*.md")),
)


def commands(document: Path) -> Iterator[list[str]]:
    """The words of each command in the document's shell blocks, without prompts and comments."""
    pattern = r"^ *```(sh|console|bash)\n(.*?)^ *```"
    for kind, block in re.findall(pattern, document.read_text(), re.MULTILINE | re.DOTALL):
        lines = [line.strip() for line in block.replace("\\\n", " ").splitlines()]
        for line in lines if kind != "console" else [line for line in lines if line.startswith("$ ")]:
            for part in re.split(r"&&|\||;", line.removeprefix("$ ").removeprefix("# ")):
                words = shlex.split(part, comments=True)
                if words:
                    yield words


def arguments_of_the_program(words: list[str]) -> list[str] | None:
    """The arguments of `nextbridge` in a command, wherever it is installed and whoever runs it; else None."""
    call = re.sub(r"^(?:(?:sudo|env|exec|-u \w+|\w+=\S*) )+", "", " ".join(words)).split(" ")
    return call[1:] if Path(call[0]).name == "nextbridge" else None


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_script_and_file_of_a_command_exists(clone: Path, name: str) -> None:
    """A path into the clone that a command names is there, and what is to be run can be."""
    tops = {path.name for path in clone.iterdir()} | {"scripts", "systemd", "tests"}
    for words in commands(clone / name):
        for place, word in enumerate(words):
            first = word.removeprefix("./").split("/")[0]
            if "/" in word and first in tops and not first.startswith(".venv"):
                path = clone / word
                assert path.exists(), f"{name}: {' '.join(words)}"
                assert place or path.stat().st_mode & 0o111, f"{name}: {word} cannot be run"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_call_of_the_program_is_one_that_it_knows(clone: Path, name: str) -> None:
    """Each `nextbridge …` names a command and options that the program has."""
    for words in commands(clone / name):
        arguments = arguments_of_the_program(words)
        if arguments in (None, ["--version"], ["--help"]):
            continue
        assert arguments, f"{name}: nextbridge without a command"
        command: click.Command | None = main
        while isinstance(command, click.Group):
            command = command.commands.get(arguments.pop(0)) if arguments else None
        assert command is not None, f"{name}: {' '.join(words)}"
        known = {option for parameter in command.params for option in parameter.opts}
        given = {word.split("=")[0] for word in arguments if word.startswith("-")} - {"-h", "--help"}
        assert given <= known, f"{name}: {' '.join(words)}"


@pytest.mark.parametrize("name", DOCUMENTS)
def test_every_link_into_the_clone_leads_somewhere(clone: Path, name: str) -> None:
    """A relative link, or a file named in backticks with a folder of the clone before it, exists."""
    text = (clone / name).read_text()
    linked = [target.split("#")[0] for target in re.findall(r"\]\(([^)\s]+)\)", text) if "://" not in target]
    named = re.findall(r"`((?:nextbridge|drivers|scripts|systemd|tests)/[\w./-]+)`", text)
    folder = (clone / name).parent
    assert [path for path in linked if path and not (folder / path).exists()] == []
    assert [path for path in named if not (clone / path).exists()] == []


def test_the_first_screen_has_the_two_commands(clone: Path) -> None:
    """Who opens the README sees the demo and the tests at once."""
    first_screen = "\n".join((clone / "README.md").read_text().splitlines()[:40])
    assert "scripts/demo" in first_screen
    assert "scripts/test" in first_screen


def test_the_changelog_knows_this_version(clone: Path) -> None:
    """The version that the program says is in the changelog, released or as the next one."""
    from nextbridge import __version__

    assert __version__ in (clone / "CHANGELOG.md").read_text()
