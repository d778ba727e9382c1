"""What `check --online` finds out: do the tokens work, what may the app do, is each channel open to it."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.slack import wire
from drivers.slack.api import Api, Refusal
from drivers.slack.channels import Unavailable, as_written, find_channel, joined_channels
from drivers.slack.events import Me
from drivers.slack.settings import SlackChannel, SlackSettings
from nextbridge.driver import ConfiguredChannel, Finding
from nextbridge.errors import DriverError

__all__ = ["probe"]

_NEEDED = {
    "chat:write": "post",
    "channels:history": "hear what is said in public channels",
    "channels:read": "find public channels",
    "users:read": "know people's names",
}
_WISHED = {
    "chat:write.customize": "show messages under their authors' names and pictures",
    "groups:history": "hear what is said in private channels",
    "groups:read": "find private channels",
    "files:read": "fetch files",
    "files:write": "upload files",
    "reactions:read": "hear of reactions",
    "reactions:write": "react to messages",
    "im:history": "hear what is said to the relay alone",
    "im:write": "write to one person alone",
    "channels:write.topic": "set the topic of public channels",
}


async def probe(
    api: Api,
    me: Me,
    settings: SlackSettings,
    channels: Sequence[ConfiguredChannel[SlackChannel]],
    base_url: str | None,
) -> list[Finding]:
    """Look at everything but the bot_token, which has told who we are. Raises nothing, changes nothing."""
    findings = [Finding(ok=True, subject="bot_token", text=f"Slack knows us as @{me.name} in {me.team}")]
    findings += _scopes(api)
    findings.append(await _way(api, settings, base_url))
    joined = await _joined(api)
    for channel in channels:
        subject = f"channel {as_written(channel.settings)}"
        try:
            found = await find_channel(channel.settings, api, me, joined)
        except (Unavailable, DriverError) as error:
            findings.append(Finding(ok=False, subject=subject, text=error.reason))
        else:
            text = f"found as {found.name or found.id} ({found.id}), and @{me.name} is in it"
            findings.append(Finding(ok=True, subject=subject, text=text))
    return findings


def _scopes(api: Api) -> list[Finding]:
    if api.scopes is None:
        return []
    missing = [f"{scope} (to {what})" for scope, what in _NEEDED.items() if scope not in api.scopes]
    found = []
    if missing:
        text = f"the app lacks {', '.join(missing)}: add them under OAuth & Permissions and install it again"
        found.append(Finding(ok=False, subject="scopes", text=text))
    wished = [f"{scope} (to {what})" for scope, what in _WISHED.items() if scope not in api.scopes]
    if wished:
        text = f"where that is missed, add {', '.join(wished)}, and install the app again"
        found.append(Finding(ok=True, subject="scopes", text=text))
    return found or [Finding(ok=True, subject="scopes", text="the app may do all that the relay does")]


async def _way(api: Api, settings: SlackSettings, base_url: str | None) -> Finding:
    """How events come here."""
    if settings.app_token is None:
        if base_url is None:
            text = "events come by HTTP, so Slack has to reach the relay: set global.base_url"
            return Finding(ok=False, subject="events", text=text)
        text = f"write {base_url}/slack/…/events, with the instance's name, as the Request URL (Event Subscriptions)"
        return Finding(ok=True, subject="events", text=text)
    try:
        await api.connection()
    except Refusal as refusal:
        text = f"Slack opens no connection for events ({refusal}); turn Socket Mode on"
        return Finding(ok=False, subject="app_token", text=text)
    except DriverError as error:
        return Finding(ok=False, subject="app_token", text=error.reason)
    return Finding(ok=True, subject="app_token", text="events come by Socket Mode")


async def _joined(api: Api) -> dict[str, wire.ChannelInfo]:
    try:
        return await joined_channels(api)
    except DriverError:
        return {}
