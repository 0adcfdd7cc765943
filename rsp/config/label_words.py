"""Labels of Traefik, caddy-docker-proxy and nginx-proxy, and what says the same in rsp."""

from collections.abc import Collection
from typing import Final

import msgspec

from rsp.config.engines import DiscoverRoutes
from rsp.config.errors import Path, suggest

_TLS: Final = "it is decided by the listeners and certificates in the file; leave it out"
_FILE: Final = "it can be set in the file only"
# By what is left of a label without dots, hyphens and underscores; the first whose word is in it says it.
_SAID: Final[tuple[tuple[str, str], ...]] = (
    ("stripprefix", "write rsp.strip=true"),
    ("replacepath", "write rsp.rewrite=/path"),
    ("addprefix", "write rsp.rewrite=/path"),
    ("ipallowlist", "write rsp.allow=10.0.0.0/8"),
    ("ipwhitelist", "write rsp.allow=10.0.0.0/8"),
    ("middlewares", "there are no middlewares; docs/routes-from-labels.md lists all labels"),
    ("loadbalancerserverport", "write rsp.port=8000"),
    ("loadbalancerhealthcheck", "write rsp.health=/up"),
    ("loadbalancersticky", "write rsp.sticky=true"),
    ("entrypoint", "routes are for all listeners of the file; leave it out"),
    ("certresolver", _TLS),
    ("tls", _TLS),
    ("https", _TLS),
    ("auth", _FILE),
    ("files", _FILE),
    ("redirect", _FILE),
    ("reverseproxy", "write rsp.port=8000"),
    ("rule", "write rsp.host=app.example.com and rsp.path=/api"),
    ("virtualhost", "write rsp.host=app.example.com"),
    ("domain", "write rsp.host=app.example.com"),
    ("virtualport", "write rsp.port=8000"),
    ("prefix", "write rsp.path=/api"),
    ("headers", _FILE),
    ("scheme", "write rsp.http=2 for HTTP/2; containers are asked without TLS"),
    ("lbpolicy", "write rsp.policy=least_conn"),
)
_SOCKET: Final = 'in rsp: docker = "unix:/var/run/docker.sock"'
_HOSTS: Final = 'in rsp: hosts = { "*.apps.example.com" }'
_ENABLED: Final = "only containers with the label rsp.enable=true are used"
# Keys of Traefik's providers, and others.
WITHIN: Final[dict[type[msgspec.Struct], dict[str, str]]] = {
    DiscoverRoutes: {
        **dict.fromkeys(("endpoint", "socket", "path", "url", "unix", "podman", "swarm", "address"), _SOCKET),
        **dict.fromkeys(("host", "domain", "domains", "allow", "allowed", "defaultrule", "suffix"), _HOSTS),
        **dict.fromkeys(("exposedbydefault", "enable", "enabled", "constraints", "labels", "watch"), _ENABLED),
        **dict.fromkeys(("namespaces",), 'in rsp: namespace = "apps"; without it: services in all namespaces'),
        **dict.fromkeys(("networks", "usebindportip"), 'in rsp: network = "web", or "host" for published ports'),
        **dict.fromkeys(("cluster", "k8s", "ingress", "incluster"), "in rsp: kubernetes = true"),
        **dict.fromkeys(("port", "defaultport"), "set it on containers: rsp.port=8000"),
    }
}


def elsewhere(label: str, keys: Collection[str]) -> str:
    """What to write in place of an unknown ``label``, in brackets; or nothing."""
    folded = label.removeprefix("rsp.").lower()
    if label != label.lower() and folded in keys:
        return f' (labels are case-sensitive: "{label.lower()}")'
    if folded == "enabled":
        return ' (did you mean "rsp.enable"?)'
    parts = folded.split(".")
    if parts[0] in ("route", "router", "routers") and len(parts) == 3 and parts[2] in keys:
        return f' (did you mean "rsp.routes.{parts[1]}.{parts[2]}"?)'
    plain = "".join(letter for letter in folded if letter.isalnum())
    for word, said in _SAID:
        if word in plain:
            return f" (in rsp: {said})"
    named = f"rsp.routes.{parts[1]}." if parts[0] == "routes" and len(parts) > 2 else "rsp."
    return suggest(parts[-1], keys).replace('"', f'"{named}', 1)


def missing(path: Path, key: str) -> str:
    """What to write for a key that is required in `discover_routes`, or nothing."""
    allowed = 'hosts that labels may use, such as hosts = { "*.apps.example.com" }'
    return f": {allowed}" if path == ("discover_routes",) and key == "hosts" else ""
