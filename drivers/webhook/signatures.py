"""Signatures of bodies, both ways.

`standard` is Standard Webhooks 1.0 (github.com/standard-webhooks): the headers `webhook-id`, `webhook-timestamp` and
`webhook-signature`, whose value is `v1,` and HMAC-SHA256 of `id.timestamp.body` in base64; a secret that begins with
`whsec_` is base64 itself. `github` is X-Hub-Signature-256 as GitHub's documentation has it ("Validating webhook
deliveries"): `sha256=` and HMAC-SHA256 of the body in hexadecimal digits.
"""

from __future__ import annotations

import base64
import binascii
import hashlib
import hmac
from collections.abc import Mapping

from drivers.webhook.settings import Signature

__all__ = ["TOLERANCE", "NotSigned", "key_of", "sign", "verify"]

TOLERANCE = 300
"""Seconds that a signed time may be off."""
_PREFIX = "whsec_"
_LONGEST_ID = 256


class NotSigned(Exception):
    """A body that is not signed with the secret, or not just now. The text is for whoever set the sender up."""


def key_of(secret: str) -> bytes:
    """The bytes that a secret stands for. Raises ValueError."""
    if not secret.startswith(_PREFIX):
        return secret.encode()
    try:
        return base64.b64decode(secret.removeprefix(_PREFIX), validate=True)
    except binascii.Error as error:
        raise ValueError("what follows whsec_ is not base64") from error


def sign(how: Signature, key: bytes, *, id: str, at: int, body: bytes) -> dict[str, str]:  # noqa: A002 - the header's word
    """The headers that sign a body. `at` is in seconds since 1970."""
    if how == "github":
        return {"X-Hub-Signature-256": f"sha256={hmac.new(key, body, hashlib.sha256).hexdigest()}"}
    return {
        "webhook-id": id,
        "webhook-timestamp": str(at),
        "webhook-signature": f"v1,{_standard(key, id, str(at), body)}",
    }


def verify(how: Signature, key: bytes, headers: Mapping[str, str], body: bytes, *, now: float) -> str:
    """What names the delivery and is covered by its signature. Raises NotSigned. Compares in constant time."""
    if how == "github":
        expected = hmac.new(key, body, hashlib.sha256).hexdigest()
        if not _same(headers.get("X-Hub-Signature-256", ""), f"sha256={expected}"):
            raise NotSigned("The body is not signed with the secret: X-Hub-Signature-256.")
        return expected
    id, at = headers.get("webhook-id", ""), headers.get("webhook-timestamp", "")  # noqa: A001 - the header's word
    expected = f"v1,{_standard(key, id, at, body)}"
    # several secrets may be in use while one is changed
    signed = [_same(each, expected) for each in headers.get("webhook-signature", "").split(" ")[:10]]
    if not any(signed) or not 0 < len(id) <= _LONGEST_ID:
        raise NotSigned("The body is not signed with the secret: webhook-signature.")
    if not at.isascii() or not at.isdecimal() or len(at) > 12 or abs(int(at) - now) > TOLERANCE:
        raise NotSigned("It was not signed just now: webhook-timestamp.")
    return id


def _standard(key: bytes, id: str, at: str, body: bytes) -> str:  # noqa: A002 - the header's word
    signed = b".".join([id.encode("utf-8", "surrogateescape"), at.encode("utf-8", "surrogateescape"), body])
    return base64.b64encode(hmac.new(key, signed, hashlib.sha256).digest()).decode()


def _same(one: str, other: str) -> bool:
    return hmac.compare_digest(one.encode("utf-8", "surrogateescape"), other.encode("utf-8", "surrogateescape"))
