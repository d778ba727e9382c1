"""Puts in what the file only points to: `${ENV}` in strings, and secrets from files and systemd credentials."""

from __future__ import annotations

import os
import re
import stat
from collections.abc import Mapping as AnyMapping
from pathlib import Path as FilePath
from urllib.parse import unquote

from nextbridge.config.document import Mapping, Node, Scalar, Sequence
from nextbridge.config.problem import Path, short
from nextbridge.config.report import Report
from nextbridge.config.schemas import Schema, resolved
from nextbridge.redaction import SHORTEST, Redaction

__all__ = ["Resolution"]

_REFERENCE = re.compile(r"\$\$\{|\$\{([A-Za-z_][A-Za-z0-9_]*)\}|\$\{")
_REFERENCES_ALONE = re.compile(r"""["']?(?:\$\{[A-Za-z_][A-Za-z0-9_]*\})+["']?""")
_PASSWORD_IN_ADDRESS = re.compile(r"^[a-z][a-z0-9+.-]*://[^\s/@:]*:([^\s/@]+)@", re.IGNORECASE)
_LARGEST_SECRET = 65536


class _Unresolved(Exception):
    """Something that is pointed to is not there."""

    def __init__(self, message: str, suggestion: str = "") -> None:
        super().__init__(message)
        self.message = message
        self.suggestion = suggestion


class Resolution:
    """Resolves the values of one document, by the schema of each: it says what is a secret, and what may be shown."""

    def __init__(self, report: Report, environment: AnyMapping[str, str], redaction: Redaction) -> None:
        self._report = report
        self._environment = environment
        self._redaction = redaction
        self._strict = True
        self.failed = False
        """Whether something was not there, since this was last set to false."""
        self._folder = report.document.path.parent
        self._is_open = _is_readable_by_everybody(report.document.path)

    def relaxed(self) -> Resolution:
        """The same for what is not used (a disabled instance): what cannot be resolved is a warning."""
        other = Resolution(self._report, self._environment, self._redaction)
        other._strict = False
        return other

    def resolve(
        self,
        node: Node,
        schema: Schema,
        definitions: AnyMapping[str, Schema],
        path: Path,
        *,
        secrets_only: bool = False,
    ) -> Node:
        """`node` with what it points to put in, its own scalars changed in place. Reports what cannot be resolved.

        With `secrets_only` a `${…}` outside secrets is text like any other (in rules).
        """
        schema = _branch(resolved(schema, definitions), node, definitions)
        if schema.get("x-secret"):
            return self._secret(node, path)
        if isinstance(node, Mapping):
            properties = schema.get("properties", {})
            rest = schema.get("additionalProperties")
            for key, entry in node.entries.items():
                below = properties.get(key, rest)
                if isinstance(below, dict):
                    entry.node = self.resolve(entry.node, below, definitions, (*path, key), secrets_only=secrets_only)
        elif isinstance(node, Sequence):
            items = schema.get("items")
            if isinstance(items, dict):
                node.items = [
                    self.resolve(each, items, definitions, (*path, place), secrets_only=secrets_only)
                    for place, each in enumerate(node.items)
                ]
        else:
            # A word in place of an object could be the secret that belongs inside.
            node.public = not _takes_parts_only(schema)
            if isinstance(node.value, str):
                if not secrets_only and "${" in node.value:
                    self._substitute(node, path)
                self._guard_address(node)
        return node

    def _tell(self, at: int, path: Path, error: _Unresolved) -> None:
        self.failed = True
        tell = self._report.error if self._strict else self._report.warning
        tell(at, path, error.message, error.suggestion)

    def _substitute(self, scalar: Scalar, path: Path) -> bool:
        """Put environment variables into `scalar`; whether all of them are there."""
        if scalar.substituted:
            return True  # an alias of YAML: it was done where it stands first
        try:
            text = self._with_environment(str(scalar.value))
        except _Unresolved as error:
            scalar.missing = self._strict
            self._tell(scalar.start, path, error)
            return False
        scalar.substituted = text != scalar.value
        scalar.value = text
        return True

    def _with_environment(self, text: str) -> str:
        parts: list[str] = []
        end = 0
        for found in _REFERENCE.finditer(text):
            parts.append(text[end : found.start()])
            end = found.end()
            name = found.group(1)
            if found.group() == "$${":
                parts.append("${")
            elif name is None:
                raise _Unresolved(
                    "a ${ that names no environment variable",
                    "write ${NAME} with letters, digits and _, or $${ for the characters themselves",
                )
            elif name not in self._environment:
                raise _Unresolved(f"the environment variable {short(name)} is not set")
            else:
                value = self._environment[name]
                if any("\ud800" <= each <= "\udfff" for each in value):
                    raise _Unresolved(f"the environment variable {short(name)} is not UTF-8")
                parts.append(value)
        parts.append(text[end:])
        return "".join(parts)

    def _secret(self, node: Node, path: Path) -> Node:
        if isinstance(node, Scalar):
            if not isinstance(node.value, str):
                return node
            node.public = _REFERENCES_ALONE.fullmatch(self._report.document.text, node.start, node.end) is not None
            if not self._substitute(node, path):
                return node
            if node.value.strip() and not node.substituted:
                self._warn_of_literal(node, path)
            self._keep(node, path)
            return node
        if not isinstance(node, Mapping) or len(node.entries) != 1:
            return node
        ((kind, entry),) = node.entries.items()
        pointer = entry.node
        if not isinstance(pointer, Scalar) or not isinstance(pointer.value, str) or not pointer.value.strip():
            return node
        pointer.public = kind in {"file", "credential"}
        found = True
        try:
            if kind == "file":
                text = self._from_file(self._folder / self._with_environment(pointer.value), pointer, path)
            elif kind == "credential" and "/" not in pointer.value:
                text = self._from_credential(pointer.value)
            else:
                return node
        except _Unresolved as error:
            self._tell(pointer.start, (*path, kind), error)
            text, found = "unresolved", False
        value = Scalar(text, pointer.start, pointer.end)
        value.substituted = True
        # The line in the file holds the pointer only.
        value.public = True
        if found:
            self._keep(value, path)
        return value

    def _keep(self, scalar: Scalar, path: Path) -> None:
        text = str(scalar.value).strip()
        self._redaction.add(text)
        if 0 < len(text) < SHORTEST:
            self._report.warning(
                scalar.start,
                path,
                f"a secret of less than {SHORTEST} characters cannot be masked in the log",
                "use a longer one",
            )

    def _warn_of_literal(self, scalar: Scalar, path: Path) -> None:
        if self._is_open:
            self._report.warning(
                scalar.start,
                path,
                "a secret in a file that everybody can read",
                f'chmod 640 {self._report.document.path.name}, or write "${{NAME}}" or {{"file": "…"}} in its place',
            )

    def _guard_address(self, scalar: Scalar) -> None:
        found = _PASSWORD_IN_ADDRESS.match(str(scalar.value))
        if found:
            self._redaction.add(found.group(1))
            self._redaction.add(unquote(found.group(1)))

    def _from_file(self, path: FilePath, pointer: Scalar, where: Path) -> str:
        try:
            data, mode = _read(path)
        except FileNotFoundError:
            raise _Unresolved("there is no such file", _relative(pointer, path)) from None
        except (OSError, ValueError) as error:
            reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
            raise _Unresolved(f"the file cannot be read: {reason}") from None
        if mode & 0o004:
            self._report.warning(
                pointer.start, (*where, "file"), "a secret in a file that everybody can read", "chmod 600 it"
            )
        return _decoded(data)

    def _from_credential(self, name: str) -> str:
        folder = self._environment.get("CREDENTIALS_DIRECTORY")
        if not folder:
            raise _Unresolved(
                "there are no systemd credentials here ($CREDENTIALS_DIRECTORY is not set)",
                f"start it by systemd, with LoadCredential={short(name)}:/path/of/the/secret in the unit; to check the "
                "file by hand, set CREDENTIALS_DIRECTORY to the folder that holds the secret",
            )
        try:
            data, _ = _read(FilePath(folder) / name)
        except (OSError, ValueError):
            raise _Unresolved(
                f"there is no readable credential {short(name)}",
                f"the unit needs LoadCredential={short(name)}:/path/of/the/secret",
            ) from None
        return _decoded(data)


