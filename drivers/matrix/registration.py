"""What a homeserver has to be told to let the relay have a puppet for each person elsewhere: the registration file.

It is the file of the application-service API (specification, v1.15, "Registration"): Synapse names it under
`app_service_config_files`. JSON is YAML, so that it needs no writer of its own.
"""

from __future__ import annotations

import json
import re
from urllib.parse import quote

from drivers.matrix.settings import ApplicationService, MatrixSettings, realm_of
from nextbridge.envelope import InstanceId

__all__ = ["address_for", "identifier", "registration"]


def registration(settings: MatrixSettings, service: ApplicationService, instance: InstanceId, base_url: str) -> str:
    """The file's text. It holds both tokens."""
    puppets = f"^@{re.escape(service.puppets)}[a-z0-9_]+:{re.escape(realm_of(settings.user_id))}$"
    told = {
        "id": identifier(settings.user_id),
        "url": address_for(service, instance, base_url),
        "as_token": service.as_token.reveal(),
        "hs_token": service.hs_token.reveal(),
        "sender_localpart": settings.user_id[1:].partition(":")[0],
        # the relay waits when it is told to, but a busy channel would be slowed down person by person
        "rate_limited": False,
        "receive_ephemeral": True,
        "de.sorunome.msc2409.push_ephemeral": True,
        "namespaces": {
            "users": [{"exclusive": True, "regex": puppets}],  # nobody else can take such a name
            "aliases": [],
            "rooms": [],
        },
    }
    return json.dumps(told, indent=2) + "\n"


def identifier(me: str) -> str:
    """The name of the registration of an account, by which it asks the homeserver to look whether it is reached."""
    return f"nextbridge-{me[1:].partition(':')[0]}"


def address_for(service: ApplicationService, instance: InstanceId, base_url: str) -> str:
    """Where the homeserver reaches the relay: what the operator says, or below `global.base_url`."""
    return (service.url or f"{base_url}/matrix/{quote(instance, safe='')}").rstrip("/")
