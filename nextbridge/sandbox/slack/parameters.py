"""The arguments of a call: JSON, a form or the query, of which each Web API method takes any."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

from aiohttp import web

from nextbridge.sandbox.slack.refusals import Refusal

__all__ = ["Parameters"]


class Parameters:
    """One call's. Raises Refusal where one is not what it should be."""

    def __init__(self, values: Mapping[str, Any]) -> None:
        self._values = values

    @classmethod
    async def of(cls, request: web.Request) -> Parameters:
        values: dict[str, Any] = dict(request.query)
        if request.content_type == "application/json":
            try:
                body = json.loads(await request.text() or "{}")
            except ValueError:
                raise Refusal("invalid_json") from None
            if not isinstance(body, dict):
                raise Refusal("json_not_object")
            values |= body
        elif request.can_read_body:
            values |= dict(await request.post())
        return cls(values)

    def text(self, name: str, default: str = "") -> str:
        value = self._values.get(name)
        return default if value is None else str(value)

    def required(self, name: str) -> str:
        value = self.text(name)
        if not value:
            raise Refusal("invalid_arguments", response_metadata={"messages": [f"[ERROR] missing required: {name}"]})
        return value

    def flag(self, name: str) -> bool:
        return self.text(name).lower() in {"1", "true"}

    def number(self, name: str, default: int) -> int:
        text = self.text(name)
        if not text:
            return default
        if not text.isdecimal():
            raise Refusal("invalid_arguments", response_metadata={"messages": [f"[ERROR] must be a number: {name}"]})
        return int(text)

    def structure(self, name: str, error: str) -> Any:  # noqa: ANN401 - any JSON
        """JSON, written as such or as a string; None where it is not given."""
        value = self._values.get(name)
        if not isinstance(value, str):
            return value
        if not value:
            return None
        try:
            return json.loads(value)
        except ValueError:
            raise Refusal(error) from None
