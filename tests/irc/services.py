"""A services server linked to InspIRCd that knows accounts: the part of one that answers SASL.

It speaks the server protocol 1205 of InspIRCd 3 (https://docs.inspircd.org/server/messages/).
"""

from __future__ import annotations

import asyncio
import base64
import time

LOOPBACK = "127.0.0.1"
CHUNK = 400


class Services:
    """Services with the given accounts and their passwords. EXTERNAL succeeds for whoever shows a certificate."""

    def __init__(self, accounts: dict[str, str]) -> None:
        self.accounts = accounts
        self.mechanisms_tried: list[str] = []
        self.certificates_seen: list[str] = []
        self.linked = asyncio.Event()
        self._mechanisms: dict[str, str] = {}
        self._chunks: dict[str, str] = {}

    async def link(self, port: int) -> None:
        """Link to the server at `port` and answer it until cancelled."""
        reader, self._writer = await asyncio.open_connection(LOOPBACK, port)
        for line in ("CAPAB START 1205", "CAPAB CAPABILITIES :PROTOCOL=1205", "CAPAB END"):
            self._write(line)
        self._write("SERVER services.test link 0 00S :services")
        try:
            while data := await reader.readline():
                self._take(data.decode().rstrip().split(" "))
        finally:
            self._writer.close()

    def _write(self, line: str) -> None:
        self._writer.write(line.encode() + b"\r\n")

    def _take(self, words: list[str]) -> None:
        server = words[0].removeprefix(":")
        if words[0] == "SERVER":
            for line in (f"BURST {int(time.time())}", "METADATA * saslmechlist :PLAIN,EXTERNAL", "ENDBURST"):
                self._write(f":00S {line}")
        elif words[1] == "ENDBURST":
            self.linked.set()
        elif words[1] == "PING":
            self._write(f":00S PONG 00S {server}")
        elif words[1] == "ENCAP" and words[3] == "SASL":
            answer = self._asked(words[4], words[6], words[7].removeprefix(":"), words[8:9])
            if answer:
                self._write(f":00S ENCAP {server} SASL 00SAAAAAA {words[4]} {answer}")

    def _asked(self, user: str, kind: str, value: str, certificate: list[str]) -> str:
        if kind == "S":
            self._mechanisms[user], self._chunks[user] = value, ""
            self.mechanisms_tried.append(value)
            self.certificates_seen += certificate
            return "C +"
        if kind != "C":
            return ""
        if self._mechanisms[user] == "EXTERNAL":
            return "D S" if self.certificates_seen else "D F"
        self._chunks[user] += "" if value == "+" else value
        if len(value) == CHUNK:
            return ""  # more is to come
        _, name, password = base64.b64decode(self._chunks[user]).decode().split("\0")
        return "D S" if self.accounts.get(name) == password else "D F"
