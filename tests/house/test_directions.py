"""Who may know whom: the folders' names may grow, the directions of their imports may not."""

import ast
from collections.abc import Iterator
from pathlib import Path

ENGINES = ("sqlite3", "aiosqlite", "apsw")


def imports(path: Path, top: Path) -> Iterator[str]:
    """The modules that a file imports, wherever in it, by their full names."""
    package = list(path.relative_to(top).with_suffix("").parts[:-1])
    for node in ast.walk(ast.parse(path.read_text(), str(path))):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            parent = package[: len(package) - node.level + 1] if node.level else []
            module = ".".join([*parent, node.module] if node.module else parent)
            yield from (f"{module}.{alias.name}" for alias in node.names)


def breaches(clone: Path, where: str | Path, *forbidden: str, but: tuple[str, ...] = ()) -> list[str]:
    """`file imports module` for each import in a file or folder of a forbidden module, except of those in `but`."""
    where = clone / where
    paths = sorted(where.rglob("*.py")) if where.is_dir() else [where]
    assert paths, where
    return [
        f"{path.relative_to(clone)} imports {module}"
        for path in paths
        for module in imports(path, clone)
        if _within(module, forbidden) and not _within(module, but)
    ]


def _within(module: str, packages: tuple[str, ...]) -> bool:
    return any(module == package or module.startswith(f"{package}.") for package in packages)


def test_the_core_knows_no_driver(clone: Path) -> None:
    """The package nextbridge, its sandbox included, imports no driver: they are found by their entry points."""
    assert breaches(clone, "nextbridge", "drivers") == []


def test_a_driver_knows_no_other_driver(clone: Path) -> None:
    """What one driver needs from another belongs in the core or nowhere."""
    found = (clone / "drivers").iterdir()
    modules = sorted(path for path in found if path.stem[0] != "_" and (path.is_dir() or path.suffix == ".py"))
    assert "mattermost" in [module.stem for module in modules]
    for module in modules:
        assert breaches(clone, module, "drivers", but=(f"drivers.{module.stem}",)) == []


def test_only_the_journal_knows_its_engine(clone: Path) -> None:
    """Another engine than SQLite touches nothing outside of nextbridge/journal."""
    found = breaches(clone, "nextbridge", *ENGINES) + breaches(clone, "drivers", *ENGINES)
    assert [breach for breach in found if not breach.startswith("nextbridge/journal/")] == []
    assert found, "the search itself finds the journal's imports"


def test_the_core_needs_no_sandbox(clone: Path) -> None:
    """Stand-ins are for the demo, for driver authors and for tests: no other part of the daemon imports them."""
    demo = ("nextbridge/sandbox/", "nextbridge/demo", "nextbridge/cli")
    found = breaches(clone, "nextbridge", "nextbridge.sandbox") + breaches(clone, "drivers", "nextbridge.sandbox")
    assert [breach for breach in found if not breach.startswith(demo)] == []
