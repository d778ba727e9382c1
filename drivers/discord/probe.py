"""What `check --online` finds out: does the token work, may messages be read, is each channel open to us."""

from __future__ import annotations

from drivers.discord import wire
from drivers.discord.api import Api, Refused
from drivers.discord.files import largest_of
from drivers.discord.gateway import GatewayTimes, knock
from drivers.discord.places import Home, Places
from drivers.discord.rights import Right
from drivers.discord.settings import DiscordSettings
from nextbridge.driver import Finding
from nextbridge.errors import DriverError, Retry
from nextbridge.labels import in_words

__all__ = ["probe"]

_CONTENT = 1 << 18 | 1 << 19
"""Flags of an application that may read the content of messages: approved, or in fewer than a hundred servers."""
_WANTED = {
    Right.ATTACH_FILES: "Attach Files (files are shown by their names)",
    Right.ADD_REACTIONS: "Add Reactions (reactions are not shown)",
    Right.MANAGE_WEBHOOKS: "Manage Webhooks (names stand in the text)",
}


async def probe(api: Api, places: Places, settings: DiscordSettings, times: GatewayTimes) -> list[Finding]:
    """Look at everything; the first thing that makes the rest pointless ends it. Raises nothing, changes nothing."""
    try:
        me = await api.me()
        application = await api.application()
        gateway = await api.gateway()
    except Retry as error:
        return [Finding(ok=False, subject="server", text=error.reason)]
    except DriverError as error:
        return [Finding(ok=False, subject="token", text=error.reason)]
    except Refused as refused:
        return [Finding(ok=False, subject="token", text=f"Discord does not tell who we are ({refused})")]
    findings = [Finding(ok=True, subject="token", text=f"Discord knows us as the bot {me.username}")]
    if application.flags & _CONTENT:
        findings.append(Finding(ok=True, subject="intents", text="the bot may read what messages say"))
    else:
        text = (
            "the bot may not read messages: turn on Message Content Intent under Bot > Privileged Gateway Intents in "
            "the developer portal"
        )
        findings.append(Finding(ok=False, subject="intents", text=text))
    findings.append(await _gateway(gateway, api, times))
    try:
        await places.resolve(api, me)
    except DriverError as error:
        return [*findings, Finding(ok=False, subject="channels", text=error.reason)]
    for home in places.homes:
        findings += _channel(home, places, settings)
    return findings


async def _gateway(gateway: wire.Gateway, api: Api, times: GatewayTimes) -> Finding:
    """Whether events can come: proxies often let requests through and WebSockets not."""
    try:
        await knock(api, gateway.url, times)
    except DriverError as error:
        return Finding(ok=False, subject="gateway", text=error.reason)
    remaining = gateway.session_start_limit.remaining
    text = f"it tells us what is posted, and {remaining} sessions can be begun today"
    return Finding(ok=remaining > 0, subject="gateway", text=text)


def _channel(home: Home, places: Places, settings: DiscordSettings) -> list[Finding]:
    subject = f"channel {home.name}"
    if home.unavailable:
        return [Finding(ok=False, subject=subject, text=home.unavailable)]
    guild = places.guild(home.channel.guild_id or "")
    largest = min(largest_of(guild), settings.max_file_size)
    where = f" in {guild.name}" if guild is not None else ""
    text = f"found{where}, and open to the bot; files of up to {in_words(largest)} are relayed"
    findings = [Finding(ok=True, subject=subject, text=text)]
    wanted = dict(_WANTED)
    own = settings.identity if not home.settings.identity else home.settings.identity
    if own == "bot":
        del wanted[Right.MANAGE_WEBHOOKS]
    if missing := [words for right, words in wanted.items() if right not in home.rights]:
        text = f"the bot lacks {', '.join(missing)}; where that is missed, give it these"
        findings.append(Finding(ok=True, subject=f"rights in {subject}", text=text))
    return findings
