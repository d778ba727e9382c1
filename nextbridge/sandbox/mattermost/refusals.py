"""How the real server says no: one exception, and the refusals that more than one place gives."""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Refusal", "RefusalBody", "forbidden", "invalid_body_parameter", "invalid_url_parameter"]


class RefusalBody(Struct):
    """The JSON of a refusal."""

    id: str
    message: str
    detailed_error: str
    request_id: str
    status_code: int


class Refusal(Exception):
    """Answered with `status` and the server's own error id."""

    def __init__(self, status: int, error_id: str, message: str) -> None:
        super().__init__(f"{status} {error_id}: {message}")
        self.status = status
        self.error_id = error_id
        self.message = message


def forbidden() -> Refusal:
    """Also the answer where the thing asked for is not there, if only members may know."""
    return Refusal(403, "api.context.permissions.app_error", "You do not have the appropriate permissions.")


def invalid_url_parameter(name: str) -> Refusal:
    """An id in the path that has not the form of one."""
    return Refusal(
        400,
        "api.context.invalid_url_param.app_error",
        f"Invalid or missing {name} parameter in request URL.",
    )


def invalid_body_parameter(name: str) -> Refusal:
    """Something missing in the body, or not of the right type."""
    return Refusal(
        400,
        "api.context.invalid_body_param.app_error",
        f"Invalid or missing {name} in request body.",
    )
