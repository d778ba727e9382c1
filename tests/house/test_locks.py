"""The lock files, against what pyproject.toml asks for."""

import re
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

LOCKS = ("requirements.lock", "requirements-extras.lock", "requirements-dev.lock", "requirements-synapse.lock")


def locked(lock: Path) -> dict[str, str]:
    """Name → version."""
    pins = re.findall(r"^([A-Za-z0-9._-]+)==([^\s;]+)", lock.read_text(), re.MULTILINE)
    return {canonicalize_name(name): version for name, version in pins}


def asked_for(clone: Path, *, groups: tuple[str, ...]) -> list[Requirement]:
    with (clone / "pyproject.toml").open("rb") as file:
        project = tomllib.load(file)
    named = (project["project"]["dependencies"] if "build" in groups else []) + [
        entry for group in groups for entry in project["dependency-groups"].get(group, ()) if isinstance(entry, str)
    ]
    if {"dev", "extras"} & {*groups}:  # what each platform alone needs
        named += [entry for extra in project["project"].get("optional-dependencies", {}).values() for entry in extra]
    return [Requirement(entry) for entry in named]


@pytest.mark.parametrize(
    ("lock", "groups"),
    [
        ("requirements.lock", ("build",)),
        ("requirements-extras.lock", ("build", "extras")),
        ("requirements-dev.lock", ("build", "dev")),
        ("requirements-synapse.lock", ("synapse",)),
    ],
)
def test_a_lock_answers_all_that_is_asked_for(clone: Path, lock: str, groups: tuple[str, ...]) -> None:
    """Each requirement of pyproject.toml is in the lock, in a version that it allows; if not: run scripts/lock."""
    pins = locked(clone / lock)
    unanswered = [
        str(requirement)
        for requirement in asked_for(clone, groups=groups)
        if not requirement.specifier.contains(pins.get(canonicalize_name(requirement.name), "0"), prereleases=True)
        or canonicalize_name(requirement.name) not in pins
    ]
    assert unanswered == []


def test_what_is_tested_is_what_runs(clone: Path) -> None:
    """The development lock holds that of all extras, and this the runtime's, version for version."""
    runtime, extras, development = (locked(clone / lock) for lock in LOCKS[:3])
    assert runtime.items() <= extras.items() <= development.items()
    assert len(runtime) > 20


@pytest.mark.parametrize("lock", LOCKS)
def test_a_lock_names_no_registry(clone: Path, lock: str) -> None:
    """Where the files come from is the machine's affair; that they are the same is shown by a hash for each."""
    text = (clone / lock).read_text()
    assert "://" not in text
    assert re.findall(r"^\s*(?:-i|-f|--index-url|--extra-index-url|--find-links)\b.*", text, re.MULTILINE) == []
    entries = re.split(r"^(?=[A-Za-z0-9])", text, flags=re.MULTILINE)[1:]
    assert [entry.split()[0] for entry in entries if "--hash=sha256:" not in entry] == []
