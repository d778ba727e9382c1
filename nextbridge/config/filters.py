"""Looks at the filter of a rule for what its schema cannot say: patterns, replacements, and whom it names."""

from __future__ import annotations

from collections.abc import Callable, Iterator

from nextbridge.config.document import Mapping, Node, Scalar, Sequence
from nextbridge.config.problem import Path, short
from nextbridge.config.report import Report
from nextbridge.expression import Expression, ExpressionError, Replacement

__all__ = ["check_filter"]

_ANY_TEXTS = ("", "a", "\x01")


def check_filter(
    node: Node | None, path: Path, report: Report, unknown: Callable[[str], tuple[str, str] | None]
) -> bool:
    """Report what is wrong with a rule's `filter`, which its schema accepts; whether nothing is.

    `unknown` says what is wrong with the name of an instance, and what is likely meant.
    """
    return not isinstance(node, Mapping) or _Check(report, unknown).is_right(node, path)


class _Check:
    def __init__(self, report: Report, unknown: Callable[[str], tuple[str, str] | None]) -> None:
        self._report = report
        self._unknown = unknown
        self._right = True

    def is_right(self, node: Mapping, path: Path) -> bool:
        for key in ("ignore_text", "ignore_names"):
            for each, place in _items(node.get(key), (*path, key)):
                self._ignored(each, place)
        for each, place in _items(node.get("replace"), (*path, "replace")):
            if isinstance(each, Mapping):
                self._replaced(each, place)
        denied = {user for user, _, _ in self._users(node, path, "deny")}
        for user, at, place in self._users(node, path, "allow"):
            if user in denied:
                self._tell(
                    at, place, f'"{short(user[0])}" is allowed and denied', "take it out of one of the two lists"
                )
        return self._right

    def _tell(self, at: int, path: Path, message: str, suggestion: str = "") -> None:
        self._right = False
        self._report.error(at, path, message, suggestion)

    def _expression(self, node: Node | None, path: Path, *, captures: bool = False) -> Expression | None:
        if not isinstance(node, Scalar) or not isinstance(node.value, str):
            return None
        try:
            return Expression(node.value, captures=captures)
        except ExpressionError as error:
            self._tell(self._report.document.inside(node, error.offset), path, error.reason)
            return None

    def _ignored(self, node: Node, path: Path) -> None:
        expression = self._expression(node, path)
        if expression is not None and all(expression.is_in(text) for text in _ANY_TEXTS):
            self._tell(node.start, path, "it is found in every text, so nothing would be relayed")

    def _replaced(self, node: Mapping, path: Path) -> None:
        expression = self._expression(node.get("pattern"), (*path, "pattern"), captures=True)
        if expression is None:
            return
        if expression.is_in(""):
            at = node.entries["pattern"].node.start
            self._tell(
                at, (*path, "pattern"), "it is found where there is nothing", "let it match a character at least"
            )
        put = node.get("with")
        if isinstance(put, Scalar) and isinstance(put.value, str):
            try:
                Replacement.check(expression, put.value)
            except ExpressionError as error:
                self._tell(self._report.document.inside(put, error.offset), (*path, "with"), error.reason)

    def _users(self, node: Mapping, path: Path, key: str) -> Iterator[tuple[tuple[str, str | None], int, Path]]:
        """Who is on a list: the name, folded, with the instance."""
        for each, place in _items(node.get(key), (*path, key)):
            if isinstance(each, Scalar):
                yield (str(each.value).casefold(), None), each.start, place
            elif isinstance(each, Mapping):
                user, instance = each.get("user"), each.get("instance")
                if not isinstance(user, Scalar) or not isinstance(instance, Scalar):
                    continue
                name = str(instance.value)
                if (wrong := self._unknown(name)) is not None:
                    self._tell(instance.start, (*place, "instance"), *wrong)
                yield (str(user.value).casefold(), name), each.start, place


def _items(node: Node | None, path: Path) -> Iterator[tuple[Node, Path]]:
    if isinstance(node, Sequence):
        yield from ((each, (*path, place)) for place, each in enumerate(node.items))
