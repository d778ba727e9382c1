"""What a request is refused with: a status, and a sentence for whoever wrote the program."""

from __future__ import annotations

from collections.abc import Mapping

from msgspec import Struct

__all__ = ["Problem", "Refused"]


class Problem(Struct, frozen=True):
    """Why a request was refused."""

    error: str


class Refused(Exception):
    """A request that goes no further."""

    def __init__(self, status: int, text: str, headers: Mapping[str, str] | None = None) -> None:
        super().__init__(text)
        self.status = status
        self.text = text
        self.headers = headers or {}
