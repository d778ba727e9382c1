"""Every platform has a page, which whoever looks for it finds, and which tells of every key."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from nextbridge.config.platforms import InstalledPlatforms

PLATFORMS = sorted(InstalledPlatforms().names)


@pytest.mark.parametrize("platform", PLATFORMS)
def test_every_platform_has_a_page(clone: Path, platform: str) -> None:
    """The README leads to it, and it says what crosses."""
    assert f"(docs/{platform}.md)" in (clone / "README.md").read_text()
    assert "\n## What crosses" in (clone / "docs" / f"{platform}.md").read_text()


@pytest.mark.parametrize("platform", PLATFORMS)
@pytest.mark.parametrize("kind", ["an instance", "a channel"])
def test_its_page_tells_every_key(clone: Path, platform: str, kind: str) -> None:
    """Each by its name, or it leads to the table of them that is made of the program."""
    page = (clone / "docs" / f"{platform}.md").read_text()
    if f"(configuration.md#{platform}-{kind.replace(' ', '-')})" in page:
        return
    table = (clone / "docs" / "configuration.md").read_text().partition(f"\n## {platform}: {kind}\n")[2]
    keys = re.findall(r"^\| \**`([\w.\[\]]+)`", table.partition("\n## ")[0], re.MULTILINE)
    assert keys
    named = set(re.findall(r"\w+", " ".join(re.findall(r"`[^`\n]+`|\"\w+\":", page))))
    assert [key for key in keys if key.rpartition(".")[2] not in named] == []
