"""The IRC driver keeps the contract, on a real server."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.irc_bench import IrcBench
from tests.irc.conftest import Inspircd, certificates, inspircd  # noqa: F401 - fixtures


class TestIrc(DriverContract):
    bench_type = IrcBench

    @pytest.fixture
    async def bench(self, inspircd: Inspircd) -> AsyncIterator[IrcBench]:  # noqa: F811 - the fixture
        async with IrcBench(inspircd) as bench:
            yield bench
