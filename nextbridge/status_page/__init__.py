"""What operators see in a browser: how everything stands, what crosses, and what became of a message."""

from __future__ import annotations

from nextbridge.status_page.site import StatusPage

__all__ = ["StatusPage"]
