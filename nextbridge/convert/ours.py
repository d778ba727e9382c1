"""A file of ours, and perhaps its rules in another one, as one file."""

from __future__ import annotations

from pathlib import Path

from nextbridge.config.document import Mapping, plain
from nextbridge.config.file import open_file, rules_beside
from nextbridge.convert.conversion import ConversionError, Converted, Note
from nextbridge.errors import ConfigError

__all__ = ["from_ours"]


def from_ours(path: Path, rules: Path | None = None) -> Converted:
    """The values of a file, with those of `rules`, or else of a rules file beside it. Raises ConversionError.

    Nothing is validated; a key that stands twice is refused.
    """
    try:
        root = _read(path)
        rules = rules or (rules_beside(path) if "rules" not in root else None)
        if rules is not None:
            if "rules" in root:
                raise ConversionError(f"{path} has rules, too: keep them in one of the two files")
            beside = _read(rules, rules=True)
            root = {**root, "rules": beside["rules"]}
    except ConfigError as error:
        raise ConversionError(str(error)) from None
    files = [each for each in (path, rules) if each is not None]
    notes = [Note(each.name, "its comments are not taken over") for each in files if _has_comments(each)]
    return Converted(root, tuple(notes))


def _read(path: Path, *, rules: bool = False) -> dict[str, object]:
    document, report = open_file(path)
    if report.failed:
        raise ConfigError(tuple(report.problems()))
    value = plain(document.root)
    if rules and isinstance(value, list):
        return {"rules": value}
    if not isinstance(document.root, Mapping) or not isinstance(value, dict):
        raise ConversionError(f"{path}: an object is expected at the top of the file")
    if rules and value.keys() - {"$schema"} != {"rules"}:
        others = ", ".join(sorted(value.keys() - {"$schema", "rules"})) or "nothing"
        raise ConversionError(f'{path}: a list of rules is expected, or an object with "rules" alone; it has {others}')
    return dict(value)


def _has_comments(path: Path) -> bool:
    if path.suffix.lower() not in {".yaml", ".yml"}:
        return False
    lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
    return any(line.lstrip().startswith("#") or " #" in line for line in lines)
