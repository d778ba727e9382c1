"""What every line of the socket has in common, and how long one may be."""

from __future__ import annotations

from msgspec import Struct

from nextbridge.errors import NextBridgeError

__all__ = ["LONGEST_ANSWER", "LONGEST_QUESTION", "VERSION", "ControlError", "Line"]

VERSION = 1
LONGEST_QUESTION = 256 * 1024
"""Bytes, with the line's end."""
LONGEST_ANSWER = 16 * 1024 * 1024


class ControlError(NextBridgeError):
    """The daemon cannot be asked, or does not do what it was asked; says why."""


class Line(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of what is asked and answered."""
