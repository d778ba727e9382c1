"""`nextbridge run` that kills itself at a named step of a delivery: what the tests start in place of the program.

The steps are around the program's own calls; nothing of this is in the program, so nobody but a test can enable it.
"""

from __future__ import annotations

import os
import signal
import sys
from collections.abc import Callable, Sequence
from typing import Any

from drivers.api import ApiDriver
from drivers.discord import DiscordDriver
from drivers.irc import IrcDriver
from drivers.matrix import MatrixDriver
from drivers.mattermost import MattermostDriver
from drivers.slack import SlackDriver
from drivers.telegram import TelegramDriver
from drivers.webhook import WebhookDriver
from drivers.xmpp import XmppDriver
from nextbridge.cli import main
from nextbridge.delivery import Deliveries
from nextbridge.driver import Driver, Outgoing, Receipt
from nextbridge.journal import Delivery
from nextbridge.journal.sqlite import SqliteJournal

PLATFORMS: dict[str, type[Driver[Any, Any]]] = {
    "discord": DiscordDriver,
    "api": ApiDriver,
    "irc": IrcDriver,
    "matrix": MatrixDriver,
    "mattermost": MattermostDriver,
    "slack": SlackDriver,
    "webhook": WebhookDriver,
    "telegram": TelegramDriver,
    "xmpp": XmppDriver,
}
STEPS = ("before the commit", "after the commit", "before the send", "after the send", "after the receipt")


def _dies(after: int) -> Callable[[], None]:
    """A call that kills the process when it is made for the `after`th time."""
    left = after

    def call() -> None:
        nonlocal left
        left -= 1
        if left == 0:
            os.kill(os.getpid(), signal.SIGKILL)

    return call


def arm(step: str, after: int, platform: str) -> None:
    """Have the process die at `step`, at its `after`th passing; a send is one to the platform."""
    driver = PLATFORMS[platform]
    die = _dies(after)
    accept, enqueue, send, complete = (
        SqliteJournal.accept,
        Deliveries.enqueue,
        driver.send,
        SqliteJournal.complete,
    )

    def accepting(self: SqliteJournal, *args: Any, **more: Any) -> Any:
        if step == "before the commit":
            die()
        return accept(self, *args, **more)

    def enqueueing(self: Deliveries, deliveries: Sequence[Delivery]) -> None:
        if step == "after the commit":
            die()
        enqueue(self, tuple(deliveries))

    async def sending(self: Driver[Any, Any], message: Outgoing) -> Receipt:
        if step == "before the send":
            die()
        receipt = await send(self, message)
        if step == "after the send":
            die()
        return receipt

    def completing(self: SqliteJournal, *args: Any, **more: Any) -> Any:
        future = complete(self, *args, **more)
        if step == "after the receipt":
            future.add_done_callback(lambda _: die())
        return future

    SqliteJournal.accept = accepting  # type: ignore[method-assign]
    Deliveries.enqueue = enqueueing  # type: ignore[method-assign]
    driver.send = sending  # type: ignore[method-assign]
    SqliteJournal.complete = completing  # type: ignore[method-assign]


if __name__ == "__main__":
    arm(sys.argv[1], int(sys.argv[2]), sys.argv[3])
    sys.argv[1:4] = []
    main()
