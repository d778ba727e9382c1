"""Application services of the tests' homeserver: it reads their registrations once, when it starts, so some wait there.

Each test takes one of its own, so that what was pushed for another is nothing to it. All are reached at one port, where
the test that runs listens.
"""

from __future__ import annotations

import secrets
import socket
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from drivers.matrix import MatrixDriver
from drivers.matrix.settings import ApplicationService, MatrixSettings
from nextbridge.config.types import Secret
from nextbridge.envelope import InstanceId

__all__ = ["Service", "Services"]

INSTANCE = "here"
_MANY = 150
LOOPBACK = "127.0.0.1"


@dataclass(frozen=True)
class Service:
    """One registration."""

    name: str
    user: str
    settings: ApplicationService
    port: int
    """Where it is to be served, below `/matrix/<name>`."""

    def written(self, homeserver: str) -> dict[str, Any]:
        """An instance's block of the operator's file. The instance is to have the service's name."""
        service = self.settings
        return {
            "homeserver": homeserver,
            "user_id": self.user,
            "application_service": {
                "as_token": service.as_token.reveal(),
                "hs_token": service.hs_token.reveal(),
                "puppets": service.puppets,
                "url": service.url,
            },
            "reconnect_delay": 0.2,
        }

    def block(self, homeserver: str, **more: Any) -> MatrixSettings:
        """An instance's settings."""
        return MatrixSettings(
            homeserver=homeserver, user_id=self.user, application_service=self.settings, reconnect_delay=0.1, **more
        )


class Services:
    """Those of one homeserver."""

    def __init__(self, folder: Path, server_name: str) -> None:
        with socket.socket() as free:
            free.bind((LOOPBACK, 0))
            self._port: int = free.getsockname()[1]
        self._waiting = [self._made(number, folder, server_name) for number in range(_MANY)]
        self.files = [str(folder / f"{each.name}.json") for each in self._waiting]

    def take(self) -> Service:
        """One that no other test has."""
        return self._waiting.pop()

    def _made(self, number: int, folder: Path, server_name: str) -> Service:
        name = f"service{number}"
        settings = ApplicationService(
            as_token=Secret(secrets.token_hex(16)),
            hs_token=Secret(secrets.token_hex(16)),
            puppets=f"bridged{number}_",
            url=f"http://{LOOPBACK}:{self._port}/matrix/{name}",
        )
        service = Service(name, f"@{name}:{server_name}", settings, self._port)
        text = MatrixDriver.registration(service.block("http://homeserver"), InstanceId(INSTANCE), "")
        assert text is not None
        (folder / f"{name}.json").write_text(text)
        return service
