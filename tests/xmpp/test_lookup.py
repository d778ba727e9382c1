"""What was said is found in an archive, also in one whose clock is not ours, and not looked for without end."""

from __future__ import annotations

import time
from datetime import UTC, datetime
from xml.etree import ElementTree as ET

import pytest

from drivers.xmpp.archive import Archive
from drivers.xmpp.backlog import PREFIX, Backlog
from drivers.xmpp.lookup import Lookup
from drivers.xmpp.occupants import Occupants
from drivers.xmpp.ourselves import Ourselves
from drivers.xmpp.stanzas import MAM, read_message
from nextbridge.envelope import ChannelKey
from tests.xmpp.person import CLIENT

_ROOM = "ops@rooms.test"
_RSM = "http://jabber.org/protocol/rsm"


class _Kept:
    """An archive that answers as XEP-0313 has it: pages of what it is given, the newest last."""

    def __init__(self, *senders: tuple[str, str], at: float) -> None:
        self.messages = [(f"room-{place}", nick, number) for place, (nick, number) in enumerate(senders)]
        self.at = datetime.fromtimestamp(at, UTC).strftime("%Y-%m-%dT%H:%M:%SZ")
        self.asked = 0
        features = frozenset({MAM})
        self.archive = Archive(_ROOM, self._answer, lambda stanza: read_message(stanza, features))
        us = Ourselves("relay", Occupants(ChannelKey(_ROOM)))
        self.lookup = Lookup(self.archive, Backlog(), us, lambda: features)

    async def _answer(self, query: ET.Element) -> ET.Element:
        self.asked += 1
        before = query.findtext(f"{{{_RSM}}}set/{{{_RSM}}}before") or ""
        most = int(query.findtext(f"{{{_RSM}}}set/{{{_RSM}}}max", "0"))
        ids = [each[0] for each in self.messages]
        end = ids.index(before) if before else len(ids)
        for room_id, nick, number in self.messages[max(end - most, 0) : end]:
            self.archive.collect(
                ET.fromstring(
                    f"<result xmlns='{MAM}' queryid='{query.get('queryid')}' id='{room_id}'>"
                    f"<forwarded xmlns='urn:xmpp:forward:0'><delay xmlns='urn:xmpp:delay' stamp='{self.at}'/>"
                    f"<message xmlns='{CLIENT}' type='groupchat' from='{_ROOM}/{nick}' id='{number}'><body>x</body>"
                    "</message></forwarded></result>"
                )
            )
        complete = "true" if end <= most else "false"
        return ET.fromstring(f"<iq xmlns='{CLIENT}'><fin xmlns='{MAM}' complete='{complete}'/></iq>")


@pytest.mark.parametrize("behind", [0, 300, -300])
async def test_a_message_of_ours_is_found_whatever_the_rooms_clock_says(behind: int) -> None:
    """The server's clock is five minutes off: what arrived is behind what others said since, and is not said again."""
    ours = f"{PREFIX}1"
    kept = _Kept(("relay", ours), *(("Ada", f"a{number}") for number in range(120)), at=time.time() - behind)
    assert await kept.lookup.find_ours(ours, int(time.time() * 1000)) == "room-0"


async def test_an_id_of_ours_in_anothers_message_is_not_taken_for_ours() -> None:
    """Somebody uses it before or after us: the relay's own word alone shows that it was said."""
    ours = f"{PREFIX}1"
    kept = _Kept(("Eve", ours), ("relay", f"{PREFIX}2"), ("Eve", ours), at=time.time())
    assert await kept.lookup.find_ours(ours, int(time.time() * 1000)) is None


async def test_what_somebody_names_is_looked_for_so_far_and_no_further() -> None:
    """Anybody may name what was never said: a few pages of a long archive are asked for."""
    kept = _Kept(*(("Ada", f"a{number}") for number in range(1000)), at=time.time())
    assert await kept.lookup.find_sent("Ada", "a990") == "room-990"
    asked = kept.asked
    assert await kept.lookup.find_sent("Eve", "a990") is None
    assert await kept.lookup.find_sent("Ada", "never") is None
    assert kept.asked - asked == 8
