"""A frontend's ``bind`` lines as listeners and certificates."""

import re
from pathlib import PurePosixPath
from typing import Any, Final

from msgspec import Struct, field

from rsp.importing.haproxy.patterns import Patterns
from rsp.importing.haproxy.sections import Line, Section
from rsp.importing.ordered.condition import Inexpressible
from rsp.importing.site import Declaration, Note, Untranslated
from rsp.importing.wordlist import words as word_set

_VALUED: Final = word_set(
    """
    crt crt-list ca-file ca-verify-file crl-file verify alpn npn ciphers ciphersuites ssl-min-ver ssl-max-ver curves
    ecdhe name maxconn backlog process thread interface mode user group uid gid id level severity-output tcp-ut mss
    nice proto namespace tls-ticket-keys crt-ignore-err ca-ignore-err shards ca-sign-file ca-sign-pass sigalgs
    client-sigalgs guid-prefix ocsp-update label quic-cc-algo
    """
)
_PLAIN: Final = word_set(
    """
    ssl accept-proxy accept-netscaler-cip v4v6 v6only tfo defer-accept transparent strict-sni no-sslv3 no-tlsv10
    no-tlsv11 no-tlsv12 no-tlsv13 no-tls-tickets force-tlsv12 force-tlsv13 force-tlsv10 force-tlsv11 force-sslv3
    prefer-client-ciphers allow-0rtt generate-certificates expose-fd listeners no-ca-names tls-tickets no-strict-sni
    default-crt quic-force-retry no-alpn
    """
)


class Bind(Struct):
    address: str
    options: dict[str, list[str]]
    line: Line

    @property
    def tls(self) -> bool:
        return "ssl" in self.options

    @property
    def port(self) -> str:
        return self.address.rpartition(":")[2]


class Binds(Struct):
    binds: list[Bind] = field(default_factory=list)
    said: list[Note | Untranslated] = field(default_factory=list)


def binds(section: Section) -> Binds:
    result = Binds()
    lines = [line for line in section.lines if line.first == "bind"]
    if len(section.words) > 2 and ":" in section.words[2]:
        lines.append(Line(["bind", *section.words[2:]], section.text, section.origin))
    for line in lines:
        line.used = True
        try:
            options = _options(line.words[2:])
            for given in line.words[1].split(",") if len(line.words) > 1 else ():
                if given.startswith("quic"):
                    result.said.append(Note("rsp has no HTTP/3: clients use HTTP/2", line.origin))
                    continue
                for address in _addresses(given, "v4v6" in options):
                    result.binds.append(Bind(address, options, line))
        except Inexpressible as error:
            result.said.append(Untranslated(str(error), line.text, line.origin))
    return result


def _options(words: list[str]) -> dict[str, list[str]]:
    found: dict[str, list[str]] = {}
    index = 0
    while index < len(words):
        word = words[index]
        index += 1
        if word in _VALUED and index < len(words):
            found.setdefault(word, []).append(words[index])
            index += 1
        elif word in _PLAIN:
            found.setdefault(word, [])
        else:
            raise Inexpressible(f'the option "{word}" of bind is not understood')
    return found


def _addresses(given: str, both: bool) -> list[str]:
    text = re.sub(r"^(?:ipv4@|tcp@|tcp4@)", "", given)
    six = re.match(r"(?:ipv6|tcp6)@", text) is not None
    text = re.sub(r"^(?:ipv6|tcp6)@", "", text)
    if text.startswith(("/", "unix@")):
        return [f"unix:{text.removeprefix('unix@')}"]
    if "@" in text:
        raise Inexpressible(f'rsp has no such address to listen on: "{given}"')
    host, _, port = text.rpartition(":")
    if not port or not re.fullmatch(r"[0-9]+(?:-[0-9]+)?|\$\{?\w+(?:-[0-9]*)?\}?", port):
        raise Inexpressible(f'no port in "{given}"')
    if host in ("::", "[::]") or six:
        hosts = ["0.0.0.0", "[::]"] if both else ["[::]"]
    elif host in ("", "*"):
        hosts = ["0.0.0.0"]
    else:
        hosts = [f"[{host}]" if ":" in host and not host.startswith("[") else host]
    first, dash, last = port.partition("-") if "$" not in port else (port, "", "")
    ports = [str(each) for each in range(int(first), int(last) + 1)] if dash else [port]
    if len(ports) > 16:
        raise Inexpressible("rsp listens on ports that are named, not on a range")
    return [f"{host}:{port}" for host in hosts for port in ports]


