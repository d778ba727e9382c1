"""The real IRC server of the town."""

from tests.irc.conftest import certificates, inspircd  # noqa: F401 - fixtures
