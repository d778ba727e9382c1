"""What the API refuses: a status, and a JSON error code with its words, by "Opcodes and Status Codes"."""

from __future__ import annotations

from collections.abc import Mapping

__all__ = ["Refused", "invalid", "missing_access", "missing_permissions", "unknown"]

_UNKNOWN = {
    "channel": (10003, "Unknown Channel"),
    "guild": (10004, "Unknown Guild"),
    "member": (10007, "Unknown Member"),
    "message": (10008, "Unknown Message"),
    "user": (10013, "Unknown User"),
    "emoji": (10014, "Unknown Emoji"),
    "webhook": (10015, "Unknown Webhook"),
}


class Refused(Exception):
    """The request is answered with this."""

    def __init__(self, status: int, code: int, message: str, errors: Mapping[str, object] | None = None) -> None:
        super().__init__(message)
        self.status = status
        self.body: dict[str, object] = {"message": message, "code": code}
        if errors:
            self.body["errors"] = errors


def unknown(what: str) -> Refused:
    """What is named is not there."""
    code, message = _UNKNOWN[what]
    return Refused(404, code, message)


def missing_access() -> Refused:
    """The channel or guild cannot be seen."""
    return Refused(403, 50001, "Missing Access")


def missing_permissions() -> Refused:
    """It can be seen, and this may not be done there."""
    return Refused(403, 50013, "Missing Permissions")


def invalid(field: str, code: str, message: str) -> Refused:
    """A field of the request is not as it has to be."""
    errors = {field: {"_errors": [{"code": code, "message": message}]}}
    return Refused(400, 50035, "Invalid Form Body", errors)
