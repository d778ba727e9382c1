"""What the other person hears of what a driver sends: the text and nothing but the text, in order, once."""

from __future__ import annotations

import asyncio
import unicodedata

from nextbridge.driver import Acknowledgement, Limits, Outgoing, Receipt, RetryRecognition
from nextbridge.errors import DriverError, Paused, Retry
from nextbridge.sandbox.contract.bench import Bench
from nextbridge.sandbox.contract.supervised import Supervised, again, error_of

__all__ = ["HOSTILE", "Sends", "filled", "heard_until", "refused", "visible"]

_MANY = 50
_CANCELLED = 12

HOSTILE = {
    "control characters": "a" + "".join(map(chr, (*range(1, 9), *range(14, 32), *range(0x7F, 0xA0)))) + "b",
    "a NUL": "before\x00after",
    "line ends": "one\r\nPRIVMSG #town :two\rQUIT :three\x0bfour\x0cfive\u2028six\u2029seven\x85eight",
    "emphasis": "**bold** __bold__ *it* _it_ ~~gone~~ `code` ``code`` \\*not\\* a*b*c a_b_c ***both***",
    "links and pictures": "[words](there) ![picture](there) <there> [ref][1] &amp; &#42; <b>bold</b> <script>",
    "a heading": "# heading",
    "a quote": "> quoted",
    "a list": "- item",
    "a numbered list": "1. item",
    "a fence": "```",
    "a fence with words": "~~~ language",
    "a rule": "---",
    "a table": "| a | b |",
    "indented": "    code",
    "lines of blocks": "# heading\n> quoted\n- item\n```\ncode\n| a | b |\n|---|---|\n| c | d |\nx\n===",
    "calls of everybody": "@all @channel @here @everyone @room <!channel> <@U1> @All: @HERE",
    "a command": "/me waves /kick ann",
    "a CTCP action": "\x01ACTION waves\x01",
    "formatting codes": "\x02bold\x02 \x1ditalic\x0f \x0304,12red\x03 \x11code",
    "emoji": "🚀👩‍👩‍👧🇩🇪 :smile: :+1:",
    "direction overrides": "\u202egnp.exe\u202c \u2066isolated\u2069",
    "combining marks": "z\u0301\u0302\u0303" + "\u0336" * 40 + " end",
    "a template": '{msg} {nickname} {{x}} <richheader title="a" content="b"/>',
}
"""What chat users type to see what breaks. A line that starts with it is as bad as one that holds it."""


