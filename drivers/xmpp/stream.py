"""The XML stream to a server: slixmpp's, with one attempt at a time, errors of the contract and a bound on what waits.

slixmpp does TLS, SASL, resource binding, resumption (0198) and the matching of answers to questions. What comes in as
messages and presences is handed over unread; its own handlers for them, its roster among them, are taken out.
"""

from __future__ import annotations

import asyncio
import contextlib
import logging
import ssl
from collections.abc import Callable, Iterable
from typing import Any, Literal
from xml.etree import ElementTree as ET

from slixmpp import JID, ClientXMPP, ComponentXMPP
from slixmpp.exceptions import IqError, IqTimeout
from slixmpp.xmlstream.handler import Callback
from slixmpp.xmlstream.matcher import MatchXPath

from drivers.xmpp import connecting
from drivers.xmpp.connecting import Broken
from drivers.xmpp.settings import XmppSettings
from drivers.xmpp.stanzas import Failure, clean, failure
from nextbridge.errors import DriverError, Paused, Retry

__all__ = ["InUse", "Refused", "Stream"]

# it logs what chat users write, and at its finest what we authenticate with; what matters is raised here
logging.getLogger("slixmpp").setLevel(logging.CRITICAL + 1)

_PLUGINS = ("xep_0030", "xep_0199", "xep_0198")
_OURS = ("IM", "IMError", "Presence", "Stream Error")
_MOST_WAITING = 2_000
"""Stanzas that are read and not yet worked through; then no more is read."""
_FAREWELL = 2.0
_FOR_THE_OPERATOR = {"not-authorized", "host-unknown", "host-gone", "invalid-from", "policy-violation"}


class InUse(Retry):
    """The account's resource, or the component, has another connection."""


class Refused(Exception):
    """A question was answered with an error."""

    def __init__(self, failure: Failure) -> None:
        super().__init__(failure.condition)
        self.failure = failure


class _Client(ClientXMPP):
    """An account's connection: one attempt, which `connect`'s future tells the end of."""

    owner: Stream

    async def _connect_loop(self) -> None:
        await self.owner.reach()

    async def _handle_stream_features(self, features: Any) -> Any:  # noqa: ANN401 - slixmpp's
        # whoever sits in between could leave STARTTLS out
        if not isinstance(self.socket, ssl.SSLSocket | ssl.SSLObject) and "starttls" not in features["features"]:
            self.owner.unencrypted()
            return None
        return await super()._handle_stream_features(features)

    async def let_go(self) -> None:
        await _let_go(self)


class _Component(ComponentXMPP):
    """A component's connection."""

    owner: Stream

    async def _connect_loop(self) -> None:
        await self.owner.reach()

    async def let_go(self) -> None:
        await _let_go(self)


async def _let_go(stream: Any) -> None:  # noqa: ANN401 - either of the two
    """End what slixmpp leaves running."""
    stream.cancel_connection_attempt()
    for scheduled in tuple(stream.scheduled_events):
        stream.cancel_schedule(scheduled)
    task, stream._run_out_filters = stream._run_out_filters, None  # noqa: SLF001 - nothing else ends it
    if task is not None:
        task.cancel()
        await asyncio.wait({task})


