"""What each platform can do and what holds there, as a page of the docs: `python -m tests.contract.table`.

It is read off the drivers' classes and their benches, so that it says what the suite has shown and nothing else.
"""

from __future__ import annotations

import inspect
import sys
from collections.abc import Iterable, Iterator

from nextbridge.driver import Guarantees, RetryRecognition
from nextbridge.sandbox.contract import CAPABILITIES, Bench
from tests.contract.api_bench import ApiBench
from tests.contract.discord_bench import DiscordBench
from tests.contract.irc_bench import IrcBench
from tests.contract.matrix_bench import MatrixBench
from tests.contract.mattermost_bench import MattermostBench
from tests.contract.slack_bench import SlackBench
from tests.contract.telegram_bench import TelegramBench
from tests.contract.webchat_bench import WebChatBench
from tests.contract.webhook_bench import WebhookBench
from tests.contract.xmpp_bench import XmppBench

BENCHES: tuple[type[Bench], ...] = (
    MattermostBench,
    IrcBench,
    WebChatBench,
    ApiBench,
    WebhookBench,
    MatrixBench,
    XmppBench,
    TelegramBench,
    SlackBench,
    DiscordBench,
)

_OPENING = """\
<!-- Made by `python -m tests.contract.table > docs/capabilities.md`; a test watches that it is up to date. -->
# What each platform can do

What has a yes is shown by a test in `tests/contract`, on a real server or on a stand-in that behaves as a recorded one.
What depends on the server says on what; on one that has it not, it is as if the platform had not.
Where a platform cannot do something, NextBridge does the next best thing: a file is shown by a link or by its name, an
author's name stands in the text.
"""
_GUARANTEES = """\
## What holds

A message that was accepted is on disk until it is delivered, whatever the platform. What a crash or a lost connection
between sending and being told so can do depends on the platform; the same tests repeat what was sent, at once and after
a restart, and see how often it shows.
"""


def page() -> str:
    """The whole page."""
    titles = [bench.driver.title for bench in BENCHES]
    lines = [
        _OPENING,
        *table(["", *titles], _capabilities()),
        "",
        _GUARANTEES,
        *guarantee_table(),
    ]
    return "\n".join(lines) + "\n"


def guarantee_table() -> list[str]:
    """What holds on each platform, by its driver's declaration, as lines of Markdown."""
    return table(["", *(bench.driver.title for bench in BENCHES)], _guarantees())


def table(head: list[str], rows: Iterable[list[str]]) -> list[str]:
    """Lines of Markdown."""
    return [
        f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in row)} |"
        for row in (head, ["---"] * len(head), *rows)
    ]


def _capabilities() -> Iterator[list[str]]:
    implemented = {bench: bench.implemented() for bench in BENCHES}
    for each in CAPABILITIES:
        cells = [_cell(each, bench) if each in implemented[bench] else bench.without[each] for bench in BENCHES]
        what, _, _ = (inspect.getdoc(each) or "").partition("\n")
        yield [f"**{each.__name__}**: {what}", *cells]


def _cell(capability: type, bench: type[Bench]) -> str:
    if capability in bench.lacking:
        return f"where {bench.lacking[capability]}"
    return f"yes, where {bench.depends[capability]}" if capability in bench.depends else "yes"


def _guarantees() -> Iterator[list[str]]:
    guarantees = [bench.driver.guarantees for bench in BENCHES]
    yield ["A sent message is acknowledged by", *(each.acknowledged_by.value for each in guarantees)]
    yield ["A repeated message is recognised by", *map(_recognition, guarantees)]
    yield ["So it may show twice after a crash", *map(_twice, guarantees)]
    yield ["Recovered of a time without connection", *(each.history for each in guarantees)]
    yield ["Sends while it reconnects", *("yes" if each.sends_while_reconnecting else "no" for each in guarantees)]


def _recognition(guarantees: Guarantees) -> str:
    lives = guarantees.retry_key_lives
    return guarantees.retry_recognised_by.value + ("" if lives is None else f" (the key lives {lives:g} s)")


def _twice(guarantees: Guarantees) -> str:
    return "yes" if guarantees.retry_recognised_by is RetryRecognition.NONE else "no"


if __name__ == "__main__":
    sys.stdout.write(page())
