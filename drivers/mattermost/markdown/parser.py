"""The parser with Mattermost's rules, and the tree from its tokens. Imported only when there is markup."""

from __future__ import annotations

from functools import cache

from markdown_it import MarkdownIt
from markdown_it.token import Token

from drivers.mattermost.markdown import rules
from drivers.mattermost.markdown.notation import is_safe_address, linked
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
    Strike,
    Text,
    ThematicBreak,
    plain_text,
)
from nextbridge.markup.normal import normalise

__all__ = ["parse"]

_DEEPEST = 20
"""How deep blocks, and how deep formatting, may nest."""

_KINDS = {"all": MentionKind.CHANNEL, "channel": MentionKind.CHANNEL, "here": MentionKind.HERE}


def parse(text: str) -> tuple[Block, ...] | None:
    """The blocks of `text`, in normal form, or None where they nest too deep to be read as a whole."""
    tokens = _parser().parse(text)
    # the parser leaves out what lies deeper than its bound
    if any(token.level >= _DEEPEST - 1 for token in tokens):
        return None
    return normalise(_Tree(tokens, text).blocks())


class _Parser(MarkdownIt):
    """Addresses stay as typed, and a link that may not be followed is text."""

    def normalizeLink(self, url: str) -> str:  # noqa: N802 - the parser's name
        return url

    def validateLink(self, url: str) -> bool:  # noqa: N802 - the parser's name
        return is_safe_address(url)


@cache
def _parser() -> MarkdownIt:
    parser = _Parser("zero", {"maxNesting": _DEEPEST})
    parser.enable(["table", "code", "fence", "blockquote", "hr", "list", "heading", "lheading"])
    parser.enable(["newline", "escape", "backticks", "emphasis", "link", "image"])
    parser.inline.ruler2.enable(["strikethrough", "emphasis"])
    parser.block.ruler.at("table", rules.top_table, {"alt": ["paragraph"]})
    parser.block.ruler.at("list", rules.dot_list, {"alt": ["paragraph", "blockquote"]})
    inline = parser.inline.ruler
    inline.at("escape", rules.escape)
    inline.at("emphasis", rules.formatting)
    for name, rule in (
        ("guard", rules.guard),
        ("address", rules.address),
        ("mention", rules.mention),
        ("emoji", rules.emoji),
    ):
        inline.after("newline", name, rule)
    parser.inline.terminator_re = rules.STARTS
    return parser


class _Tree:
    """Makes blocks of tokens, once."""

    def __init__(self, tokens: list[Token], text: str) -> None:
        self._tokens = iter(tokens)
        self._text = text

    def blocks(self, close: str = "") -> tuple[Block, ...]:
        """The blocks up to the token of type `close`."""
        blocks: list[Block] = []
        for token in self._tokens:
            if token.type == close:
                break
            block = self._block(token)
            if block is not None:
                blocks.append(block)
        return tuple(blocks)

    def _block(self, token: Token) -> Block | None:  # noqa: PLR0911 - one for each node
        match token.type:
            case "inline":
                return Paragraph(_inlines(token.children or []))
            case "heading_open":
                return Heading(int(token.tag[1:]), self._heading())
            case "fence" | "code_block":
                language = token.info.split(maxsplit=1)
                return CodeBlock(token.content.removesuffix("\n"), language[0] if language else "")
            case "blockquote_open":
                return Quote(self.blocks("blockquote_close"))
            case "bullet_list_open":
                return ListBlock(self._items("bullet_list_close"))
            case "ordered_list_open":
                start = token.attrGet("start")
                return ListBlock(self._items("ordered_list_close"), 1 if start is None else int(start))
            case "hr":
                return ThematicBreak()
            case "table_open":
                return self._table(token)
            case _:
                # a paragraph's own tokens say nothing that its inline token does not
                return None

    def _heading(self) -> tuple[Inline, ...]:
        inline = next(self._tokens)
        next(self._tokens)
        return _inlines(inline.children or [])

    def _items(self, close: str) -> tuple[tuple[Block, ...], ...]:
        items = []
        for token in self._tokens:
            if token.type == close:
                break
            items.append(self.blocks("list_item_close"))
        return tuple(items)

    def _table(self, token: Token) -> CodeBlock:
        for inner in self._tokens:
            if inner.type == "table_close":
                break
        first, after = token.map or (0, 0)
        return CodeBlock("\n".join(self._text.split("\n")[first:after]))


def _inlines(tokens: list[Token]) -> tuple[Inline, ...]:
    opened: list[tuple[str, list[Inline]]] = [("", [])]
    for token in tokens:
        kind = token.type
        if kind.endswith("_open"):
            opened.append((str(token.attrGet("href") or ""), []))
        elif kind.endswith("_close"):
            url, children = opened.pop()
            opened[-1][1].append(_around(kind, url, tuple(children)))
        elif (leaf := _leaf(token)) is not None:
            opened[-1][1].append(leaf)
    return tuple(opened[0][1])


def _around(kind: str, url: str, children: tuple[Inline, ...]) -> Inline:
    match kind:
        case "strong_close":
            return Bold(children)
        case "em_close":
            return Italic(children)
        case "s_close":
            return Strike(children)
        case _:
            return Link(url, children)


def _leaf(token: Token) -> Inline | None:
    content = token.content
    match token.type:
        case "softbreak" | "hardbreak":
            return LineBreak()
        case "code_inline":
            return Code(content)
        case "mention":
            return Mention(content, _KINDS.get(content.lower(), MentionKind.USER))
        case "emoji":
            return Emoji(content)
        case "address":
            return Link(linked(content), (Text(content),))
        case "image":
            words = plain_text(_inlines(token.children or []))
            return Link(str(token.attrGet("src") or ""), (Text(words),))
        case _:
            return Text(content) if content else None
