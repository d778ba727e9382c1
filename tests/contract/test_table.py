"""The page of the docs says what the drivers declare."""

from __future__ import annotations

from pathlib import Path

from nextbridge.config.platforms import InstalledPlatforms
from tests.contract.table import BENCHES, page

DOCS = Path(__file__).parents[2] / "docs"


def test_the_page_of_capabilities_is_up_to_date() -> None:
    """`python -m tests.contract.table > docs/capabilities.md` would change nothing."""
    assert (DOCS / "capabilities.md").read_text() == page()


def test_every_platform_has_a_bench() -> None:
    """No driver of ours is without the suite, nor missing on the page."""
    assert {bench.driver.platform for bench in BENCHES} == set(InstalledPlatforms().names)
