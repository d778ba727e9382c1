"""Matterbridge's accounts (`[irc.libera]`) as instances, and what a channel of each is called by us."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

from msgspec import Struct

from nextbridge.convert.conversion import Note
from nextbridge.convert.matterbridge.section import Section

__all__ = ["PLATFORMS", "Account", "converted"]

_CA_FILE = "a certificate that is not trusted is refused: give the authority's as ca_file"


class Account(Struct, eq=False):
    """One account, as an instance of ours."""

    platform: str
    instance: str
    settings: dict[str, Any]
    section: Section
    notes: list[Note]
    channel: Callable[[str, str, str], tuple[dict[str, Any], str]]
    """A channel's keys, by its name in Matterbridge, its key and its gateway; and what is to be done about it."""
    shows_identity: bool = False
    """Whether the name stands on a message, not in its text."""

    def note(self, key: str, sentence: str) -> None:
        self.notes.append(Note(f"{self.section.name} {key}", sentence))


def converted(platform: str, instance: str, section: Section) -> Account:
    """One account of a platform of PLATFORMS."""
    account = Account(platform, instance, {}, section, [], _by_name)
    PLATFORMS[platform](account)
    return account


def _secret(account: Account, key: str, given: str, name: str) -> None:
    """A secret as it stands there, or an environment variable that the operator is to give."""
    variable = re.sub(r"\W", "_", f"{account.instance}_{name}").upper()
    account.settings[key] = given.replace("${", "$${") if given else f"${{{variable}}}"


def _by_name(channel: str, _key: str, _gateway: str) -> tuple[dict[str, Any], str]:
    return {"channel": channel}, ""


def _host_and_port(account: Account, server: str) -> None:
    host, _, port = server.rpartition(":")
    if not port.isdigit():
        host, port = server, ""
    account.settings["host"] = host.strip("[]")
    if port:
        account.settings["port"] = int(port)


# --- each platform --------------------------------------------------------------------------------------------------


def _mattermost(account: Account) -> None:
    section = account.section
    server = section.text("Server")
    scheme = "http" if section.says("NoTLS") else "https"
    account.settings["server_url"] = server if "://" in server else f"{scheme}://{server}"
    token, login = section.text("Token"), section.text("Login")
    password = section.text("Password")
    _secret(account, "token", token, "token")
    if not token:
        if password.startswith("token="):
            _secret(account, "token", password.removeprefix("token="), "token")
        elif login:
            sentence = "a bot account's access token takes the place of login and password"
            account.note("Login", f"{sentence}: give it as {account.settings['token']}")
    team = section.text("Team")
    if team:
        account.settings["team"] = team
    if section.says("SkipTLSVerify"):
        account.note("SkipTLSVerify", _CA_FILE)
    if section.text("WebhookURL") or section.text("WebhookBindAddress"):
        account.note("WebhookURL", "a bot account is used in place of webhooks")
    account.shows_identity = not section.says("PrefixMessagesWithNick")


def _irc(account: Account) -> None:
    section = account.section
    _host_and_port(account, section.text("Server"))
    account.settings["nick"] = section.text("Nick")
    tls = section.says("UseTLS")
    account.settings["tls"] = tls
    if section.says("SkipTLSVerify") and tls:
        account.settings["tls_verify"] = False
    if password := section.text("Password"):
        _secret(account, "password", password, "password")
    name, secret = section.text("NickServNick"), section.text("NickServPassword")
    user = section.text("NickServUsername")  # the account where the service is QuakeNet's Q, who is told both
    if secret:
        if not section.says("UseSASL"):
            account.note("NickServPassword", "the relay logs in by SASL, before it joins, and not with NickServ")
        own = account.settings["nick"] if name.lower() in {"", "nickserv"} else name
        account.settings["sasl"] = {"username": user or own, "password": secret.replace("${", "$${")}
    section.says("UseSASL")
    delay = section.number("MessageDelay")
    if delay > 0 and delay != 1300:
        account.settings["messages_per_second"] = round(1000 / delay, 2)
    if (rejoin := section.number("RejoinDelay")) > 0:
        account.settings["rejoin_delay"] = rejoin
    if (seconds := _seconds(section.text("PingDelay"))) is not None:
        account.settings["ping_interval"] = seconds
    account.channel = _irc_channel


def _irc_channel(channel: str, key: str, _gateway: str) -> tuple[dict[str, Any], str]:
    return {"channel": channel, **({"key": key.replace("${", "$${")} if key else {})}, ""


def _slack(account: Account) -> None:
    section = account.section
    token, app_token = section.text("Token"), section.text("AppToken")
    _secret(account, "bot_token", token, "bot_token")
    _secret(account, "app_token", app_token, "app_token")
    if not app_token:
        wanted = account.settings["app_token"]
        account.note("Token", f"a Slack app with Socket Mode is needed (docs/slack.md): give its app token as {wanted}")
    if section.text("WebhookURL") or section.text("WebhookBindAddress"):
        account.note("WebhookURL", "the app's bot is used in place of webhooks")
    account.shows_identity = not section.says("PrefixMessagesWithNick")
    account.channel = _by_id_or_name


