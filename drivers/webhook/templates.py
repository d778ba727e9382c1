"""Templates of the operator's file, in Jinja's notation, for what comes in and what goes out.

The operator writes the template, but whoever posts writes what it is filled with. So it runs in Jinja's sandbox, with
the filters that make text and no others, on data that was cut to a bound before, for a bounded time, and makes a
bounded text. This module alone imports Jinja, and is imported only where a hook has a template.
"""

from __future__ import annotations

import time
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from jinja2 import ChainableUndefined, TemplateError, TemplateSyntaxError
from jinja2.runtime import LoopContext, Macro
from jinja2.sandbox import ImmutableSandboxedEnvironment

__all__ = ["TemplateFailed", "TemplateWrong", "WebhookTemplate"]

_SECONDS = 1.0
_LONGEST = 64_000
"""Characters that a template may make."""
_MOST_ENTRIES = 200
_LONGEST_STRING = 20_000
_DEEPEST = 20
_MOST_NODES = 20_000
_FILTERS = frozenset(
    "abs capitalize d default dictsort e escape first float int items join last length list lower map max min reject "  # noqa: SIM905
    "rejectattr replace reverse round select selectattr sort string striptags sum title tojson trim truncate unique "
    "upper urlencode".split()
)
_METHODS = frozenset(
    {"capitalize", "cycle", "endswith", "get", "items", "keys", "lower", "split", "splitlines", "startswith", "strip"}
    | {"title", "upper", "values"}
)
"""Those of the values that a template may call."""
_HEAVY = frozenset({"*", "**", "%"})
"""Operators that can make much of little."""


class TemplateWrong(Exception):
    """It is no template. `line` is where, from 1."""

    def __init__(self, reason: str, line: int) -> None:
        super().__init__(reason)
        self.line = line


class TemplateFailed(Exception):
    """It could not be filled with this. The text is for the operator and holds nothing of the data."""


class _Sandbox(ImmutableSandboxedEnvironment):
    """Looks at the clock at each step that a loop can be made of."""

    intercepted_binops = _HEAVY
    until = 0.0

    def look(self) -> None:
        """Raises TemplateFailed where it takes too long."""
        if time.monotonic() > self.until:
            raise TemplateFailed("the template takes too long")

    def getattr(self, obj: Any, attribute: str) -> Any:  # noqa: ANN401 - Jinja's signature
        self.look()
        if isinstance(obj, Mapping) and attribute in obj:  # `body.items` is what was posted under that name
            return obj[attribute]
        return super().getattr(obj, attribute)

    def getitem(self, obj: Any, argument: Any) -> Any:  # noqa: ANN401 - Jinja's signature
        self.look()
        return super().getitem(obj, argument)

    def call(self, context: Any, obj: Any, *args: Any, **kwargs: Any) -> Any:  # noqa: ANN401 - Jinja's signature
        self.look()
        return super().call(context, obj, *args, **kwargs)

    def is_safe_callable(self, obj: Any) -> bool:  # noqa: ANN401 - Jinja's signature
        return isinstance(obj, Macro | LoopContext) or getattr(obj, "__name__", "") in _METHODS

    def call_binop(self, context: Any, operator: str, left: Any, right: Any) -> Any:  # noqa: ANN401 - Jinja's signature
        self.look()
        numbers = isinstance(left, int | float) and isinstance(right, int | float)
        if operator == "**" or (operator in {"*", "%"} and not numbers):
            raise TemplateFailed(f"{operator} is for numbers alone in a template, and ** is not there")
        return super().call_binop(context, operator, left, right)


class WebhookTemplate:
    """One template, parsed once. May be filled in any thread, one at a time."""

    def __init__(self, text: str) -> None:
        """Raises TemplateWrong."""
        self._sandbox = _Sandbox(undefined=ChainableUndefined, autoescape=False, keep_trailing_newline=False)
        self._sandbox.globals.clear()
        self._sandbox.filters = {name: each for name, each in self._sandbox.filters.items() if name in _FILTERS}
        self._sandbox.filters |= {"join": _join, "replace": _replace}
        try:
            self._template = self._sandbox.from_string(text)
        except TemplateSyntaxError as error:
            raise TemplateWrong(error.message or "it cannot be read", error.lineno) from None
        except (TemplateError, RecursionError) as error:
            raise TemplateWrong(type(error).__name__, 1) from None

    def fill(self, values: Mapping[str, object]) -> str:
        """The text that it makes of these. Blocks for a second at most. Raises TemplateFailed."""
        self._sandbox.until = time.monotonic() + _SECONDS
        try:
            return "".join(self._parts(values))
        except TemplateFailed:
            raise
        # what was given to a filter may not be what it takes, and then it fails with whatever Python can fail with
        except Exception as error:  # noqa: BLE001
            raise TemplateFailed(f"the template cannot be filled: {type(error).__name__}") from None

    def _parts(self, values: Mapping[str, object]) -> Iterator[str]:
        length = 0
        for part in self._template.generate(bounded(dict(values))):
            length += len(part)
            _check(length)
            self._sandbox.look()
            yield part


def _join(values: Iterable[object], between: str = "") -> str:
    """Jinja's own, of a bounded length."""
    parts = [str(each) for each in values]
    _check(sum(map(len, parts)) + len(parts) * len(str(between)))
    return str(between).join(parts)


def _replace(text: object, old: str, new: str) -> str:
    """Likewise."""
    before = str(text)
    _check(len(before) + before.count(str(old)) * len(str(new)))
    return before.replace(str(old), str(new))


def _check(length: int) -> None:
    if length > _LONGEST:
        raise TemplateFailed(f"the template makes more than {_LONGEST} characters")


def bounded(value: Any) -> Any:  # noqa: ANN401 - whatever JSON holds
    """The same, cut to what a template can work through."""
    left = _MOST_NODES

    def cut(value: Any, depth: int) -> Any:  # noqa: ANN401
        nonlocal left
        left -= 1
        if left < 0 or depth > _DEEPEST:
            return None
        if isinstance(value, str):
            return value[:_LONGEST_STRING]
        if isinstance(value, Mapping):
            return {str(key)[:200]: cut(each, depth + 1) for key, each in list(value.items())[:_MOST_ENTRIES]}
        if isinstance(value, list | tuple):
            return [cut(each, depth + 1) for each in value[:_MOST_ENTRIES]]
        return value

    return cut(value, 0)
