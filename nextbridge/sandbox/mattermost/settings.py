"""What the stand-in's administrator decides: the client config as it is told to clients, and obeyed by the server."""

from __future__ import annotations

import json
from importlib.resources import files

__all__ = ["VERSION", "VERSION_ID", "ServerSettings"]

VERSION = "5.37.0"
VERSION_ID = "5.37.0..1da3cc815c129c83d7d16397ca60a42a.false"
"""What the recorded server puts into X-Version-Id and the hello frame."""

TOLD_TO_STRANGERS = (
    "AsymmetricSigningPublicKey",
    "BuildNumber",
    "DefaultClientLocale",
    "DiagnosticId",
    "EnableCustomBrand",
    "EnableSignInWithEmail",
    "EnableSignInWithUsername",
    "EnableUserCreation",
    "SiteName",
    "TelemetryId",
    "Version",
)


class ServerSettings:
    """Every value is a string, as the real server has it: "true", "16383"."""

    def __init__(self, **overrides: str) -> None:
        recorded = files(__package__).joinpath("client_config.json").read_text(encoding="utf-8")
        self._values: dict[str, str] = json.loads(recorded)
        self.change(**overrides)

    def change(self, **overrides: str) -> None:
        """Set what is told and obeyed from now on. Raises KeyError for a name that the client config has not."""
        unknown = sorted(set(overrides) - set(self._values))
        if unknown:
            raise KeyError(f"not in a Mattermost client config: {', '.join(unknown)}")
        self._values.update(overrides)

    def told(self, *, to_stranger: bool) -> dict[str, str]:
        if to_stranger:
            return {name: self._values[name] for name in TOLD_TO_STRANGERS}
        return dict(self._values)

    @property
    def max_post_size(self) -> int:
        """In characters (code points)."""
        return int(self._values["MaxPostSize"])

    @property
    def max_file_size(self) -> int:
        """In bytes."""
        return int(self._values["MaxFileSize"])

    @property
    def post_edit_time_limit(self) -> int:
        """In seconds; -1 is no limit."""
        return int(self._values["PostEditTimeLimit"])

    @property
    def takes_commands(self) -> bool:
        return self._values["EnableCommands"] == "true"

    @property
    def shows_overridden_names(self) -> bool:
        return self._values["EnablePostUsernameOverride"] == "true"
