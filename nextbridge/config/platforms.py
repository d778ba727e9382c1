"""The platforms that are installed: driver classes that entry points name, each imported only when it is asked for."""

from __future__ import annotations

import re
from collections.abc import Mapping
from importlib.metadata import EntryPoint, entry_points
from typing import Any, Protocol

from nextbridge.config.extras import install, missing
from nextbridge.driver import Driver

__all__ = ["GROUP", "InstalledPlatforms", "PlatformUnusable", "Platforms"]

GROUP = "nextbridge.drivers"
"""The group of entry points in which a driver is registered, under its platform's name."""


class PlatformUnusable(Exception):
    """A driver is registered and cannot be used. Says why; `suggestion` says what to do."""

    def __init__(self, reason: str, suggestion: str = "") -> None:
        super().__init__(reason)
        self.reason = reason
        self.suggestion = suggestion


class Platforms(Protocol):
    """Where drivers come from. Tests have their own."""

    @property
    def names(self) -> tuple[str, ...]:
        """The registered platforms in order, without importing anything."""

    def get(self, name: str) -> type[Driver[Any, Any]]:
        """The driver of one of `names`. Raises PlatformUnusable."""

    def lack(self, name: str) -> PlatformUnusable | None:
        """Why a platform whose driver `get` gives cannot run here: a library is missing. None where none is."""


class InstalledPlatforms:
    """The platforms of every installed package."""

    def __init__(self) -> None:
        self._entries: Mapping[str, EntryPoint] = {each.name: each for each in entry_points(group=GROUP)}

    @property
    def names(self) -> tuple[str, ...]:
        return tuple(sorted(self._entries))

    def get(self, name: str) -> type[Driver[Any, Any]]:
        entry = self._entries[name]
        try:
            driver = entry.load()
        except Exception as error:
            is_missing = isinstance(error, ModuleNotFoundError)
            raise PlatformUnusable(
                f"the driver of {name} ({entry.value}) cannot be imported: {type(error).__name__}: {error}",
                _how_to_install(entry) if is_missing else "",
            ) from error
        if not (isinstance(driver, type) and issubclass(driver, Driver)):
            raise PlatformUnusable(f"what is registered for {name} ({entry.value}) is no driver")
        return driver

    def lack(self, name: str) -> PlatformUnusable | None:
        driver = self.get(name)
        lacking = missing(driver.libraries)
        if not lacking:
            return None
        return PlatformUnusable(
            f"{driver.title} needs {', '.join(lacking)}, which is not installed", _how_to_install(self._entries[name])
        )


def _how_to_install(entry: EntryPoint) -> str:
    """The one command."""
    package = entry.dist
    if package is None:
        return ""
    extras = package.metadata.get_all("Provides-Extra") or []
    near = [each for each in extras if re.sub(r"[-_.]+", "-", each).lower() == re.sub(r"[-_.]+", "-", entry.name)]
    if near:
        return install(package.name, near[0])
    return f"install the package {package.name} again"
