"""What can be wrong with ``proxy_protocol`` of a listener and ``send_proxy`` of an upstream."""

from collections.abc import Iterator
from ipaddress import IPv6Network, ip_network
from typing import Final

from rsp.config.errors import Path
from rsp.config.schema import Listener
from rsp.config.upstreams import Upstream

_MAPPED: Final = IPv6Network("::ffff:0:0/96")
_FROM: Final = ("proxy_protocol", "from")


def listener_mistakes(listener: Listener) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong."""
    if listener.proxy_protocol is None:
        return
    proxies = listener.proxy_protocol.from_
    if listener.address.is_unix and "unix:" not in proxies:
        yield _FROM, 'proxy_protocol: from: clients on a unix socket have no address; write from = { "unix:" }'
    elif not listener.address.is_unix and not listener.address.is_passed and set(proxies) == {"unix:"}:
        yield (
            _FROM,
            (
                f"proxy_protocol: from: {listener.address} is not a unix socket; write addresses and networks "
                'instead of "unix:"'
            ),
        )
    for number, proxy in enumerate(proxies):
        network = ip_network(proxy) if proxy != "unix:" else None
        if isinstance(network, IPv6Network) and network.subnet_of(_MAPPED):
            plain = f"{network.network_address.ipv4_mapped}/{network.prefixlen - _MAPPED.prefixlen}"
            yield (
                (*_FROM, number + 1),
                (f'proxy_protocol: from: IPv4 addresses are written in IPv4 form; write "{plain}"'),
            )


def upstream_mistakes(upstream: Upstream) -> Iterator[tuple[Path, str]]:
    """Each mistake: the path to it, and what is wrong."""
    if upstream.send_proxy is None:
        return
    if upstream.protocol != "http":
        yield ("send_proxy",), f'"send_proxy" is for protocol = "http", not for "{upstream.protocol}"'
    elif upstream.http != 1:
        yield (
            ("send_proxy",),
            "send_proxy: several clients share an HTTP/2 connection, but a PROXY header contains one client address; "
            "write http = 1, or leave send_proxy out: X-Forwarded-For contains the client address, too",
        )
    if upstream.warm:
        yield (
            ("warm",),
            (
                "warm: a connection that is opened in advance cannot contain a client address; leave out "
                '"warm" or "send_proxy"'
            ),
        )
