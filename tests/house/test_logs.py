"""The log's page and the code know the same events."""

from __future__ import annotations

import ast
import re
from collections import defaultdict
from collections.abc import Iterator
from pathlib import Path

METHODS = {
    "debug": "debug",
    "info": "info",
    "warning": "warning",
    "error": "error",
    "exception": "error",
    "critical": "critical",
}
NOT_THE_DAEMON = {"sandbox", "demo"}


def calls(clone: Path) -> Iterator[tuple[str, str, str]]:
    """Each call that logs: the event as it is written, its level, and where it is."""
    for path in [*(clone / "nextbridge").rglob("*.py"), *(clone / "drivers").rglob("*.py")]:
        if NOT_THE_DAEMON & set(path.relative_to(clone).parts):
            continue
        for node in ast.walk(ast.parse(path.read_text())):
            match node:
                case ast.Call(func=ast.Attribute(attr=method, value=logger), args=[event, *_]) if (
                    method in METHODS and "log" in ast.unparse(logger)
                ):
                    written = event.value if isinstance(event, ast.Constant) else ast.unparse(event)
                    yield str(written), METHODS[method], f"{path.relative_to(clone)}:{node.lineno}"


def test_every_event_is_a_name_that_stays(clone: Path) -> None:
    """An event is words joined by underscores, written where it is logged: an operator can search for it."""
    assert [each for each in calls(clone) if not re.fullmatch(r"[a-z]+(_[a-z]+)*", each[0])] == []


def test_the_page_names_every_event_with_its_levels_and_no_other(clone: Path) -> None:
    """docs/logs.md is what the code logs."""
    logged: defaultdict[str, set[str]] = defaultdict(set)
    for event, level, _ in calls(clone):
        logged[event].add(level)
    logged["library_message"] |= {"warning", "error"}  # chosen by the library's own level
    documented: dict[str, set[str]] = {}
    for names, levels in re.findall(r"^\| (`\w+`(?:, `\w+`)*) \| ([a-z, ]+) \| .+ \|$", read(clone), re.MULTILINE):
        for name in re.findall(r"\w+", names):
            assert name not in documented, name
            documented[name] = set(levels.split(", "))
    assert documented == dict(logged)


def read(clone: Path) -> str:
    """The page without its first table, which is of the levels themselves."""
    return (clone / "docs" / "logs.md").read_text().partition("\n## ")[2]
