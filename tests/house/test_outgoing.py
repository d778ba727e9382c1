"""Whatever a platform is given to show passes the guard, so that no secret leaves."""

import ast
from pathlib import Path

SHOWING = {"send", "edit", "set_topic", "tell", "typing"}
"""The methods of drivers that show something."""


def test_only_the_guard_gives_drivers_something_to_show(clone: Path) -> None:
    """Nobody else in the core calls a driver's send, edit, set_topic, tell or typing."""
    found = [
        (str(path.relative_to(clone / "nextbridge")), ast.unparse(node.value.func))
        for path in sorted((clone / "nextbridge").rglob("*.py"))
        for node in ast.walk(ast.parse(path.read_text(), str(path)))
        if isinstance(node, ast.Await) and isinstance(node.value, ast.Call)
        if isinstance(node.value.func, ast.Attribute) and node.value.func.attr in SHOWING
    ]
    others = [(name, called) for name, called in found if name != "guard.py" and not name.startswith("sandbox/")]
    assert [(name, called) for name, called in others if "driver" in called.rpartition(".")[0]] == []
    by_guard = {called.rpartition(".")[2] for name, called in found if name == "guard.py"}
    assert by_guard == SHOWING, "the search itself finds the guard's calls"
