"""The suite itself: a driver that keeps the contract passes, and each way of breaking it is found."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import AsyncIterator
from pathlib import Path
from typing import Any, ClassVar

import pytest
from msgspec.structs import replace

from nextbridge.driver import Finding, Guarantees, Limits, LocalFile, Outgoing, Receipt, RetryRecognition
from nextbridge.envelope import ChannelKey, UserId
from nextbridge.errors import Retry
from nextbridge.sandbox.contract import DriverContract
from tests.contract.board import Notice
from tests.contract.breach import assert_found
from tests.contract.noticeboard import BoardBench, BoardDriver, BoardSettings


class TestNoticeboard(DriverContract):
    bench_type = BoardBench

    # it is no part of the package, so it is not registered
    test_its_name_is_the_one_it_is_registered_under = None  # type: ignore[assignment]

    @pytest.fixture
    async def bench(self) -> AsyncIterator[BoardBench]:
        async with BoardBench() as bench:
            yield bench


# --- drivers that break it ----------------------------------------------------------------------------------------


class ForgetsTheKey(BoardDriver):
    async def send(self, message: Outgoing) -> Receipt:
        return await super().send(replace(message, key=message.key + str(id(message))))


class SendsTwice(BoardDriver):
    async def send(self, message: Outgoing) -> Receipt:
        await super().send(replace(message, key=message.key + "'"))
        return await super().send(message)


class CutsTheEnd(BoardDriver):
    async def send(self, message: Outgoing) -> Receipt:
        return await super().send(replace(message, text=message.text[:199]))


class SaysMoreThanFits(BoardDriver):
    def limits(self, channel: ChannelKey) -> Limits:
        return replace(super().limits(channel), text=201 if self._board is not None else 200)

    async def send(self, message: Outgoing) -> Receipt:
        return await super().send(replace(message, text=message.text[:200]))


class AnswersBeforeItIsDone(BoardDriver):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        self._last: asyncio.Task[Receipt] | None = None

    async def send(self, message: Outgoing) -> Receipt:
        self._last = asyncio.create_task(self._later(message, self._last))
        return Receipt(None)

    async def _later(self, message: Outgoing, before: asyncio.Task[Receipt] | None) -> Receipt:
        if before is not None:
            await asyncio.wait([before])
        return await super().send(message)


class LosesTheOrder(BoardDriver):
    async def send(self, message: Outgoing) -> Receipt:
        if message.text.endswith(" 7"):
            self._late = message
            return Receipt()
        receipt = await super().send(message)
        if message.text.endswith(" 8"):
            await super().send(self._late)
        return receipt


class SpeaksInOneRoom(BoardDriver):
    async def send(self, message: Outgoing) -> Receipt:
        return await super().send(replace(message, channel=self.channels[0].key))


class RaisesAnything(BoardDriver):
    async def send(self, message: Outgoing) -> Receipt:
        if self._board is None:
            raise ConnectionError("shut")
        return await super().send(message)


class RunsOn(BoardDriver):
    async def run(self) -> None:
        running = asyncio.ensure_future(super().run())
        try:
            await asyncio.wait([running])
        except asyncio.CancelledError:
            await asyncio.wait([running], timeout=7)
            running.cancel()


class LeavesATask(BoardDriver):
    left: ClassVar[list[asyncio.Task[None]]] = []

    async def run(self) -> None:
        self.left.append(asyncio.create_task(asyncio.sleep(30)))
        await super().run()


class LeavesASocket(BoardDriver):
    left: ClassVar[list[socket.socket]] = []

    async def run(self) -> None:
        self.left.append(socket.socket())
        await super().run()


class BreaksDownWhenShut(BoardDriver):
    async def run(self) -> None:
        try:
            await super().run()
        except Retry as error:
            raise ConnectionError(error.reason) from None


class AcceptsOnlyOnce(BoardDriver):
    async def take(self, notice: Notice) -> None:
        seen = self.__dict__.setdefault("seen", set())
        if notice.text not in seen:
            seen.add(notice.text)
            await super().take(notice)


class HearsItself(BoardDriver):
    async def take(self, notice: Notice) -> None:
        await super().take(replace(notice, author=notice.author + "."))


class DropsInSilence(BoardDriver):
    async def take(self, notice: Notice) -> None:
        if notice.text:
            await super().take(notice)


class TellsTheWrongTime(BoardDriver):
    async def take(self, notice: Notice) -> None:
        await super().take(replace(notice, at=notice.at // 1000))


class Shuffles(BoardDriver):
    async def take(self, notice: Notice) -> None:
        if notice.text == "line 3":
            self.late = notice
            return
        await super().take(notice)
        if notice.text == "line 4":
            await super().take(self.late)


class IsKnownTooLate(BoardDriver):
    async def run(self) -> None:
        board = self._found()
        await self.host.connected(UserId(self.me), realm=board.secret)
        await super().run()


class ProbesLoudly(BoardDriver):
    async def probe(self) -> list[Finding]:
        await self._found().pin("hall", self.me, "is this thing on?")
        return await super().probe()


class ProbesWithABang(BoardDriver):
    async def probe(self) -> list[Finding]:
        self._found()
        return await super().probe()


class TellsTheSecret(BoardDriver):
    async def probe(self) -> list[Finding]:
        return [replace(each, text=f"{each.text} {self.settings.secret.reveal()}") for each in await super().probe()]


class SeesNoFault(BoardDriver):
    async def probe(self) -> list[Finding]:
        return [Finding(True, "board", "it hangs there")]


class CanMoreThanIsShown(BoardDriver):
    def refuses_file(self, channel: ChannelKey, file: LocalFile) -> str | None: ...


class ReadsAFileWhenMade(BoardDriver):
    def __init__(self, *args: Any) -> None:
        super().__init__(*args)
        Path(__file__).read_bytes()


class PromisesTooLittle(BoardDriver):
    guarantees = Guarantees(
        acknowledged_by=BoardDriver.guarantees.acknowledged_by,
        retry_recognised_by=RetryRecognition.NONE,
        history="nothing",
    )


class Careless(BoardSettings, frozen=True, forbid_unknown_fields=False):
    secret: str  # type: ignore[assignment]


class HasACarelessStructure(BoardDriver):
    settings_type = Careless


class HasABrokenFormat(BoardDriver):
    default_format = "<{nickname}>"


class IsHeavy(BoardDriver):
    libraries = ("msgspec",)


class CannotBeClosedTwice(BoardDriver):
    async def close(self) -> None:
        del self.settings


BREACHES: list[tuple[type[BoardDriver], str]] = [
    (ForgetsTheKey, "a_repeated_send_shows_as_often_as_is_declared"),
    (ForgetsTheKey, "a_send_repeated_after_a_restart_shows_as_often_as_is_declared"),
    (ForgetsTheKey, "a_cancelled_send_leaves_the_driver_usable"),
    (ForgetsTheKey, "what_was_under_way_when_the_connection_broke_arrives"),
    (ForgetsTheKey, "a_message_whose_answer_was_lost_shows_as_often_as_is_declared"),
    (AnswersBeforeItIsDone, "a_message_whose_answer_was_lost_shows_as_often_as_is_declared"),
    (PromisesTooLittle, "a_repeated_send_shows_as_often_as_is_declared"),
    (SendsTwice, "order_is_kept"),
    (SendsTwice, "receipts_name_different_messages"),
    (SendsTwice, "hostile_text_is_text"),
    (CutsTheEnd, "a_text_at_the_limit_arrives_whole"),
    (SaysMoreThanFits, "a_text_at_the_limit_arrives_whole"),
    (AnswersBeforeItIsDone, "what_is_sent_is_heard_and_acknowledged"),
    (AnswersBeforeItIsDone, "nothing_is_sent_before_it_is_connected"),
    (LosesTheOrder, "order_is_kept"),
    (SpeaksInOneRoom, "two_channels_at_once_keep_their_own_order"),
    (RaisesAnything, "nothing_is_sent_before_it_is_connected"),
    (RaisesAnything, "a_send_without_a_connection_is_told_to_wait"),
    (RunsOn, "a_cancelled_run_ends_at_once_and_can_begin_again"),
    (LeavesATask, "nothing_is_left_behind"),
    (LeavesASocket, "nothing_is_left_behind"),
    (BreaksDownWhenShut, "it_keeps_trying_while_nobody_is_there"),
    (AcceptsOnlyOnce, "two_equal_lines_are_two_messages"),
    (HearsItself, "what_we_post_does_not_come_back_as_somebody_elses"),
    (DropsInSilence, "what_is_no_message_is_counted_and_no_event"),
    (TellsTheWrongTime, "what_is_said_is_an_event_with_who_said_it_when_and_where"),
    (Shuffles, "what_is_said_arrives_in_order_and_once"),
    (IsKnownTooLate, "each_channel_is_resolved_and_we_are_known_before_anything_is_accepted"),
    (ProbesLoudly, "a_probe_finds_all_well_and_posts_nothing"),
    (ProbesWithABang, "a_probe_finds_a_refused_login"),
    (ProbesWithABang, "a_probe_finds_that_nobody_is_there"),
    (TellsTheSecret, "a_probe_finds_a_refused_login"),
    (SeesNoFault, "a_probe_finds_a_refused_login"),
    (SeesNoFault, "a_probe_finds_a_closed_channel"),
    (CanMoreThanIsShown, "every_capability_is_shown_or_has_its_reason"),
    (ReadsAFileWhenMade, "making_it_does_nothing_yet"),
    (HasACarelessStructure, "what_is_secret_is_a_secret"),
    (HasACarelessStructure, "a_key_that_it_does_not_know_is_refused"),
    (HasACarelessStructure, "every_setting_is_described"),
    (HasABrokenFormat, "its_formats_are_templates_that_show_the_message"),
    (IsHeavy, "its_libraries_are_imported_only_when_an_instance_is_made"),
    (CannotBeClosedTwice, "it_can_be_closed_twice_and_without_a_run"),
]


@pytest.mark.parametrize(("driver", "test"), BREACHES, ids=lambda each: getattr(each, "__name__", each))
async def test_a_breach_is_found(driver: type[BoardDriver], test: str) -> None:
    """A driver that breaks the contract in one way does not pass the test of it."""
    await assert_found(driver, test)


@pytest.fixture(autouse=True)
async def tidied() -> AsyncIterator[None]:
    """What broken drivers leave behind is put away."""
    yield
    while LeavesATask.left:
        LeavesATask.left.pop().cancel()
    while LeavesASocket.left:
        LeavesASocket.left.pop().close()
