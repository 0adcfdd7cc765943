"""A backend's servers, balancing, health checks and cookies as an upstream."""

import re
from typing import Any, Final

from msgspec import Struct, field

from rsp.importing.haproxy.sections import Line, Section, variables
from rsp.importing.haproxy.values import duration, seconds
from rsp.importing.ordered.condition import Inexpressible
from rsp.importing.site import Declaration, Note, Origin, Table, Untranslated
from rsp.importing.wordlist import words as word_set

_WITH_VALUE: Final = word_set(
    """
    weight maxconn inter fastinter downinter rise fall port addr sni ca-file crt crl-file alpn check-alpn check-sni
    cookie id slowstart resolvers resolve-prefer resolve-net resolve-opts init-addr verify verifyhost ssl-min-ver
    ssl-max-ver ciphers ciphersuites pool-max-conn pool-purge-delay pool-low-conn max-reuse minconn maxqueue
    on-error on-marked-down on-marked-up observe error-limit proto source track tcp-ut agent-port agent-inter
    agent-addr agent-send log-proto ws shard namespace redir guid hash-key sigalgs curves set-proxy-v2-tlv-fmt
    proxy-v2-options check-proto
    """
)
_PLAIN: Final = word_set(
    """
    check backup disabled enabled ssl no-check no-backup no-ssl check-ssl no-check-ssl send-proxy send-proxy-v2
    send-proxy-v2-ssl send-proxy-v2-ssl-cn check-send-proxy no-send-proxy non-stick stick tfo agent-check
    no-agent-check no-sslv3 no-tlsv10 no-tlsv11 no-tlsv12 no-tls-tickets no-ssl-reuse ssl-reuse no-verifyhost
    check-via-socks4 allow-0rtt force-tlsv12 force-tlsv13 strict-maxconn
    """
)
_USED: Final = word_set(
    """
    weight backup maxconn ssl verify ca-file crt crl-file sni verifyhost send-proxy send-proxy-v2 send-proxy-v2-ssl
    send-proxy-v2-ssl-cn slowstart check inter rise fall port cookie disabled enabled source track agent-check redir
    namespace no-check no-backup no-ssl no-send-proxy proto alpn
    """
)
_POLICIES: Final = {
    "roundrobin": "round_robin", "static-rr": "round_robin", "leastconn": "least_conn", "random": "random2",
    "source": "hash", "uri": "hash",
}  # fmt: skip
_SNI: Final = re.compile(r"str\(['\"]?([\w.-]+)['\"]?\)")


class Server(Struct):
    address: str
    options: dict[str, str]
    origin: Origin
    text: str


class Upstream(Struct):
    """``lost`` stands before the declaration.  ``declaration`` is ``None`` where there is no server."""

    declaration: Declaration | None = None
    said: list[Untranslated | Note] = field(default_factory=list)
    dropped: dict[str, None] = field(default_factory=dict)


def options(words: list[str]) -> dict[str, str]:
    """The words behind a server's address.  Raises :class:`Inexpressible`."""
    found: dict[str, str] = {}
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word in _WITH_VALUE and index < len(words):
            found[word] = words[index]
            index += 1
        elif word in _PLAIN or word.startswith(("no-", "force-")):
            found[word] = ""
        else:
            raise Inexpressible(f'the option "{word}" of a server is not understood')
    return found


def upstream(section: Section, lines: list[Line], port: str | None, common: dict[str, str]) -> Upstream:
    """``lines``: those of the defaults, too.  ``port``: of servers without one.  ``common``: options of servers."""
    result = Upstream()
    common = dict(common)
    servers: list[Server] = []
    for line in lines:
        if line.first in ("default-server", "server", "server-template"):
            line.used = True
        try:
            if line.first == "default-server":
                common |= options(line.rest)
            elif line.first == "server" and len(line.words) >= 3:
                servers.append(_server(line, line.words[2], line.words[3:], common, port))
            elif line.first == "server-template" and len(line.words) >= 4:
                servers.append(_server(line, line.words[3], line.words[4:], common, port))
        except Inexpressible as error:
            result.said.append(Untranslated(str(error), line.text, line.origin))
    live = [server for server in servers if "disabled" not in server.options]
    for server in servers:
        if server not in live:
            result.said.append(Note(f"{server.text}: disabled there, left out here", server.origin))
    if not live:
        return result
    # Also where its options are lost: what went over TLS does not go in plain text.
    keys: dict[str, Any] = {"tls": True} if any("ssl" in server.options for server in live) else {}
    for make in (_tls, _protocol, _proxy, _slow_start):
        try:
            keys |= make(live)
        except Inexpressible as error:
            result.said.append(Untranslated(str(error), live[0].text, live[0].origin))
    result.said += _lost_name(live[0])
    _balance(lines, keys, result)
    _sticky(lines, live, keys, result)
    try:
        _health(lines, live, keys, result)
    except Inexpressible as error:
        result.said.append(Untranslated(str(error), live[0].text, live[0].origin))
    _queue(lines, keys)
    _retry(lines, keys)
    for server in live:
        for name in server.options:
            if name not in _USED:
                result.dropped[f"server {name}"] = None
            if name in ("source", "track", "agent-check", "redir", "namespace"):
                result.said.append(Untranslated(f"rsp has no such option: {name}", server.text, server.origin))
    peers = list(dict.fromkeys(server.address for server in live))
    items: list[Any] = [_peer(next(server for server in live if server.address == address)) for address in peers]
    result.declaration = Declaration("upstream", section.name, items, keys, section.origin)
    return result


