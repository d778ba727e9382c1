"""How Slack says no: status 200 with `ok: false` and the name of an error."""

from __future__ import annotations

from nextbridge.sandbox.slack.records import Json

__all__ = ["Refusal"]


class Refusal(Exception):
    """Answered as `{"ok": false, "error": …}`, with whatever else the error brings."""

    def __init__(self, error: str, **more: object) -> None:
        super().__init__(error)
        self.answer: Json = {"ok": False, "error": error, **more}
