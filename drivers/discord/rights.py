"""What a bot may do in a channel: how its roles and the channel's overwrites add up (topics/permissions)."""

from __future__ import annotations

from collections.abc import Iterable
from enum import IntFlag

from drivers.discord import wire

__all__ = ["Right", "rights_in"]


class Right(IntFlag):
    """Those that matter here."""

    ADMINISTRATOR = 1 << 3
    MANAGE_CHANNELS = 1 << 4
    ADD_REACTIONS = 1 << 6
    VIEW_CHANNEL = 1 << 10
    SEND_MESSAGES = 1 << 11
    ATTACH_FILES = 1 << 15
    READ_MESSAGE_HISTORY = 1 << 16
    MANAGE_WEBHOOKS = 1 << 29
    SEND_MESSAGES_IN_THREADS = 1 << 38


_ALL = Right(sum(Right))


def rights_in(guild: wire.Guild, roles: Iterable[str], user: str, channel: wire.Channel) -> Right:
    """What somebody with these roles may do in a channel; for a thread give the channel that it is in."""
    if guild.owner_id == user:
        return _ALL
    held = {guild.id, *roles}
    total = 0
    for role in guild.roles:
        if role.id in held:
            total |= int(role.permissions)
    if total & Right.ADMINISTRATOR:
        return _ALL
    overwrites = channel.permission_overwrites
    total = _changed(total, (each for each in overwrites if each.id == guild.id))
    total = _changed(total, (each for each in overwrites if each.type == 0 and each.id in held - {guild.id}))
    total = _changed(total, (each for each in overwrites if each.type == 1 and each.id == user))
    return Right(total & _ALL) if total & Right.VIEW_CHANNEL else Right(0)


def _changed(total: int, overwrites: Iterable[wire.Overwrite]) -> int:
    allow = deny = 0
    for each in overwrites:
        allow |= int(each.allow)
        deny |= int(each.deny)
    return total & ~deny | allow