def _server(line: Line, given: str, words: list[str], common: dict[str, str], port: str | None) -> Server:
    own = options(words)
    both = {**common, **own}
    for name in ("check", "backup", "ssl", "send-proxy"):
        if f"no-{name}" in own:
            both.pop(name, None)
    if "enabled" in own:
        both.pop("disabled", None)
    return Server(_address(given, port), both, line.origin, line.text)


def _address(given: str, port: str | None) -> str:
    text = re.sub(r"^(?:ipv4|ipv6|ipv4\+tcp)@", "", given)
    if text.startswith(("/", "unix@", "unix:")):
        return f"unix:{text.removeprefix('unix@').removeprefix('unix:')}"
    if text.startswith(("abns@", "fd@", "sockpair@", "quic", "udp", "socks")):
        raise Inexpressible("rsp has no such address of a peer")
    if text.startswith("_") and "._tcp." in text:
        return f"srv:{text}"
    masked = text
    for _, _, written in variables(text):
        masked = masked.replace(written, "X")
    host, colon, last = masked.rpartition(":")
    if masked.count(":") > 1 and not masked.startswith("[") and last:
        return f"[{text.rpartition(':')[0]}]:{last}"
    if masked.startswith(("0.0.0.0", "*", ":")):
        raise Inexpressible("rsp does not go to the address that the client has asked for")
    if not colon or not host or not last or last.startswith(("+", "-")):
        if port is None or last.startswith(("+", "-")):
            raise Inexpressible("the peer has no port, and so goes by that of the listener")
        return f"{text.rstrip(':')}:{port}"
    return text


def _peer(server: Server) -> "str | Table":
    keys: dict[str, Any] = {}
    weight = server.options.get("weight")
    if weight is not None and weight.isdigit() and weight not in ("1", "0"):
        keys["weight"] = int(weight)
    if "backup" in server.options:
        keys["backup"] = True
    if (most := server.options.get("maxconn", "0")).isdigit() and most != "0":
        keys["max_conns"] = int(most)
    return Table([server.address], keys) if keys else server.address


def _same(servers: list[Server], *names: str) -> dict[str, str]:
    """These options of all servers, which have to be the same."""
    first = {name: value for name, value in servers[0].options.items() if name in names}
    for server in servers[1:]:
        if {name: value for name, value in server.options.items() if name in names} != first:
            raise Inexpressible(
                f"servers of one backend differ in {', '.join(names[:2])}; rsp has these for an upstream"
            )
    return first


def _tls(servers: list[Server]) -> dict[str, Any]:
    found = _same(servers, "ssl", "verify", "ca-file", "crt", "crl-file", "sni")
    if "ssl" not in found:
        return {}
    keys: dict[str, Any] = {}
    if (name := _SNI.fullmatch(found.get("sni", ""))) is not None:
        keys["name"] = name[1]
    if found.get("verify") == "none":
        keys["verify"] = False
    for theirs, ours in (("ca-file", "ca"), ("crt", "certificate"), ("crl-file", "crl")):
        if theirs in found and found[theirs] != "@system-ca":
            keys[ours] = found[theirs]
    hosts = {server.options["verifyhost"] for server in servers if "verifyhost" in server.options}
    if len(hosts) == 1:
        keys.setdefault("name", hosts.pop())
    return {"tls": keys or True}


def _protocol(servers: list[Server]) -> dict[str, Any]:
    first, *others = map(_spoken, servers)
    if any(other != first for other in others):
        raise Inexpressible("servers of one backend differ in proto or alpn; rsp has one protocol for an upstream")
    return first


