"""``reverse_proxy`` and ``php_fastcgi``: upstreams, and what routes to them say."""

import re
from typing import Any

from msgspec import Struct, field

from rsp.importing.caddy.tokens import Node, variables
from rsp.importing.caddy.values import duration, placeholders, seconds
from rsp.importing.ordered.condition import Inexpressible
from rsp.importing.site import Note, Table, Untranslated
from rsp.importing.trust import OWN
from rsp.importing.wordlist import words

_DROPPED = words(
    """
    flush_interval lb_try_duration lb_try_interval lb_retries max_fails unhealthy_latency unhealthy_request_count
    trusted_proxies buffer_responses response_buffers stream_timeout stream_close_delay verbose_logs max_buffer_size
    health_passes health_fails fail_duration unhealthy_status health_follow_redirects lb_retry_match
    """
)
_TRANSPORT_DROPPED = words(
    """
    keepalive keepalive_idle_conns keepalive_idle_conns_per_host keepalive_interval versions compression read_buffer
    write_buffer max_conns_per_host max_idle_conns_per_host dial_fallback_delay expect_continue_timeout
    max_response_header local_address tls_timeout tls_renegotiation tls_except_ports network_proxy
    forward_proxy_url dial_timeout write_timeout resolvers tls_curves enable_h2c
    """
)
_POLICIES: dict[str, dict[str, str]] = {
    "least_conn": {"policy": "least_conn"}, "round_robin": {}, "random": {"policy": "random2"},
    "random_choose": {"policy": "random2"}, "ip_hash": {"policy": "hash"}, "client_ip_hash": {"policy": "hash"},
    "uri_hash": {"policy": "hash", "key": "uri"}, "first": {},
}  # fmt: skip
_OURS = {
    "x-forwarded-for": ("{client}",),
    "x-forwarded-proto": ("{scheme}",),
    "x-forwarded-host": ("{host}", "{authority}"),
}
_SCHEMES = {"http": "80", "https": "443", "h2c": "80"}


class Proxied(Struct):
    """``peers`` and ``keys``: of the upstream; ``route``: keys of routes to it."""

    peers: list[Any] = field(default_factory=list)
    keys: dict[str, Any] = field(default_factory=dict)
    route: dict[str, Any] = field(default_factory=dict)
    said: list[Note | Untranslated] = field(default_factory=list)
    dropped: list[str] = field(default_factory=list)
    name: str = "app"


def reverse_proxy(node: Node, addresses: list[str]) -> Proxied:
    """Raises :class:`Inexpressible` where there is no upstream to go to."""
    found = Proxied()
    given = list(addresses)
    for line in node.block or []:
        if line.name == "to":
            given += line.rest
        elif line.name == "dynamic":
            given += _dynamic(line)
    if not given:
        raise Inexpressible("no peer is named")
    schemes: set[str] = set()
    plain: list[str] = []
    for each in given:
        for scheme, address in _addresses(each):
            schemes.add(scheme)
            plain.append(address)
    if len(schemes) > 1:
        raise Inexpressible("peers of one upstream differ in their scheme")
    scheme = schemes.pop()
    if scheme == "https":
        found.keys["tls"] = True
    elif scheme == "h2c":
        found.keys["http"] = 2
    found.peers = list(plain)
    found.name = _name(plain[0])
    if len(plain) > 1:
        found.keys["policy"] = "random2"
    for line in node.block or []:
        try:
            _line(line, found, plain)
        except Inexpressible as error:
            found.said.append(Untranslated(str(error), line.text, line.origin))
    return found


def _dynamic(line: Node) -> list[str]:
    kind, *values = line.rest or [""]
    inner = {each.name: each.rest[0] for each in line.block or [] if each.rest}
    if kind == "srv" and (values or "name" in inner):
        name = values[0] if values else inner["name"]
        if "service" in inner:
            name = f"_{inner['service']}._{inner.get('proto', 'tcp')}.{name}"
        return [f"srv:{name}"] if name.startswith("_") else []
    if kind == "a":
        name = values[0] if values else inner.get("name", "")
        port = values[1] if len(values) > 1 else inner.get("port", "80")
        return [f"{name}:{port}"] if name else []
    raise Inexpressible(f"rsp has no such source of peers: {line.text}")