def listen(bind: Bind, redirect: bool, timeouts: dict[str, Any]) -> Declaration:
    keys: dict[str, Any] = {}
    comments: list[str] = []
    if bind.tls:
        keys["tls"] = True
        alpn = ",".join(bind.options.get("alpn", []))
        if alpn and "h2" not in alpn.split(","):
            keys["http2"] = False
    elif "h2" in bind.options.get("proto", []):
        keys["http2"] = "prior-knowledge"
    if redirect:
        keys["redirect"] = "https"
    if "accept-proxy" in bind.options:
        keys["proxy_protocol"] = {"from": ["0.0.0.0/0", "::/0"]}
        comments.append("All connections begin with a PROXY header, as accept-proxy says: name the balancers here.")
    if timeouts:
        keys["timeouts"] = timeouts
    return Declaration("listen", bind.address, keys=keys, origin=bind.line.origin, comments=comments)


def certificates(bind: Bind, base: str, patterns: Patterns) -> tuple[list[Declaration], list[Note | Untranslated]]:
    found: list[Declaration] = []
    said: list[Note | Untranslated] = []
    origin = bind.line.origin
    for file in bind.options.get("crt", []):
        path = PurePosixPath(base, file)
        if file.endswith("/") or not path.suffix:
            found.append(Declaration("certificate", items=[f"{path}/*.pem"], origin=origin))
            said.append(Note(f"HAProxy reads all files of {path}, rsp those that match *.pem", origin))
        else:
            found.append(Declaration("certificate", items=[str(path)], origin=origin))
    for file in bind.options.get("crt-list", []):
        try:
            named = [str(PurePosixPath(base, line.split()[0])) for line in patterns.lines(file)]
            said.append(Note(f"the certificates of {file} are named in this file now", origin))
        except Inexpressible:
            named = [f"{PurePosixPath(file).parent}/*.pem"]
            said.append(
                Untranslated("name the certificates of the list: certificate { ... }", f"crt-list {file}", origin)
            )
        found += [Declaration("certificate", items=[each], origin=origin) for each in dict.fromkeys(named)]
    if bind.tls and not found and "crt-list" not in bind.options:
        said.append(Untranslated("ssl without crt", bind.line.text, origin))
    return found, said


def client_rules(bind: Bind) -> dict[str, Any]:
    """Keys of a route for clients' certificates."""
    if "ca-file" not in bind.options or bind.options.get("verify", ["none"])[0] == "none":
        return {}
    keys: dict[str, Any] = {"client_ca": bind.options["ca-file"][0]}
    if "crl-file" in bind.options:
        keys["client_crl"] = bind.options["crl-file"][0]
    if bind.options["verify"][0] == "optional":
        keys["client_verify"] = "optional"
    return keys


def tls_settings(found: list[Bind], lines: list[Line]) -> dict[str, Any]:
    """Keys of the setting ``tls``, where they differ from rsp's defaults."""
    tls = [bind for bind in found if bind.tls]
    keys: dict[str, Any] = {}
    options = [bind.options for bind in tls] + [
        {"ssl-min-ver": [word for word in line.words if word.startswith("TLSv")][:1]}
        for line in lines
        if line.first == "ssl-default-bind-options" and "ssl-min-ver" in line.words
    ]
    if tls and any("TLSv1.3" in each.get("ssl-min-ver", []) or "force-tlsv13" in each for each in options):
        keys["min"] = "1.3"
    if tls and all("strict-sni" in bind.options for bind in tls):
        keys["strict_sni"] = True
    return keys
