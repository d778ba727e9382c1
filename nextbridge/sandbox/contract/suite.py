"""The whole suite as one class, to be derived from once for each driver."""

from __future__ import annotations

from typing import Any

from nextbridge.sandbox.contract.accompanying import Accompanies
from nextbridge.sandbox.contract.answering import Answers
from nextbridge.sandbox.contract.bench import Bench, Situation
from nextbridge.sandbox.contract.capable import ShowsCapabilities
from nextbridge.sandbox.contract.connecting import Connects
from nextbridge.sandbox.contract.declaring import Declares
from nextbridge.sandbox.contract.lacking import Lacks
from nextbridge.sandbox.contract.needs import needs_of, tests_of
from nextbridge.sandbox.contract.receiving import Receives
from nextbridge.sandbox.contract.revising import Revises
from nextbridge.sandbox.contract.sending import Sends

__all__ = ["DriverContract"]


class DriverContract(Declares, Receives, Sends, Connects, ShowsCapabilities, Revises, Answers, Accompanies, Lacks):
    """Set `bench_type`, and give a fixture `bench` that enters one."""

    def __init_subclass__(cls, **more: Any) -> None:  # noqa: ANN401 - what a class statement may hold
        """Fold away the tests that need what the platform has not: a name without a function is no test."""
        super().__init_subclass__(**more)
        bench: type[Bench] = cls.bench_type
        # what is implemented and can be had here is tested, whatever `without` says of it
        here = (each for each in bench.implemented() if each not in bench.lacking)
        has = {*here, *(each for each in Situation if each not in bench.without)}
        for name, test in list(tests_of(cls)):
            if not needs_of(test) <= has or (name in vars(Lacks) and not bench.lacking):
                setattr(cls, name, None)
