"""The homeserver of the tests does what the tests rely on."""

from __future__ import annotations

import pytest

from tests.matrix.synapse import SERVER_NAME, Refused, Synapse, unique


def test_somebody_says_something_in_a_room_and_only_who_is_to_be_limited_is(synapse: Synapse) -> None:
    """Whoever registers can speak at once and as much as they like; a person who is limited is told to wait."""
    person = synapse.register()
    assert person.user.endswith(f":{SERVER_NAME}")
    room = synapse.request("POST", "/_matrix/client/v3/createRoom", {"preset": "private_chat"}, person.token)["room_id"]

    def say(count: int) -> None:
        for _ in range(count):
            path = f"/_matrix/client/v3/rooms/{room}/send/m.room.message/{unique('txn')}"
            synapse.request("PUT", path, {"msgtype": "m.text", "body": "hello"}, person.token)

    say(30)
    synapse.limit(person.user, per_second=1, burst=2)
    with pytest.raises(Refused) as refused:
        say(10)
    assert refused.value.status == 429
