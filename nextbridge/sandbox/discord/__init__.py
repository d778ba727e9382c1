"""A stand-in Discord that behaves as its public documentation says: REST, gateway, webhooks, files, rate limits.

    async with SandboxDiscord() as sandbox:
        guild = sandbox.add_guild("Town")
        alice = sandbox.add_person("alice", guild, name="Ally")
        relay = sandbox.add_bot("relay", guild)                   # an Account with a token
        town = sandbox.add_channel(guild, "town")
        ...  # let a client connect to sandbox.api_url with relay.token
        sandbox.post_as(alice, town, "hello")

hikari and discord.py work against it unchanged, which the tests show. Everything is kept in memory. What goes wrong on
request is in `faults` (answers of REST), `gateway` (reconnect, invalid session, silence, close codes) and `allowance`
(rate limits); `buckets.refused` counts the answers 429.
"""

from nextbridge.sandbox.discord.buckets import Allowance, Limit
from nextbridge.sandbox.discord.gateway import Intent
from nextbridge.sandbox.discord.records import Account, Channel, ChannelType, Guild, Message, MessageType, Sticker
from nextbridge.sandbox.discord.rights import Right
from nextbridge.sandbox.discord.server import SandboxDiscord

__all__ = [
    "Account",
    "Allowance",
    "Channel",
    "ChannelType",
    "Guild",
    "Intent",
    "Limit",
    "Message",
    "MessageType",
    "Right",
    "SandboxDiscord",
    "Sticker",
]
