"""The channels of a bot's servers, for `nextbridge channels`: those that it sees and that can hold messages."""

from __future__ import annotations

from collections.abc import Iterator

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from drivers.discord.places import SILENT, lacking
from drivers.discord.rights import Right, rights_in
from nextbridge.driver import Directory, Listed

__all__ = ["directory"]

_MOST_GUILDS = 40
"""Servers that are looked into: four calls each, of Discord's fifty in a second."""
_KINDS = {2: "voice chat", 5: "announcements", 15: "forum", 16: "media"}
"""What is said of a channel that is no text channel ("Channel Types" of Discord's documentation)."""


async def directory(api: Api) -> Directory:
    """By server and name; threads, those that are not archived, under their channels. Raises as a call, and Refused."""
    me = await api.me()
    guilds = await api.guilds()
    found = [listed for guild in guilds[:_MOST_GUILDS] for listed in await _in(guild.id, me, api)]
    note = "A thread that is archived is not shown: a rule can name it by its id all the same."
    if len(guilds) > _MOST_GUILDS:
        note = f"The bot is in more servers than the {_MOST_GUILDS} that were looked into. {note}"
    return Directory(found, note=note)


async def _in(guild_id: str, me: wire.User, api: Api) -> list[Listed]:
    try:
        guild, roles = await api.guild(guild_id), (await api.member(guild_id, me.id)).roles
        channels = {each.id: each for each in await api.channels_of(guild_id)}
        threads = await api.threads_of(guild_id)
    except Refused as refused:
        if refused.about_rights or refused.status == 404:  # we are in it no more
            return []
        raise

    def listed() -> Iterator[Listed]:
        for channel in (*channels.values(), *threads):
            home = channels.get(channel.parent_id or "") if channel.is_thread else channel
            if home is None or channel.type in SILENT:
                continue
            rights = rights_in(guild, roles, me.id, home)
            if Right.VIEW_CHANNEL not in rights:
                continue
            name = f"{guild.name} / #{home.name or home.id}"
            name += f" / {channel.name or channel.id}" if channel.is_thread else ""
            yield Listed(name, {"channel_id": channel.id}, _note(channel, lacking(channel, rights)))

    return sorted(listed(), key=lambda each: each.name.casefold())


def _note(channel: wire.Channel, missing: list[str]) -> str:
    kind = "thread" if channel.is_thread else _KINDS.get(channel.type, "")
    return ", ".join(each for each in (kind, f"the bot lacks {', '.join(missing)}" if missing else "") if each)