def _spoken(server: Server) -> dict[str, Any]:
    """HTTP/1.1, unless nothing else is offered."""
    if (proto := server.options.get("proto")) == "fcgi":
        return {"protocol": "fastcgi"}
    is_http2 = proto == "h2" or ("ssl" in server.options and server.options.get("alpn") == "h2")
    return {"http": 2} if is_http2 else {}


def _lost_name(server: Server) -> list[Untranslated]:
    sni = server.options.get("sni", "") if "ssl" in server.options else ""
    if not sni or _SNI.fullmatch(sni):
        return []
    reason = f"rsp sends peers one name (SNI), not {sni}; without tls = {{ name = ... }} it is that of the address"
    return [Untranslated(reason, server.text, server.origin)]


def _proxy(servers: list[Server]) -> dict[str, Any]:
    found = _same(servers, "send-proxy", "send-proxy-v2", "send-proxy-v2-ssl", "send-proxy-v2-ssl-cn")
    if not found:
        return {}
    return {"send_proxy": "v1" if "send-proxy" in found else "v2"}


def _slow_start(servers: list[Server]) -> dict[str, Any]:
    found = _same(servers, "slowstart")
    return {"slow_start": duration(found["slowstart"])} if found else {}


def _last(lines: list[Line], *words: str) -> Line | None:
    found: Line | None = None
    for line in lines:
        if line.starts(*words):
            line.used = True
            found = line
        elif line.starts("no", *words):
            line.used = True
            found = None
    return found


def _balance(lines: list[Line], keys: dict[str, Any], result: Upstream) -> None:
    line = _last(lines, "balance")
    _last(lines, "hash-type")
    if line is None or len(line.words) < 2:
        return
    name, *rest = line.rest
    header = re.fullmatch(r"hdr\(([\w-]+)\)", name)
    hashed = re.fullmatch(r"hash", name) and rest and re.fullmatch(r"(?:req\.)?(?:hdr|cook)\(([\w-]+)\)", rest[0])
    if name == "source" or (name == "hash" and rest[:1] == ["src"]):
        keys |= {"policy": "hash", "key": "client"}
    elif name == "uri":
        keys |= {"policy": "hash", "key": "uri" if "whole" in rest else "path"}
    elif header is not None:
        keys |= {"policy": "hash", "key": f"header:{header[1]}"}
    elif hashed:
        kind = "cookie" if "cook" in rest[0] else "header"
        keys |= {"policy": "hash", "key": f"{kind}:{hashed[1]}"}
    elif (policy := _POLICIES.get(name.partition("(")[0])) is not None:
        if policy != "round_robin":
            keys["policy"] = policy
    elif name.startswith("rdp-cookie"):
        result.said.append(Note(f"{line.text}: requests of HTTP have none, so the peers take turns", line.origin))
    else:
        result.said.append(Untranslated(f'rsp has no policy "{name}"', line.text, line.origin))


def _sticky(lines: list[Line], servers: list[Server], keys: dict[str, Any], result: Upstream) -> None:
    line = _last(lines, "cookie")
    if line is not None and len(line.words) > 1 and any("cookie" in server.options for server in servers):
        if "insert" not in line.words:
            result.said.append(Untranslated("rsp makes a cookie of its own only (insert)", line.text, line.origin))
        else:
            keys["sticky"] = {"cookie": line.words[1], **({"secure": True} if "secure" in line.words else {})}
            if "maxlife" in line.words:
                keys["sticky"]["max_age"] = duration(line.words[line.words.index("maxlife") + 1], "s")
            result.said.append(
                Note("the cookie's values are signed: clients that come with HAProxy's get a new one", line.origin)
            )
    for name in ("stick", "stick-table"):
        for stick in (each for each in lines if each.first == name):
            if name == "stick-table" and not any(each.first == "stick" for each in lines):
                continue
            stick.used = True
            if stick.starts("stick", "on", "src"):
                if "sticky" in keys or keys.get("policy") not in (None, "hash"):
                    result.said.append(Untranslated("a second way to stay with a peer", stick.text, stick.origin))
                    continue
                keys |= {"policy": "hash", "key": "client"}
                result.said.append(
                    Note("a client stays with its peer by a hash of its address, not by a table", stick.origin)
                )
            elif name == "stick":
                result.said.append(Untranslated("rsp has no tables of clients and peers", stick.text, stick.origin))


