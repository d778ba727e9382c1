"""Trying the suite on a driver that breaks the contract: the test of what it breaks has to fail."""

from __future__ import annotations

import asyncio
from collections.abc import Callable, Coroutine
from typing import Any

import pytest

from nextbridge.errors import DriverError
from nextbridge.sandbox.contract import DriverContract
from tests.contract.noticeboard import BoardBench, BoardDriver

__all__ = ["assert_found"]

_FOUND = (AssertionError, TimeoutError, ConnectionError, AttributeError, DriverError)
"""How a test of the suite may end: by what it asserts, by waiting in vain, or by what the driver raises."""


async def assert_found(driver: type[BoardDriver], test: str) -> None:
    """AssertionError where the driver passes the test."""

    class BrokenBench(BoardBench):
        pass

    BrokenBench.driver = driver

    class Suite(DriverContract):
        bench_type = BrokenBench

    proof: Callable[..., Coroutine[Any, Any, None] | None] = getattr(Suite(), f"test_{test}")
    with pytest.raises(Exception) as found:  # noqa: PT011 - whatever ends it
        if asyncio.iscoroutinefunction(proof):
            async with BrokenBench() as bench:
                await proof(bench)
        else:
            proof()
    assert isinstance(found.value, _FOUND), found.value
