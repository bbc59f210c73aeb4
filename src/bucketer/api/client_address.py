"""The visitor's address: what a peer, a gateway or a proxy wrote in, one plain address out.

Every door reads addresses here, so that a visitor is the same one through each of them. In Lambda
IPv4, which nearly all of it is told, is read without `ipaddress`: that isn't free.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

    Address = IPv4Address | IPv6Address
    Network = IPv4Network | IPv6Network

#: The header in which nearly every proxy tells whom it was called by: one address per proxy.
FORWARDED_FOR = "x-forwarded-for"
#: The header in which CloudFront does: one address and its port, which it sets itself.
CLOUDFRONT = "cloudfront-viewer-address"

_OCTETS = frozenset(map(str, range(256)))
_IPV4_OCTETS = 4
_LAST_PORT = 65_535
_MAPPED_BITS = 96
#: No address with zone and port is longer; what is gets no parser to work on it.
_MAX_CHARS = 128


def read_address(written: str) -> str:
    """Return the address in *written* in its one plain spelling; empty when it isn't one.

    A port is cut off (``192.0.2.1:4711``, ``[2001:db8::1]:4711``), and so are brackets, quotes (as
    in ``Forwarded``) and the zone of a link (``fe80::1%eth0``), which is this machine's name for
    it. An IPv4 address in IPv6 clothes (``::ffff:10.0.0.1``, ``::FFFF:a00:1``) is the IPv4 one.
    """
    if _is_ipv4(written):  # nearly always
        return written
    address = _parse(written)
    return "" if address is None else str(address)


class TrustedProxies:
    """The proxies whose word is taken for where a request came from."""

    __slots__ = ("_header", "_networks")

    def __init__(self, networks: Iterable[str] = (), header: str = FORWARDED_FOR) -> None:
        """Take addresses and networks (``10.0.0.0/8``), and the *header* in which they tell it.

        Raises:
            ValueError: one of them is neither.
        """
        self._networks: tuple[Network, ...] = tuple(map(read_network, networks))
        self._header = header.lower()

    def trusts(self, peer: str) -> bool:
        """Say whether *peer*, an address in its plain spelling, is one of the proxies."""
        if not self._networks:
            return False
        address = _parse(peer)
        return address is not None and self._includes(address)

    def visitor(self, peer: str, headers: Mapping[str, str]) -> str:
        """Return the visitor's address, as *peer* tells it: a proxy that is trusted.

        In ``X-Forwarded-For`` that is the right-most address that is no proxy of ours. Each proxy
        appends the address that it was called from, so only what stands right of the last
        stranger was written by a proxy of ours; the rest a client may have made up. In
        ``CloudFront-Viewer-Address`` it is the only one; where there are two, one came with the
        request, and none counts.

        Args:
            peer: in its plain spelling.
            headers: by lower-case name; several of one name joined by commas, in their order.

        Returns:
            *peer* where the header says nothing that is an address; of ``X-Forwarded-For`` the
            left-most address where all are proxies.
        """
        told = headers.get(self._header, "")
        if self._header == CLOUDFRONT:
            # Its port is always there, and IPv6 has no brackets: 2001:db8::1:4711.
            host, _, port = told.strip().rpartition(":")
            return (read_address(host) if _is_port(port) else "") or peer
        visitor = peer
        for entry in reversed(told.split(",")):
            address = _parse(entry.strip())
            if address is None:
                break
            visitor = str(address)
            if not self._includes(address):
                break
        return visitor

    def _includes(self, address: Address) -> bool:
        return any(address in network for network in self._networks)


def read_network(written: str) -> Network:
    """Read an address or a network; one of IPv4 addresses in IPv6 clothes is the IPv4 one.

    Raises:
        ValueError: it is neither.
    """
    from ipaddress import IPv4Network, IPv6Network, ip_network

    network = ip_network(written, strict=False)
    if isinstance(network, IPv6Network) and network.prefixlen >= _MAPPED_BITS:
        plain = network.network_address.ipv4_mapped
        if plain is not None:
            return IPv4Network((plain, network.prefixlen - _MAPPED_BITS))
    return network


def _parse(written: str) -> Address | None:
    """Return the address in *written*, whatever it is dressed in; None when it isn't one."""
    from ipaddress import IPv4Address, IPv6Address

    if len(written) > _MAX_CHARS or not written.isascii():
        return None
    if len(written) > 1 and written[0] == written[-1] == '"':
        written = written[1:-1]
    try:
        if written.startswith("["):
            host, bracket, port = written[1:].partition("]")
            if bracket and (not port or (port[0] == ":" and _is_port(port[1:]))):
                return _plain(IPv6Address(host))
            return None
        host, colon, port = written.partition(":")
        if "." in host:  # with another colon it would be IPv6, whose groups have no dots here
            return IPv4Address(host) if not colon or _is_port(port) else None
        return _plain(IPv6Address(written))
    except ValueError:
        return None


def _plain(address: IPv6Address) -> Address:
    """Return *address* without a zone, and without the clothes if it is an IPv4 one."""
    mapped = address.ipv4_mapped
    if mapped is not None:
        return mapped
    return address if address.scope_id is None else type(address)(int(address))


def _is_port(text: str) -> bool:
    return 0 < len(text) <= len(str(_LAST_PORT)) and text.isdecimal() and int(text) <= _LAST_PORT


def _is_ipv4(text: str) -> bool:
    octets = text.split(".", _IPV4_OCTETS)
    return len(octets) == _IPV4_OCTETS and _OCTETS.issuperset(octets)
