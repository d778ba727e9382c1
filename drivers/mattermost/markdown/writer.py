"""From the tree to Mattermost's Markdown: what a user's text holds stays text, for the browser and for the server.

Who reads it are a fork of marked.js in the browser and the server's own parser, which looks for mentions; they differ
from each other and from CommonMark, and what is written here means the same to all three. Facts that shaped it:
marked finds a link by brackets without regard to backslashes, so a bracket is escaped outside of a link and must be
balanced inside; it makes `*` emphasis inside words and `_` only outside of them; the server decodes character
references before it looks for mentions, so `&#64;all` would call everybody. A mass mention is written only where the
core permits it.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import assert_never
from urllib.parse import quote

from drivers.mattermost.markdown.notation import (
    CALLS_EVERYBODY,
    GUARD,
    NAMES_AN_EMOJI,
    address_at,
    has_markup,
    is_bare_address,
    is_safe_address,
    linked,
)
from nextbridge.markup import (
    Block,
    Bold,
    Code,
    CodeBlock,
    Emoji,
    Heading,
    Inline,
    Italic,
    LineBreak,
    Link,
    ListBlock,
    Mention,
    MentionKind,
    Paragraph,
    Quote,
    Spoiler,
    Strike,
    Text,
    ThematicBreak,
    Underline,
    plain_text,
)
from nextbridge.markup.normal import normalise
from nextbridge.markup.rewrite import barred

__all__ = ["write", "write_normal"]

_SIGNS = re.compile(
    rf"\\+|[`*\[\]]|_+|~+|@{GUARD}*(?=[A-Za-z0-9])|:{GUARD}*(?=(?P<name>[A-Za-z0-9_+-]+):)|&{GUARD}*(?=\#?[A-Za-z0-9]+;)"
)
_ADDRESS_STARTS = re.compile(r"(?<![A-Za-z0-9])(?:https?://|ftp://|mailto:|www\.)", re.IGNORECASE)
_LINE_SIGNS = re.compile(
    rf"(?P<escape>\#(?=\#{{0,5}}(?:\s|\Z))|>|\+(?=\s|\Z))|(?P<number>\d+)\.(?=\s|\Z)|(?={GUARD}*=+[ \t]*\Z)"
    r"|(?P<row>[|:][|: ]*)-(?=[-|: ]*\Z)"
)
_NAME = re.compile(r"[A-Za-z0-9](?:[A-Za-z0-9._-]*[A-Za-z0-9_-])?\Z")
_GOES_ON_AS_NAME = re.compile(rf"{GUARD}*[A-Za-z0-9_-]|{GUARD}+\.|\.+[A-Za-z0-9_-]")
_EMOJI_NAME = re.compile(r"[a-z0-9_+-]+\Z")
_LANGUAGE = re.compile(r"[A-Za-z0-9_+#.-]+\Z")
_ASCII_PUNCTUATION = frozenset("!\"#$%&'()*+,-./:;<=>?@[]^`{|}~")
_ESCAPABLE = frozenset("`*{}[]()#+-.!_>|~\\")
_BEFORE_DASH = frozenset({"", "*", "_", "~"})
_NOT_BEFORE_ADDRESS = frozenset({"\\", "@"})
_NOT_IN_DESTINATION = frozenset('<>"\\`*')
_BALANCED = re.compile(r"[^\[\]]*(?:\[[^\[\]]*\][^\[\]]*)*\Z")
_BALANCED_PARENTHESES = re.compile(r"[^()]*(?:\([^()]*\)[^()]*)*\Z")
_LOOK_AHEAD = 100
"""How many of the characters that follow are looked at; a longer word after an address is taken to go on with it."""
_SEPARATOR = f"\n\n{GUARD}\n\n"
"""Between two lists, or two quotes, that would grow together."""


def write(blocks: tuple[Block, ...]) -> str:
    """`blocks` as a post's `message`. Never raises."""
    match blocks:
        case (Paragraph((Text(text),)),) if _means_itself(text):
            return text
    return write_normal(normalise(barred(blocks), underline=False))


def _means_itself(text: str) -> bool:
    """Whether `text`, alone, is written as it is: what most messages are, and what costs nothing then."""
    return text.isprintable() and text == text.strip() and "]" not in text and not has_markup(text)


