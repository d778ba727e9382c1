"""The HTTP API: rooms that any program can read and write, served by the daemon itself."""

from drivers.api.driver import ApiDriver

__all__ = ["ApiDriver"]
