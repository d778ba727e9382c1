"""The page of guarantees names proofs that are there."""

from __future__ import annotations

import ast
import re
from importlib.util import find_spec
from pathlib import Path

import pytest


@pytest.fixture
def page(clone: Path) -> str:
    return (clone / "docs" / "guarantees.md").read_text()


def test_every_proof_is_a_test_under_that_name(clone: Path, page: str) -> None:
    """One that was renamed, moved or taken away is no proof any more."""
    named = re.findall(r"`((?:tests|nextbridge)/[\w/]+\.py)::(\w+)`", page)
    assert len(named) == page.count("::"), "each proof is read"
    assert [f"{path}::{name}" for path, name in named if name not in _tests(clone / path)] == []


def test_every_guarantee_has_a_proof(page: str) -> None:
    """A sentence alone promises."""
    sections = re.split(r"^## ", page, flags=re.MULTILINE)[1:]
    assert [each.partition("\n")[0] for each in sections if not re.search(r"^- `\w+/", each, re.MULTILINE)] == []


def test_every_command_of_a_proof_can_be_run(page: str) -> None:
    """It is a module with a `__main__`, or a program."""
    modules = re.findall(r"-m (tests[\w.]*)", page)
    assert modules
    assert [each for each in modules if find_spec(f"{each}.__main__") is None] == []


def _tests(path: Path) -> set[str]:
    if not path.exists():
        return set()
    found = ast.walk(ast.parse(path.read_text()))
    return {each.name for each in found if isinstance(each, ast.FunctionDef | ast.AsyncFunctionDef)}