def write_normal(blocks: tuple[Block, ...]) -> str:
    """The same for blocks that are in normal form, nothing in them underlined."""
    return _blocks(blocks)


# --- blocks ---------------------------------------------------------------------------------------------------------


def _blocks(blocks: tuple[Block, ...], *, in_item: bool = False) -> str:
    written: list[str] = []
    before: Block | None = None
    for block in blocks:
        if before is not None:
            written.append(_between(before, block, in_item=in_item))
        written.append(_block(block))
        before = block
    return "".join(written)


def _between(before: Block, after: Block, *, in_item: bool) -> str:
    match before, after:
        case (ListBlock(), ListBlock()) | (Quote(), Quote()):
            return _SEPARATOR
        case Paragraph(), ListBlock(items, None | 1) if in_item and items[0]:
            return "\n"
        case _:
            return "\n\n"


def _block(block: Block) -> str:
    match block:
        case Paragraph(children):
            return _paragraph(children)
        case Heading(level, children):
            return _heading(level, children)
        case CodeBlock(text, language):
            return _code_block(text, language)
        case Quote(children):
            return "\n".join(f"> {line}" for line in _blocks(children).split("\n"))
        case ListBlock(items, start):
            return "\n".join(_item(item, start, place) for place, item in enumerate(items))
        case ThematicBreak():
            return "***"
        case _:
            assert_never(block)


def _paragraph(children: tuple[Inline, ...]) -> str:
    brackets = _has_links(children)
    if len(children) == 1 and isinstance(only := children[0], Text) and not only.text.strip(GUARD):
        return only.text + GUARD
    lines: list[list[Inline]] = [[]]
    for child in children:
        if isinstance(child, LineBreak):
            lines.append([])
        else:
            lines[-1].append(child)
    return "\n".join(_line(tuple(line), brackets=brackets) for line in lines)


def _has_links(children: tuple[Inline, ...]) -> bool:
    """Whether a bracket in the text could become part of a link."""
    words = plain_text(children)
    return any(sign in words for sign in ("](", "]:", "][", "://", "www.")) or _holds_link(children)


def _holds_link(children: tuple[Inline, ...]) -> bool:
    return any(
        isinstance(child, Link) or (isinstance(child, Bold | Italic | Strike) and _holds_link(child.children))
        for child in children
    )


def _heading(level: int, children: tuple[Inline, ...]) -> str:
    words = _line(children, brackets=True)
    if words.endswith("#"):
        words = words[:-1] + "\\#"
    return f"{'#' * level} {words}"


def _code_block(text: str, language: str) -> str:
    longest = max((len(run) for run in re.findall("`+", text)), default=0)
    fence = "`" * max(3, longest + 1)
    return "\n".join((fence + (language if _LANGUAGE.match(language) else ""), *([text] if text else []), fence))


def _item(item: tuple[Block, ...], start: int | None, place: int) -> str:
    bullet = "- " if start is None else f"{min(start + place, 999_999_999)}. "
    indent = "\n" + " " * len(bullet)
    return bullet + re.sub(r"\n(?=[^\n])", indent, _blocks(item, in_item=True))


# --- inside a line --------------------------------------------------------------------------------------------------


def _line(children: tuple[Inline, ...], *, brackets: bool) -> str:
    return _inlines(_with_addresses(children), "", "", brackets=brackets)


def _with_addresses(children: tuple[Inline, ...]) -> tuple[Inline, ...]:
    """`children`, a bare address in a Text being the link that it will be taken for."""
    return tuple(each for child in children for each in _addresses(child))


def _addresses(node: Inline) -> Iterator[Inline]:
    match node:
        case Text(text) if "://" in text or "www." in text.lower() or "mailto:" in text.lower():
            done = 0
            for found in _ADDRESS_STARTS.finditer(text):
                if found.start() >= done and (url := address_at(text, found.start())):
                    if found.start() > done:
                        yield Text(text[done : found.start()])
                    yield Link(linked(url), (Text(url),))
                    done = found.start() + len(url)
            if done < len(text):
                yield Text(text[done:])
        case Bold(children):
            yield Bold(_with_addresses(children))
        case Italic(children):
            yield Italic(_with_addresses(children))
        case Strike(children):
            yield Strike(_with_addresses(children))
        case _:
            yield node


