"""What is installed only where it is used: whether it is there, and the one command that installs it."""

from __future__ import annotations

import shlex
import sys
from collections.abc import Iterable
from importlib.util import find_spec

__all__ = ["TELEMETRY", "TELEMETRY_LIBRARIES", "install", "missing"]

TELEMETRY = "otel"
"""The extra for `global.otel`."""
TELEMETRY_LIBRARIES = ("opentelemetry.sdk.trace", "opentelemetry.exporter.otlp.proto.http", "requests")


def missing(libraries: Iterable[str]) -> list[str]:
    """Those of these modules that are not installed. Imports none of them, at most the packages that they are in."""
    return [each for each in libraries if not _is_there(each)]


def install(package: str, extra: str) -> str:
    """The command, with this very interpreter, since the `pip` of a shell is often another's."""
    return f"install what it needs: {shlex.quote(sys.executable)} -m pip install '{package}[{extra}]'"


def _is_there(module: str) -> bool:
    try:
        return find_spec(module) is not None
    except ModuleNotFoundError:  # a package that it would be in
        return False
