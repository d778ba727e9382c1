"""A daemon that is ended with its test."""

from tests.pairs.conftest import daemon

__all__ = ["daemon"]