def _inlines(children: tuple[Inline, ...], before: str, after: str, *, brackets: bool) -> str:
    """`children`, which stand behind the character `before`; `after` begins as what follows them."""
    follows = [after]
    for child in reversed(children[1:]):
        follows.append((_outline(child) + follows[-1])[:_LOOK_AHEAD])
    written: list[str] = []
    previous: Inline | None = None
    for child, after_it in zip(children, reversed(follows), strict=True):
        if isinstance(previous, Mention) and isinstance(child, Link):
            # a bare address would go on with the name
            piece = _link(child, "@", after_it)
        else:
            piece = _inline(child, before, after_it, brackets=brackets)
        written.append(piece)
        before = piece[-1:] or before
        previous = child
    return "".join(written)


def _outline(node: Inline) -> str:
    """How `node` will look from before, near enough: its signs and its words, no more of it than is looked at."""
    match node:
        case Text(text):
            return text[:_LOOK_AHEAD]
        case Mention(name):
            return f"@{name}"
        case Link(url, children):
            return url if is_bare_address(url, children) else "["
        case Strike():
            return "~~"
        case Code():
            return "`"
        case Emoji():
            return ":"
        case _:
            return "*"


def _inline(node: Inline, before: str, after: str, *, brackets: bool) -> str:  # noqa: PLR0911 - one for each node
    match node:
        case Text(text):
            return _text(text, before, after, brackets=brackets)
        case LineBreak():
            return "\n"
        case Bold(children):
            return f"**{_inlines(children, '*', '*', brackets=brackets)}**"
        case Italic(children):
            sign = _italic_sign(plain_text(children), before, after[:1])
            written = f"{sign}{_inlines(children, sign, sign, brackets=brackets)}{sign}"
            if sign == "_":
                return written
            # a run of asterisks inside a word is not taken apart as it was put together
            return f"{GUARD if before == '*' else ''}{written}{GUARD if after[:1] == '*' else ''}"
        case Strike(children):
            return f"~~{_inlines(children, '~', '~', brackets=brackets)}~~"
        case Underline(children) | Spoiler(children):  # the bars of a spoiler are text beside it by now
            return _inlines(children, before, after, brackets=brackets)
        case Code(text):
            return _code(text)
        case Link():
            return _link(node, before, after)
        case Mention():
            return _mention(node, before, after)
        case Emoji(name):
            return f":{name}:" if _EMOJI_NAME.match(name) else _text(f":{name}:", before, after, brackets=brackets)
        case _:
            assert_never(node)


def _italic_sign(words: str, before: str, after: str) -> str:
    """`*`, or `_` where marked would take another `*`, escaped or not, for the end of it, or a first quote for text."""
    prefers_underscore = "*" in {before, after} or "*" in words or words.startswith(('"', "<"))
    # a doubled backslash means one only where no letter follows, and a `_` counts as one
    can_be_underscore = _is_outside_words(before) and _is_outside_words(after) and not words.endswith("\\")
    return "_" if prefers_underscore and can_be_underscore else "*"


def _is_outside_words(char: str) -> bool:
    """Whether a `_` beside `char` is a sign for all who read it; what they call a letter differs beyond ASCII."""
    return not char or char.isspace() or char in _ASCII_PUNCTUATION


def _text(text: str, before: str, after: str, *, brackets: bool) -> str:
    """`text` such that it means itself. It may be part of a line; `before` is empty at the line's start."""
    start = ""
    if not before and (found := _LINE_SIGNS.match(text)):
        if found["escape"]:
            start, text = f"\\{found[0]}", text[found.end() :]
        elif found["number"]:
            start, text = f"{found['number']}\\.", text[found.end() :]
        elif found["row"]:
            start, text = f"{found['row']}\\-", text[found.end() :]
        elif not after:
            start = GUARD
    elif before in _BEFORE_DASH and text[0] == "-" and not text[1:2].isalnum():
        start, text = "\\-", text[1:]
    before = start[-1:] or before
    written = start + _SIGNS.sub(lambda found: _escaped(found, before, after, brackets=brackets), text)
    if written.endswith("!") and after.startswith("["):
        written = f"{written[:-1]}\\!"
    return written


