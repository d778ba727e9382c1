"""What a server allows, as its client config says: how long a post may be, how large a file, whose name it shows."""

from __future__ import annotations

from msgspec import Struct

from drivers.mattermost import wire
from nextbridge.driver import Limits
from nextbridge.labels import in_words
from nextbridge.media.bounded import over

__all__ = ["Allowance"]

_FILES_A_POST = 10
_POST_SIZE = 16383
"""Characters; the default since 5.0, and what 5.37 was seen to take."""


class Allowance(Struct, frozen=True):
    """By default: what holds until the server was asked."""

    post_size: int = _POST_SIZE
    """Characters (code points)."""
    file_size: int | None = None
    """Bytes; None where the server does not say."""
    files: bool = True
    edit_seconds: int | None = None
    """How long a post can be edited; None for ever."""
    names: bool = False
    """A post can be shown under another name than its account's."""
    icons: bool = False

    @classmethod
    def of(cls, config: wire.ClientConfig) -> Allowance:
        """What a server's client config says."""
        return cls(
            post_size=_positive(config.max_post_size) or _POST_SIZE,
            file_size=_positive(config.max_file_size),
            files=config.file_attachments == "true",
            edit_seconds=int(config.edit_time_limit) if config.edit_time_limit.isdecimal() else None,
            names=config.username_override == "true",
            icons=config.icon_override == "true",
        )

    @property
    def limits(self) -> Limits:
        return Limits(text=self.post_size, files=_FILES_A_POST if self.files else 0)

    def refuses(self, size: int, own_limit: int) -> str | None:
        """Why a file of `size` bytes would not be taken, where our side takes `own_limit`; or None."""
        if not self.files:
            return "file attachments are turned off on the server"
        if size == 0:
            return "empty, which Mattermost refuses"
        if size > own_limit:
            return over(own_limit)
        if self.file_size is not None and size > self.file_size:
            return f"over the {in_words(self.file_size)} that the server takes"
        return None


def _positive(text: str) -> int | None:
    return int(text) if text.isdecimal() and int(text) > 0 else None
