"""A file of ours, and perhaps its rules in another one, as one file."""

from __future__ import annotations

from pathlib import Path

from nextbridge.config.document import Document, plain
from nextbridge.config.file import open_file, rules_beside
from nextbridge.convert.conversion import ConversionError, Converted, Note
from nextbridge.errors import ConfigError

__all__ = ["from_ours"]


def from_ours(path: Path, rules: Path | None = None) -> Converted:
    """The values of a file, with those of `rules`, or else of a rules file beside it. Raises ConversionError.

    Nothing is validated; a key that stands twice is refused.
    """
    try:
        documents = [_read(path)]
        root = _object(documents[0])
        rules = rules or (rules_beside(path) if "rules" not in root else None)
        if rules is not None:
            if "rules" in root:
                raise ConversionError(f"{path} has rules, too: keep them in one of the two files")
            documents.append(_read(rules))
            root = {**root, "rules": _rules(documents[1])}
    except ConfigError as error:
        raise ConversionError(str(error)) from None
    notes = [Note(each.path.name, "its comments are not taken over") for each in documents if _has_comments(each)]
    return Converted(root, tuple(notes))


def _read(path: Path) -> Document:
    document, report = open_file(path)
    if report.failed:
        raise ConfigError(tuple(report.problems()))
    return document


def _object(document: Document) -> dict[str, object]:
    value = plain(document.root)
    if not isinstance(value, dict):
        raise ConversionError(f"{document.path}: an object is expected at the top of the file")
    return dict(value)


def _rules(document: Document) -> object:
    """Of a file of rules: a list, or an object with nothing else in it."""
    value = plain(document.root)
    if isinstance(value, list):
        return value
    root = _object(document)
    others = root.keys() - {"$schema", "rules"}
    if others or "rules" not in root:
        had = ", ".join(sorted(others)) or "nothing"
        expected = 'a list of rules is expected, or an object with "rules" alone'
        raise ConversionError(f"{document.path}: {expected}; it has {had}")
    return root["rules"]


def _has_comments(document: Document) -> bool:
    if document.notation != "YAML":
        return False
    return any(line.lstrip().startswith("#") or " #" in line for line in document.text.splitlines())