def _escaped(found: re.Match[str], before: str, after: str, *, brackets: bool) -> str:
    text, sign = found.string, found[0]
    left = text[found.start() - 1] if found.start() else before
    right = text[found.end()] if found.end() < len(text) else after[:1]
    match sign[0]:
        case "\\":
            return "\\" * _slashes(len(sign), right if found.end() < len(text) else "")
        case "_":
            inside_word = _is_ascii_word(text[found.start() - 1 : found.start()]) and _is_ascii_word(right)
            return sign if inside_word else "\\_" * len(sign)
        case "~":
            return sign if len(sign) == 1 and "~" not in {left, right} else "\\~" * len(sign)
        case "[" | "]":
            return f"\\{sign}" if brackets else sign
        case "@":
            # an address of mail stays as it is
            return sign if sign == "@" and found.start() and _is_ascii_word(left) else sign + GUARD
        case ":":
            return sign if sign == ":" and not NAMES_AN_EMOJI.match(found["name"]) else sign + GUARD
        case "&":
            return sign + GUARD
        case _:
            return f"\\{sign}"


def _is_ascii_word(char: str) -> bool:
    return char.isascii() and char.isalnum()


def _slashes(count: int, after: str) -> int:
    """How many backslashes mean `count` of them before `after`: two mean one, but before a letter or digit."""
    if _is_ascii_word(after):
        return max(1, 2 * count - 2)
    if count == 1 and after and after not in _ESCAPABLE:
        return 1
    return 2 * count


def _code(text: str) -> str:
    runs = {len(run) for run in re.findall("`+", text)}
    fence = "`" * next(length for length in range(1, len(runs) + 2) if length not in runs)
    if text[0] == "`" or text[-1] == "`" or (text[0] == text[-1] == " " and text.strip(" ")):
        text = f" {text} "
    return f"{fence}{text}{fence}"


def _link(link: Link, before: str, after: str) -> str:
    words = plain_text(link.children)
    if is_bare_address(link.url, link.children) and before not in _NOT_BEFORE_ADDRESS and not _is_ascii_word(before):
        word = re.match(r"\S*", after)
        tail = word[0] if word else ""
        if len(tail) < _LOOK_AHEAD and address_at(words + tail) == words:
            return words
    if not is_safe_address(link.url) or not _BALANCED.match(words):
        inside = _inlines(link.children, before, "(", brackets=True)
        address = "" if words == link.url else _text(f" ({link.url})", inside[-1:], after, brackets=True)
        # two spans of code would grow together
        apart = GUARD if before == "`" and inside.startswith("`") else ""
        return f"{apart}{inside}{address}"
    return f"[{_inlines(link.children, '[', ']', brackets=True)}]({_destination(link.url)})"


def _destination(url: str) -> str:
    """`url` as the target of a link: what would end it, and what a parser would change, percent-encoded."""
    url = "".join(quote(char) if char in _NOT_IN_DESTINATION or char.isspace() else char for char in url)
    if not _BALANCED_PARENTHESES.match(url):
        url = url.replace("(", "%28").replace(")", "%29")
    url = url.replace("**", "%2A%2A")
    return url.replace("@", "%40") if CALLS_EVERYBODY.search(url) else url


def _mention(mention: Mention, before: str, after: str) -> str:
    """A call of one user; a call of everybody where that is permitted, else as text."""
    calls = f"@{mention.name}"
    if mention.permitted and mention.kind is not MentionKind.USER:
        is_theirs = CALLS_EVERYBODY.fullmatch(calls)
        calls = calls.lower() if is_theirs else "@here" if mention.kind is MentionKind.HERE else "@channel"
    elif mention.kind is not MentionKind.USER or not _NAME.match(mention.name) or CALLS_EVERYBODY.match(calls):
        return _text(calls, before or " ", after, brackets=True)
    if before.isalnum():
        return _text(calls, before, after, brackets=True)
    return calls + (GUARD if _GOES_ON_AS_NAME.match(after) else "")
