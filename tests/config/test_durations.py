"""How long something takes, as the operator writes it."""

from __future__ import annotations

import pytest

from nextbridge.config.types import in_seconds


@pytest.mark.parametrize(
    ("written", "seconds"), [("90s", 90), ("15min", 900), ("24h", 86_400), ("30d", 2_592_000), (0, 0)]
)
def test_a_duration_is_a_number_of_seconds(written: str | int, seconds: int) -> None:
    """Each unit is known, and 0 is no time at all."""
    assert in_seconds(written) == seconds


@pytest.mark.parametrize("written", ["", "24", "24 h", "0h", "-1h", "1.5h", "5m", "1h30min", "24H", "24h\n", 24])
def test_anything_else_is_no_duration(written: str | int) -> None:
    """Nothing is guessed: minutes are not months, and a number without a unit is not taken for seconds."""
    with pytest.raises(ValueError, match="is no duration"):
        in_seconds(written)
