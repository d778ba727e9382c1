"""The documentation as a site: every page is on it, every link leads somewhere, and nothing comes from elsewhere."""

from __future__ import annotations

import re
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path

import pytest

pytestmark = pytest.mark.xdist_group("site")  # one worker builds it, once


class _Loaded(HTMLParser):
    """The addresses that a browser asks for when it opens a page; what a reader may follow is not among them."""

    def __init__(self) -> None:
        super().__init__()
        self.addresses: list[str] = []

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        names = (
            ("href",) if tag == "link" and given.get("rel") in {"stylesheet", "preload", "icon"} else ("src", "srcset")
        )
        self.addresses += [address for name in names if (address := given.get(name))]


@pytest.fixture(scope="module")
def site(clone: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The site, built by the command of CONTRIBUTING.md."""
    folder = tmp_path_factory.mktemp("site")
    built = _build(clone, folder)
    assert (built.returncode, built.stderr) == (0, ""), built.stderr
    return folder


def test_every_page_is_built_and_every_link_in_it_leads_somewhere(clone: Path, site: Path) -> None:
    """Links between pages, to places in them and to files of the clone; a page that is in no list fails the build."""
    pages = {path.stem for path in (clone / "docs").glob("*.md")}
    assert {path.stem for path in (site / "docs").glob("*.html")} == pages
    assert (site / "index.html").read_text().count("README.html") == 2


def test_a_link_that_leads_nowhere_fails_the_build(clone: Path, tmp_path: Path) -> None:
    """To a page, to a file and to a place in a page, which the build would not pass over."""
    (tmp_path / "README.md").write_text("# Here\n\n[a](#there) [b](docs/there.md) [c](there.json)\n")
    built = _build(tmp_path, tmp_path / "site", clone / "docs" / "site")
    assert built.returncode != 0
    assert [each for each in ("'there'", "'docs/there.md'", "'there.json'") if each not in built.stderr] == []


def test_no_page_loads_anything_from_elsewhere(site: Path) -> None:
    """Neither a script nor a style, a picture or a font: who reads is told to nobody."""
    for page in site.rglob("*.html"):
        loaded = _Loaded()
        loaded.feed(page.read_text())
        assert loaded.addresses or page.name == "index.html", page
        assert [each for each in loaded.addresses if re.match(r"(\w+:)?//", each)] == [], page
    for style in site.rglob("*.css"):
        text = re.sub(r"""url\((["']?)data:.*?\1\)""", "", style.read_text())
        assert not re.search(r"(url\(|@import)\s*[\"']?(\w+:)?//", text), style


def _build(source: Path, target: Path, settings: Path | None = None) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "sphinx", "-n", "-W", "--keep-going", "-q"]
    command += ["-c", str(settings or source / "docs" / "site"), "-d", str(target / "doctrees")]
    return subprocess.run(
        [*command, str(source), str(target)], capture_output=True, text=True, timeout=120, check=False
    )
