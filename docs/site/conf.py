"""The documentation as a site, by Sphinx: README.md is its front page. CONTRIBUTING.md says how it is built.

The pages are Markdown that reads as well without it, so what a site needs beside them stands here. Nothing that a page
loads comes from elsewhere.
"""

from __future__ import annotations

from sphinx.application import Sphinx

_FRONT = "README"
_CONTENTS = {
    "Beginning": ["start", "rules", "people", "migration"],
    "Platforms": ["mattermost", "discord", "slack", "telegram", "matrix", "xmpp", "irc", "webchat", "api", "webhook"],
    "Running it": ["systemd", "container", "proxy", "reload", "state", "configuration"],
    "Seeing how it stands": ["check", "waiting", "status-page", "monitoring", "logs", "trace", "troubleshooting"],
    "What holds": ["guarantees", "capabilities", "meanwhile", "privacy", "faults", "power", "benchmarks"],
}

project = "NextBridge"
copyright = "its contributors"  # noqa: A001 - Sphinx's name for it
extensions = ["myst_parser"]
root_doc = _FRONT
include_patterns = ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "docs/*.md"]
exclude_patterns = [".*", "build", "nextbridge", "drivers", "tests", "benchmarks"]
myst_heading_anchors = 3
smartquotes = False  # what is to be typed stays as it is typed

html_theme = "furo"
html_title = project
html_show_sourcelink = False
html_copy_source = False
html_use_index = False
templates_path = ["templates"]
html_additional_pages = {"index": "index.html"}


def _add_contents(_: Sphinx, name: str, source: list[str]) -> None:
    """What stands at the side of every page. A page that is in none of the lists fails the build."""
    if name != _FRONT:
        return
    lists = {title: [f"docs/{page}" for page in pages] for title, pages in _CONTENTS.items()}
    lists["Working on it"] = ["CONTRIBUTING", "CHANGELOG"]
    for title, pages in lists.items():
        source[0] += "\n".join(["", "```{toctree}", ":hidden:", f":caption: {title}", "", *pages, "```", ""])


def setup(app: Sphinx) -> None:
    """Called by Sphinx."""
    app.connect("source-read", _add_contents)
