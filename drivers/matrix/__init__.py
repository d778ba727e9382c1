"""Matrix, by a homeserver's client-server API."""

from drivers.matrix.driver import MatrixDriver

__all__ = ["MatrixDriver"]
