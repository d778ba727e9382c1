"""What `check --online` finds out: does the token work, what may the bot do in each chat, and what does it hear."""

from __future__ import annotations

from collections.abc import Sequence

from drivers.telegram import wire
from drivers.telegram.api import Api, Migrated, Refusal
from drivers.telegram.chats import look, privacy, unknown_chat
from drivers.telegram.files import largest_download
from drivers.telegram.settings import TelegramChannel, TelegramSettings, configured_place
from drivers.telegram.webhook import address
from nextbridge.driver import ConfiguredChannel, Finding, Host
from nextbridge.errors import DriverError, Retry
from nextbridge.labels import in_words
from nextbridge.together import together

__all__ = ["probe"]

_AT_ONCE = 8
"""Chats."""


async def probe(
    api: Api,
    host: Host,
    platform: str,
    settings: TelegramSettings,
    channels: Sequence[ConfiguredChannel[TelegramChannel]],
) -> list[Finding]:
    """Look at everything; the first thing that makes the rest pointless ends it. Raises nothing, changes nothing."""
    try:
        me = await api.me()
    except Retry as error:
        return [Finding(ok=False, subject="server", text=error.reason)]
    except DriverError as error:
        return [Finding(ok=False, subject="token", text=error.reason)]
    except (Refusal, Migrated) as error:
        return [Finding(ok=False, subject="token", text=f"{settings.host} does not tell who we are: {error}")]
    findings = [Finding(ok=True, subject="token", text=f"{settings.host} knows us as @{me.username}")]
    try:
        findings.append(await _webhook(api, host, platform, settings))
        for found in await together(lambda channel: _chat(channel, api, me), channels, most=_AT_ONCE):
            findings += found
    except DriverError as error:
        return [*findings, Finding(ok=False, subject="server", text=error.reason)]
    fetched = in_words(largest_download(settings.max_file_size, is_local=settings.local_server))
    return [*findings, Finding(ok=True, subject="files", text=f"files of up to {fetched} are fetched from Telegram")]


async def _webhook(api: Api, host: Host, platform: str, settings: TelegramSettings) -> Finding:
    try:
        info = await api.call("getWebhookInfo", wire.WebhookInfo)
    except (Refusal, Migrated) as error:
        return Finding(ok=False, subject="updates", text=f"{settings.host} does not tell of a webhook: {error}")
    is_ours = info.url.endswith(address("", platform, host.instance))
    if info.url and not is_ours:
        text = "another program receives this bot's messages by a webhook; stop it, or give the relay a bot of its own"
        return Finding(ok=False, subject="updates", text=text)
    if settings.webhook and host.base_url is None:
        return Finding(ok=False, subject="updates", text="a webhook needs global.base_url, an https address")
    if settings.webhook and info.last_error_message:
        text = f"Telegram could not reach global.base_url the last time: {info.last_error_message}"
        return Finding(ok=False, subject="updates", text=text)
    way = "brought by a webhook" if settings.webhook else "asked for (long polling)"
    return Finding(ok=True, subject="updates", text=f"messages are {way}; {info.pending_update_count} wait")


async def _chat(channel: ConfiguredChannel[TelegramChannel], api: Api, me: wire.User) -> list[Finding]:
    place = configured_place(channel.settings)
    try:
        found = await look(place, api, me)
    except Refusal as refusal:
        return [Finding(ok=False, subject=f"chat {place.chat}", text=unknown_chat(place, refusal))]
    except Migrated as moved:
        text = f"the group became a supergroup; write {moved.chat} in place of {place.chat}"
        return [Finding(ok=False, subject=f"chat {place.chat}", text=text)]
    name = found.chat.name
    if found.problem:
        return [Finding(ok=False, subject=f"chat {name}", text=found.problem)]
    member = found.member
    findings = [Finding(ok=True, subject=f"chat {name}", text=f"found ({found.chat.id}), and @{me.username} is in it")]
    if member is None or found.chat.type == "channel":
        return findings
    if not member.is_administrator and not me.can_read_all_group_messages:
        findings.append(Finding(ok=False, subject=f"privacy in {name}", text=privacy(me)))
    findings += _may_send(found.chat, member, me)
    if not member.is_administrator:
        text = "reactions of people are told to administrators alone; where they are to cross, make the bot one"
        findings.append(Finding(ok=True, subject=f"reactions in {name}", text=text))
    elif not member.can_change_info:
        text = "the bot may not change the group's description: a rule's sync_topic is shown as a line"
        findings.append(Finding(ok=True, subject=f"rights in {name}", text=text))
    return findings


def _may_send(chat: wire.FullChat, member: wire.ChatMember, me: wire.User) -> list[Finding]:
    """What is taken from every member of the group, or from the bot alone."""
    if member.is_administrator:
        return []
    limits = [each for each in (chat.permissions, member) if each is not None]
    subject = f"rights in {chat.name}"
    helps = "give its members the right (Edit > Permissions), or make the bot an administrator"
    if any(each.can_send_messages is False for each in limits):
        return [Finding(ok=False, subject=subject, text=f"@{me.username} may not write in {chat.name}: {helps}")]
    kinds = {
        "documents": any(each.can_send_documents is False for each in limits),
        "photos": any(each.can_send_photos is False for each in limits),
    }
    if not any(kinds.values()):
        return []
    lacks = " and ".join(kind for kind, missing in kinds.items() if missing)
    text = f"@{me.username} may not send {lacks} in {chat.name}, which are shown by their names; where they are to "
    return [Finding(ok=True, subject=subject, text=f"{text}cross, {helps}")]
