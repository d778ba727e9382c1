"""The ids of spans, made of what is on disk: the same after a restart, and the same to whoever asks for a trace."""

from __future__ import annotations

from hashlib import blake2b

__all__ = ["delivery_span", "event_span", "trace"]


def trace(daemon_id: str, event_id: int) -> int:
    """The trace of an event: 128 bits."""
    return _number(daemon_id, f"trace {event_id}", 16)


def event_span(daemon_id: str, event_id: int) -> int:
    """The root of that trace: 64 bits."""
    return _number(daemon_id, f"accept {event_id}", 8)


def delivery_span(daemon_id: str, delivery_id: int) -> int:
    """The span of a delivery, as long as that stands where it does in its lane."""
    return _number(daemon_id, f"deliver {delivery_id}", 8)


def _number(daemon_id: str, what: str, size: int) -> int:
    digest = blake2b(what.encode(), digest_size=size, key=daemon_id.encode()[:64]).digest()
    return int.from_bytes(digest) or 1  # zero is no id
