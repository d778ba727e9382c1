"""Webhooks as a platform: each hook is a channel, to which other programs post, or which is posted to them."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable, Iterator, Sequence
from typing import ClassVar
from urllib.parse import quote

from aiohttp import web
from yarl import URL

from drivers.webhook.incoming import Incoming, Refused, retry_after
from drivers.webhook.outgoing import Sender
from drivers.webhook.settings import (
    LONGEST_TEXT,
    HookChannel,
    HookSettings,
    IncomingSettings,
    OutgoingSettings,
    WebhookSettings,
)
from drivers.webhook.signatures import key_of
from nextbridge.checking.doubts import reached
from nextbridge.config.types import Secret, effective_proxy
from nextbridge.driver import (
    Acknowledgement,
    Address,
    ConfiguredChannel,
    Directory,
    Driver,
    Finding,
    Guarantees,
    Host,
    Limits,
    Listed,
    Outgoing,
    Receipt,
    Rejected,
    Remark,
    Retry,
    RetryRecognition,
)
from nextbridge.envelope import ChannelKey, UserId
from nextbridge.http.guarded import GuardedSession, open_guarded_session, withheld
from nextbridge.markup import PLAIN
from nextbridge.together import together

__all__ = ["WebhookDriver"]

_SHORT_SECRET = 16
_AT_ONCE = 8
"""Addresses that are looked at."""


class WebhookDriver(Driver[WebhookSettings, HookChannel]):
    """Hooks by name. What is posted to one is acknowledged to the sender once it is on disk."""

    platform: ClassVar[str] = "webhook"
    title: ClassVar[str] = "Webhooks"
    settings_type = WebhookSettings
    channel_type = HookChannel
    dialect = PLAIN
    guarantees = Guarantees(
        acknowledged_by=Acknowledgement.ANSWER,
        retry_recognised_by=RetryRecognition.NONE,
        history="what the sender posts again: it was told that the message was not taken",
    )
    accounts_last: ClassVar[bool] = False

    def __init__(
        self, settings: WebhookSettings, channels: Sequence[ConfiguredChannel[HookChannel]], host: Host
    ) -> None:
        super().__init__(settings, channels, host)
        hooks = {name.lower(): (name, each) for name, each in settings.hooks.items()}
        wanted = {str(channel.key): hooks[channel.key] for channel in channels if channel.key in hooks}
        self._incoming = {
            key: Incoming(name, each.incoming, host) for key, (name, each) in wanted.items() if each.incoming
        }
        self._senders = {key: Sender(name, each.outgoing) for key, (name, each) in wanted.items() if each.outgoing}
        self._session: GuardedSession | None = None
        self._is_open = False

    @classmethod
    def channel_key(cls, settings: HookChannel) -> ChannelKey:
        return ChannelKey(settings.hook.lower())

    @classmethod
    def remarks(cls, settings: WebhookSettings) -> Iterable[Remark]:
        lower: set[str] = set()
        for name, hook in settings.hooks.items():
            path = ("hooks", name)
            if name.lower() in lower:
                yield Remark(path, "another hook has this name in other letters; give one of them another name")
            lower.add(name.lower())
            if hook.incoming is None and hook.outgoing is None:
                yield Remark(path, "the hook goes nowhere: give it incoming or outgoing")
            yield from _of_incoming(hook, (*path, "incoming"))
            yield from _of_outgoing(hook, (*path, "outgoing"))

    @classmethod
    def channel_remarks(cls, channel: HookChannel, settings: WebhookSettings) -> Iterable[Remark]:
        if channel.hook.lower() not in {name.lower() for name in settings.hooks}:
            yield Remark(("hook",), f"the instance has no hook of this name; it has {', '.join(settings.hooks)}")

    @classmethod
    def target_remarks(cls, channel: HookChannel, settings: WebhookSettings) -> Iterable[Remark]:
        hooks = {name.lower(): hook for name, hook in settings.hooks.items()}
        hook = hooks.get(channel.hook.lower())
        if hook is not None and hook.outgoing is None:
            sentence = "the hook posts nowhere, so nothing can be sent to it: give it outgoing, or make the rule a"
            yield Remark(("hook",), f'{sentence} "forward" one that has it in "from"')

    def limits(self, channel: ChannelKey) -> Limits:
        for name, hook in self.settings.hooks.items():
            if name.lower() == channel and hook.outgoing is not None:
                return Limits(text=hook.outgoing.max_message)
        return Limits(text=LONGEST_TEXT)

    @property
    def shows_identity(self) -> bool:
        return self.settings.identity

    async def run(self) -> None:
        for incoming in self._incoming.values():
            await incoming.load()
        for sender in self._senders.values():
            await sender.load()
        if self._session is None and self._senders:
            self._session = await open_guarded_session(
                proxy=effective_proxy(self.settings.proxy, self.host.proxy),
                ca_file=self.settings.ca_file,
                allow=self.host.fetch_allow,
            )
        for channel in self.channels:
            await self.host.resolved(channel, channel.key, channel.settings.hook)
        me = f"{self.platform}:{self.host.instance}"
        await self.host.connected(UserId(me), realm=me)
        self._is_open = True
        try:
            await asyncio.Event().wait()
        finally:
            self._is_open = False

    async def close(self) -> None:
        session, self._session = self._session, None
        if session is not None:
            await session.close()

    async def send(self, message: Outgoing) -> Receipt:
        sender = self._senders.get(message.channel)
        if sender is None:
            raise Rejected(
                f"the hook {message.channel} has no outgoing address: give it one, or let the rule only forward from it"
            )
        if self._session is None or not self._is_open:
            raise Retry("the webhooks are being started")
        await sender.send(message, self._session)
        return Receipt()

    async def probe(self) -> list[Finding]:
        proxied = effective_proxy(self.settings.proxy, self.host.proxy) is not None
        keys = {channel.key for channel in self.channels}
        hooks = [(name, hook) for name, hook in self.settings.hooks.items() if name.lower() in keys]
        found = [_incoming(name, hook.incoming, self.host) for name, hook in hooks if hook.incoming is not None]
        sides = [(name, hook.outgoing) for name, hook in hooks if hook.outgoing is not None]
        return found + await together(
            lambda side: _outgoing(*side, self.host, self.settings.ca_file, proxied=proxied), sides, most=_AT_ONCE
        )

    async def directory(self) -> Directory:
        hooks = [Listed(name, {"hook": name}) for name in self.settings.hooks]
        return Directory(hooks, note="These are the hooks of the instance's block; another one is written there first.")

    # --- the senders' side ---

    async def handle(self, request: web.Request, path: str) -> web.StreamResponse:
        try:
            return await self._answer(request, path)
        except Refused as refused:
            headers = {} if refused.after is None else {"Retry-After": retry_after(refused.after)}
            return web.Response(status=refused.status, text=f"{refused}\n", headers=headers)

    async def _answer(self, request: web.Request, path: str) -> web.Response:
        match path.split("/")[1:]:
            case [""]:
                return web.Response(text="Webhooks are posted below this address.\n")
            case [hook] if hook.lower() in self._incoming:
                return await self._take(request, self._incoming[hook.lower()], None)
            case [hook, token] if hook.lower() in self._incoming:
                return await self._take(request, self._incoming[hook.lower()], token)
            case _:
                raise Refused(404, "There is nothing here.")

    async def _take(self, request: web.Request, incoming: Incoming, token: str | None) -> web.Response:
        if request.method not in {"POST", "PUT"}:
            raise Refused(405, "This address only takes what is posted.")
        if not self._is_open:
            raise Refused(503, "The webhooks are being started.", 2.0)
        await incoming.take(request, token)
        return web.Response(text="ok")  # as Slack and Mattermost answer


def _of_incoming(hook: HookSettings, path: tuple[str, ...]) -> Iterator[Remark]:
    incoming = hook.incoming
    if incoming is None:
        return
    if incoming.token is None and incoming.secret is None:
        yield Remark(path, "everybody could post: give it a token, or the secret that the sender signs with")
    if incoming.token is not None:
        token = incoming.token.reveal()
        if len(token) < _SHORT_SECRET or quote(token, safe="") != token:
            yield Remark(
                (*path, "token"),
                f"use at least {_SHORT_SECRET} random letters and digits, such as the output of: openssl rand -hex 16",
            )
    yield from _of_secret(incoming.secret, path)
    yield from _of_template(incoming.template, path)


def _of_outgoing(hook: HookSettings, path: tuple[str, ...]) -> Iterator[Remark]:
    outgoing = hook.outgoing
    if outgoing is None:
        return
    try:
        url = URL(outgoing.url.reveal())
        is_right = url.scheme in {"http", "https"} and bool(url.host) and url.user is None and url.password is None
    except ValueError:
        is_right = False
    if not is_right:
        yield Remark((*path, "url"), "write the whole address, https://host/path, without a name or password in it")
    for name, value in outgoing.headers.items():
        if not value.reveal().isprintable() or not value.reveal().isascii():
            yield Remark((*path, "headers", name), "a header has printable characters of ASCII alone")
    yield from _of_secret(outgoing.secret, path)
    yield from _of_template(outgoing.template, path)


def _of_secret(secret: Secret | None, path: tuple[str, ...]) -> Iterator[Remark]:
    if secret is None:
        return
    try:
        if len(key_of(secret.reveal())) < _SHORT_SECRET:
            yield Remark((*path, "secret"), f"use at least {_SHORT_SECRET} random characters")
    except ValueError as error:
        yield Remark((*path, "secret"), str(error))


def _of_template(template: str | None, path: tuple[str, ...]) -> Iterator[Remark]:
    if template is None:
        return
    # here, so that Jinja is loaded only where a template is
    from drivers.webhook.templates import TemplateWrong, WebhookTemplate

    try:
        WebhookTemplate(template)
    except TemplateWrong as error:
        where = f"line {error.line} of it: " if "\n" in template else ""
        yield Remark((*path, "template"), f"the template cannot be read: {where}{error}")


def _incoming(name: str, settings: IncomingSettings, host: Host) -> Finding:
    below = f"{host.base_url or ''}/{WebhookDriver.platform}/{host.instance}/{name}"
    how = "signed" if settings.token is None else "with its token"
    return Finding(True, f"hook {name}, incoming", f"is posted to {below}, {how}")


async def _outgoing(
    name: str, settings: OutgoingSettings, host: Host, ca_file: str | None, *, proxied: bool
) -> Finding:
    """It is not asked anything: some act on whatever is asked of them."""
    subject = f"hook {name}, outgoing"
    url = settings.url.reveal()
    address = Address.of("url", url)
    if address is None:
        return Finding(False, subject, "its url is no address; look at the host and the port")
    if (why := await withheld(address.host, host.fetch_allow)) is not None:
        return Finding(False, subject, f"{address.host} is not posted to: {why}")
    only = "whether that takes it, only a message shows"
    if proxied:
        return Finding(True, subject, f"posts to {address.host} through the proxy; {only}")
    wrong = await reached(address, ca_file)
    if wrong is not None:
        return Finding(False, subject, f"{address.host} cannot be reached: {wrong}")
    return Finding(True, subject, f"posts to {address.host}, which is there; {only}")
