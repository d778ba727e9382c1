"""Who may do what: the permission bits, and how roles and a channel's overwrites add up (topics/permissions)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag

from nextbridge.sandbox.discord.records import Channel, Guild, Member, Overwrite

__all__ = ["Right", "of_bot", "of_everybody", "rights_in"]


class Right(IntFlag):
    """Those that the stand-in looks at."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    MANAGE_MESSAGES = 1 << 13
    EMBED_LINKS = 1 << 14
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MENTION_EVERYONE = 1 << 17
    MANAGE_WEBHOOKS = 1 << 29
    MANAGE_THREADS = 1 << 34
    CREATE_PUBLIC_THREADS = 1 << 35
    SEND_MESSAGES_IN_THREADS = 1 << 38


of_everybody = (
    Right.ADD_REACTIONS
    | Right.VIEW_CHANNEL
    | Right.SEND_MESSAGES
    | Right.EMBED_LINKS
    | Right.ATTACH_FILES
    | Right.READ_MESSAGE_HISTORY
    | Right.CREATE_PUBLIC_THREADS
    | Right.SEND_MESSAGES_IN_THREADS
)
"""What a new guild's people may do."""
of_bot = of_everybody | Right.MANAGE_WEBHOOKS | Right.MANAGE_MESSAGES | Right.MANAGE_CHANNELS | Right.MENTION_EVERYONE
"""What a relay is given where the operator follows the docs."""

_ALL = Right(~0 & ((1 << 53) - 1))


def rights_in(guild: Guild, member: Member, user: str, channel: Channel) -> Right:
    """What a member may do in a channel; for a thread give the channel that it is in."""
    if guild.owner_id == user:
        return _ALL
    held = {guild.id, *member.roles}
    total = Right(0)
    for role in guild.roles:
        if role.id in held:
            total |= Right(int(role.permissions))
    if Right.ADMINISTRATOR in total:
        return _ALL
    overwrites = channel.permission_overwrites or []
    total = _changed(total, (each for each in overwrites if each.id == guild.id))
    total = _changed(total, (each for each in overwrites if each.type == 0 and each.id in held - {guild.id}))
    total = _changed(total, (each for each in overwrites if each.type == 1 and each.id == user))
    return total if Right.VIEW_CHANNEL in total else Right(0)


def _changed(rights: Right, overwrites: Iterable[Overwrite]) -> Right:
    allow = deny = Right(0)
    for each in overwrites:
        allow |= Right(int(each.allow))
        deny |= Right(int(each.deny))
    return rights & ~deny | allow
