"""A real homeserver, one for each worker."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.matrix.synapse import Synapse, running_synapse


@pytest.fixture(scope="session")
def synapse(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Synapse]:
    """A homeserver that stays up; rooms and people are a test's own."""
    with running_synapse(tmp_path_factory.mktemp("synapse")) as server:
        yield server
