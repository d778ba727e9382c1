"""A stand-in for Telegram's Bot API that behaves as its documentation says: updates, messages, refusals and limits.

    async with SandboxTelegram() as sandbox:
        ann = sandbox.add_person("Ann", username="ann")
        relay = sandbox.add_bot("relay_bot", privacy=False)        # an Account: user, token
        town = sandbox.add_supergroup("Town", [ann, relay.user])
        ...  # let a client connect to sandbox.url with relay.token
        sandbox.say(ann, town, "hello")
        await sandbox.shown(town, "hi")

There is no server of Telegram's that could be run beside a test, so this one is made after
https://core.telegram.org/bots/api (as of Bot API 10), and two independent client libraries work with it unchanged:
`tests/telegram/test_clients.py`. Everything is kept in memory; see `Acts` for what people can do, `Faults` for what can
go wrong, and `Account.flood` for the limits, which are off until `limit` turns them on.

What it does not play: `parse_mode` (refused), keyboards, inline mode, payments, stickers sent by bots, business
accounts. A call of an unknown method is answered 404, as there.
"""

from nextbridge.sandbox.telegram.acts import Acts
from nextbridge.sandbox.telegram.faults import Faults
from nextbridge.sandbox.telegram.records import Entity, Message, User
from nextbridge.sandbox.telegram.refusals import Refusal
from nextbridge.sandbox.telegram.rooms import Room
from nextbridge.sandbox.telegram.server import SandboxTelegram
from nextbridge.sandbox.telegram.world import Account

__all__ = ["Account", "Acts", "Entity", "Faults", "Message", "Refusal", "Room", "SandboxTelegram", "User"]
