"""A small chat page on the stand-in, for the demo: it signs in with a token and uses the real API and WebSocket."""

from __future__ import annotations

from importlib.resources import files

from aiohttp import web

__all__ = ["Page"]

POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; connect-src 'self'; img-src 'self' blob:; "
    "base-uri 'none'; form-action 'none'; frame-ancestors 'self' http://127.0.0.1:* http://localhost:*"
)
"""Nothing inline, nothing from elsewhere; only pages on this machine may frame it."""

FILES = {
    "/": ("chat.html", "text/html"),
    "/chat.css": ("chat.css", "text/css"),
    "/chat.js": ("chat.js", "text/javascript"),
    "/icon.svg": ("icon.svg", "image/svg+xml"),
    "/markdown.js": ("markdown.js", "text/javascript"),
    "/server.js": ("server.js", "text/javascript"),
}


class Page:
    """Reads its files when it is made."""

    def __init__(self) -> None:
        folder = files(__name__)
        self._files = {path: (folder.joinpath(name).read_bytes(), kind) for path, (name, kind) in FILES.items()}

    def routes(self) -> list[web.RouteDef]:
        return [web.get(path, self.file) for path in FILES]

    async def file(self, request: web.Request) -> web.Response:
        content, kind = self._files["/" + request.path.rpartition("/")[2]]
        return web.Response(
            body=content,
            content_type=kind,
            charset="utf-8",
            headers={
                "Cache-Control": "no-cache",
                "Content-Security-Policy": POLICY,
                "Referrer-Policy": "no-referrer",
                "X-Content-Type-Options": "nosniff",
            },
        )
