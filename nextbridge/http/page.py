"""A page that the daemon serves from files of its own: what it is made of, and the headers that keep it to itself.

Everything stands in the program's folder and is read once. Nothing on the page comes from elsewhere, and no code stands
in the HTML, so that whatever a chat user wrote can be shown on it but not run.
"""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from html import escape
from pathlib import Path

from aiohttp import web

__all__ = ["Page"]

_TYPES = {".html": "text/html", ".css": "text/css", ".js": "text/javascript", ".svg": "image/svg+xml"}


class Page:
    """The files of one page."""

    def __init__(self, folder: Path, title: str, framed_by: Sequence[str] = ()) -> None:
        """`folder` has index.html; `framed_by` are the origins whose pages may show it in a frame."""
        self._folder = folder
        self._title = title
        self._files: dict[str, tuple[bytes, str]] = {}
        """By their path, with their media type."""
        self.headers = _security_headers(framed_by)
        """For every answer beside the page, too."""

    async def load(self) -> None:
        """Read the files. A second call does nothing."""
        self._files = self._files or await asyncio.to_thread(self._read)

    def file(self, path: str) -> web.Response | None:
        """The answer for a path from `/` on; None where there is no such file."""
        if (found := self._files.get(path)) is None:
            return None
        body, media_type = found
        headers = {**self.headers, "Cache-Control": "no-cache"}
        return web.Response(body=body, content_type=media_type, charset="utf-8", headers=headers)

    def notice(self, status: int, text: str) -> web.Response:
        """A page with one sentence, for whoever may not see more."""
        page = (
            '<!doctype html><html lang="en"><head><meta charset="utf-8"><meta name="color-scheme" content="light dark">'
            '<meta name="viewport" content="width=device-width, initial-scale=1">'
            f"<title>{escape(self._title)}</title></head>"
            f"<body><h1>{escape(self._title)}</h1><p>{escape(text)}</p></body></html>\n"
        )
        headers = {**self.headers, "Cache-Control": "no-store"}
        return web.Response(status=status, text=page, content_type="text/html", headers=headers)

    def _read(self) -> dict[str, tuple[bytes, str]]:
        files = {
            f"/{file.name}": (file.read_bytes(), media_type)
            for file in self._folder.iterdir()
            if (media_type := _TYPES.get(file.suffix)) is not None
        }
        return files | {"/": files["/index.html"]}


def _security_headers(framed_by: Sequence[str]) -> dict[str, str]:
    framed = " ".join(framed_by) or "'none'"
    policy = (
        "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
        f"base-uri 'none'; form-action 'none'; frame-ancestors {framed}"
    )
    headers = {
        "Content-Security-Policy": policy,
        "X-Content-Type-Options": "nosniff",
        "Referrer-Policy": "no-referrer",
        "Cross-Origin-Opener-Policy": "same-origin",
    }
    return headers if framed_by else headers | {"X-Frame-Options": "DENY"}
