"""What Mattermost does otherwise than CommonMark, as rules of markdown-it-py. Imported only when there is markup.

A rule gets the parser's state, consumes characters and says whether it did; `silent` asks for the consumption alone.
"""

from __future__ import annotations

import re

from markdown_it.rules_block import StateBlock, list_block, table
from markdown_it.rules_inline import StateInline
from markdown_it.rules_inline.state_inline import Delimiter

from drivers.mattermost.markdown.notation import GUARD, NAMES_AN_EMOJI, address_at

__all__ = ["STARTS", "address", "dot_list", "emoji", "escape", "formatting", "guard", "mention", "top_table"]

STARTS = re.compile(r"[\n!*:@\[\\\]_`~&\u200b]|(?<![A-Za-z0-9])(?:https?://|ftp://|mailto:|www\.)", re.IGNORECASE)
"""Where the parser has to look inside a line."""

_ESCAPED = re.compile(r"\\(?:([`*{}\[\]()#+\-.!_>~|])|(\\)(?![A-Za-z0-9_]))")
_MENTION = re.compile(r"@([A-Za-z0-9][A-Za-z0-9._-]*)")
_EMOJI = re.compile(r"(?::[a-z0-9_+-]+:)+(?!:|[^\W_])")
_SIGN_GUARD = re.compile(
    rf"(?:@{GUARD}(?={GUARD}*[A-Za-z0-9])"
    rf"|:{GUARD}(?={GUARD}*[A-Za-z0-9_+-]+:)"
    rf"|&{GUARD}(?={GUARD}*\#?[A-Za-z0-9]+;))"
)
_NAME_GUARD = re.compile(rf"{GUARD}(?={GUARD}*[A-Za-z0-9._-])")
_LINE_GUARD = re.compile(rf"{GUARD}(?={GUARD}*=+[ \t]*(?:\n|\Z))")
_ONLY_GUARDS = re.compile(rf"{GUARD}+\Z")
_NUMBER_WITH_PARENTHESIS = re.compile(r"\d+\)")


def guard(state: StateInline, silent: bool) -> bool:
    """Take away a guard that the writer put: behind a sign, between asterisks, before a line of `=`, or alone."""
    src, pos = state.src, state.pos
    if found := _SIGN_GUARD.match(src, pos, state.posMax):
        if not silent:
            state.append_pending(src[pos])
        state.pos = found.end()
        return True
    if src[pos] != GUARD:
        return False
    line_starts = pos == 0 or src[pos - 1] == "\n"
    parts_asterisks = pos > 0 and src[pos - 1] == "*" == src[pos + 1 : pos + 2]
    is_before_row = line_starts and _LINE_GUARD.match(src, pos)
    if not (parts_asterisks or is_before_row or (pos == 0 and _ONLY_GUARDS.match(src))):
        return False
    state.pos = pos + 1
    # those that follow are the text's own
    while state.pos < state.posMax and src[state.pos] == GUARD:
        if not silent:
            state.append_pending(GUARD)
        state.pos += 1
    return True


def escape(state: StateInline, silent: bool) -> bool:
    """A backslash before one of Mattermost's signs; before another backslash only where no letter follows that."""
    found = _ESCAPED.match(state.src, state.pos, state.posMax)
    if found is None:
        return False
    if not silent:
        # a token of its own: a `~` in a text token before a closing `~~` would be taken for a part of that
        state.push("text_special", "", 0).content = found[1] or found[2]
    state.pos = found.end()
    return True


def address(state: StateInline, silent: bool) -> bool:
    """A bare address outside of a link."""
    pos = state.pos
    if state.linkLevel or state.src[pos] not in "hHfFmMwW":
        return False
    if pos and state.src[pos - 1].isascii() and state.src[pos - 1].isalnum():
        return False
    url = address_at(
        state.src[pos : state.posMax] if state.posMax < len(state.src) else state.src,
        0 if state.posMax < len(state.src) else pos,
    )
    if not url:
        return False
    if not silent:
        token = state.push("address", "", 0)
        token.content = url
    state.pos = pos + len(url)
    return True


def mention(state: StateInline, silent: bool) -> bool:
    """`@name`, not inside a word or an e-mail address."""
    src, pos = state.src, state.pos
    if src[pos] != "@" or (pos and src[pos - 1].isalnum()):
        return False
    found = _MENTION.match(src, pos, state.posMax)
    if found is None:
        return False
    # `_@name_` is a name in italics
    name = found[1].rstrip("._" if pos and src[pos - 1] == "_" else ".")
    end = pos + 1 + len(name)
    if not silent:
        token = state.push("mention", "", 0)
        token.content = name
    state.pos = end + 1 if _NAME_GUARD.match(src, end, state.posMax) else end
    return True


def emoji(state: StateInline, silent: bool) -> bool:
    """`:name:`, several in a row too, not inside a word, a time or a C++ name."""
    src, pos = state.src, state.pos
    if src[pos] != ":" or (pos and (src[pos - 1] == ":" or src[pos - 1].isalnum())):
        return False
    found = _EMOJI.match(src, pos, state.posMax)
    if found is None:
        return False
    names = found[0][1:-1].split("::")
    if address_at(src, pos + 1, state.posMax):
        return False
    if not all(NAMES_AN_EMOJI.match(name) for name in names):
        return False
    if not silent:
        for name in names:
            token = state.push("emoji", "", 0)
            token.content = name
    state.pos = found.end()
    return True


def formatting(state: StateInline, silent: bool) -> bool:
    """`*`, `_` and `~~`. Other than in CommonMark, `*` and `~~` work inside of words whatever stands beside them."""
    src, start = state.src, state.pos
    marker = src[start]
    if silent or marker not in "*_~":
        return False
    scanned = state.scanDelims(start, True)
    length = scanned.length
    end = start + length
    if marker == "_":
        scanned = state.scanDelims(start, False)
        opens, closes = scanned.can_open, scanned.can_close
    else:
        opens = end < state.posMax and not src[end].isspace()
        closes = start > 0 and not src[start - 1].isspace()
    if marker != "~":
        for _ in range(length):
            _delimiter(state, marker, length, opens=opens, closes=closes)
    elif length < 2:
        return False
    else:
        if length % 2:
            state.push("text", "", 0).content = marker
        for _ in range(length // 2):
            _delimiter(state, "~~", 0, opens=opens, closes=closes)
    state.pos = end
    return True


def _delimiter(state: StateInline, text: str, length: int, *, opens: bool, closes: bool) -> None:
    state.push("text", "", 0).content = text
    place = len(state.tokens) - 1
    state.delimiters.append(Delimiter(ord(text[0]), length, place, -1, opens, closes))


def dot_list(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Lists as in CommonMark, but for those numbered `1)`."""
    if _NUMBER_WITH_PARENTHESIS.match(state.src, state.bMarks[start] + state.tShift[start], state.eMarks[start]):
        return False
    return list_block(state, start, end, silent)


def top_table(state: StateBlock, start: int, end: int, silent: bool) -> bool:
    """Tables, which Mattermost knows outside of lists only, and which can be kept as typed outside of quotes only."""
    return state.level == 0 and table(state, start, end, silent)
