"""What `check --online` finds out: does the token work, is each channel open to us, what is shown and taken."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.mattermost import wire
from drivers.mattermost.allowance import Allowance
from drivers.mattermost.api import Api, Refusal
from drivers.mattermost.channels import Unavailable, find_channel
from drivers.mattermost.settings import MattermostChannel, MattermostSettings, Server
from nextbridge.driver import ConfiguredChannel, Finding
from nextbridge.errors import DriverError
from nextbridge.labels import in_words

__all__ = ["probe"]


async def probe(
    api: Api,
    server: Server,
    settings: MattermostSettings,
    channels: Sequence[ConfiguredChannel[MattermostChannel]],
) -> list[Finding]:
    """Look at everything; the first thing that makes the rest pointless ends it. Raises nothing, changes nothing."""
    try:
        me = await api.me()
    except DriverError as error:
        return [Finding(ok=False, subject="token", text=error.reason)]
    except Refusal as refusal:
        text = f"{server.url} does not tell who we are ({refusal.status}: {refusal.message}); look at server_url"
        return [Finding(ok=False, subject="token", text=text)]
    kind = "bot" if me.is_bot else "user"
    findings = [Finding(ok=True, subject="token", text=f"{server.url} knows us as the {kind} @{me.username}")]
    findings += [await _channel(channel, settings, api, me) for channel in channels]
    try:
        allowance = Allowance.of(await api.client_config())
    except DriverError as error:
        return [*findings, Finding(ok=False, subject="server settings", text=error.reason)]
    return [*findings, _names(allowance), _files(allowance, settings)]


async def _channel(
    channel: ConfiguredChannel[MattermostChannel], settings: MattermostSettings, api: Api, me: wire.User
) -> Finding:
    try:
        found = await find_channel(channel.settings, settings, api, me)
    except Unavailable as error:
        subject = f"channel {error.found.name if error.found else channel.key}"
        return Finding(ok=False, subject=subject, text=error.reason)
    except DriverError as error:
        return Finding(ok=False, subject=f"channel {channel.key}", text=error.reason)
    text = f"found as {found.display_name or found.name} ({found.id}), and @{me.username} is a member"
    return Finding(ok=True, subject=f"channel {found.name}", text=text)


def _names(allowance: Allowance) -> Finding:
    if allowance.names:
        return Finding(ok=True, subject="names", text="messages are shown under their authors' own names")
    text = (
        "messages are shown under the bot's name, with the author's in the text; for their own names turn on "
        "System Console > Integrations > Enable integrations to override usernames"
    )
    return Finding(ok=True, subject="names", text=text)


def _files(allowance: Allowance, settings: MattermostSettings) -> Finding:
    if not allowance.files:
        text = "file attachments are turned off on the server: System Console > File Sharing and Downloads"
        return Finding(ok=False, subject="files", text=text)
    theirs = allowance.file_size
    if theirs is not None and theirs < settings.max_file_size:
        text = (
            f"the server takes files of up to {in_words(theirs)} only, which is less than max_file_size "
            f"({in_words(settings.max_file_size)}); larger ones are shown by their names"
        )
        return Finding(ok=True, subject="files", text=text)
    return Finding(ok=True, subject="files", text=f"files of up to {in_words(settings.max_file_size)} are relayed")
