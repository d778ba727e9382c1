"""The table of the benchmark: medians and spread of paired runs, and whether each goal is reached."""

from __future__ import annotations

import statistics
from collections.abc import Sequence

from msgspec import Struct

__all__ = ["Row", "Series", "table"]


class Series(Struct, frozen=True):
    """One number, measured in each of the paired runs."""

    values: tuple[float, ...]

    @classmethod
    def of(cls, values: Sequence[float]) -> Series:
        """From any sequence."""
        return cls(tuple(values))

    @property
    def median(self) -> float:
        """The middle one."""
        return statistics.median(self.values)

    def over(self, other: Series) -> Series:
        """The ratio in each pair."""
        return Series(tuple(mine / its for mine, its in zip(self.values, other.values, strict=True)))

    def beyond(self, *others: Series) -> Series:
        """What is left in each pair when the others are taken off."""
        return Series(
            tuple(mine - sum(its) for mine, *its in zip(self.values, *(o.values for o in others), strict=True))
        )

    def holds(self, value: float) -> bool:
        """Whether the value lies within the spread."""
        return min(self.values) <= value <= max(self.values)

    def shown(self, digits: int) -> str:
        """The median, and from the least to the most."""
        least, most = min(self.values), max(self.values)
        return f"{self.median:,.{digits}f} ({least:,.{digits}f} to {most:,.{digits}f})"


class Row(Struct, frozen=True):
    """One line of the table."""

    what: str
    beside: str
    """What it is compared with: the floor, or the same without the trouble."""
    relay: str
    result: str
    goal: str
    reached: bool | None = None
    """None where there is no goal."""


def table(rows: Sequence[Row]) -> str:
    """As Markdown."""
    lines = ["| what | compared with | the relay | result | goal | reached |", "| --- | --- | --- | --- | --- | --- |"]
    words = {True: "yes", False: "**no**", None: ""}
    lines += [
        f"| {row.what} | {row.beside} | {row.relay} | {row.result} | {row.goal} | {words[row.reached]} |"
        for row in rows
    ]
    return "\n".join(lines)
