"""The calls that carry keys: of devices, for sessions, and to devices (specification, "End-to-End Encryption")."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any
from urllib.parse import quote

from drivers.matrix.api import Api

__all__ = ["Keys"]

_CLIENT = "_matrix/client/v3"
_FEDERATION = 10_000
"""Milliseconds for which the homeserver waits for those of others."""

Json = dict[str, Any]
"""What the library takes as it is."""


class Keys:
    """One device's. Each call raises as a call of the Api."""

    def __init__(self, api: Api) -> None:
        self._api = api

    async def upload(self, keys: Json) -> Json:
        """Publish keys of ours; how many one-time keys the server has now."""
        return await self._post("keys/upload", keys)

    async def query(self, users: Iterable[str]) -> Json:
        """The devices of people."""
        return await self._post("keys/query", {"device_keys": {user: [] for user in users}, "timeout": _FEDERATION})

    async def claim(self, devices: Mapping[str, Iterable[str]]) -> Json:
        """A one-time key of each device, to begin a session with."""
        wanted = {user: dict.fromkeys(ids, "signed_curve25519") for user, ids in devices.items()}
        return await self._post("keys/claim", {"one_time_keys": wanted, "timeout": _FEDERATION})

    async def send(self, kind: str, transaction: str, messages: Json) -> None:
        """Send something to devices."""
        path = f"{_CLIENT}/sendToDevice/{quote(kind, safe='')}/{quote(transaction, safe='')}"
        await self._api.call("PUT", path, dict[str, Any], body=messages)

    async def _post(self, call: str, body: Json) -> Json:
        return await self._api.call("POST", f"{_CLIENT}/{call}", dict[str, Any], body=body)
