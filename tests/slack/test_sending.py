"""What is sent to Slack: refusals, limits, rich text, threads and files, and what a retry finds."""

from __future__ import annotations

import time
from collections.abc import AsyncIterator
from pathlib import Path
from typing import ClassVar

import pytest
from msgspec.structs import replace

from drivers.slack import SlackDriver
from nextbridge.driver import FileRejected, Identity, Uploads
from nextbridge.envelope import Author, MessageId, UserId
from nextbridge.errors import DriverError, Gone, Paused, Rejected, Retry
from nextbridge.markup import Emoji, Link, Mention, Paragraph, Text
from nextbridge.sandbox.contract.supervised import again, error_of, spooled
from tests.contract.slack_bench import SlackBench


class ImpatientDriver(SlackDriver):
    file_patience: ClassVar[float] = 0.5


class ImpatientBench(SlackBench):
    driver = ImpatientDriver


@pytest.fixture
async def impatient() -> AsyncIterator[ImpatientBench]:
    async with ImpatientBench() as bench:
        yield bench


async def test_a_message_bears_name_picture_and_mark(bench: SlackBench) -> None:
    """People see the author's name and picture; the mark is in metadata, which they do not see."""
    relay = await bench.relay()
    await relay.send(relay.outgoing("hello", name="Zoë", avatar="https://example.com/zoe.png"))
    (message,) = bench.sandbox.messages(bench.channels[0])
    assert (message.username, message.icons) == ("Zoë", {"image_48": "https://example.com/zoe.png"})
    assert message.metadata is not None
    assert message.metadata["event_payload"]["origin"] == "elsewhere/#town"


async def test_what_is_sent_is_rich_text(bench: SlackBench) -> None:
    """Links, people, custom emoji and addresses; the text beside it is for notifications."""
    relay = await bench.relay()
    tree = (
        Paragraph(
            (
                Link("https://e.org", (Text("words"),)),
                Text(" "),
                Mention("Ally", user=bench.alice.id),
                Text(" "),
                Emoji("partyparrot"),
                Text(" https://e.org/x."),
            )
        ),
    )
    await relay.send(relay.outgoing(relay.driver.dialect.write(tree)))
    (message,) = bench.sandbox.messages(bench.channels[0])
    assert message.blocks is not None
    (section,) = message.blocks[0]["elements"]
    assert [each["type"] for each in section["elements"]] == [
        *("link", "text", "user", "text", "emoji", "text", "link", "text")
    ]
    assert f"<@{bench.alice.id}>" in message.text


async def test_a_block_that_slack_does_not_take_costs_the_formatting_alone(bench: SlackBench) -> None:
    """The text goes out without it."""
    relay = await bench.relay()
    bench.sandbox.faults.refuse("invalid_blocks", method="chat.postMessage")
    await relay.send("hello")
    (message,) = bench.sandbox.messages(bench.channels[0])
    assert (message.text, message.blocks) == ("hello", None)


@pytest.mark.parametrize(
    ("error", "kind", "words"),
    [
        ("is_archived", Paused, "archived"),
        ("not_in_channel", Paused, "/invite @relay"),
        ("restricted_action_read_only_channel", Paused, "not everybody may post"),
        ("missing_scope", Paused, "scope"),
        ("token_revoked", Paused, "bot_token"),
        ("account_inactive", Paused, "bot_token"),
        ("msg_too_long", Rejected, "msg_too_long"),
        ("internal_error", Retry, "trouble"),
        ("service_unavailable", Retry, "trouble"),
    ],
)
async def test_each_refusal_says_what_the_core_is_to_do(
    bench: SlackBench, error: str, kind: type[DriverError], words: str
) -> None:
    """By the names of the documentation, in words for the operator."""
    relay = await bench.relay()
    bench.sandbox.faults.refuse(error, method="chat.postMessage")
    raised = await error_of(relay.send("hello"))
    assert isinstance(raised, kind)
    assert words in raised.reason
    assert bench.app.token not in raised.reason


@pytest.mark.parametrize(
    ("status", "body"), [(502, "<html>bad gateway</html>"), (200, "<html>log in</html>"), (200, "{"), (503, "")]
)
async def test_what_is_no_answer_of_slacks_is_tried_again(bench: SlackBench, status: int, body: str) -> None:
    """A proxy's page, half an answer, and nothing."""
    relay = await bench.relay()
    bench.sandbox.faults.answer(status, body, method="chat.postMessage")
    assert isinstance(await error_of(relay.send("hello")), Retry)
    await relay.send("end")


async def test_a_rate_limit_is_obeyed(bench: SlackBench) -> None:
    """The wait that Slack names is passed on, and nothing more is asked in that channel before it is over."""
    relay = await bench.relay()
    bench.sandbox.faults.limit(30, method="chat.postMessage")
    message = relay.outgoing("hello")
    error = await error_of(relay.send(message))
    assert isinstance(error, Retry)
    assert error.after == 30
    asked = bench.sandbox.faults.requests["chat.postMessage"]
    error = await error_of(relay.send(relay.outgoing("another")))
    assert isinstance(error, Retry)
    assert error.after is not None
    assert 0 < error.after <= 30
    assert bench.sandbox.faults.requests["chat.postMessage"] == asked
    await relay.send("elsewhere", room=1)


