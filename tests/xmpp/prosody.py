"""A real Prosody in a temporary folder: one server with a well equipped host and a bare one."""

from __future__ import annotations

import contextlib
import uuid
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.irc.conftest import Certificates, free_ports, program, start, stop

__all__ = ["BARE", "COMPONENT_SECRET", "MAIN", "PASSWORD", "Prosody", "running_prosody"]

MAIN = "main.test"
"""The host that has everything; its rooms are at `rooms.main.test`, and relays may be at `bridge.main.test`."""
BARE = "bare.test"
"""The host that has no archive, no uploads, no resumption; its rooms tell neither ids of messages nor of
occupants, and once destroyed can be made again at once."""
PASSWORD = "ten green bottles"
COMPONENT_SECRET = "eleven green bottles"


@dataclass(frozen=True)
class Prosody:
    """A running server."""

    folder: Path
    authority: Path
    """The certificate that its own is to be trusted by."""
    port: int
    """STARTTLS."""
    tls_port: int
    component_port: int
    http_port: int
    moderates: bool
    """Whether it has XEP-0425, which comes in a package of its own."""

    def account(self, host: str = MAIN, name: str = "") -> str:
        """The address of a new account. Its password is PASSWORD."""
        name = name or f"u{uuid.uuid4().hex[:10]}"
        folder = self.folder / "data" / host.replace(".", "%2e") / "accounts"
        folder.mkdir(parents=True, exist_ok=True)
        (folder / f"{name}.dat").write_text(f'return {{ ["password"] = "{PASSWORD}" }};\n')
        return f"{name}@{host}"

    @staticmethod
    def room(host: str = MAIN) -> str:
        """The address of a room that is not there yet."""
        return f"r{uuid.uuid4().hex[:10]}@rooms.{host}"


_CONFIG = """
run_as_root = true
pidfile = "{folder}/prosody.pid"
plugin_paths = {{ "{folder}/modules" }}
data_path = "{folder}/data"
log = {{ info = "{folder}/prosody.log" }}
interfaces = {{ "127.0.0.1" }}
local_interfaces = {{ "127.0.0.1" }}
c2s_ports = {{ {port} }}
c2s_direct_tls_ports = {{ {tls_port} }}
component_ports = {{ {component_port} }}
http_ports = {{ {http_port} }}
http_interfaces = {{ "127.0.0.1" }}
https_ports = {{ }}
s2s_ports = {{ }}
modules_disabled = {{ "s2s" }}
modules_enabled = {{ "disco", "roster", "saslauth", "tls", "ping", "pep", "vcard_legacy", "posix", "time" }}
authentication = "internal_plain"
c2s_require_encryption = true
ssl = {{ certificate = "{certificate}"; key = "{certificate}" }}
storage = "internal"
limits = {{ c2s = {{ rate = "100mb/s" }} }}
smacks_hibernation_time = 60

VirtualHost "{main}"
    modules_enabled = {{ "smacks", "carbons", "late" }}
Component "rooms.{main}" "muc"
    modules_enabled = {{ "muc_mam", "vcard_muc", "forgetting", {moderation} }}
    muc_log_expires_after = "never"
    muc_room_allow_public = true
    muc_room_default_public = true
    max_archive_query_results = 50
Component "files.{main}" "http_file_share"
    http_file_share_size_limit = 4194304
    http_file_share_daily_quota = 1073741824
    http_external_url = "http://127.0.0.1:{http_port}/"
    http_host = "127.0.0.1"
Component "bridge.{main}"
    component_secret = "{secret}"

VirtualHost "{bare}"
Component "rooms.{bare}" "muc"
    muc_occupant_id = false
    muc_tombstones = false
    muc_room_default_public = true
    muc_room_allow_public = true
    max_history_messages = 60
"""

_FORGETTING = """
-- A room forgets whoever bears the nick that a message names, and tells nobody, as after a crash of its server.
module:hook("muc-occupant-groupchat", function (event)
    local nick = event.stanza:get_child_text("forget", "urn:nextbridge:test");
    local occupant = nick and event.room:get_occupant_by_nick(event.room.jid.."/"..nick);
    if not occupant then return end
    for address in occupant:each_session() do event.room._jid_nick[address] = nil; end
    event.room._occupants[occupant.nick] = nil;
    return true;
end, 1000);
"""


_LATE = """
-- The server's clock is an hour behind for whoever's name begins with late.
module:hook("iq-get/host/urn:xmpp:time:time", function (event)
    local stanza = event.stanza;
    if not stanza.attr.from:match("^late") then return end
    local utc = os.date("!%Y-%m-%dT%H:%M:%SZ", os.time() - 3600);
    local reply = require "util.stanza".reply(stanza):tag("time", { xmlns = "urn:xmpp:time" });
    event.origin.send(reply:tag("tzo"):text("+00:00"):up():tag("utc"):text(utc));
    return true;
end, 1000);
"""


@contextlib.contextmanager
def running_prosody(folder: Path, certificates: Certificates) -> Iterator[Prosody]:
    """Prosody with its configuration and its data in `folder`."""
    path = program("prosody", "prosody")
    port, tls_port, component_port, http_port = ports = free_ports(4)
    moderation = Path("/usr/lib/prosody/modules/mod_muc_moderation").exists()
    (folder / "data").mkdir()
    (folder / "modules").mkdir()
    (folder / "modules" / "mod_forgetting.lua").write_text(_FORGETTING)
    (folder / "modules" / "mod_late.lua").write_text(_LATE)
    (folder / "prosody.cfg.lua").write_text(
        _CONFIG.format(
            folder=folder,
            certificate=certificates.server,
            port=port,
            tls_port=tls_port,
            component_port=component_port,
            http_port=http_port,
            main=MAIN,
            bare=BARE,
            secret=COMPONENT_SECRET,
            moderation='"muc_moderation"' if moderation else "",
        )
    )
    process = start([path, "-F", "--config", str(folder / "prosody.cfg.lua")], folder, ports)
    try:
        yield Prosody(folder, certificates.authority, port, tls_port, component_port, http_port, moderation)
    finally:
        stop(process)