def _health(lines: list[Line], servers: list[Server], keys: dict[str, Any], result: Upstream) -> None:
    asked = _last(lines, "option", "httpchk")
    checks = [line for line in lines if line.first in ("http-check", "tcp-check")]
    others = [line for line in lines if line.first == "option" and len(line.words) > 1 and line.words[1] in _OTHER]
    for line in [*checks, *others]:
        line.used = True
    if not any("check" in server.options for server in servers):
        return
    health: dict[str, Any] = {"type": "tcp"}
    if asked is not None:
        health = {"path": "/", "method": "OPTIONS"}
        rest = asked.words[2:]
        if len(rest) == 1:
            health["path"] = rest[0]
        elif rest:
            health |= {"method": rest[0], "path": rest[1]}
        for word in rest[3:]:
            if (host := re.match(r"(?:.*\\r\\n|.*\n)?Host:\s*([\w.:-]+)", word, re.IGNORECASE)) is not None:
                health["host"] = host[1]
        _http_checks(checks, health, result)
        if health.get("method") == "GET":
            del health["method"]
    elif checks or any(line.words[1] != "tcp-check" for line in others):
        line = next((each for each in others if each.words[1] != "tcp-check"), (checks or others)[0])
        result.said.append(Note(f"{line.text}: rsp checks whether it can connect", line.origin))
    first = servers[0].options
    health["interval"] = duration(first.get("inter", "2s"))
    for theirs, ours, default in (("rise", "rise", 2), ("fall", "fall", 3)):
        if first.get(theirs, str(default)).isdigit() and int(first.get(theirs, default)) != default:
            health[ours] = int(first[theirs])
    if first.get("port", "").isdigit():
        health["port"] = int(first["port"])
    timeout = _last(lines, "timeout", "check")
    given = timeout.words[2] if timeout is not None and len(timeout.words) > 2 else ""
    shortest = min([first.get("inter", "2s"), *([given] if given else [])], key=seconds)
    if seconds(shortest) != 2:
        health["timeout"] = duration(shortest)
    keys["health"] = health


_OTHER: Final = word_set(
    """
    tcp-check mysql-check pgsql-check redis-check smtpchk ldap-check ssl-hello-chk external-check spop-check
    """
)


def _http_checks(checks: list[Line], health: dict[str, Any], result: Upstream) -> None:
    for line in checks:
        words = line.rest
        if line.first == "tcp-check" or not words or words[0] in ("disable-on-404", "send-state", "connect", "comment"):
            continue
        if words[0] == "send":
            pairs = {name: words[index + 1] for index, name in enumerate(words[:-1]) if name in ("meth", "uri")}
            health |= {"method": pairs.get("meth", health["method"]), "path": pairs.get("uri", health["path"])}
            for index, word in enumerate(words):
                if word == "hdr" and words[index + 1 : index + 2] and words[index + 1].lower() == "host":
                    health["host"] = words[index + 2]
        elif words[0] == "expect" and words[1:2] == ["status"] and len(words) > 2:
            found = [int(each) if each.isdigit() else each for each in re.split(r"[,\s]+", words[2])]
            health["status"] = found[0] if len(found) == 1 else found
        elif (
            words[0] == "expect" and words[1:2] == ["rstatus"] and re.fullmatch(r"[\^(]*\[?[0-9|().\[\]$^-]+", words[2])
        ):
            digits = re.findall(r"[1-5]", words[2].split("]")[0])
            if digits and "." in words[2]:
                health["status"] = f"{min(digits)}00-{max(digits)}99"
            else:
                result.said.append(Untranslated("rsp has lists of statuses", line.text, line.origin))
        elif words[0] == "expect" and words[1:2] == ["string"]:
            health["body"] = " ".join(words[2:])
        else:
            result.said.append(Untranslated("rsp has no such check", line.text, line.origin))


def _queue(lines: list[Line], keys: dict[str, Any]) -> None:
    line = _last(lines, "timeout", "queue")
    if line is not None and len(line.words) > 2:
        keys["queue"] = {"timeout": duration(line.words[2])}


def _retry(lines: list[Line], keys: dict[str, Any]) -> None:
    """Failed connections are retried by rsp as well."""
    on, most = _last(lines, "retry-on"), _last(lines, "retries")
    if most is not None and most.rest == ["0"]:
        keys["retry"] = {"tries": 1}
    elif on is not None:
        named = [500, 502, 503, 504] if "all-retryable-errors" in on.rest else []
        named += [int(word) for word in on.rest if word in ("429", "500", "502", "503", "504")]
        keys |= {"retry": {"on": list(dict.fromkeys(named))}} if named else {}
