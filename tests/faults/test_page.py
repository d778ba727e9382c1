"""The page of the docs says what the drivers declare now."""

from __future__ import annotations

from tests.contract.table import guarantee_table
from tests.faults import page


def test_the_guarantees_beside_the_faults_are_up_to_date() -> None:
    """`python -m tests.faults guarantees` would change nothing."""
    assert page.part("guarantees") == "\n".join(guarantee_table())
