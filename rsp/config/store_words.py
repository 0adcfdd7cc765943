"""Words for stores that people bring from Redis' clients, nginx's and HAProxy's modules, Traefik and Caddy."""

import re
from typing import Any, Final

import msgspec

from rsp.config.engines import Store
from rsp.config.tls import UpstreamTls
from rsp.config.units import show

_STORE: Final = 'store "main" { "redis://10.0.0.5:6379/0" }'
_URL: Final = 'in rsp: store "main" { "redis://10.0.0.5:6379/0" }: host, port and database are parts of the URL'
_SENTINEL: Final = 'in rsp: store "main" { "redis+sentinel://10.0.0.5:26379,10.0.0.6:26379/mymaster/0" }'
_TLS: Final = 'in rsp: "rediss://10.0.0.5:6379/0", and tls = { ca = "ca.pem" } beside it'
_POOL: Final = "each worker has one connection, over which calls are pipelined"

# Settings, and what is a key nowhere: by the word in lower case without underscores.
SAID: Final[dict[str, str]] = {
    **dict.fromkeys(("redis", "valkey", "redisurl", "redispass", "redis2pass", "redishost", "stores"), _STORE),
    **dict.fromkeys(("redisserver", "redisaddr", "keydb", "dragonfly"), _STORE),
    **dict.fromkeys(("memcached", "memcachedpass"), f"rsp shares state in Redis or Valkey: {_STORE}"),
}

WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    Store: {
        **dict.fromkeys(("host", "port", "db", "database", "address", "addr", "server", "endpoint", "socket"), _URL),
        **dict.fromkeys(("endpoints", "addresses", "servers", "hosts", "nodes"), _SENTINEL),
        **dict.fromkeys(("sentinel", "sentinels", "mastername", "master", "servicename", "mymaster"), _SENTINEL),
        **dict.fromkeys(("ssl", "cacert", "cafile", "ca", "sslca", "insecureskipverify", "verify"), _TLS),
        **dict.fromkeys(("user", "login", "acluser"), 'in rsp: username = "rsp"'),
        **dict.fromkeys(("auth", "pass", "requirepass", "secret"), 'in rsp: password_file = "redis-password"'),
        **dict.fromkeys(("connecttimeout", "readtimeout", "dialtimeout", "sockettimeout"), 'in rsp: timeout = "500ms"'),
        **dict.fromkeys(("poolsize", "pool", "maxconnections", "keepalive", "maxidle", "minidleconns"), _POOL),
        **dict.fromkeys(("prefix", "keyprefix", "namespace"), "keys are NAME:KEY, by the name in shared(NAME, ...)"),
        **dict.fromkeys(("ttl", "expire", "expiry"), 'a time to live belongs to a value: d.set(key, value, "10m")'),
        **dict.fromkeys(("retries", "maxretries", "backoff"), "rsp reconnects by itself within 2 seconds"),
    },
}


def several(given: Any) -> str:
    """What to write for a list of URLs, or ``""``."""
    if not isinstance(given, list) or len(given) < 2 or not all(isinstance(one, str) for one in given):
        return ""
    hosts = ",".join(re.sub(r"^[a-z+]*://|/.*$", "", one) for one in given)
    return f"several servers are one URL: {show(f'redis://{hosts}/0')}"


def instead(struct: type, path: tuple[Any, ...], given: Any) -> str:
    """``"; write ..."`` where ``given`` has the wrong shape, or ``""``."""
    if struct is UpstreamTls and path == ("tls",) and given is True:
        return "; use a URL with TLS: write rediss://..."
    if struct is Store and path == ("url",) and (said := several(given)):
        return f"; {said}"
    return ""
