"""The Matrix driver keeps the contract."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.matrix_bench import MatrixBench
from tests.contract.matrix_service_bench import MatrixServiceBench
from tests.matrix.conftest import synapse  # noqa: F401 - a fixture
from tests.matrix.synapse import Synapse


class TestMatrix(DriverContract):
    bench_type = MatrixBench

    @pytest.fixture
    async def bench(self, synapse: Synapse) -> AsyncIterator[MatrixBench]:  # noqa: F811 - the fixture
        async with MatrixBench(synapse) as bench:
            yield bench


class TestMatrixApplicationService(DriverContract):
    bench_type = MatrixServiceBench

    @pytest.fixture
    async def bench(self, synapse: Synapse) -> AsyncIterator[MatrixServiceBench]:  # noqa: F811 - the fixture
        async with MatrixServiceBench(synapse) as bench:
            yield bench
