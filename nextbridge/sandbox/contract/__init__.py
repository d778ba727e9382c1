"""The suite that every driver passes, for drivers inside and outside of this repository.

It needs pytest and pytest-asyncio to run, and neither to be imported. Write a `Bench` for your platform, and:

    # tests/conftest.py: failed assertions of the suite are then explained
    pytest.register_assert_rewrite("nextbridge.sandbox.contract")

    # tests/test_contract.py, with asyncio_mode = "auto"
    class TestExample(DriverContract):
        bench_type = ExampleBench

        @pytest.fixture
        async def bench(self) -> AsyncIterator[ExampleBench]:
            async with ExampleBench() as bench:
                yield bench

What the platform cannot do, `Bench.without` says with the reason; tests that need it are then not there. All others
have to pass.
"""

from nextbridge.sandbox.contract.bench import CAPABILITIES, Bench, Heard, Situation
from nextbridge.sandbox.contract.suite import DriverContract
from nextbridge.sandbox.contract.supervised import Supervised

__all__ = ["CAPABILITIES", "Bench", "DriverContract", "Heard", "Situation", "Supervised"]