async def test_a_look_up_waits_for_the_limit_by_itself(bench: SlackBench) -> None:
    """At the connection nothing fails for it."""
    bench.sandbox.faults.limit(1, method="users.conversations")
    relay = await bench.relay()
    assert relay.ends == []


async def test_a_lost_answer_is_found_by_its_mark_also_in_a_thread(bench: SlackBench) -> None:
    """The message was made; sent again it is found where it is, and gives the same receipt."""
    relay = await bench.relay()
    root = (await relay.send("a question")).message
    for message in (relay.outgoing("one"), relay.outgoing("two", reply_to=root)):
        bench.sandbox.faults.drop_answer(method="chat.postMessage")
        assert isinstance(await error_of(relay.send(message)), Retry)
        receipt = await relay.send(again(message))
        made = bench.sandbox.messages(bench.channels[0])[-1]
        assert (receipt.message, made.text) == (made.ts, message.text)
    assert len(bench.sandbox.messages(bench.channels[0])) == 3


async def test_a_mark_of_somebody_else_is_not_ours(bench: SlackBench) -> None:
    """An app that copies our metadata keeps no message from being sent."""
    relay = await bench.relay()
    message = relay.outgoing("hello")
    await relay.send(message)
    (ours,) = bench.sandbox.messages(bench.channels[0])
    ours.app = bench.sandbox.add_app("forger")
    ours.user = ours.app.user.id
    await relay.send(again(message))
    assert len(bench.sandbox.messages(bench.channels[0])) == 2


# --- files ------------------------------------------------------------------------------------------------------------


async def test_a_message_with_files_waits_until_it_is_shown(bench: SlackBench, tmp_path: Path) -> None:
    """Slack shows it later: the receipt has the ts that its event brings."""
    relay = await bench.relay()
    bench.sandbox.uploads.sharing_seconds = 0.3
    file = spooled(tmp_path, "plan.txt", b"the plan")
    receipt = await relay.send(relay.outgoing("see here", files=(file,), name="Zoë"))
    (message,) = bench.sandbox.messages(bench.channels[0])
    assert (receipt.message, message.username) == (message.ts, "Zoë")


async def test_files_are_found_again_without_events(bench: SlackBench, tmp_path: Path) -> None:
    """With the connection for events cut, `files.info` tells where they are."""
    relay = await bench.relay()
    await bench.cut_receiving()
    await relay.lost()
    bench.sandbox.uploads.sharing_seconds = 0.2
    receipt = await relay.send(relay.outgoing("see here", files=(spooled(tmp_path, "plan.txt", b"the plan"),)))
    assert receipt.message == bench.sandbox.messages(bench.channels[0])[0].ts


async def test_files_are_shown_once_though_the_daemon_was_killed_meanwhile(bench: SlackBench, tmp_path: Path) -> None:
    """Whether the answer was lost or the process: which files were completed is on disk before they are."""
    relay = await bench.relay()
    message = relay.outgoing("see here", files=(spooled(tmp_path, "plan.txt", b"the plan"),))
    bench.sandbox.faults.drop_answer(method="files.completeUploadExternal")
    assert isinstance(await error_of(relay.send(message)), Retry)
    await relay.close()
    bench.forget(relay)
    second = await bench.relay(store=relay.host.store)
    receipt = await second.send(again(message, seconds_ago=60))
    (shown,) = bench.sandbox.messages(bench.channels[0])
    assert receipt.message == shown.ts


async def test_files_that_were_never_completed_are_sent_after_a_restart(impatient: SlackBench, tmp_path: Path) -> None:
    """What was uploaded and not completed shows nowhere, and is sent anew."""
    relay = await impatient.relay()
    message = relay.outgoing("see here", files=(spooled(tmp_path, "plan.txt", b"the plan"),))
    impatient.sandbox.faults.answer(503, method="files.completeUploadExternal")
    assert isinstance(await error_of(relay.send(message)), Retry)
    await relay.close()
    impatient.forget(relay)
    second = await impatient.relay(store=relay.host.store)
    await second.send(again(message, seconds_ago=60))
    (shown,) = impatient.sandbox.messages(impatient.channels[0])
    assert [each.content for each in shown.files] == [b"the plan"]


async def test_files_that_slack_holds_back_are_waited_for_and_not_sent_again(
    impatient: SlackBench, tmp_path: Path
) -> None:
    """It took them: the next attempts wait on."""
    relay = await impatient.relay()
    message = relay.outgoing("see here", files=(spooled(tmp_path, "plan.txt", b"the plan"),))
    impatient.sandbox.uploads.holds_back = True
    assert isinstance(await error_of(relay.send(message)), Retry)
    assert isinstance(await error_of(relay.send(again(message))), Retry)
    impatient.sandbox.uploads.share_held()
    receipt = await relay.send(again(message))
    (shown,) = impatient.sandbox.messages(impatient.channels[0])
    assert receipt.message == shown.ts


