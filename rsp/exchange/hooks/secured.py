"""``req.tls``: what hooks see of the client's TLS connection."""

from rsp.exchange.subject import Subject
from rsp.exchange.tls import certificate_of


def tls_seen(exchange: Subject, name: bytes) -> object:
    """``req.tls[name]``; a tuple is a list.  ``None``: there is none.  The names stand in objects.lua."""
    tls = exchange.session.tls
    if tls is None:
        return None
    if name == b"resumed":
        return tls.resumed
    if name in (b"version", b"cipher", b"sni", b"alpn"):
        return getattr(tls, name.decode()) or None
    certificate = certificate_of(exchange)
    if name == b"verified":
        return certificate is not None
    return getattr(certificate, name.decode()) or None if certificate is not None else None