def _addresses(given: str) -> list[tuple[str, str]]:
    scheme, separator, rest = given.partition("://")
    if given.startswith("srv:"):
        return [("http", given)]
    if not separator:
        scheme, rest = "http", given
    if rest.startswith("unix/") or scheme.startswith("unix+"):
        kind = "h2c" if scheme in ("unix+h2c", "h2c") or rest.startswith("unix+h2c/") else "http"
        return [(kind, f"unix:{rest.partition('/')[2] if rest.startswith('unix') else rest}")]
    if scheme not in _SCHEMES:
        raise Inexpressible(f'rsp has no peers of "{scheme}"')
    masked = rest
    for _, _, written in variables(rest):
        masked = masked.replace(written, "X")
    if "{" in masked:
        raise Inexpressible("the peer is computed for each request")
    if "/" in masked.rstrip("/"):
        raise Inexpressible("a peer has no path: rewrite is what changes it")
    rest = rest.rstrip("/")
    host, colon, port = masked.rstrip("/").rpartition(":")
    if masked == "X":
        return [(scheme, rest)]
    if not colon or masked.endswith("]"):
        return [(scheme, f"{rest}:{_SCHEMES[scheme]}")]
    if not host:
        return [(scheme, f"localhost{rest}")]
    if (ports := re.fullmatch(r"([0-9]+)-([0-9]+)", port)) is not None:
        return [(scheme, f"{host}:{each}") for each in range(int(ports[1]), int(ports[2]) + 1)]
    return [(scheme, rest)]


def _name(address: str) -> str:
    """What the upstream is called: after the host, or else its port."""
    for name, default, written in variables(address):
        address = address.replace(written, default if default else name.lower())
    if address.startswith("unix:"):
        return re.sub(r"\.\w+$", "", address.rpartition("/")[2]) or "app"
    host, _, port = address.removeprefix("srv:").rpartition(":")
    host = host.strip("[]") or port
    local = host in ("localhost", "127.0.0.1", "::1", "host.docker.internal")
    name = f"port-{port}" if local else host
    return re.sub(r"[^\w.-]", "-", name).strip("-._") or "app"


def _line(line: Node, found: Proxied, peers: list[str]) -> None:
    name, values = line.name, line.rest
    health = {"health_port": "port", "health_method": "method"}
    if name in ("to", "dynamic"):
        return
    if name in _DROPPED:
        found.dropped.append(name)
        return
    if name == "lb_policy" and values:
        _policy(line, values, found)
    elif name == "header_up" and values:
        _header_up(values, found, peers)
    elif name == "header_down" and values:
        _header_down(values, found)
    elif (name == "health_uri" and values) or (name == "health_path" and values):
        _health(found)["path"] = values[0]
    elif name in ("health_interval", "health_timeout") and values:
        _health(found)[name.removeprefix("health_")] = duration(values[0])
    elif name == "health_status" and values:
        _health(found)["status"] = f"{values[0][0]}00-{values[0][0]}99" if values[0].endswith("xx") else int(values[0])
    elif name == "health_body" and values and re.fullmatch(r"[\w \"':{},-]+", values[0]):
        _health(found)["body"] = values[0]
    elif name in health and values:
        _health(found)[health[name]] = int(values[0]) if values[0].isdigit() else values[0]
    elif name == "health_headers":
        for each in line.block or []:
            if each.name.lower() != "host" or not each.rest:
                raise Inexpressible("health checks of rsp have a Host and no other field")
            _health(found)["host"] = each.rest[0]
    elif name == "transport" and values[:1] == ["http"]:
        for each in line.block or []:
            _transport(each, found)
    elif name in ("request_buffers", "buffer_requests"):
        found.route["request_buffering"] = True
    elif name == "rewrite" and values:
        found.route["rewrite"] = placeholders(values[0])
    else:
        raise Inexpressible(f"reverse_proxy of rsp has no {name}")


def _health(found: Proxied) -> dict[str, Any]:
    health: dict[str, Any] = found.keys.setdefault("health", {"interval": "30s", "timeout": "5s", "status": "200-299"})
    return health


def _policy(line: Node, values: list[str], found: Proxied) -> None:
    found.keys.pop("policy", None)
    name = values[0]
    if name in _POLICIES:
        found.keys |= _POLICIES[name]
        if name == "first":
            found.peers[1:] = [Table([each], {"backup": True}) for each in found.peers[1:]]
    elif name == "header" and len(values) > 1:
        found.keys |= {"policy": "hash", "key": f"header:{values[1]}"}
    elif name == "cookie":
        found.keys["sticky"] = {"cookie": values[1] if len(values) > 1 else "lb"}
        found.said.append(Note("clients that come with a cookie of Caddy's get a new one", line.origin))
    elif name == "weighted_round_robin" and len(values) == 1 + len(found.peers):
        pairs = zip(found.peers, values[1:], strict=True)
        found.peers = [Table([peer], {"weight": int(weight)}) for peer, weight in pairs]
    else:
        raise Inexpressible(f'rsp has no policy "{name}"')


