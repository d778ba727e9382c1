"""The clone that these tests look at."""

from pathlib import Path

import pytest


@pytest.fixture(scope="session")
def clone() -> Path:
    """The folder with pyproject.toml."""
    return Path(__file__).parents[2]