class Stream:
    """One session with the server, over one connection or, where it can be resumed, several. `close` it at the end.

    `take` gets each message and presence, in order, as `waiting` counts them; who has worked one through says `done`.
    """

    def __init__(self, settings: XmppSettings, resource: str, context: ssl.SSLContext, proxy: str | None) -> None:
        self.take: Callable[[ET.Element], None] = lambda _: self.done()
        self.settings = settings
        self.waiting = 0
        self.own_address = f"relay@{settings.domain}/nextbridge" if settings.is_component else ""
        """What the relay itself is known by, where the server does not say so for us."""
        self.is_open = False
        self._context = context
        self._proxy = proxy
        self._asking = 0
        self._is_held = False
        self._begun: asyncio.Future[bool] | None = None
        self._ended: asyncio.Future[DriverError] = asyncio.get_running_loop().create_future()
        self._heard = asyncio.get_running_loop().time()
        self._xmpp = xmpp = self._made(resource)
        xmpp.owner = self
        xmpp.ssl_context = context
        xmpp.whitespace_keepalive = False
        for plugin in _PLUGINS:
            xmpp.register_plugin(plugin)
        for name in _OURS:
            xmpp.remove_handler(name)
        for kind in ("message", "presence"):
            matcher = MatchXPath(f"{{{xmpp.default_ns}}}{kind}")
            xmpp.register_handler(Callback(f"relay {kind}", matcher, self._taken))
        stream_error = MatchXPath(f"{{{xmpp.stream_ns}}}error")
        xmpp.register_handler(Callback("relay stream error", stream_error, self._stream_error))
        no_tls = MatchXPath("{urn:ietf:params:xml:ns:xmpp-tls}failure")
        xmpp.register_handler(Callback("relay no TLS", no_tls, lambda _: self.unencrypted()))
        xmpp.add_filter("in", self._note)
        for event, handler in (
            ("session_start", lambda _: self._begin(resumed=False)),
            ("session_resumed", lambda _: self._begin(resumed=True)),
            ("failed_auth", self._unauthorised),
            ("no_auth", lambda _: self._no_mechanism()),
            ("ssl_invalid_chain", lambda error: self.fail(connecting.untrusted(settings, error))),
            ("disconnected", self._disconnected),
        ):
            xmpp.add_event_handler(event, handler)

    def _made(self, resource: str) -> Any:  # noqa: ANN401 - either of the two
        settings = self.settings
        if settings.component_secret is not None:
            return _Component(settings.jid, settings.component_secret.reveal())  # type: ignore[no-untyped-call]
        password = settings.password.reveal() if settings.password is not None else ""
        return _Client(f"{settings.jid}/{resource}", password)

    # --- its life ---------------------------------------------------------------------------------------------------

    async def open(self) -> bool:
        """Connect and log in. Whether an earlier session goes on: else nothing of it is left on the server.

        Raises Retry and Paused.
        """
        loop = asyncio.get_running_loop()
        self._begun, self._ended = loop.create_future(), loop.create_future()
        attempt: asyncio.Future[None] = self._xmpp.connect()
        outcomes: list[asyncio.Future[Any]] = [self._begun, self._ended]
        try:
            async with asyncio.timeout(self.settings.answer_timeout):
                await attempt
                await asyncio.wait(outcomes, return_when=asyncio.FIRST_COMPLETED)
        except TimeoutError:
            self._drop()
            raise Retry(f"{self.settings.domain} did not log us in within {self.settings.answer_timeout:g} s") from None
        except BaseException:
            self._drop()
            raise
        if self._ended.done():
            self._drop()
            raise self._ended.result()
        self._heard = loop.time()
        return self._begun.result()

    async def reach(self) -> None:
        """Called by slixmpp: make the connection."""
        await connecting.connect(self._xmpp, self.settings, self._context, self._proxy)

    async def ended(self) -> DriverError:
        """Why the connection is over, once it is: Broken where its session may be resumed."""
        return await asyncio.shield(self._ended)

    @property
    def can_resume(self) -> bool:
        """Whether the server keeps the session for a while."""
        return not self.settings.is_component and bool(self._xmpp.plugin["xep_0198"].sm_id)

    def fail(self, error: DriverError) -> None:
        """End the connection for this reason."""
        if not self._ended.done():
            self._ended.set_result(error)
        self.is_open = False
        self._drop()

    async def close(self) -> None:
        """Say farewell, and let go of everything."""
        self.is_open = False
        if self._xmpp.transport is not None:
            with contextlib.suppress(Exception):
                await self._xmpp.disconnect(wait=_FAREWELL, ignore_send_queue=True)
        self._drop()
        await self._xmpp.let_go()

    def _drop(self) -> None:
        self._xmpp.cancel_connection_attempt()
        if self._xmpp.transport is not None:
            self._xmpp.transport.abort()

    async def keep(self, whom: str) -> None:
        """Ask whether the server is there, whenever it was silent for a while; ends with the connection."""
        interval, seconds = self.settings.ping_interval, self.settings.answer_timeout
        while self.is_open:
            silent = asyncio.get_running_loop().time() - self._heard
            if silent < interval:
                await asyncio.sleep(interval - silent)
                continue
            try:
                await self.request(whom, ET.Element("{urn:xmpp:ping}ping"), seconds=seconds)
            except Refused:
                pass  # an answer is an answer
            except Retry:
                self.fail(Broken(f"the server has not answered for {seconds:g} s"))

    # --- what slixmpp tells -----------------------------------------------------------------------------------------

    def _begin(self, *, resumed: bool) -> None:
        self.is_open = True
        if self._begun is not None and not self._begun.done():
            self._begun.set_result(resumed)

    def _unauthorised(self, refusal: Any) -> None:  # noqa: ANN401 - slixmpp's
        condition = refusal["condition"]
        if condition == "temporary-auth-failure":
            self.fail(Retry("the server cannot check passwords just now"))
        elif (
            not self._xmpp.plugin["feature_mechanisms"].mech_list
            - self._xmpp.plugin["feature_mechanisms"].attempted_mechs
        ):
            self.fail(Paused(f"the server refuses the login ({condition}): check jid and password", scope="instance"))

    def unencrypted(self) -> None:
        """End a connection that cannot be encrypted."""
        domain = self.settings.domain
        self.fail(Paused(f"{domain} offers no encryption, and nothing is said without", scope="instance"))

    def _no_mechanism(self) -> None:
        self.fail(Paused("the server offers no way of logging in with a password", scope="instance"))

    def _stream_error(self, error: Any) -> None:  # noqa: ANN401 - slixmpp's
        condition, text = error["condition"], error["text"][:300]
        said = f"{condition}: {text}" if text else condition
        what = "component_secret and jid" if self.settings.is_component else "jid and host"
        if condition == "conflict":
            self.fail(InUse(f"something else uses the relay's place ({said}); let only one daemon have it"))
        elif condition in _FOR_THE_OPERATOR:
            self.fail(Paused(f"the server refuses us ({said}): check {what}", scope="instance"))
        else:
            self.fail(Retry(f"the server ended the connection ({said})"))

    def _disconnected(self, reason: object) -> None:
        self.is_open = False
        if isinstance(reason, ssl.SSLCertVerificationError):
            self.fail(connecting.untrusted(self.settings, reason))
        elif not self._ended.done():
            broke = f"the connection broke: {reason}" if isinstance(reason, Exception) else "the connection ended"
            self._ended.set_result(Broken(broke))

    def _note(self, stanza: Any) -> Any:  # noqa: ANN401 - slixmpp's
        self._heard = asyncio.get_running_loop().time()
        return stanza

    def _taken(self, stanza: Any) -> None:  # noqa: ANN401 - slixmpp's
        self.waiting += 1
        self.take(stanza.xml)
        self._hold()

    def done(self, number: int = 1) -> None:
        """So many stanzas that `take` got are worked through."""
        self.waiting -= number
        self._hold()

    def _hold(self) -> None:
        """Read on or not. Who waits for an answer to a question must get it."""
        wanted = self.waiting > _MOST_WAITING and not self._asking
        transport = self._xmpp.transport
        if wanted != self._is_held and transport is not None and not transport.is_closing():
            (transport.pause_reading if wanted else transport.resume_reading)()
            self._is_held = wanted

    # --- what we say ------------------------------------------------------------------------------------------------

    @property
    def address(self) -> str:
        """Our own address, with its resource."""
        return str(self._xmpp.boundjid)

    def message(
        self, to: str, kind: Literal["groupchat", "chat"], children: Iterable[ET.Element], *, id: str = "",  # noqa: A002
        body: str = "", subject: str | None = None, sender: str = "",
    ) -> None:  # fmt: skip
        """Send a message. Raises Retry where there is no connection."""
        stanza = self._stanza(self._xmpp.Message, to, sender)
        del stanza["lang"]
        stanza["type"] = kind
        stanza["id"] = id or self._xmpp.new_id()
        if body:
            stanza["body"] = clean(body)
        if subject is not None:
            # an empty subject takes the room's away, and slixmpp writes none
            ET.SubElement(stanza.xml, f"{{{stanza.namespace}}}subject").text = clean(subject)
        stanza.xml.extend(children)
        stanza.send()

    def presence(self, to: str, children: Iterable[ET.Element] = (), *, kind: str = "", sender: str = "") -> str:
        """Send a presence, and return its id. Raises Retry where there is no connection."""
        stanza = self._stanza(self._xmpp.Presence, to, sender)
        del stanza["lang"]
        stanza["id"] = made = self._xmpp.new_id()
        if kind:
            stanza["type"] = kind
        stanza.xml.extend(children)
        stanza.send()
        return str(made)

    def _stanza(self, kind: Callable[[], Any], to: str, sender: str) -> Any:  # noqa: ANN401 - slixmpp's
        if not self.is_open:
            raise Retry("there is no connection to the server")
        stanza = kind()
        if to:
            stanza["to"] = JID(to)
        if sender or self.own_address:
            stanza["from"] = JID(sender or self.own_address)
        return stanza

    async def request(
        self, to: str, payload: ET.Element, *, kind: Literal["get", "set"] = "get", seconds: float, sender: str = ""
    ) -> ET.Element:
        """Ask somebody something; the whole answer. Raises Refused, and Retry where there is none in time."""
        stanza = self._stanza(self._xmpp.Iq, to, sender)
        stanza["type"] = kind
        stanza.xml.append(payload)
        self._asking += 1
        self._hold()
        answer = stanza.send(timeout=seconds)
        try:
            await asyncio.wait({answer, self._ended}, return_when=asyncio.FIRST_COMPLETED)
            if not answer.done():
                raise Retry("the connection ended")
            found: ET.Element = answer.result().xml
        except IqError as error:
            raise Refused(failure(error.iq.xml) or Failure("undefined-condition")) from None
        except IqTimeout:
            raise Retry(f"{to} has not answered within {seconds:g} s") from None
        finally:
            self._forget(stanza, answer)
            self._asking -= 1
            self._hold()
        return found

    def _forget(self, stanza: Any, answer: asyncio.Future[Any]) -> None:  # noqa: ANN401 - slixmpp's
        """Take out what slixmpp keeps of a question that nobody waits for any more."""
        if not answer.done():
            answer.cancel()
            self._xmpp.remove_handler(f"IqCallback_{stanza['id']}")
            self._xmpp.cancel_schedule(f"IqTimeout_{stanza['id']}")
