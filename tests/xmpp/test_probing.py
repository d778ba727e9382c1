"""`check --online` on a real server: what the contract's suite does not ask of every platform."""

from __future__ import annotations

import pytest

from drivers.xmpp.probing import probe
from drivers.xmpp.settings import XmppSettings
from nextbridge.driver import Finding
from tests.xmpp.prosody import BARE, MAIN, Prosody
from tests.xmpp.relaying import Scene


async def found(settings: XmppSettings) -> dict[str, Finding]:
    return {each.subject: each for each in await probe(settings, (), None)}


async def test_a_clock_that_differs_is_found(prosody: Prosody) -> None:
    """The server tells its own; a server whose clock is right is not spoken of, for a component neither."""
    async with Scene(prosody) as scene:
        late = await found(scene.settings(jid=prosody.account(MAIN, "late")))
        assert late["login"].ok
        assert not late["clock"].ok
        assert "s ahead of the server's; have both set by NTP" in late["clock"].text
        for settings in (scene.settings(), scene.component()):
            assert "clock" not in await found(settings)


@pytest.mark.parametrize(("host", "words"), [(MAIN, "files of up to 4 MB"), (BARE, "the server takes no files")])
async def test_what_files_the_server_takes_is_said(prosody: Prosody, host: str, words: str) -> None:
    """By its own store's limit."""
    async with Scene(prosody, host) as scene:
        said = (await found(scene.settings()))["files"]
        assert said.ok
        assert words in said.text