def _header_up(values: list[str], found: Proxied, peers: list[str]) -> None:
    name, *rest = values
    if name.startswith("-"):
        if "*" in name:
            raise Inexpressible("rsp removes fields by their whole names")
        _add(found.route, "request_headers", "remove", name[1:])
        return
    if len(rest) != 1:
        raise Inexpressible("rsp does not replace parts of a field")
    value = rest[0]
    if value in ("{upstream_hostport}", "{http.reverse_proxy.upstream.hostport}") and name.lower() == "host":
        if len(set(peers)) > 1:
            raise Inexpressible("rsp sends one Host to all peers: send_host")
        found.route["send_host"] = re.sub(r":(?:80|443)$", "", peers[0]) if _usual(found, peers[0]) else peers[0]
        return
    if (
        value in ("{upstream_host}", "{http.reverse_proxy.upstream.host}")
        and name.lower() == "host"
        and len(peers) == 1
    ):
        found.route["send_host"] = peers[0].rpartition(":")[0]
        return
    plain = name.lstrip("+>")
    if plain.lower() in OWN:
        return  # upgrades pass by themselves
    value = placeholders(value)
    if plain.lower() == "host":
        if value in ("{host}", "{authority}"):
            return
        if "{" in value and not variables(value):
            raise Inexpressible("rsp has no such placeholder for Host")
        found.route["send_host"] = value
    elif value not in _OURS.get(plain.lower(), ()):
        _set(found.route, "request_headers", "add" if name.startswith("+") else "set", plain, value)


def _usual(found: Proxied, peer: str) -> bool:
    return peer.endswith(":443" if "tls" in found.keys else ":80")


def _header_down(values: list[str], found: Proxied) -> None:
    name, *rest = values
    if name.startswith("-"):
        _add(found.route, "response_headers", "remove", name[1:])
    elif len(rest) != 1 or name.startswith(("?", "~")):
        raise Inexpressible("rsp does not replace parts of a field")
    else:
        way = "add" if name.startswith("+") else "set"
        _set(found.route, "response_headers", way, name.lstrip("+>"), placeholders(rest[0]))
    found.route["response_headers"]["own"] = False


def _add(route: dict[str, Any], kind: str, way: str, name: str) -> None:
    route.setdefault(kind, {}).setdefault(way, []).append(name)


def _set(route: dict[str, Any], kind: str, way: str, name: str, value: str) -> None:
    route.setdefault(kind, {}).setdefault(way, {})[name] = value


def _transport(line: Node, found: Proxied) -> None:
    name, values = line.name, line.rest
    tls = found.keys.get("tls")
    keys: dict[str, Any] = dict(tls) if isinstance(tls, dict) else {}
    if name in _TRANSPORT_DROPPED:
        found.dropped.append(name)
        if name == "versions" and "h2c" in values:
            found.keys["http"] = 2
        elif name == "dial_timeout" and values and seconds(values[0]):
            found.route.setdefault("timeouts", {})["connect"] = duration(values[0])
        return
    if name == "tls":
        found.keys["tls"] = keys or True
    elif name == "tls_insecure_skip_verify":
        found.keys["tls"] = {**keys, "verify": False}
    elif name == "tls_server_name" and values:
        if "{" in values[0] and not variables(values[0]):
            raise Inexpressible("the name of the TLS handshake is computed for each request")
        found.keys["tls"] = {**keys, "name": values[0]}
    elif name in ("tls_trusted_ca_certs", "tls_trust_pool") and values:
        files = [each for each in values if each != "file"]
        if len(files) != 1 or (name == "tls_trust_pool" and values[0] != "file"):
            raise Inexpressible("rsp reads authorities of one file: tls = { ca = ... }")
        found.keys["tls"] = {**keys, "ca": files[0]}
    elif name == "tls_client_auth" and len(values) == 2:
        found.keys["tls"] = {**keys, "certificate": values[0], "key": values[1]}
    elif name == "response_header_timeout" and values:
        found.route.setdefault("timeouts", {})["response"] = duration(values[0])
    elif name == "read_timeout" and values:
        found.route.setdefault("timeouts", {})["read"] = duration(values[0])
    elif name == "proxy_protocol" and values:
        found.keys["send_proxy"] = values[0]
    else:
        raise Inexpressible(f"rsp has no {name} for peers")


def php_fastcgi(node: Node, addresses: list[str], root: str) -> Proxied:
    found = Proxied(name="php")
    for each in addresses:
        for _, address in _addresses(each.removeprefix("php+")):
            found.peers.append(address)
    if not found.peers:
        raise Inexpressible("no peer is named")
    found.keys = {"protocol": "fastcgi", "root": root}
    for line in node.block or []:
        if line.name in ("root", "split", "index") and len(line.rest) == 1:
            found.keys[line.name] = line.rest[0]
        elif line.name == "env" and len(line.rest) == 2:
            found.keys.setdefault("params", {})[line.rest[0]] = placeholders(line.rest[1])
        elif line.name in ("dial_timeout", "write_timeout", "capture_stderr", "resolve_root_symlink", "try_files"):
            continue
        elif line.name == "read_timeout" and line.rest:
            found.route["timeouts"] = {"response": duration(line.rest[0]), "read": duration(line.rest[0])}
        else:
            try:
                _line(line, found, [str(each) for each in found.peers])
            except Inexpressible as error:
                found.said.append(Untranslated(str(error), line.text, line.origin))
    return found
