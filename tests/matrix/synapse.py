"""A real Synapse in a temporary folder: the homeserver that the tests talk to, and its administrator.

It runs from an environment of its own (`scripts/test` makes `.venv-synapse`), on SQLite, without federation, and limits
nobody; `Synapse.limit` makes it limit one person.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import json
import secrets
import socket
import sqlite3
import subprocess
import time
import urllib.error
import urllib.request
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import quote

import pytest

from tests.matrix.services import Services

LOOPBACK = "127.0.0.1"
SERVER_NAME = "matrix.test"
PYTHON = Path(__file__).parents[2] / ".venv-synapse" / "bin" / "python"

_SHARED_SECRET = "of the tests"
_UNLIMITED = {"per_second": 100_000, "burst_count": 100_000}
_START_SECONDS = 60


@dataclass(frozen=True)
class Account:
    """Somebody on the homeserver, and one device of theirs."""

    user: str
    password: str
    token: str
    device: str


class Refused(Exception):
    """The homeserver refuses a call: the status and what it says."""

    def __init__(self, status: int, text: str) -> None:
        super().__init__(f"{status}: {text}")
        self.status = status


class Synapse:
    """One homeserver. Its calls block, for a few milliseconds: they set a scene, before the test begins."""

    def __init__(self, folder: Path, *, more: dict[str, Any] | None = None) -> None:
        self.services = Services(folder, SERVER_NAME)
        self._folder = folder
        self._more = more or {}
        """What the configuration says beside what stands here."""
        self._process: subprocess.Popen[bytes] | None = None
        self._admin: Account | None = None
        self.port = _free_port()
        self.url = f"http://{LOOPBACK}:{self.port}"

    def is_up(self, service: str) -> bool:
        """Whether it takes an application service for one that can be reached, by what it keeps of that.

        What comes about while it is about to find that out may stay unsent until it could not be reached once more
        (seen with Synapse 1.150: the transaction stays in `application_services_txns`, and the state is `up`).
        """
        query = "SELECT state FROM application_services_state WHERE as_id = ?"
        with closing(sqlite3.connect(f"file:{self._folder / 'homeserver.db'}?mode=ro", uri=True, timeout=10)) as kept:
            row = kept.execute(query, (service,)).fetchone()
        return row is None or row[0] == "up"

    def start(self) -> None:
        """Start it, for the first time or again with what it knows, and return once it answers."""
        config = self._folder / "homeserver.yaml"
        config.write_text(json.dumps(self._config()))  # JSON is YAML
        command = [str(PYTHON), "-m", "synapse.app.homeserver", "--config-path", str(config)]
        with (self._folder / "log").open("ab") as log:
            self._process = subprocess.Popen(
                command, cwd=self._folder, stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until = time.monotonic() + _START_SECONDS
        while not self._answers():
            if self._process.poll() is not None or time.monotonic() > until:
                self.stop()
                pytest.fail(f"Synapse does not answer:\n{(self._folder / 'log').read_text()[-3000:]}")
            time.sleep(0.05)

    def stop(self) -> None:
        """End it; what it knows stays in its folder."""
        if self._process is None:
            return
        self._process.terminate()
        try:
            self._process.wait(10)
        except subprocess.TimeoutExpired:
            self._process.kill()
            self._process.wait()
        self._process = None

    def register(self, name: str = "", *, admin: bool = False) -> Account:
        """Make an account by the shared secret; with no name, one that nobody else has."""
        name = name or unique("user")
        nonce = self.request("GET", "/_synapse/admin/v1/register")["nonce"]
        password = secrets.token_hex(8)
        words = (nonce, name, password, "admin" if admin else "notadmin")
        mac = hmac.new(_SHARED_SECRET.encode(), "\0".join(words).encode(), hashlib.sha1).hexdigest()
        made = self.request(
            "POST",
            "/_synapse/admin/v1/register",
            {"nonce": nonce, "username": name, "password": password, "admin": admin, "mac": mac},
        )
        return Account(made["user_id"], password, made["access_token"], made["device_id"])

    def limit(self, user: str, *, per_second: int, burst: int) -> None:
        """From now on what this person sends is limited."""
        path = f"/_synapse/admin/v1/users/{quote(user)}/override_ratelimit"
        self.request("POST", path, {"messages_per_second": per_second, "burst_count": burst}, self.admin.token)

    @property
    def admin(self) -> Account:
        """Its administrator, who is in no room."""
        if self._admin is None:
            self._admin = self.register(unique("admin"), admin=True)
        return self._admin

    def request(self, method: str, path: str, body: object = None, token: str = "") -> Any:
        """One call of its API. Raises Refused."""
        data = None if body is None else json.dumps(body).encode()
        return json.loads(self._call(method, path, data, "application/json", token))

    def upload(self, content: bytes, token: str) -> str:
        """Upload a file; its address."""
        answer = self._call("POST", "/_matrix/media/v3/upload", content, "application/octet-stream", token)
        return str(json.loads(answer)["content_uri"])

    def download(self, place: str, token: str) -> bytes:
        """The file at that address."""
        return self._call("GET", f"/_matrix/client/v1/media/download/{place.removeprefix('mxc://')}", None, "", token)

    def _call(self, method: str, path: str, data: bytes | None, kind: str, token: str) -> bytes:
        headers = {"Authorization": f"Bearer {token}"} if token else {}
        if data is not None:
            headers["Content-Type"] = kind
        request = urllib.request.Request(self.url + path, data, headers, method=method)
        try:
            with urllib.request.urlopen(request, timeout=30) as response:
                answer: bytes = response.read()
                return answer
        except urllib.error.HTTPError as error:
            with error:
                raise Refused(error.code, error.read().decode()) from error

    def _answers(self) -> bool:
        with contextlib.suppress(OSError, Refused):
            self.request("GET", "/_matrix/client/versions")
            return True
        return False

    def _config(self) -> dict[str, Any]:
        limits = ("rc_message", "rc_registration", "rc_admin_redaction", "rc_key_requests", "rc_presence")
        return {
            "server_name": SERVER_NAME,
            "public_baseurl": self.url,
            "pid_file": str(self._folder / "pid"),
            "listeners": [
                {
                    "port": self.port,
                    "type": "http",
                    "bind_addresses": [LOOPBACK],
                    "resources": [{"names": ["client", "media"]}],
                }
            ],
            "database": {"name": "sqlite3", "args": {"database": str(self._folder / "homeserver.db")}},
            "media_store_path": str(self._folder / "media"),
            "signing_key_path": str(self._folder / "signing.key"),
            "signing_key": f"ed25519 a_test {'A' * 43}",
            "registration_shared_secret": _SHARED_SECRET,
            "macaroon_secret_key": "of the tests",
            "form_secret": "of the tests",
            "trusted_key_servers": [],
            "report_stats": False,
            "presence": {"enabled": False},
            "bcrypt_rounds": 4,
            "max_upload_size": "2M",
            "rc_login": {"address": _UNLIMITED, "account": _UNLIMITED, "failed_attempts": _UNLIMITED},
            "rc_joins": {"local": _UNLIMITED, "remote": _UNLIMITED},
            "rc_joins_per_room": _UNLIMITED,
            "rc_invites": {"per_room": _UNLIMITED, "per_user": _UNLIMITED, "per_issuer": _UNLIMITED},
            "rc_media_create": _UNLIMITED,
            "rc_room_creation": _UNLIMITED,
            "rc_reports": _UNLIMITED,
            "app_service_config_files": self.services.files,
            **dict.fromkeys(limits, _UNLIMITED),
            **self._more,
        }


@contextlib.contextmanager
def running_synapse(folder: Path, *, more: dict[str, Any] | None = None) -> Iterator[Synapse]:
    """A homeserver that is started, and stopped at the end. Skips the test where Synapse is not installed."""
    if not PYTHON.exists():
        pytest.skip("needs Synapse: scripts/test installs it into .venv-synapse")
    server = Synapse(folder, more=more)
    server.start()
    try:
        yield server
    finally:
        server.stop()


def unique(word: str) -> str:
    """A name that nothing else on the homeserver has."""
    return f"{word}-{secrets.token_hex(4)}"


def _free_port() -> int:
    with socket.socket() as each:
        each.bind((LOOPBACK, 0))
        port: int = each.getsockname()[1]
        return port
