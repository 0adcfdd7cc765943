"""``ssl_*`` of servers: certificates, versions and ciphers, certificates of clients."""

from collections.abc import Iterable

from rsp.importing.nginx.matching.listen import Listener, Listeners
from rsp.importing.nginx.matching.servers import Server
from rsp.importing.nginx.values.result import Result
from rsp.importing.nginx.values.surroundings import every
from rsp.importing.site import Declaration, Setting, Value


def certificates(server: Server, listeners: list[Listener], result: Result) -> None:
    """Those of a server that has TLS."""
    files = server.level.all("ssl_certificate")
    keys = server.level.all("ssl_certificate_key")
    password = server.level.value("ssl_password_file")
    if not any(listener.tls for listener in listeners):
        return
    for number, file in enumerate(files):
        key = keys[number].value if number < len(keys) else ""
        if any(text.startswith(("data:", "engine:")) or "$" in text for text in (file.value, key)):
            result.certificates.lost(file, "rsp reads certificates from files whose names are known at the start")
            continue
        said: dict[str, Value] = {}
        if key and key != file.value:
            said["key"] = key
        if password:
            said["password"] = password
        declared = Declaration("certificate", items=[file.value], keys=said, origin=file.origin)
        if not any(
            isinstance(part, Declaration) and part.items == declared.items and part.keys == declared.keys
            for part in result.certificates
        ):
            result.certificates.append(declared)


def stand_in(listeners: Iterable[Listener], result: Result) -> None:
    """A certificate where no server names one: in a part of a configuration it is in a file that is not here."""
    first = next((listener.statement for listener in listeners if listener.tls), None)
    if first is None or any(isinstance(part, Declaration) for part in result.certificates):
        return
    said = "The file names no certificate: put yours here."
    keys: dict[str, Value] = {"key": "/etc/rsp/site.key"}
    result.certificates.append(Declaration("certificate", "", ["/etc/rsp/site.pem"], keys, first.origin, [said]))


def rules(servers: list[Server], result: Result) -> None:
    """``tls``: nginx's versions and ciphers, of which rsp has one set for all listeners."""
    table: dict[str, Value] = {}
    for server in servers:
        protocols = server.level.last("ssl_protocols")
        if protocols is not None:
            if protocols.args == ["TLSv1.3"]:
                table["min"] = "1.3"
            elif {"TLSv1", "TLSv1.1", "SSLv3", "SSLv2"} & set(protocols.args):
                result.settings.note(protocols, "rsp speaks TLS 1.2 and 1.3; older versions are left out")
        ciphers = server.level.last("ssl_ciphers")
        if ciphers is not None:
            text = "rsp's ciphers are those of Mozilla's intermediate profile; `tls = { ciphers = ... }` has others"
            result.settings.note(ciphers, text)
        if server.level.value("ssl_session_tickets") == "off":
            table["session_tickets"] = False
        if server.level.is_on("ssl_reject_handshake"):
            table["strict_sni"] = True
        server.level.all("ssl_session_tickets", "ssl_conf_command")
    if table:
        result.settings.append(Setting("tls", table))


class Clients:
    """What each server asks of clients.  In nginx that is of a listener and a host, in rsp of a host alone."""

    def __init__(
        self, servers: list[Server], listeners: Listeners, hosts: dict[int, list[str]], result: Result
    ) -> None:
        self._secure = [each for each in servers if any(listener.tls for listener in listeners.of(each))]
        self._keys = {id(each): clients(each, each in self._secure, result) for each in servers}
        self._hosts = {
            id(each): {
                "" if host.startswith("~") else host
                for part in listeners.parts(each, hosts)
                for host in part.hosts or [""]
            }
            for each in servers
        }

    def keys(self, server: Server) -> dict[str, Value]:
        """Of all of its routes."""
        return dict(self._keys[id(server)])

    def is_refused(self, server: Server, result: Result) -> bool:
        """Whether another server with TLS has one of its hosts, and asks for something else; this is reported."""
        keys, hosts = self._keys[id(server)], self._hosts[id(server)]
        if not keys:
            return False
        others = (each for each in self._secure if self._keys[id(each)] != keys and self._hosts[id(each)] & hosts)
        other = next(others, None)
        if other is not None:
            said = "rsp asks all clients of a host for the same certificates, and the server at {} has such a host, too"
            asked = server.level.all("ssl_verify_client")[-1]
            result.routes.lost(asked, said.format(other.statement.origin))
        return other is not None


def clients(server: Server, has_tls: bool, result: Result) -> dict[str, Value]:
    """Keys of all routes of a server that asks clients for certificates."""
    mode = server.level.value("ssl_verify_client", "off")
    authority = server.level.value("ssl_client_certificate") or server.level.value("ssl_trusted_certificate")
    revoked = server.level.value("ssl_crl")
    server.level.all("ssl_verify_depth")
    asked = [word for each in every(server.level.block) for word in each.args if "$ssl_client_" in word]
    if mode == "optional_no_ca" and asked:
        said = "rsp asks clients for certificates of authorities that it knows only"
        result.settings.lost(server.level.all("ssl_verify_client")[-1], said)
    if mode in ("off", "optional_no_ca") or not authority or not has_tls:
        return {}
    keys: dict[str, Value] = {"client_ca": authority}
    if revoked:
        keys["client_crl"] = revoked
    if mode == "optional":
        keys["client_verify"] = "optional"
    return keys