async def test_a_file_that_slack_refuses_is_named(bench: SlackBench, tmp_path: Path) -> None:
    """The core sends the message with a label in its place."""
    relay = await bench.relay()
    files = tuple(spooled(tmp_path, name, b"x") for name in ("one", "two"))
    bench.sandbox.faults.refuse("file_type_not_allowed", method="files.getUploadURLExternal")
    error = await error_of(relay.send(relay.outgoing("two files", files=files)))
    assert isinstance(error, FileRejected)
    assert error.index == 0


async def test_the_token_goes_to_slack_alone(bench: SlackBench) -> None:
    """A file that somebody keeps elsewhere is not fetched with it."""
    from nextbridge.envelope import Attachment

    relay = await bench.relay()
    driver = relay.driver
    assert isinstance(driver, SlackDriver)
    file = bench.sandbox.upload_as(bench.alice, "plan.txt", b"x")
    file.elsewhere = "https://evil.example.com/plan.txt"

    async def fetch() -> None:
        async with driver.open_attachment(Attachment(file.id, "plan.txt")) as chunks:
            assert [chunk async for chunk in chunks] == []

    error = await error_of(fetch())
    assert isinstance(error, Rejected)
    assert "elsewhere" in error.reason


async def test_without_the_scope_files_are_not_given_out(bench: SlackBench) -> None:
    """Slack sends us to where people sign in then, which is no file."""
    from nextbridge.envelope import Attachment

    relay = await bench.relay()
    driver = relay.driver
    assert isinstance(driver, SlackDriver)
    file = bench.sandbox.upload_as(bench.alice, "plan.txt", b"x")
    bench.app.scopes.discard("files:read")

    async def fetch() -> None:
        async with driver.open_attachment(Attachment(file.id, "plan.txt")):
            pass

    error = await error_of(fetch())
    assert isinstance(error, Rejected)
    assert "files:read" in error.reason


# --- what the app may not do ------------------------------------------------------------------------------------------


async def test_without_scopes_the_driver_says_what_it_cannot(bench: SlackBench, tmp_path: Path) -> None:
    """No identity is promised, no file taken; a reaction and a topic are refused with the scope that is missing."""
    bench.app.scopes -= {"chat:write.customize", "files:write", "reactions:write", "channels:write.topic"}
    bench.app.scopes.discard("groups:write.topic")
    relay = await bench.relay()
    driver = relay.driver
    assert isinstance(driver, SlackDriver)
    assert isinstance(driver, Identity)
    assert isinstance(driver, Uploads)
    assert not driver.shows_identity
    assert driver.limits(relay.room(0)).files == 0
    assert driver.refuses_file(relay.room(0), spooled(tmp_path, "x", b"x"))
    receipt = await relay.send("hello")
    assert receipt.message is not None
    for doing, scope in (
        (driver.react(relay.room(0), receipt.message, "👍", add=True), "reactions:write"),
        (driver.set_topic(relay.room(0), "a topic"), "channels:write.topic"),
    ):
        error = await error_of(doing)
        assert isinstance(error, Rejected)
        assert scope in error.reason
    wrong = [finding for finding in await driver.probe() if "chat:write.customize" in finding.text]
    assert [finding.ok for finding in wrong] == [True]


async def test_a_probe_names_the_scopes_that_are_needed(bench: SlackBench) -> None:
    """Without them nothing works."""
    bench.app.scopes.discard("channels:history")
    relay = bench.make()
    wrong = [finding.text for finding in await relay.driver.probe() if not finding.ok]
    assert any("channels:history" in text for text in wrong)


async def test_several_of_one_name_are_nobody(bench: SlackBench) -> None:
    """Two who are called the same in the channel: none of them is meant; one who is elsewhere does not count."""
    relay = await bench.relay()
    driver = relay.driver
    assert isinstance(driver, SlackDriver)
    twin = bench.sandbox.add_user("twin", display_name="Ally")
    found = await driver.member(relay.room(0), "ally")
    assert found is not None
    assert found.id == bench.alice.id
    bench.sandbox.join(twin, bench.channels[0])
    await relay.until(lambda: bool(relay.host.events))
    assert await driver.member(relay.room(0), "ally") is None


async def test_an_answer_to_what_is_no_message_is_gone(bench: SlackBench) -> None:
    """An id of another shape is asked of nobody."""
    relay = await bench.relay()
    for root in ("x", "1.", "²³.5", "9" * 40 + ".1"):
        error = await error_of(relay.send(relay.outgoing("hello", reply_to=MessageId(root))))
        assert isinstance(error, Gone), root


async def test_a_retried_dead_letter_shows_its_author(bench: SlackBench) -> None:
    """Whatever the name holds, it is the name; what no UTF-8 can be made of is replaced."""
    relay = await bench.relay()
    message = relay.outgoing("a\ud800b", name="Z\ud800\x00", author=Author(UserId("z"), "z", "Z"))
    await relay.send(replace(message, attempted=int(time.time() * 1000)))
    (shown,) = bench.sandbox.messages(bench.channels[0])
    assert (shown.text, shown.username) == ("a?b", "Z?")
