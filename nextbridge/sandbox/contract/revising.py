"""What was said is changed or taken back: by the other person, to be told as an event, and by us, to be shown."""

from __future__ import annotations

import time
from pathlib import Path
from typing import Any

from nextbridge.driver import Deletes, Edits, Uploads
from nextbridge.envelope import Deleted, Edited, MessageId, Reacted, decode, encode
from nextbridge.errors import Gone, Paused, Rejected, Retry
from nextbridge.sandbox.contract.bench import Bench, Situation
from nextbridge.sandbox.contract.needs import needs
from nextbridge.sandbox.contract.sending import HOSTILE, filled, visible
from nextbridge.sandbox.contract.supervised import Supervised, error_of, said, spooled

__all__ = ["Revises", "ask", "assert_unheard", "sent"]

_MINUTE = 60_000
"""Milliseconds by which two clocks may differ."""
_NOWHERE = MessageId("n" * 26)
"""No message has this id."""


class Revises:
    """Tests of `Edited` and `Deleted`, and of `edit` and `delete`."""

    # --- theirs -------------------------------------------------------------------------------------------------------

    @needs(Situation.EDITING)
    async def test_each_edit_is_an_event_of_its_own(self, bench: Bench) -> None:
        """It names the message, who edited it and what it says now; each of several edits once, with its version."""
        relay = await bench.relay()
        await bench.say("first words")
        posted = await relay.received("first words")
        edits = []
        for number, text in enumerate(("second words", "third words: 1 < 2"), start=1):
            await bench.revise(text)
            edits.append(await relay.happened(Edited, number))
        await bench.say("end")
        await relay.received("end")
        assert relay.texts == ["first words", "end"]
        assert [said(edit) for edit in relay.of(Edited)] == ["second words", "third words: 1 < 2"]
        assert edits[0].version != edits[1].version
        assert all(edit.version for edit in edits)
        for edit in edits:
            assert (edit.channel, edit.message, edit.author) == (posted.channel, posted.message, posted.author)
            assert abs(edit.at - time.time() * 1000) < _MINUTE
            assert decode(encode(edit)) == edit

    @needs(Situation.TOUCHING)
    async def test_what_changes_no_words_is_no_edit(self, bench: Bench) -> None:
        """A pin and the like is not told as a change of what was said."""
        relay = await bench.relay()
        await bench.say("as it is")
        await relay.received("as it is")
        await bench.touch()
        await bench.say("end")
        await relay.received("end")
        assert (relay.of(Edited), relay.texts) == ([], ["as it is", "end"])

    @needs(Situation.DELETING)
    async def test_a_deletion_is_an_event(self, bench: Bench) -> None:
        """It names the message that is gone and who took it away, once."""
        relay = await bench.relay()
        await bench.say("said in haste")
        posted = await relay.received("said in haste")
        await bench.take_back()
        deleted = await relay.happened(Deleted)
        await bench.say("end")
        await relay.received("end")
        assert (deleted.channel, deleted.message, deleted.author) == (posted.channel, posted.message, posted.author)
        assert abs(deleted.at - time.time() * 1000) < _MINUTE
        assert decode(encode(deleted)) == deleted
        assert (relay.of(Deleted), relay.of(Edited), relay.texts) == ([deleted], [], ["said in haste", "end"])

    # --- ours ---------------------------------------------------------------------------------------------------------

    @needs(Edits)
    async def test_a_sent_message_can_be_given_other_text(self, bench: Bench) -> None:
        """Edits: the same message says something else, under the same name; once more changes nothing."""
        relay = await bench.relay()
        await relay.send("before it")
        message = await sent(relay, "as it was")
        await relay.send("after it")
        as_it_was = (await bench.look())[1]
        for _ in range(2):
            await _edit(relay, message, "as it is")
            shown = await bench.look()
            assert [heard.text for heard in shown] == ["before it", "as it is", "after it"]
            assert (shown[1].author, shown[1].notation) == (as_it_was.author, frozenset())
        await assert_unheard(relay, bench)

    @needs(Edits)
    async def test_an_edit_at_the_limit_arrives_whole(self, bench: Bench) -> None:
        """Edits: a text of exactly the limit passes as it does when it is sent."""
        relay = await bench.relay()
        message = await sent(relay, "short")
        limits = relay.driver.limits(relay.room(0))
        for sign in ("x", "🚀"):
            text = filled(limits, sign)
            await _edit(relay, message, text, is_written=True)
            assert [heard.text for heard in await bench.look()] == [text]

    @needs(Edits)
    async def test_hostile_text_in_an_edit_is_text(self, bench: Bench) -> None:
        """Edits: whatever a user typed elsewhere calls nobody and is formatted by nothing in it."""
        relay = await bench.relay()
        message = await sent(relay, "harmless")
        for what, text in (HOSTILE | {"a call of somebody": f"@{bench.person} {bench.person}:"}).items():
            await _edit(relay, message, text)
            shown = [(visible(heard.text), heard.notation, heard.action) for heard in await bench.look()]
            assert shown == [(visible(text), frozenset(), False)], what

    @needs(Edits)
    async def test_an_edited_action_is_still_one(self, bench: Bench) -> None:
        """Edits: what somebody does is shown as that, with its other words."""
        relay = await bench.relay()
        receipt = await relay.send(relay.outgoing(relay.written("waves"), action=True))
        assert receipt.message is not None
        await ask(relay, Edits).edit(receipt.message, relay.outgoing(relay.written("bows"), action=True))
        assert [(heard.text, heard.action) for heard in await bench.look()] == [("bows", True)]

    @needs(Edits, Uploads)
    async def test_an_edited_message_keeps_its_files(self, bench: Bench, tmp_path: Path) -> None:
        """Edits: the text changes and what hangs on it stays."""
        relay = await bench.relay()
        file = spooled(tmp_path, "plan.txt", b"the plan")
        receipt = await relay.send(relay.outgoing(relay.written("see here"), files=(file,)))
        assert receipt.message is not None
        await _edit(relay, receipt.message, "see there")
        assert [(heard.text, heard.files) for heard in await bench.look()] == [
            ("see there", (("plan.txt", b"the plan"),))
        ]

    @needs(Deletes)
    async def test_a_sent_message_can_be_taken_back(self, bench: Bench) -> None:
        """Deletes: it is not shown any more, and all others are; once more is no harm."""
        relay = await bench.relay()
        await relay.send("stays")
        message = await sent(relay, "goes")
        await relay.send("stays too")
        await ask(relay, Deletes).delete(relay.room(0), message)
        assert [heard.text for heard in await bench.look()] == ["stays", "stays too"]
        for gone in (message, _NOWHERE):
            error = await error_of(ask(relay, Deletes).delete(relay.room(0), gone))
            assert error is None or isinstance(error, Gone), error
        assert [heard.text for heard in await bench.look()] == ["stays", "stays too"]
        await assert_unheard(relay, bench)

    @needs(Edits, Deletes)
    async def test_what_is_gone_cannot_be_edited(self, bench: Bench) -> None:
        """Edits: a message that is not there any more is Gone, and an edit does not bring it back."""
        relay = await bench.relay()
        message = await sent(relay, "goes")
        await ask(relay, Deletes).delete(relay.room(0), message)
        for gone in (message, _NOWHERE):
            error = await error_of(_edit(relay, gone, "is it there?"))
            assert isinstance(error, Gone), error
            assert error.reason.strip()
        assert await bench.look() == []

    @needs(Edits)
    async def test_what_was_sent_before_a_restart_can_be_edited_after_it(self, bench: Bench) -> None:
        """Edits: a new driver object with the same store needs the message's id and nothing else."""
        relay = await bench.relay()
        message = await sent(relay, "as it was")
        await relay.close()
        bench.forget(relay)
        again = await bench.relay(store=relay.host.store)
        await _edit(again, message, "as it is")
        assert [heard.text for heard in await bench.look()] == ["as it is"]

    @needs(Deletes)
    async def test_what_was_sent_before_a_restart_can_be_taken_back_after_it(self, bench: Bench) -> None:
        """Deletes: likewise."""
        relay = await bench.relay()
        message = await sent(relay, "goes")
        await relay.close()
        bench.forget(relay)
        again = await bench.relay(store=relay.host.store)
        await ask(again, Deletes).delete(again.room(0), message)
        assert await bench.look() == []

    @needs(Edits)
    async def test_nothing_is_edited_before_it_is_connected(self, bench: Bench) -> None:
        """Edits: until it has connected once, it is told to wait."""
        relay = bench.make()
        assert isinstance(await error_of(_edit(relay, _NOWHERE, "too early")), Retry | Paused)

    @needs(Deletes)
    async def test_nothing_is_deleted_before_it_is_connected(self, bench: Bench) -> None:
        """Deletes: likewise."""
        relay = bench.make()
        assert isinstance(await error_of(ask(relay, Deletes).delete(relay.room(0), _NOWHERE)), Retry | Paused)

    @needs(Edits)
    async def test_the_other_persons_words_are_not_changed(self, bench: Bench) -> None:
        """Edits: asked for a message that is not ours, it refuses; the message says what its author said."""
        relay = await bench.relay()
        await bench.say("mine")
        posted = await relay.received("mine")
        error = await error_of(_edit(relay, posted.message, "yours"))
        assert isinstance(error, Rejected | Gone), error
        assert [heard.text for heard in await bench.look()] == ["mine"]


def ask(relay: Supervised, capability: type) -> Any:  # noqa: ANN401 - a capability, which is no concrete class
    """The driver, as one that has this capability. AssertionError where it has not."""
    driver: Any = relay.driver
    assert isinstance(driver, capability)
    return driver


async def sent(relay: Supervised, text: str) -> MessageId:
    """Send a text; the id of the message that it became."""
    receipt = await relay.send(text)
    assert receipt.message is not None, "what cannot be named can be neither edited nor deleted, nor reacted to"
    return receipt.message


async def assert_unheard(relay: Supervised, bench: Bench) -> None:
    """What we ourselves did has not come back as somebody else's."""
    await bench.say("end")
    await relay.received("end")
    others = [each for kind in (Edited, Deleted, Reacted) for each in relay.of(kind)]
    assert (others, relay.texts) == ([], ["end"])


async def _edit(relay: Supervised, message: MessageId, text: str, *, is_written: bool = False) -> None:
    revised = relay.outgoing(text if is_written else relay.written(text))
    await ask(relay, Edits).edit(message, revised)
