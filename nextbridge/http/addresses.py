"""Which addresses may be asked on behalf of a chat user: those of the public internet, and what the operator allows.

A chat user who names an address must not reach what only this machine can reach: its own services, the network that it
stands in, a cloud's metadata. An address that carries another one inside (IPv4 in IPv6, by whichever scheme) is not
public here, whatever is inside.
"""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address, ip_network
from typing import TypeAlias

__all__ = ["AddressGuard", "is_public"]

_Network: TypeAlias = IPv4Network | IPv6Network

# What `is_global` leaves out, or what versions of Python differ about.
_NOT_PUBLIC: tuple[_Network, ...] = tuple(
    ip_network(each)
    for each in (
        "0.0.0.0/8",
        "100.64.0.0/10",  # carrier-grade NAT; a cloud's metadata is at 100.100.100.200
        "168.63.129.16/32",  # a public number that a cloud's machines find their host at
        "192.0.0.0/24",
        "192.88.99.0/24",  # relays of 6to4
        "198.18.0.0/15",
        "240.0.0.0/4",
        "::/96",  # IPv4-compatible
        "::ffff:0:0/96",  # IPv4-mapped
        "::ffff:0:0:0/96",  # IPv4-translated
        "64:ff9b::/96",  # NAT64
        "64:ff9b:1::/48",
        "2001::/23",  # Teredo and other protocols' own
        "2002::/16",  # 6to4
        "3fff::/20",
        "5f00::/16",
        "fec0::/10",
    )
)


def is_public(address: IPv4Address | IPv6Address) -> bool:
    """Whether it is an ordinary address of the public internet."""
    if not address.is_global or address.is_multicast or address.is_reserved or address.is_unspecified:
        return False
    return not any(address.version == each.version and address in each for each in _NOT_PUBLIC)


class AddressGuard:
    """Says which addresses may be asked, by the operator's list."""

    def __init__(self, allow: Iterable[str] = ()) -> None:
        """`allow` holds names of hosts, addresses and networks. Raises ValueError for what is none."""
        self._networks: list[_Network] = []
        self._hosts: set[str] = set()
        for each in allow:
            if "/" in each or ":" in each or each.replace(".", "").isdecimal():
                self._networks.append(ip_network(each))
            elif not each.strip(".") or any(char.isspace() or char in "@?#" for char in each):
                raise ValueError(f"{each!r} is neither a host nor a network")
            else:
                self._hosts.add(_folded(each))

    def lets_host(self, host: str) -> bool:
        """Whether the operator allows this host by its name, wherever it is."""
        return _folded(host) in self._hosts

    def lets(self, address: str) -> bool:
        """Whether a numeric address may be connected to."""
        try:
            parsed = ip_address(address)
        except ValueError:
            return False
        if getattr(parsed, "scope_id", None) is not None:
            return False  # of one link
        return is_public(parsed) or any(parsed.version == each.version and parsed in each for each in self._networks)


def _folded(host: str) -> str:
    return host.rstrip(".").lower()
