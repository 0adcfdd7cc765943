"""Words for the PROXY protocol that people bring from other programs, by where they stand, and what says it in rsp."""

from typing import Any, Final

import msgspec

from rsp.config.schema import Listener, ProxyProtocol
from rsp.config.units import show
from rsp.config.upstreams import Upstream, UpstreamPeer

_TAKE: Final = 'proxy_protocol = { from = { "10.0.0.0/8" } }'
_SEND: Final = 'send_proxy = "v2"'
_LISTEN: Final = f'listen "0.0.0.0:80" {{ {_TAKE} }}'
_TAKEN: Final = ("acceptproxy", "proxy", "useproxyprotocol", "proxyprotocolv2", "proxyprotocolv1", "expectproxy")
_SENT: Final = (
    "proxyprotocol", "sendproxyprotocol", "sendproxyv1", "sendproxyv2", "sendproxyv2ssl", "sendproxyv2sslcn",
    "proxyprotocolversion", "proxyv2options", "checksendproxy",
)  # fmt: skip
_PROXIES: Final = (
    "addresses", "allow", "allowed", "networks", "proxies", "sources", "subnets", "trusted", "trustedips",
    "trustedproxies",
)  # fmt: skip

# What is a key nowhere, by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("acceptproxy", "useproxyprotocol", "proxyprotocoltrustedips"), _LISTEN),
    **dict.fromkeys((name for name in _SENT if name != "proxyprotocol"), f"{_SEND} in an upstream"),
    "proxyprotocol": f"{_LISTEN}; towards peers: {_SEND} in an upstream",
    "proxyprotocoltimeout": 'timeouts = { head = "10s" }',
}

_THERE: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Listener: {
        **dict.fromkeys(_TAKEN, _TAKE),
        "sendproxy": f"{_TAKE} for what clients send; {_SEND} belongs in an upstream",
    },
    Upstream: {
        **dict.fromkeys(_SENT, _SEND),
        "acceptproxy": f"{_SEND}; {_TAKE} belongs in a listener",
    },
    UpstreamPeer: dict.fromkeys((*_SENT, "sendproxy"), f"{_SEND} belongs to the upstream, beside its peers"),
    ProxyProtocol: {
        **dict.fromkeys(_PROXIES, 'from = { "10.0.0.0/8" }'),
        **dict.fromkeys(("version", "versions", "v1", "v2"), "both versions are accepted; there is no key for it"),
        **dict.fromkeys(("timeout", "headertimeout"), 'timeouts = { head = "10s" } of the listener'),
        **dict.fromkeys(("insecure", "optional", "fallback", "policy", "mode"), "connections from other addresses "
                                                                                "are accepted without the header"),
    },
}  # fmt: skip
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    struct: {word: f"in rsp: {said}" for word, said in words.items()} for struct, words in _THERE.items()
}


def instead(key: str, given: Any) -> str:
    """``"; write ..."`` where ``proxy_protocol`` is something else than a table with keys, or ``""``."""
    if key != "proxy_protocol":
        return ""
    if given is False:
        return "; leave it out"
    listed = given if isinstance(given, list) else [given]
    networks = [each for each in listed if isinstance(each, str) and each[:1].isdigit()]
    return f"; write proxy_protocol = {{ from = {{ {', '.join(map(show, networks)) or show('10.0.0.0/8')} }} }}"


def version_of(given: Any) -> str:
    """``"; write ..."`` where ``send_proxy`` of an upstream is something else than it can be, or ``""``."""
    if given in (False, "off", "no", "false", "none"):
        return "; leave it out"
    return f"; write send_proxy = {show('v1' if given in (1, '1', 'V1', 'v1') and given is not True else 'v2')}"
