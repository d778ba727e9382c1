"""The IRC driver keeps the contract, on two real servers."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.irc_bench import IrcBench, PlainIrcBench
from tests.irc.conftest import Inspircd, certificates, inspircd, ngircd  # noqa: F401 - fixtures


class TestIrc(DriverContract):
    bench_type = IrcBench

    @pytest.fixture
    async def bench(self, inspircd: Inspircd) -> AsyncIterator[IrcBench]:  # noqa: F811 - the fixture
        async with IrcBench(inspircd.port, inspircd.password_port) as bench:
            yield bench


class TestPlainIrc(DriverContract):
    bench_type = PlainIrcBench

    @pytest.fixture
    async def bench(self, ngircd: int) -> AsyncIterator[PlainIrcBench]:  # noqa: F811 - the fixture
        async with PlainIrcBench(ngircd) as bench:
            yield bench
