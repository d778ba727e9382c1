"""Types that settings are made of: what drivers and the core annotate their settings structures with.

A settings structure is a `msgspec.Struct`; its JSON Schema is made from it, so each key stands in one place only.
`Meta(description=…)` is what an editor and the docs show for a key; `Meta(extra_json_schema={"x-hint": …})` is said to
the operator when the value is refused.
"""

from __future__ import annotations

import re
from typing import Annotated, Any, TypeAlias

from msgspec import UNSET, Meta, Struct, UnsetType

__all__ = [
    "Duration",
    "MaxFileSize",
    "NonBlank",
    "Off",
    "OptionalCaFile",
    "OptionalProxy",
    "ProxyUrl",
    "ReconnectDelay",
    "Secret",
    "Settings",
    "effective_proxy",
    "in_seconds",
]

_SECONDS = {"s": 1, "min": 60, "h": 3600, "d": 86400}
_DURATION = re.compile(r"^([1-9][0-9]{0,5})(s|min|h|d)$")


class Settings(Struct, frozen=True, kw_only=True, forbid_unknown_fields=True):
    """The base of every settings structure: immutable, by name only, and a key it does not know is an error.

    Its `repr` shows no Secret, and no name and password in an address (a proxy's).
    """

    def __repr__(self) -> str:
        return re.sub(r"://[^\s/@'\"]+@", "://***@", super().__repr__())


class Secret:
    """A value that must never be shown. It prints as `***`; `reveal()` gives it to the code that sends it.

    Every Secret's value is also registered with the log's redaction when the file is loaded.
    """

    __slots__ = ("_value",)

    def __init__(self, value: str) -> None:
        self._value = value

    def reveal(self) -> str:
        """The value itself, for the one place that needs it."""
        return self._value

    def __repr__(self) -> str:
        return "Secret(***)"

    __str__ = __repr__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Secret) and other._value == self._value

    def __hash__(self) -> int:
        return hash(self._value)

    def __reduce__(self) -> Any:  # noqa: ANN401 - the protocol's own type
        raise TypeError("a Secret is never serialised")


NonBlank: TypeAlias = Annotated[str, Meta(pattern=r"\S", extra_json_schema={"x-hint": "it is blank; give it a value"})]
"""A string with something in it."""

Duration: TypeAlias = Annotated[
    str,
    Meta(
        pattern=_DURATION.pattern,
        examples=["90s", "15min", "24h", "30d"],
        extra_json_schema={"x-hint": 'write a whole number and its unit without a space: "90s", "15min", "24h", "30d"'},
    ),
]
"""A length of time, for `in_seconds`. `Duration | Off` is one that can be turned off by writing 0."""

Off: TypeAlias = Annotated[
    int, Meta(extra_json_schema={"const": 0, "x-hint": 'or a time with its unit: "90s", "15min", "24h", "30d"'})
]
"""The number 0 in a place for a Duration."""

ProxyUrl: TypeAlias = Annotated[
    str,
    Meta(
        # a host's name is of labels of at most 63 letters: no other can be looked up
        pattern=r"^(https?|socks5h?|socks4)://([^\s/]*@)?"
        r"(([^\s/:@\[\].]{1,63}\.)*[^\s/:@\[\].]{1,63}\.?|\[[0-9A-Fa-f:.]+\])(:[0-9]{1,5})?/?$(?!\n)",
        description="A proxy for every connection: http://host:port or socks5://[user:password@]host:port.",
        extra_json_schema={"x-hint": "write it as http://host:port or socks5://host:port"},
    ),
]

OptionalProxy: TypeAlias = ProxyUrl | UnsetType | None
"""An instance's `proxy`: absent, it is the global one; null, there is none."""


MaxFileSize: TypeAlias = Annotated[
    int, Meta(ge=0, description="Bytes; a larger file is shown by its name, in either direction.")
]
"""An instance's `max_file_size`, where the platform takes files both ways."""

OptionalCaFile: TypeAlias = (
    Annotated[
        NonBlank, Meta(description="A PEM file with the certificate of a private CA, trusted beside the system's.")
    ]
    | UnsetType
)
"""An instance's `ca_file`, as `nextbridge.http.client.open_session` takes it."""

ReconnectDelay: TypeAlias = Annotated[
    float, Meta(ge=0.1, description="Seconds before a lost connection is made again; it grows with each failure.")
]
"""An instance's `reconnect_delay`: what becomes its driver's."""


def effective_proxy(own: str | UnsetType | None, general: str | None) -> str | None:
    """The proxy that an instance uses: its own where it says anything (null means none), else the general one."""
    return general if own is UNSET else own


def in_seconds(duration: Duration | Off) -> int:
    """A Duration's length in seconds; 0 for Off. Raises ValueError for anything else."""
    if duration == 0:
        return 0
    found = _DURATION.fullmatch(str(duration))
    if found is None:
        raise ValueError(f"{duration!r} is no duration")
    return int(found.group(1)) * _SECONDS[found.group(2)]
