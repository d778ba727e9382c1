"""The ledger finds what it is there to find."""

from __future__ import annotations

from tests.faults.ledger import Ledger, Verdict


def filled(count: int) -> tuple[Ledger, list[str]]:
    ledger = Ledger()
    return ledger, [ledger.entry("a", "x") for _ in range(count)]


def test_what_arrived_once_and_in_order_is_clean() -> None:
    """Other people's messages in between do not matter."""
    ledger, texts = filled(4)
    assert ledger.verdict(["hello", *texts[:2], "[b 7] y", *texts[2:]], ["a"]) == Verdict(4, 0, 0, 0)


def test_a_lost_message_is_found() -> None:
    """One of four is missing."""
    ledger, texts = filled(4)
    assert ledger.verdict([*texts[:1], *texts[2:]], ["a"]) == Verdict(4, 1, 0, 0)


def test_a_repeated_message_is_found() -> None:
    """One came twice, later again."""
    ledger, texts = filled(4)
    assert ledger.verdict([*texts, texts[0]], ["a"]) == Verdict(4, 0, 1, 0)


def test_a_message_out_of_order_is_found() -> None:
    """Two changed places."""
    ledger, texts = filled(4)
    assert ledger.verdict([texts[0], texts[2], texts[1], texts[3]], ["a"]) == Verdict(4, 0, 0, 1)
