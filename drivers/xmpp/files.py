"""Files out and in: uploaded to the server's own store (XEP-0363), and fetched from wherever their senders say.

What bears a file: its address in the text, as XEP-0066 and as XEP-0447, of which each program knows one at least.
"""

from __future__ import annotations

import asyncio
from collections import OrderedDict
from collections.abc import Sequence
from pathlib import Path
from typing import Final
from xml.etree import ElementTree as ET

import aiohttp
from msgspec import Struct

from drivers.xmpp.disco import services_of
from drivers.xmpp.settings import XmppSettings
from drivers.xmpp.stanzas import (
    FILE,
    OOB,
    SHARING,
    URL_DATA,
    Shared,
    element,
    name,
)
from drivers.xmpp.stream import Refused, Stream
from nextbridge.driver import LocalFile, Outgoing
from nextbridge.envelope import DeliveryKey
from nextbridge.errors import FileRejected, Retry
from nextbridge.http.client import CONNECTION_ERRORS, unreachable
from nextbridge.labels import in_words

__all__ = ["UPLOAD", "Service", "Uploads", "found_service", "home_of", "refusal_of", "shown_files"]

UPLOAD: Final = "urn:xmpp:http:upload:0"
_KEPT: Final = 1000
_HEADERS: Final = {"authorization", "cookie", "expires"}
"""The only ones that a server may set for us: XEP-0363, 5."""


class Service(Struct, frozen=True):
    """Where files may be uploaded to."""

    address: str
    largest: int | None
    """Bytes, where it says so."""


def home_of(settings: XmppSettings) -> str:
    """The domain whose services are for us: a component's own is mostly below its server's."""
    return settings.domain.partition(".")[2] if settings.is_component else settings.domain


async def found_service(stream: Stream, domain: str, *, seconds: float) -> Service | None:
    """The server's own store, if it has one. Raises Retry."""
    async for address, about in services_of(stream, domain, seconds=seconds):
        if UPLOAD in about.features:
            return Service(address, _largest(about.query))
    return None


def _largest(query: ET.Element) -> int | None:
    data = "jabber:x:data"
    for field in query.iterfind(f"{name(data, 'x')}/{name(data, 'field')}"):
        value = field.find(name(data, "value"))
        text = "" if value is None else value.text or ""
        if field.get("var") == "max-file-size" and text.isascii() and text.isdigit():
            return int(text)
    return None


class Uploads:
    """Uploads the files of messages. What was uploaded for one that is not sent yet is not uploaded again."""

    def __init__(self, stream: Stream, service: Service | None, http: aiohttp.ClientSession, seconds: float) -> None:
        self._stream = stream
        self._service = service
        self._http = http
        self._seconds = seconds
        self._known: OrderedDict[tuple[DeliveryKey, Path], Shared] = OrderedDict()

    async def shared(self, message: Outgoing) -> tuple[Shared, ...]:
        """Where the message's files are now. Raises FileRejected, and Retry."""
        return tuple([await self._one(message, place, file) for place, file in enumerate(message.files)])

    async def _one(self, message: Outgoing, place: int, file: LocalFile) -> Shared:
        known = self._known.get((message.key, file.path))
        if known is None:
            known = self._known[message.key, file.path] = await self._upload(file, place)
            if len(self._known) > _KEPT:
                self._known.popitem(last=False)
        return known

    async def _upload(self, file: LocalFile, place: int) -> Shared:
        if self._service is None:
            raise FileRejected("the server has no room for files", index=place)
        about = {"filename": file.name or "file", "size": str(file.size), "content-type": file.media_type}
        request = element(UPLOAD, "request", **about)
        try:
            answer = await self._stream.request(self._service.address, request, seconds=self._seconds)
        except Refused as error:
            said = error.failure.text or error.failure.condition
            if error.failure.condition == "resource-constraint":
                raise Retry(f"the server has no room for files now: {said}", after=60) from None
            raise FileRejected(f"the server refuses it: {said}", index=place) from None
        slot = answer.find(name(UPLOAD, "slot"))
        put = None if slot is None else slot.find(name(UPLOAD, "put"))
        get = None if slot is None else slot.find(name(UPLOAD, "get"))
        if put is None or get is None or not get.get("url") or not put.get("url"):
            raise Retry("the server gives no place for a file")
        headers = {
            each.get("name", ""): (each.text or "").replace("\n", "").replace("\r", "")
            for each in put.iterfind(name(UPLOAD, "header"))
            if each.get("name", "").lower() in _HEADERS
        }
        await self._put(put.get("url", ""), headers, file, place)
        return Shared(get.get("url", ""), file.name, file.media_type, file.size)

    async def _put(self, url: str, headers: dict[str, str], file: LocalFile, place: int) -> None:
        try:
            opened = await asyncio.to_thread(file.path.open, "rb")
        except OSError as error:
            raise FileRejected(f"the spooled file cannot be read: {error.strerror}", index=place) from error
        headers |= {"Content-Type": file.media_type, "Content-Length": str(file.size)}
        timeout = aiohttp.ClientTimeout(total=60 + file.size / 20_000, sock_connect=15)
        try:
            async with self._http.put(url, data=opened, headers=headers, timeout=timeout) as response:
                if response.status >= 500:
                    raise Retry(f"the server's store of files answers {response.status}")
                if response.status not in {200, 201, 204}:
                    raise FileRejected(f"the server's store of files answers {response.status}", index=place)
        except TimeoutError:
            raise Retry("the server's store of files takes too long") from None
        except aiohttp.InvalidURL:
            raise FileRejected("the server gives no address to upload to", index=place) from None
        except CONNECTION_ERRORS as error:
            raise Retry(f"the server's store of files cannot be reached: {unreachable(error)}") from None
        finally:
            await asyncio.to_thread(opened.close)


def shown_files(files: Sequence[Shared]) -> list[ET.Element]:
    """What a message bears for its files, beside their addresses in its text."""
    children = []
    for each in files:
        plain = element(OOB, "x")
        plain.append(element(OOB, "url", each.url))
        described = element(FILE, "file")
        described.append(element(FILE, "name", each.name))
        if each.media_type:
            described.append(element(FILE, "media-type", each.media_type))
        if each.size is not None:
            described.append(element(FILE, "size", str(each.size)))
        sources = element(SHARING, "sources")
        sources.append(element(URL_DATA, "url-data", target=each.url))
        sharing = element(SHARING, "file-sharing", disposition="inline")
        sharing.extend([described, sources])
        children += [plain, sharing]
    return children


def refusal_of(service: Service | None, size: int, largest: int) -> str | None:
    """Why a file of so many bytes is not taken, for the readers of a message; None where it is."""
    if service is None:
        return "the server takes no files"
    theirs = service.largest if service.largest is not None else largest
    most = min(theirs, largest)
    return None if size <= most else f"over the {in_words(most)} that are taken"
