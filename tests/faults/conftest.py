"""The real servers of the town."""

from tests.irc.conftest import certificates, inspircd  # noqa: F401 - fixtures
from tests.matrix.conftest import synapse  # noqa: F401 - a fixture
from tests.xmpp.conftest import prosody  # noqa: F401 - a fixture
