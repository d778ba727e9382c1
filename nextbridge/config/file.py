"""The operator's files on disk: where they are looked for, and how their text becomes a document."""

from __future__ import annotations

import codecs
import os
import tempfile
from pathlib import Path
from typing import Literal

from nextbridge.config import json_notation, yaml_notation
from nextbridge.config.document import Document, NotationError
from nextbridge.config.problem import Problem, short
from nextbridge.config.report import Report
from nextbridge.errors import ConfigError, NextBridgeError

__all__ = ["RULES_NAMES", "FileNotWritten", "find", "open_file", "rules_beside", "text_of", "write_whole"]

RULES_NAMES = ("rules.json", "rules.yaml", "rules.yml")
"""A file of one of these names beside the operator's holds its rules."""
_NAMES = ("config.json", "config.yaml", "config.yml")
_FOLDERS = (Path(), Path("/etc/nextbridge"))
_LARGEST = 64 * 1024 * 1024


def find(given: Path | None) -> Path:
    """The operator's file: `given`, else `config.json` (or `.yaml`, `.yml`) here, else in /etc/nextbridge.

    Raises ConfigError where there is none. Does file I/O.
    """
    if given is not None:
        if not _is_there(given):
            raise _file_error(given, "there is no such file")
        return given
    for folder in _FOLDERS:
        for name in _NAMES:
            if _is_there(folder / name):
                return folder / name
    raise _file_error(
        Path("config.json"),
        "there is no such file here, nor in /etc/nextbridge",
        "start from config.example.json, or name your file with --config FILE",
    )


def rules_beside(path: Path) -> Path | None:
    """The rules file in the same folder, or None. Raises ConfigError where there are two."""
    found = [path.parent / name for name in RULES_NAMES if _is_there(path.parent / name)]
    if len(found) > 1:
        raise _file_error(found[1], f"there is a {found[0].name} beside it too", "keep one of them")
    return found[0] if found else None


def _is_there(path: Path) -> bool:
    """Whether there is a file of that name. Raises ConfigError where its folder cannot be looked into."""
    try:
        return path.exists()
    except OSError as error:
        raise _file_error(path, f"the file cannot be read: {error.strerror}") from None


def open_file(path: Path) -> tuple[Document, Report]:
    """Read a file into a document; the report has the keys that stand twice. Raises ConfigError. Does file I/O."""
    notation: Literal["JSON", "YAML"] = "YAML" if path.suffix.lower() in {".yaml", ".yml"} else "JSON"
    document = Document(path, text_of(path), notation=notation)
    try:
        root, duplicates = (json_notation if notation == "JSON" else yaml_notation).read(document.text)
    except NotationError as error:
        raise ConfigError((document.syntax_problem(error),)) from None
    document.root = root
    report = Report(document)
    for each in duplicates:
        line = document.line(each.first)
        report.error(each.second, each.path, f'the key "{short(each.key)}" stands twice', f"first on line {line}")
    return document, report


def text_of(path: Path) -> str:
    """A file of an operator's, which is UTF-8 and not without end. Raises ConfigError. Does file I/O."""
    try:
        with path.open("rb") as file:
            data = file.read(_LARGEST + 1)
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise _file_error(path, f"the file cannot be read: {reason}") from None
    if len(data) > _LARGEST:
        raise _file_error(path, f"the file is larger than {_LARGEST // 1024 // 1024} MiB")
    if data.startswith((codecs.BOM_UTF16_LE, codecs.BOM_UTF16_BE)):
        raise _file_error(path, "the file is UTF-16", "save it as UTF-8")
    data = data.removeprefix(codecs.BOM_UTF8)
    try:
        return data.decode()
    except UnicodeDecodeError as error:
        before = data[: error.start]
        line = before.count(b"\n") + 1
        column = len(before[before.rfind(b"\n") + 1 :].decode()) + 1
        raise ConfigError(
            (
                Problem(
                    severity="error",
                    file=str(path),
                    line=line,
                    column=column,
                    message=f"the file is not UTF-8: byte 0x{data[error.start]:02X} at offset {error.start}",
                    suggestion="save it as UTF-8",
                ),
            )
        ) from None


def _file_error(path: Path, message: str, suggestion: str = "") -> ConfigError:
    return ConfigError((Problem(severity="error", file=str(path), message=message, suggestion=suggestion),))


class FileNotWritten(NextBridgeError):
    """A file of the operator's could not be written; what was there before still is."""


def write_whole(path: Path, text: str, *, replace: bool, mode: int = 0o600) -> None:
    """Write a file whole or not at all; it may hold secrets, so its owner alone can read it. Does file I/O.

    Raises FileNotWritten, also where there is such a file already and `replace` is false.
    """
    try:
        target = path.resolve()  # a link stays one
        descriptor, name = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        beside = Path(name)
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as file:
                file.write(text)
                file.flush()
                os.fchmod(file.fileno(), mode)
                os.fsync(file.fileno())
            if replace:
                beside.replace(target)
            else:
                target.hardlink_to(beside)  # which fails where something is there, and else has it there whole
        finally:
            beside.unlink(missing_ok=True)
    except FileExistsError:
        raise FileNotWritten(f"{path} is there already; --force writes over it") from None
    except (OSError, ValueError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no file can be called so"
        raise FileNotWritten(f"{path} cannot be written: {reason}") from error
