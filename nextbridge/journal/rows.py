"""Events and channels as the journal's rows have them."""

from __future__ import annotations

import msgspec

from nextbridge.envelope import Channel, ChannelKey, Edited, Event, InstanceId, Posted, decode

__all__ = ["amended", "channel_of", "event_of"]


def channel_of(instance: str, key: str) -> Channel:
    """The channel of a row."""
    return Channel(InstanceId(instance), ChannelKey(key))


def event_of(data: bytes, instance: str, key: str) -> Event:
    """The event as it was written, in the channel whose key may have changed since."""
    event = decode(data)
    if event.channel.key != key or event.channel.instance != instance:
        return msgspec.structs.replace(event, channel=channel_of(instance, key))
    return event


def amended(event: Event, edit: bytes | None) -> Event:
    """The message with the text of the edit that is to be shown instead, where there is one."""
    if edit is None or not isinstance(event, Posted):
        return event
    says = decode(edit)
    if not isinstance(says, Edited):
        return event
    return msgspec.structs.replace(event, text=says.text, action=says.action)
