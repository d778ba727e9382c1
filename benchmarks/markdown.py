"""How long Mattermost's Markdown takes to read at worst: `python benchmarks/markdown.py`, best of five.

Each text is as long as is still parsed, found by doubling; then the same again as 100 kB, which is plain text.
"""

from __future__ import annotations

import itertools
import time

from drivers.mattermost.markdown import MARKDOWN
from drivers.mattermost.markdown.reader import is_too_much

LONG = 100_000
PATTERNS = (
    "plain words and more of them ",
    "The quick *brown* fox jumps over. ",
    "[", "]", "![", "[x](", "[a](http://b) ", "[](", "[a]", "*a ", "a**b", "*", "_a", "~~a", "`a", "``` a\n", "`` ` ",
    "> ", "> a\n", ">\n", "- a\n", "1. a\n", "- ", "a\n=\n", "# a\n", "***\n", "```\n", "|a|b\n|-|-\n", "|a", "|\n-|\n",
    ":a:", ":a", "@", "@a ", "http://a ", "http://(", "http://a)", "\\*", "\\", "&", "&a;", "<a> ", "!", "!*", "\u200b",
    "@\u200b", "=\n", "\n", "    a\n", "\t", "- \n", ">*_`[~", "*_", "**a*_", "[*", "a\n\n", "  - a\n- b\n", "1)\n",
    "*\n", "wWw.a ",
)  # fmt: skip


def best(text: str) -> float:
    """Milliseconds for reading `text`."""
    times = []
    for _ in range(5):
        start = time.process_time()
        MARKDOWN.read(text)
        times.append(time.process_time() - start)
    return min(times) * 1000


def longest(pattern: str) -> str:
    """The longest repetition of `pattern` that is still parsed."""
    low, high = 1, LONG // len(pattern)
    if not is_too_much(pattern * high):
        return pattern * high
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if is_too_much(pattern * middle) else (middle, high)
    return pattern * low


def main() -> None:
    """Print a line for each pattern."""
    MARKDOWN.read("*warm*")
    print(f"{'pattern':36} {'parsed':>8} {'ms':>8} {'100 kB ms':>10}")
    worst = 0.0
    for pattern in PATTERNS:
        text = longest(pattern)
        whole = "".join(itertools.islice(itertools.cycle(pattern), LONG))
        parsed, plain = best(text), best(whole)
        worst = max(worst, parsed, plain)
        print(f"{pattern!r:36} {len(text):8} {parsed:8.1f} {plain:10.1f}")
    print(f"worst: {worst:.1f} ms")


if __name__ == "__main__":
    main()
