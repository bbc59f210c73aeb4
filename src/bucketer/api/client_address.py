"""The visitor's address behind proxies: peer and ``X-Forwarded-For`` in, one address out.

Not imported by the Lambda door, which is told the address by AWS: `ipaddress` is not free.
"""

from __future__ import annotations

import ipaddress

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable

    Address = ipaddress.IPv4Address | ipaddress.IPv6Address
    Network = ipaddress.IPv4Network | ipaddress.IPv6Network


class TrustedProxies:
    """The proxies whose word is taken for where a request came from."""

    __slots__ = ("_networks",)

    def __init__(self, networks: Iterable[str] = ()) -> None:
        """Take addresses and networks (``10.0.0.0/8``).

        Raises:
            ValueError: one of them is neither.
        """
        self._networks: tuple[Network, ...] = tuple(
            ipaddress.ip_network(each, strict=False) for each in networks
        )

    def trusts(self, peer: str) -> bool:
        """Say whether *peer* is one of the proxies."""
        if not self._networks:
            return False
        address = _address(peer)
        return address is not None and self._includes(address)

    def visitor(self, peer: str, forwarded_for: str) -> str:
        """Return the right-most address of *forwarded_for* that is not a proxy of ours.

        Each proxy appends the address that it was called from, so only what stands right of
        the last stranger was written by a proxy of ours; the rest a client may have made up.

        Args:
            peer: a proxy that is trusted: it sent the header.
            forwarded_for: the header's value; several headers joined in the order they came.

        Returns:
            *peer* where the header says nothing that is an address; the left-most address
            where all are proxies.
        """
        visitor = peer
        for entry in reversed(forwarded_for.split(",")):
            address = _address(_without_port(entry.strip()))
            if address is None:
                break
            visitor = str(address)
            if not self._includes(address):
                break
        return visitor

    def _includes(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def plain_address(peer: str) -> str:
    """Return *peer* without the clothes that a dual-stack socket puts on IPv4 addresses."""
    return peer[7:] if peer.startswith("::ffff:") and "." in peer else peer


def _address(text: str) -> Address | None:
    try:
        address = ipaddress.ip_address(plain_address(text))
    except ValueError:
        return None
    return address


def _without_port(entry: str) -> str:
    """Cut off the port that some proxies append: ``192.0.2.1:4711``, ``[2001:db8::1]:4711``."""
    if entry.startswith("["):
        return entry[1:].partition("]")[0]
    return entry.partition(":")[0] if entry.count(":") == 1 else entry
