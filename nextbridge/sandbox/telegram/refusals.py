"""The Bot API's error answers, in the words that bots and their libraries look for.

The documentation promises `ok`, `error_code`, `description` and `parameters` (https://core.telegram.org/bots/api
#making-requests, #responseparameters); the descriptions are those that its open-source server gives.
"""

from __future__ import annotations

from msgspec import Struct

__all__ = ["Refusal", "bad_request", "forbidden", "migrated", "too_many"]


class Parameters(Struct, frozen=True, omit_defaults=True):
    """What a program can do about an error."""

    migrate_to_chat_id: int | None = None
    retry_after: int | None = None


class Refusal(Exception):
    """An answer that is not ok."""

    def __init__(self, status: int, description: str, parameters: Parameters | None = None) -> None:
        super().__init__(description)
        self.status = status
        self.description = description
        self.parameters = parameters


def bad_request(what: str) -> Refusal:
    """The request makes no sense, or asks for what cannot be."""
    return Refusal(400, f"Bad Request: {what}")


def forbidden(what: str) -> Refusal:
    """The bot may not."""
    return Refusal(403, f"Forbidden: {what}")


def too_many(seconds: int) -> Refusal:
    """The bot has sent too much, and has to wait."""
    return Refusal(429, f"Too Many Requests: retry after {seconds}", Parameters(retry_after=seconds))


def migrated(chat: int) -> Refusal:
    """The group is a supergroup now, with that id."""
    return Refusal(
        400,
        "Bad Request: group chat was upgraded to a supergroup chat",
        Parameters(migrate_to_chat_id=chat),
    )
