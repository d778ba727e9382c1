"""The port that the stand-in listens on, and the connections that came through it."""

from __future__ import annotations

from aiohttp import web

__all__ = ["Listener"]

GRACE = 0.5
"""Seconds that requests have to end when the server stops."""


class Listener:
    """May be closed and opened again, and stopped and started again, on one port."""

    def __init__(self, host: str, port: int) -> None:
        self.host = host
        self.port = port
        """0 until the port is first opened, where a free one was asked for."""
        self._runner: web.AppRunner | None = None
        self._site: web.TCPSite | None = None

    async def start(self, app: web.Application) -> None:
        self._runner = web.AppRunner(app, handle_signals=False, access_log=None, shutdown_timeout=GRACE)
        await self._runner.setup()
        await self.open_port()

    async def stop(self) -> None:
        self.cut_connections()
        if self._runner is not None:
            await self._runner.cleanup()
        self._runner = self._site = None

    async def open_port(self) -> None:
        """Accept connections, on the same port as before. Does nothing where it does so already."""
        if self._runner is None:
            raise RuntimeError("the stand-in Mattermost is not running: start it first")
        if self._site is not None:
            return
        site = web.TCPSite(self._runner, self.host, self.port, reuse_address=True)
        await site.start()
        self._site = site
        self.port = self._runner.addresses[0][1]

    async def close_port(self) -> None:
        """Refuse new connections and cut those there are."""
        if self._site is not None:
            await self._site.stop()
            self._site = None
        self.cut_connections()

    def cut_connections(self) -> None:
        server = None if self._runner is None else self._runner.server
        if server is None:
            return
        for connection in server.connections:
            if connection.transport is not None:
                connection.transport.abort()