class Sends:
    """Tests of `send`, `limits` and the dialect's writer, on the platform."""

    async def test_what_is_sent_is_heard_and_acknowledged(self, bench: Bench) -> None:
        """The other person sees the text under a name, and the receipt is what the guarantees promise."""
        relay = await bench.relay()
        receipt = await relay.send("hello from elsewhere")
        heard = await bench.hear()
        assert (heard.text, heard.notation, heard.action) == ("hello from elsewhere", frozenset(), False)
        assert heard.author
        assert heard.author != bench.person
        assert isinstance(receipt, Receipt)
        if relay.driver.guarantees.acknowledged_by in {Acknowledgement.RESPONSE, Acknowledgement.KEPT}:
            assert receipt.message

    async def test_receipts_name_different_messages(self, bench: Bench) -> None:
        """Two messages do not share an id, nor do their two equal texts become one."""
        relay = await bench.relay()
        receipts = [await relay.send("equal") for _ in range(2)]
        assert [(await bench.hear()).text for _ in range(2)] == ["equal", "equal"]
        ids = [receipt.message for receipt in receipts if receipt.message is not None]
        assert len(set(ids)) == len(ids)
        await self._assert_nothing_more(bench, relay)

    async def test_who_said_it_is_shown_in_the_drivers_own_format(self, bench: Bench) -> None:
        """A header of the default format with a name of the driver's making is shown whole, as text."""
        relay = await bench.relay()
        name = relay.driver.display_name("Zoë")
        text = relay.driver.default_format.replace("{nickname}", relay.written(name)).replace("{msg}", "hi")
        await relay.send(relay.outgoing(text))
        heard = await bench.hear()
        assert "Zoë" in visible(heard.text)
        assert heard.text.endswith("hi")

    async def test_an_action_is_shown_as_one(self, bench: Bench) -> None:
        """`/me waves` is something that is done, not something that is said."""
        relay = await bench.relay()
        await relay.send(relay.outgoing(relay.written("waves"), action=True))
        heard = await bench.hear()
        assert (heard.text, heard.action) == ("waves", True)

    async def test_order_is_kept(self, bench: Bench) -> None:
        """Many messages, sent one after the other's receipt, are heard in that order, each once."""
        relay = await bench.relay()
        texts = [f"line {number}" for number in range(_MANY)]
        for text in texts:
            await relay.send(text)
        assert [(await bench.hear()).text for _ in texts] == texts

    async def test_two_channels_at_once_keep_their_own_order(self, bench: Bench) -> None:
        """Sends to two channels overlap, and each channel hears its own messages in order."""
        relay = await bench.relay()

        async def lane(room: int) -> None:
            for number in range(10):
                await relay.send(f"{room}: {number}", room)

        await asyncio.gather(lane(0), lane(1))
        for room in (0, 1):
            heard = [(await bench.hear(room)).text for _ in range(10)]
            assert heard == [f"{room}: {number}" for number in range(10)]

    async def test_a_repeated_send_shows_as_often_as_is_declared(self, bench: Bench) -> None:
        """Sent again with its key, a message shows once where the platform recognises it, and twice where not."""
        relay = await bench.relay()
        message = relay.outgoing(relay.written("once"))
        first, second = await relay.send(message), await relay.send(again(message))
        await self._assert_shown(bench, relay, "once")
        if relay.driver.guarantees.retry_recognised_by is not RetryRecognition.NONE:
            assert first == second

    async def test_a_send_repeated_after_a_restart_shows_as_often_as_is_declared(self, bench: Bench) -> None:
        """A new driver object with the same store, as after a crash before the receipt was kept, repeats no more."""
        relay = await bench.relay()
        message = relay.outgoing(relay.written("once"))
        await relay.send(message)
        assert (await bench.hear()).text == "once"
        await relay.close()
        second = await bench.relay(store=relay.host.store)
        if relay.driver.guarantees.retry_recognised_by is RetryRecognition.KEY_THEN_MARK:
            await bench.forget_keys()
        lives = relay.driver.guarantees.retry_key_lives or 0.0
        await second.send(again(message, seconds_ago=lives + 60))
        await self._assert_shown(bench, second, "once", already=1)

    async def test_a_text_at_the_limit_arrives_whole(self, bench: Bench) -> None:
        """The core cuts at `limits`: exactly that much is one message, whatever its characters take."""
        relay = await bench.relay()
        for sign in ("x", "é", "🚀"):
            limits = relay.driver.limits(relay.room(0))
            text = filled(limits, sign)
            assert limits.unit.measure(text) == limits.text
            await relay.send(relay.outgoing(text))
            assert (await bench.hear()).text == text
            await relay.send(relay.outgoing(text, action=True))
            # what has no room for its decoration may go without it, but not without its end
            assert (await bench.hear()).text == text
        await self._assert_nothing_more(bench, relay)

    async def test_hostile_text_is_text(self, bench: Bench) -> None:
        """Whatever a user typed elsewhere is one message here, calls nobody, and is formatted by nothing in it."""
        relay = await bench.relay()
        cases = HOSTILE | {"a call of somebody": f"@{bench.person} {bench.person}: @{bench.person.lower()}"}
        for what, text in cases.items():
            await relay.send(relay.outgoing(relay.written(text)))
            heard = await bench.hear()
            assert visible(heard.text) == visible(text), what
            assert not heard.action, what
            assert heard.notation == frozenset(), what
        await self._assert_nothing_more(bench, relay)

    async def test_a_hostile_name_is_a_name(self, bench: Bench) -> None:
        """A name that looks like markup, a command or a call is shown in the header as the characters it has."""
        relay = await bench.relay()
        for name in ("**Bob**", "@all", "a\r\nQUIT", "<b>x</b>", "\x02bold", "[x](y)", "/quit", "\u202eeve"):
            shown = relay.written(relay.driver.display_name(name))
            await relay.send(relay.outgoing(f"x {shown}: hi"))
            heard = await bench.hear()
            assert heard.notation == frozenset(), name
            assert visible(heard.text).startswith("x"), name
            assert visible(heard.text).endswith(":hi"), name
        await self._assert_nothing_more(bench, relay)

    async def test_a_cancelled_send_leaves_the_driver_usable(self, bench: Bench) -> None:
        """Cancelled at any moment, a message is sent again with its key, and all others go on as before."""
        relay = await bench.relay()
        cancelled = [relay.outgoing(relay.written(f"cancelled {number}")) for number in range(_CANCELLED)]
        for steps, message in enumerate(cancelled):
            sending = asyncio.create_task(relay.send(message))
            for _ in range(steps):
                await asyncio.sleep(0)
            sending.cancel()
            await asyncio.wait({sending}, timeout=10)
            assert sending.done(), "a cancelled send goes on"
        for message in cancelled:
            await relay.send(again(message))
        await relay.send("end")
        heard = await heard_until("end", bench)
        recognised = relay.driver.guarantees.retry_recognised_by is not RetryRecognition.NONE
        for number in range(_CANCELLED):
            times = heard.count(f"cancelled {number}")
            assert times == 1 or (times == 2 and not recognised), f"cancelled after {number} steps: shown {times} times"

    async def test_nothing_is_sent_before_it_is_connected(self, bench: Bench) -> None:
        """Until it has connected once, a send is told to wait; it never hangs and is no bug."""
        relay = bench.make()
        error = await refused(relay, relay.outgoing("too early"), Retry, Paused)
        assert error.reason.strip()

    async def test_a_channel_that_is_not_ours_takes_nothing(self, bench: Bench) -> None:
        """A delivery to a channel that is not there is refused with a reason, and the others go on."""
        relay = await bench.relay()
        stray = relay.outgoing("stray", channel="n" * 26)
        error = await refused(relay, stray, DriverError)
        assert error.reason.strip()
        await relay.send("end")
        assert (await bench.hear()).text == "end"

    async def _assert_shown(self, bench: Bench, relay: Supervised, text: str, *, already: int = 0) -> None:
        await relay.send("end")
        recognised = relay.driver.guarantees.retry_recognised_by is not RetryRecognition.NONE
        assert already + (await heard_until("end", bench)).count(text) == (1 if recognised else 2)

    async def _assert_nothing_more(self, bench: Bench, relay: Supervised) -> None:
        await relay.send("end")
        assert await heard_until("end", bench) == []


async def heard_until(last: str, bench: Bench) -> list[str]:
    """The texts that are heard before `last`."""
    texts: list[str] = []
    while (text := (await bench.hear()).text) != last:
        texts.append(text)
    return texts


async def refused(relay: Supervised, message: Outgoing, *kinds: type[DriverError]) -> DriverError:
    """Why a message is not taken. AssertionError where it is, or where the error is not of `kinds`."""
    error = await error_of(relay.send(message))
    assert isinstance(error, kinds), error
    return error


def filled(limits: Limits, sign: str) -> str:
    """A text of exactly the limit, of `sign` as far as possible."""
    size = limits.unit.measure(sign)
    return sign * (limits.text // size) + "x" * (limits.text % size)


def visible(text: str) -> str:
    """What is left of `text` without what shows nothing: controls, marks of direction, joiners and spaces."""
    hidden = {"Cc", "Cf", "Zl", "Zp", "Zs"}
    return "".join(char for char in text if unicodedata.category(char) not in hidden)
