"""What a request may claim of its connection's TLS: for filters, placeholders and hooks."""

from collections.abc import Iterator

from rsp.exchange.requirement import Requirement
from rsp.exchange.subject import Subject
from rsp.http.conditions import Unroutable
from rsp.http.paths import normalise_path
from rsp.http.routing import find
from rsp.tls.certificate import ClientCertificate


def requirement_of(exchange: Subject) -> Requirement | None:
    """What the request's route requires of its client; where there is no route (yet), what the host's routes do, or
    that of another host to which its path would have come."""
    if not exchange.route.is_anywhere:
        return exchange.route.requirement
    config, head = exchange.config, exchange.head
    if not config.requirements:
        return None
    return config.requirement_of(head.host) or next(_by_path(exchange), None)


def _by_path(exchange: Subject) -> Iterator[Requirement]:
    config, head = exchange.config, exchange.head
    levels = config.router.levels(head.host)
    try:
        raw = find(levels, head.path, False, head, exchange)
        normal = find(levels, normalise_path(head.path), True, head, exchange)
    except Unroutable:  # it may be for any of them
        yield from config.requirements
        return
    yield from (route.requirement for route in (raw, normal) if route is not None and route.requirement is not None)


def certificate_of(exchange: Subject) -> ClientCertificate | None:
    """The client's certificate, if the rules of this very request have verified it.

    One that another name's authority has verified says nothing here: the client has shown it to another host.
    """
    tls = exchange.session.tls
    if tls is None or not tls.verified or not tls.certificate:
        return None
    requirement = requirement_of(exchange)
    if requirement is None or not requirement.is_met(tls):
        return None
    if not isinstance(tls.about, ClientCertificate):
        tls.about = ClientCertificate(tls.certificate)
    return tls.about


def tls_told(exchange: Subject, name: str) -> bytes:
    """What the placeholder ``name`` stands for; empty: nothing."""
    tls = exchange.session.tls
    if tls is None:
        return b""
    if name == "tls_version":
        return tls.version
    if name == "tls_cipher":
        return tls.cipher
    if name == "sni":
        return tls.sni
    certificate = certificate_of(exchange)
    if certificate is None:
        return b""
    if name == "client_cert":
        return certificate.field
    return certificate.fingerprint if name == "client_cert_fingerprint" else certificate.subject
