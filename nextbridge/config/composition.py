"""Composes the schema that `nextbridge schema` prints, so that an editor completes and checks the operator's file."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from nextbridge.config.document import Mapping
from nextbridge.config.file import open_file
from nextbridge.config.platforms import InstalledPlatforms, Platforms, PlatformUnusable
from nextbridge.config.problem import Problem
from nextbridge.config.schemas import PlatformSchema, file_schema
from nextbridge.errors import ConfigError

__all__ = ["compose"]


def compose(config_path: Path | None, platforms: Platforms | None) -> dict[str, Any]:
    """The schema of the file; see `nextbridge.config.schema`."""
    platforms = platforms or InstalledPlatforms()
    instances: dict[str, list[str]] | None = None
    if config_path is not None:
        document, _ = open_file(config_path)
        blocks = document.root.entries if isinstance(document.root, Mapping) else {}
        instances = {
            name: list(blocks[name].node.entries)  # type: ignore[union-attr]
            for name in platforms.names
            if name in blocks and isinstance(blocks[name].node, Mapping)
        }
    schemas: dict[str, PlatformSchema] = {}
    problems: list[Problem] = []
    for name in platforms.names:
        # An editor is to offer every installed platform; one that does not load is an error where it is used.
        try:
            schemas[name] = PlatformSchema.of(name, platforms.get(name))
        except PlatformUnusable as error:
            if instances is None or name in instances:
                problems.append(
                    Problem(
                        severity="error",
                        file=str(config_path or f"driver {name}"),
                        message=error.reason,
                        suggestion=error.suggestion,
                    )
                )
    if problems:
        raise ConfigError(tuple(problems))
    return file_schema(schemas, instances)
