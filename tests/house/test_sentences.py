"""Tests read as sentences."""

import ast
from pathlib import Path


def test_every_test_says_what_it_proves(clone: Path) -> None:
    """Each test function has a docstring: the sentence that is untrue when it fails."""
    silent = [
        f"{path.relative_to(clone)}::{node.name}"
        for path in sorted((clone / "tests").rglob("test_*.py"))
        for node in ast.walk(ast.parse(path.read_text(), str(path)))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
        and node.name.startswith("test_")
        and not ast.get_docstring(node)
    ]
    assert silent == []
