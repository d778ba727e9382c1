"""Prosody, and people on it."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import trustme

from tests.irc.conftest import Certificates
from tests.xmpp.prosody import BARE, MAIN, Prosody, running_prosody

__all__ = ["certified", "prosody"]


def certified(folder: Path) -> Certificates:
    """An authority of the tests' own, and a certificate for the hosts of the server."""
    authority = trustme.CA()
    made = Certificates(folder / "ca.pem", folder / "server.pem", folder / "none.pem")
    authority.cert_pem.write_to_path(made.authority)
    authority.issue_cert(MAIN, BARE, "localhost", "127.0.0.1").private_key_and_cert_chain_pem.write_to_path(made.server)
    return made


@pytest.fixture(scope="session")
def prosody(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Prosody]:
    with running_prosody(tmp_path_factory.mktemp("prosody"), certified(tmp_path_factory.mktemp("prosody-tls"))) as it:
        yield it