def _branch(schema: Schema, node: Node, definitions: AnyMapping[str, Schema]) -> Schema:
    """The branch of a union that a node is meant for: the first that takes a value of its kind."""
    branches = schema.get("anyOf")
    if branches is None:
        return schema
    kind = "object" if isinstance(node, Mapping) else "array" if isinstance(node, Sequence) else "string"
    followed = [resolved(each, definitions) for each in branches]
    return next((each for each in followed if kind in each.get("type", ())), followed[0])


def _takes_parts_only(schema: Schema) -> bool:
    kinds = schema.get("type", ())
    return {"object", "array"}.issuperset([kinds] if isinstance(kinds, str) else kinds) and bool(kinds)


def _decoded(data: bytes) -> str:
    if len(data) > _LARGEST_SECRET:
        raise _Unresolved(f"this is no secret: it is larger than {_LARGEST_SECRET} bytes")
    try:
        text = data.decode()
    except UnicodeDecodeError:
        raise _Unresolved("its content is not UTF-8 text") from None
    return text.removesuffix("\n").removesuffix("\r")


def _relative(pointer: Scalar, path: FilePath) -> str:
    return "" if str(pointer.value).startswith("/") else f"a relative path starts at the folder of this file: {path}"


def _read(path: FilePath) -> tuple[bytes, int]:
    """The content and the mode of a regular file. Anything else is refused: a pipe could hold up the start for ever."""
    descriptor = os.open(path, os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC)
    try:
        mode = os.fstat(descriptor).st_mode
        if not stat.S_ISREG(mode):
            raise _Unresolved("this is no regular file")
        return os.read(descriptor, _LARGEST_SECRET + 1), mode
    finally:
        os.close(descriptor)


def _is_readable_by_everybody(path: FilePath) -> bool:
    """Not by its group alone: a file of root's that the daemon's group reads is how a service is set up."""
    try:
        return bool(path.stat().st_mode & 0o004)
    except OSError:
        return False