def _by_id_or_name(channel: str, _key: str, _gateway: str) -> tuple[dict[str, Any], str]:
    if channel.upper().startswith("ID:"):
        return {"channel_id": channel[3:]}, ""
    return {"channel": channel.removeprefix("#")}, ""


def _discord(account: Account) -> None:
    section = account.section
    _secret(account, "token", section.text("Token").removeprefix("Bot "), "token")
    section.text("Server")  # a channel's id says which server it is on
    section.says("AutoWebhooks")  # that is how it is done anyway
    if section.text("WebhookURL"):
        account.note("WebhookURL", "the relay makes its own webhooks: give its role Manage Webhooks")
    account.shows_identity = True
    account.channel = _discord_channel


def _discord_channel(channel: str, _key: str, _gateway: str) -> tuple[dict[str, Any], str]:
    if channel.upper().startswith("ID:"):
        return {"channel_id": channel[3:]}, ""
    return {"channel_id": channel}, "a channel is named by its id: right-click it in Discord, Copy Channel ID"


def _telegram(account: Account) -> None:
    _secret(account, "token", account.section.text("Token"), "token")
    account.channel = _telegram_chat


def _telegram_chat(channel: str, _key: str, _gateway: str) -> tuple[dict[str, Any], str]:
    chat, _, topic = channel.partition("/")
    keys: dict[str, Any] = {"chat": int(chat) if re.fullmatch(r"-?\d{1,15}", chat) else chat}
    return (keys | {"topic": int(topic)} if topic.isdigit() else keys), ""


def _matrix(account: Account) -> None:
    section = account.section
    server = section.text("Server")
    account.settings["homeserver"] = server if "://" in server else f"https://{server}"
    user, login, token = section.text("MxID"), section.text("Login"), section.text("Token")
    if not user:
        host = account.settings["homeserver"].partition("://")[2].partition("/")[0].partition(":")[0]
        user = login if login.startswith("@") else f"@{login}:{host}"
        account.note("Login", f"look whether the account's whole id is {user}")
    account.settings["user_id"] = user
    password = section.text("Password")
    if token:
        _secret(account, "access_token", token, "token")
    else:
        _secret(account, "password", password, "password")
    account.channel = _matrix_room


def _matrix_room(channel: str, _key: str, _gateway: str) -> tuple[dict[str, Any], str]:
    return ({"room_id": channel} if channel.startswith("!") else {"alias": channel}), ""


def _xmpp(account: Account) -> None:
    section = account.section
    account.settings["jid"] = section.text("Jid")
    _secret(account, "password", section.text("Password"), "password")
    account.settings["nick"] = section.text("Nick") or "matterbridge"
    _host_and_port(account, section.text("Server"))
    if section.says("SkipTLSVerify"):
        account.note("SkipTLSVerify", _CA_FILE)
    muc = section.text("Muc")

    def room(channel: str, key: str, _gateway: str) -> tuple[dict[str, Any], str]:
        password = {"password": key.replace("${", "$${")} if key else {}
        return {"room": channel if "@" in channel else f"{channel}@{muc}", **password}, ""

    account.channel = room


def _api(account: Account) -> None:
    section = account.section
    settings: dict[str, Any] = {"name": "matterbridge"}
    token = section.text("Token")
    name = re.sub(r"\W", "_", f"{account.instance}_token").upper()
    settings["token"] = token.replace("${", "$${") if token else f"${{{name}}}"
    if not token:
        account.note("Token", f"nobody is let in without one: give it as {settings['token']}")
    account.settings["tokens"] = [settings]
    buffer = int(section.number("Buffer"))
    if buffer > 0:
        account.settings["history"] = max(buffer, 20)
    address = section.text("BindAddress")
    here = f"http://127.0.0.1:8778/api/{account.instance}"
    sentence = (
        f"its programs find it at {here}, where global.http listens; docs/api.md says how it has a port of its own"
    )
    account.note(f"BindAddress {address}".strip(), sentence)
    account.channel = _api_room


def _api_room(_channel: str, _key: str, gateway: str) -> tuple[dict[str, Any], str]:
    return {"room": re.sub(r"[^A-Za-z0-9._-]", "-", gateway)[:64] or "room"}, ""  # a program names the gateway


def _seconds(duration: str) -> float | None:
    found = re.fullmatch(r"(\d+(?:\.\d+)?)(s|m|h)", duration)
    return None if found is None else float(found[1]) * {"s": 1, "m": 60, "h": 3600}[found[2]]


PLATFORMS: dict[str, Callable[[Account], None]] = {
    "mattermost": _mattermost,
    "irc": _irc,
    "slack": _slack,
    "discord": _discord,
    "telegram": _telegram,
    "matrix": _matrix,
    "xmpp": _xmpp,
    "api": _api,
}
"""Those that both have."""
