"""How a client of Discord's shows a message's content: another reader than the driver's own, by other means.

It works as Discord's clients are seen to: a list of rules, of which the first that fits at a place is taken. Slow on
long texts, and made for tests alone.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from nextbridge.markup.emoji import character

__all__ = ["Shown"]

_BLOCK_RULES = {
    "a code block": re.compile(r"```(?:[a-z0-9_+\-.#]+\n)?\n*([^\n](?:.|\n)*?)\n*```", re.IGNORECASE),
    "a heading": re.compile(r"#{1,3}[ \t]+([^\n]*?\S[^\n]*)(?:\n|$)"),
    "small letters": re.compile(r"-#[ \t]+([^\n]*?\S[^\n]*)(?:\n|$)"),
    "a quote": re.compile(r" *>>> ((?:.|\n)*)| *> ([^\n]*)(?:\n|$)"),
    "a list": re.compile(r" *(?:[*-]|[0-9]+\.)[ \t]+([^\n]*?\S[^\n]*)(?:\n|$)"),
}
_INLINE_RULES = {
    "code": re.compile(r"(`+)((?:.|\n)*?[^`])\1(?!`)"),
    "escape": re.compile(r"\\([^0-9A-Za-z\s])"),
    "a bracketed address": re.compile(r"<(https?://[^\s>]+)>"),
    "an address": re.compile(r"https?://[^\s<]+[^<.,:;\"'\]\s)]"),
    "a masked link": re.compile(r"\[((?:\[[^\]]*\]|[^\[\]]|\](?=[^\[]*\]))*)\]\(\s*<?(https?://[^\s)]*?)>?\s*\)"),
    "a mention": re.compile(r"<(?:@[!&]?|#)[0-9]+>"),
    "a command": re.compile(r"</[^:>]+:[0-9]+>"),
    "a time": re.compile(r"<t:-?[0-9]+(?::[tTdDfFRsS])?>"),
    "a custom emoji": re.compile(r"<a?:([A-Za-z0-9_]+):[0-9]+>"),
    "an emoji": re.compile(r":([A-Za-z0-9_+-]+):"),
    "bold": re.compile(r"\*\*((?:\\.|[^\\]|\n)+?)\*\*(?!\*)"),
    "underlined": re.compile(r"__((?:\\.|[^\\]|\n)+?)__(?!_)"),
    "italic": re.compile(
        r"\*(?=\S)((?:\*\*|\\.|\s+(?:\\.|[^\s*\\]|\*\*)|[^\s*\\])+?)\*(?!\*)|_((?:__|\\.|[^\\_])+?)_\b(?!_)"
    ),
    "struck": re.compile(r"~~((?:.|\n)+?)~~(?!_)"),
    "a spoiler": re.compile(r"\|\|((?:.|\n)+?)\|\|"),
}
_HOLDS_MORE = {"bold", "underlined", "italic", "struck", "a spoiler", "a masked link"}


class Shown:
    """What a reader sees of `content`, and what of it is more than text. `everyone` is whether it calls everybody."""

    def __init__(self, content: str, *, everyone: bool = False) -> None:
        self.notation: set[str] = set()
        self._everyone = everyone
        self.text = self._blocks(content, depth=0).rstrip("\n")

    def _blocks(self, text: str, *, depth: int) -> str:
        shown, place, at_start = "", 0, True
        while place < len(text):
            for name, rule in _BLOCK_RULES.items():
                fits = name == "a code block" or (at_start and not (name == "a quote" and depth))
                if fits and (found := rule.match(text, place)):
                    self.notation.add(name)
                    inner = next(group for group in found.groups() if group is not None)
                    shown += f"{inner}\n" if name == "a code block" else self._blocks(inner, depth=depth + 1) + "\n"
                    place, at_start = found.end(), True
                    break
            else:
                piece, place = self._inline(text, place)
                shown += piece
                at_start = text[place - 1] == "\n"
        return shown

    def _lines(self, text: str) -> str:
        shown, place = "", 0
        while place < len(text):
            piece, place = self._inline(text, place)
            shown += piece
        return shown

    def _inline(self, text: str, place: int) -> tuple[str, int]:
        for name, rule in _INLINE_RULES.items():
            found = rule.match(text, place)
            if found is None:
                continue
            if name == "escape":
                return found[1], found.end()
            if name == "an emoji" and character(found[1]) is None:
                continue
            self.notation.add(name)
            groups = [group for group in found.groups() if group is not None]
            show: Callable[[str], str] = self._lines if name in _HOLDS_MORE else str
            inner = groups[1] if name == "code" else groups[0] if groups else found[0]
            return show(inner), found.end()
        if self._everyone and (calls := re.compile(r"@(?:everyone|here)\b").match(text, place)):
            self.notation.add("a call of everybody")
            return calls[0], calls.end()
        return text[place], place + 1
