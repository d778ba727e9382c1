"""What `check --online` finds out: does the token work, is each channel open to us, what is shown and taken."""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence

from structlog.typing import FilteringBoundLogger

from drivers.mattermost import wire
from drivers.mattermost.allowance import Allowance
from drivers.mattermost.api import Api, Refusal
from drivers.mattermost.channels import Unavailable, find_channel
from drivers.mattermost.settings import MattermostChannel, MattermostSettings, Server
from drivers.mattermost.socket import Resumption, SocketTimes, open_socket
from nextbridge.driver import ConfiguredChannel, Finding
from nextbridge.envelope import ChannelKey
from nextbridge.errors import DriverError, Retry
from nextbridge.labels import in_words
from nextbridge.together import together

__all__ = ["probe"]

_NEEDED = {"create_post": "post", "upload_file": "upload files"}
"""What each permission of the server is needed for; without these, messages do not arrive as they are."""
_RIGHTS = {"edit_post": "edit its posts", "delete_post": "delete its posts", "add_reaction": "react to posts"}
"""Likewise; without these, the core shows something else."""
_AT_ONCE = 8
"""Channels."""


async def probe(
    api: Api,
    server: Server,
    settings: MattermostSettings,
    channels: Sequence[ConfiguredChannel[MattermostChannel]],
    log: FilteringBoundLogger,
    times: SocketTimes,
) -> list[Finding]:
    """Look at everything; the first thing that makes the rest pointless ends it. Raises nothing, changes nothing."""
    try:
        me = await api.me()
    except Retry as error:
        return [Finding(ok=False, subject="server", text=error.reason)]
    except DriverError as error:
        return [Finding(ok=False, subject="token", text=error.reason)]
    except Refusal as refusal:
        text = f"{server.url} does not tell who we are ({refusal.status}: {refusal.message}); look at server_url"
        return [Finding(ok=False, subject="token", text=text)]
    kind = "bot" if me.is_bot else "user"
    findings = [Finding(ok=True, subject="token", text=f"{server.url} knows us as the {kind} @{me.username}")]
    findings.append(await _socket(api, log, times))
    for found in await together(lambda channel: _channel(channel, settings, api, me), channels, most=_AT_ONCE):
        findings += found
    try:
        allowance = Allowance.of(await api.client_config())
    except DriverError as error:
        return [*findings, Finding(ok=False, subject="server settings", text=error.reason)]
    return [*findings, _names(allowance), _edits(allowance), _files(allowance, settings)]


async def _socket(api: Api, log: FilteringBoundLogger, times: SocketTimes) -> Finding:
    """Whether events come: proxies before a server often let requests through and WebSockets not."""
    try:
        async with open_socket(api, Resumption(), log, times):
            return Finding(ok=True, subject="events", text=f"{api.server.websocket} tells us what is posted")
    except DriverError as error:
        return Finding(ok=False, subject="events", text=error.reason)


async def _channel(
    channel: ConfiguredChannel[MattermostChannel], settings: MattermostSettings, api: Api, me: wire.User
) -> list[Finding]:
    try:
        found = await find_channel(channel.settings, settings, api, me)
    except Unavailable as error:
        subject = f"channel {error.found.name if error.found else channel.key}"
        return [Finding(ok=False, subject=subject, text=error.reason)]
    except DriverError as error:
        return [Finding(ok=False, subject=f"channel {channel.key}", text=error.reason)]
    text = f"found as {found.display_name or found.name} ({found.id}), and @{me.username} is a member"
    findings = [Finding(ok=True, subject=f"channel {found.name}", text=text)]
    needed, missing = await _missing_rights(found, api, me)
    if needed:
        text = f"@{me.username} may not {', '.join(needed)}; give its role in the channel the right to"
        findings.append(Finding(ok=False, subject=f"rights in channel {found.name}", text=text))
    if missing:
        text = f"@{me.username} may not {', '.join(missing)}; where that is missed, give its role the right to"
        findings.append(Finding(ok=True, subject=f"rights in channel {found.name}", text=text))
    return findings


async def _missing_rights(channel: wire.ChannelInfo, api: Api, me: wire.User) -> tuple[list[str], list[str]]:
    """What we may not do in a channel, in words: what messages need, and the rest. Nothing where that is not known."""
    try:
        member = await api.membership(ChannelKey(channel.id))
        roles = await api.roles([*me.roles.split(), *member.roles.split()])
    except (Refusal, DriverError):
        return [], []
    permissions = {permission for role in roles for permission in role.permissions}
    if not permissions:
        return [], []
    rights = dict(_RIGHTS)
    if channel.type in {"O", "P"}:
        rights[f"manage_{'public' if channel.type == 'O' else 'private'}_channel_properties"] = "change the header"
    return _without(_NEEDED, permissions), _without(rights, permissions)


def _without(rights: Mapping[str, str], permissions: Collection[str]) -> list[str]:
    return [words for right, words in rights.items() if right not in permissions]


def _names(allowance: Allowance) -> Finding:
    if allowance.names:
        return Finding(ok=True, subject="names", text="messages are shown under their authors' own names")
    text = (
        "messages are shown under the bot's name, with the author's in the text; for their own names turn on "
        "System Console > Integrations > Enable integrations to override usernames"
    )
    return Finding(ok=True, subject="names", text=text)


def _edits(allowance: Allowance) -> Finding:
    if allowance.edit_seconds is None:
        return Finding(ok=True, subject="edits", text="a post can be edited for as long as it is there")
    text = (
        f"a post can be edited for {allowance.edit_seconds} s; a later edit is shown as the rule's on_edit says, "
        "unless the limit is lifted: System Console > Site Configuration > Posts, or Permissions > Edit Posts"
    )
    return Finding(ok=True, subject="edits", text=text)


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
