"""The TLS of clients that ``rsp explain`` and tests play: what a handshake would have settled."""

from ipaddress import ip_address
from typing import Any

from rsp.config.schema import Config, Listener
from rsp.exchange.running_config import RunningConfig
from rsp.http.hosts import normalise_host
from rsp.tls.certificate import ClientCertificate
from rsp.tls.facts import Facts
from rsp.tls.material import Keyring

_OF_CERTIFICATE = (b"subject", b"issuer", b"serial", b"fingerprint", b"not_after")


class SimulatedTls:
    """``sni``: ``None`` for the request's host.  ``certificate``: of the client; it counts as verified."""

    def __init__(self, sni: bytes | None = None, certificate: ClientCertificate | None = None) -> None:
        self.sni = sni
        self.certificate = certificate
        self.version, self.cipher, self.alpn = b"TLSv1.3", b"TLS_AES_256_GCM_SHA384", b"http/1.1"
        self.resumed = False

    @classmethod
    def of(cls, given: Any) -> "SimulatedTls":
        """``given``: the table that a test writes, with its values checked."""
        made = cls(given[b"sni"])
        for name in (b"version", b"cipher", b"alpn", b"resumed"):
            if given[name] is not None:
                setattr(made, name.decode(), given[name])
        parts = {name.decode(): given[name] for name in _OF_CERTIFICATE if given[name] is not None}
        sans = given[b"sans"]
        if sans is not None:
            parts["sans"] = tuple(sans[index] for index in range(1, len(sans) + 1))
        if given[b"verified"] or (parts and given[b"verified"] is None):
            made.certificate = ClientCertificate(b"simulated")
            made.certificate.__dict__.update(parts)
        return made

    def facts(self, host: bytes, running: RunningConfig) -> Facts:
        """Of a connection by which ``host`` is asked for."""
        name = normalise_host(host)
        sni = self.sni if self.sni is not None else b"" if _is_address(name) else name
        requirement = running.requirement_of(sni)
        policy = requirement.policy if requirement is not None else b""
        has = self.certificate is not None and requirement is not None
        made = Facts(
            self.version, self.cipher, sni, self.alpn, self.resumed, policy, b"simulated" if has else b"", has
        )  # fmt: skip
        made.about = self.certificate
        return made


def _is_address(name: bytes) -> bool:
    try:
        ip_address(name.decode("latin-1").strip("[]"))
    except ValueError:
        return False
    return True


def listener_for(config: Config, tls: bool | None, host: bytes = b"") -> Listener:
    """Where a request for ``host`` arrives: over TLS, or not; ``None``: at the first listener that serves requests.

    A port in ``host`` chooses among several.
    """
    serving = [listener for listener in config.listeners if not listener.redirect]
    if tls is not None:
        serving = [listener for listener in config.listeners if listener.tls == tls]
    port = b":" + host.rpartition(b":")[2]
    named = [listener for listener in serving if listener.address.encode().endswith(port)]
    return (named or serving or config.listeners)[0]


def authorities(config: Config) -> Keyring:
    """Files of authorities are not read here: each has its name as its content, so that they differ."""
    names = {name for route in config.routes for name in (route.client_ca, route.client_crl) if name is not None}
    return Keyring(authorities={name: name.encode() for name in names})
