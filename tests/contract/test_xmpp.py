"""The XMPP driver keeps the contract: an account where there is everything and where there is little; a component."""

from __future__ import annotations

from collections.abc import AsyncIterator

import pytest

from nextbridge.sandbox.contract import DriverContract
from tests.contract.xmpp_bench import BareXmppBench, ComponentXmppBench, XmppBench
from tests.xmpp.conftest import prosody  # noqa: F401 - a fixture
from tests.xmpp.prosody import Prosody


class TestXmpp(DriverContract):
    bench_type = XmppBench

    @pytest.fixture
    async def bench(self, prosody: Prosody) -> AsyncIterator[XmppBench]:  # noqa: F811 - the fixture
        async with XmppBench(prosody) as bench:
            yield bench


class TestBareXmpp(DriverContract):
    bench_type = BareXmppBench

    @pytest.fixture
    async def bench(self, prosody: Prosody) -> AsyncIterator[BareXmppBench]:  # noqa: F811 - the fixture
        async with BareXmppBench(prosody) as bench:
            yield bench


class TestXmppComponent(DriverContract):
    bench_type = ComponentXmppBench

    @pytest.fixture
    async def bench(self, prosody: Prosody) -> AsyncIterator[ComponentXmppBench]:  # noqa: F811 - the fixture
        async with ComponentXmppBench(prosody) as bench:
            yield bench
