"""The operator's file: found, read, resolved, validated, and every mistake in it explained.

Everything here does file I/O and blocks: call it before the event loop runs, or from a thread. What it needs is
imported when it is called, since drivers import `nextbridge.config.types` from this package.
"""

from __future__ import annotations

import os
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from nextbridge.config.loader import Loaded
    from nextbridge.config.platforms import Platforms

__all__ = ["find", "load", "schema"]


def find(given: Path | None = None) -> Path:
    """The operator's file: `given`, else `config.json` (or `.yaml`, `.yml`) here, else in /etc/nextbridge.

    Raises ConfigError where there is none.
    """
    from nextbridge.config import file

    return file.find(given)


def load(path: Path, *, environment: Mapping[str, str] = os.environ, platforms: Platforms | None = None) -> Loaded:
    """Read the file and the rules beside it, resolve its secrets, and validate it.

    Only the drivers of configured platforms are imported. Every secret is registered with `nextbridge.redaction`.
    Raises ConfigError with every mistake and every warning.
    """
    from nextbridge.config.loader import Loader

    return Loader(path, environment, platforms=platforms).load()


def schema(config_path: Path | None = None, *, platforms: Platforms | None = None) -> dict[str, Any]:
    """The JSON Schema (2020-12) of the file, with the settings of every installed driver.

    With `config_path` rules may name that file's instances only, each with the channel keys of its platform; the file
    need not be valid, only readable. Raises ConfigError for a driver that cannot be imported (with `config_path` only
    where the file has its platform; otherwise it is left out).
    """
    from nextbridge.config.composition import compose

    return compose(config_path, platforms)
