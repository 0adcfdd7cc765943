"""``ssl.SSLContext`` from what was read and decided: certificates, versions, ciphers, verification.

Rules of this room: it is the only one that configures OpenSSL; nothing is decided here that depends on a connection.
A context costs 1.4 ms and 24 KiB, one with the system's authorities 21 ms, so they are shared by content.
"""

import re
import ssl
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from functools import lru_cache
from pathlib import Path
from typing import Final, NamedTuple

from rsp.config.tls import HttpVersion, Tls, UpstreamTls
from rsp.system.memory import sealed
from rsp.tls.engine import Context
from rsp.tls.material import Chain, Keyring
from rsp.tls.policy import Profile, Verification
from rsp.tls.stdlib import Connection
from rsp.tls.suites import bad_ones_last

# Mozilla's guidelines, version 6.0 (ssl-config.mozilla.org/guidelines/6.0.json), in the order of their cost: all
# are good.  A client that names ChaCha20 first gets it: a phone without AES instructions is better off so.  Both have
# all suites that OpenSSL has for TLS 1.3.
INTERMEDIATE: Final = ":".join(
    (
        "ECDHE-ECDSA-AES128-GCM-SHA256",
        "ECDHE-RSA-AES128-GCM-SHA256",
        "ECDHE-ECDSA-AES256-GCM-SHA384",
        "ECDHE-RSA-AES256-GCM-SHA384",
        "ECDHE-ECDSA-CHACHA20-POLY1305",
        "ECDHE-RSA-CHACHA20-POLY1305",
    )
)
_NAMED: Final = {
    "intermediate": INTERMEDIATE,
    "modern": INTERMEDIATE,
}  # modern: TLS 1.3 alone, so none of these is used
_VERSIONS: Final = {"1.2": ssl.TLSVersion.TLSv1_2, "1.3": ssl.TLSVersion.TLSv1_3}
_ALPN: Final = ("http/1.1", "http/1.0")  # as nginx
_HTTP2_ALPN: Final = ("h2", *_ALPN)
# By the version of HTTP that an upstream is asked with.
_PEERS_ALPN: Final[dict[HttpVersion, tuple[str, ...]]] = {
    1: ("http/1.1",), 2: ("h2",), "auto": ("h2", "http/1.1")
}  # fmt: skip
_MOST_CLIENT_CONTEXTS: Final = 64
_PRIORITIZE_CHACHA: Final = 1 << 21  # SSL_OP_PRIORITIZE_CHACHA
_LIST: Final = re.compile(rb"-----BEGIN X509 CRL-----.+?-----END X509 CRL-----", re.DOTALL)


class ContextError(Exception):
    """OpenSSL refuses what it was given; the text says why."""


def profile_of(tls: Tls, http2: bool = False) -> Profile:
    """``modern`` means TLS 1.3 alone, unless ``min`` says otherwise.  ``http2``: for listeners that speak it."""
    oldest = tls.min or ("1.3" if tls.ciphers == "modern" else "1.2")
    ciphers = _NAMED.get(tls.ciphers, tls.ciphers)
    if not http2:
        return Profile(oldest, ciphers, _ALPN, tls.session_tickets)
    with _reasons():
        return Profile(oldest, bad_ones_last(ciphers), _HTTP2_ALPN, tls.session_tickets)


def server_context(chains: Sequence[Chain], profile: Profile, verification: Verification | None) -> Context:
    """For clients.  ``chains``: at most one of each kind of key.  Raises :class:`ContextError`."""
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    with _reasons():
        context.minimum_version = _VERSIONS[profile.min]
        _choose_ciphers(context, profile.ciphers)
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.options |= ssl.OP_CIPHER_SERVER_PREFERENCE | _PRIORITIZE_CHACHA
        context.set_alpn_protocols(profile.alpn)
        context.num_tickets = 1  # of TLS 1.3, each 25 us of a handshake's 270; every resumption brings another one
        if not profile.tickets:
            context.options |= ssl.OP_NO_TICKET
            context.num_tickets = 0  # TLS 1.3 would keep sessions in memory instead
        for chain in chains:
            _use(context, chain.chain, chain.key)
        if verification is None:
            return Context(context)
        _verify(context, verification)
        context.verify_mode = ssl.CERT_REQUIRED if verification.required else ssl.CERT_OPTIONAL
    return Context(context, verification.digest)


def _choose_ciphers(context: ssl.SSLContext, ciphers: str) -> None:
    try:
        context.set_ciphers(ciphers)
    except ssl.SSLError:
        raise ContextError(f'OpenSSL has none of the ciphers "{ciphers}"') from None


class ClientContent(NamedTuple):
    """All that a context for peers is made of.  ``stamp``: of the system's authorities, where those are trusted.
    ``alpn``: the protocols that it offers."""

    verification: Verification | None
    own: tuple[bytes, bytes] | None  # certificates and key
    oldest: str
    stamp: object
    alpn: tuple[str, ...]


def client_content(secure: UpstreamTls, keyring: Keyring, http: HttpVersion = 1) -> ClientContent:
    """The content of files included.  Raises :class:`ContextError`."""
    verified = verification(keyring, secure.ca, secure.crl) if secure.verify else None
    stamp = system_stamp() if verified is not None and not verified.ca else None
    return ClientContent(verified, _own(secure, keyring), secure.min, stamp, _PEERS_ALPN[http])


def client_context(content: ClientContent) -> Context:
    """For peers.  Raises :class:`ContextError`."""
    verified = content.verification
    return Context(_client_ssl_context(content), verified.digest if verified is not None else b"")


def client_ssl_context(secure: UpstreamTls, keyring: Keyring, http: HttpVersion = 1) -> ssl.SSLContext:
    """What is under :func:`client_context`, for asyncio's streams; shared by content.  Raises :class:`ContextError`."""
    return _client_ssl_context(client_content(secure, keyring, http))


def verification(keyring: Keyring, ca: str | None, crl: str | None, required: bool = True) -> Verification:
    """By the content of files.  Raises :class:`ContextError`."""
    return Verification(_content(keyring, ca), _content(keyring, crl), required)


def _content(keyring: Keyring, name: str | None) -> bytes:
    """One that has not been read must not pass for one that is not asked for."""
    if name is None:
        return b""
    content = keyring.authorities.get(name)
    if not content:
        raise ContextError(f'"{name}" has not been read, or is empty')
    return content


def _own(secure: UpstreamTls, keyring: Keyring) -> tuple[bytes, bytes] | None:
    if secure.own is None:
        return None
    own = keyring.own.get(secure.own)
    if own is None:
        raise ContextError(f'"{secure.certificate}" has not been read')
    return own.chain, own.key


@lru_cache(_MOST_CLIENT_CONTEXTS)
def _client_ssl_context(content: ClientContent) -> ssl.SSLContext:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
    with _reasons():
        context.minimum_version = _VERSIONS[content.oldest]
        context.options |= ssl.OP_NO_RENEGOTIATION | ssl.OP_NO_COMPRESSION
        context.set_alpn_protocols(content.alpn)
        context.sslobject_class = Connection
        if content.verification is None:
            context.check_hostname = False
            context.verify_mode = ssl.CERT_NONE
        else:
            _verify(context, content.verification)
        if content.own is not None:
            _use(context, *content.own)
    return context


def system_stamp() -> object:
    """It changes when the system's authorities are updated."""
    try:
        about = Path(ssl.get_default_verify_paths().cafile or "").stat()
    except OSError:
        return None
    return about.st_ino, about.st_mtime_ns


def _verify(context: ssl.SSLContext, verification: Verification) -> None:
    """Authorities are trusted as they are given, also one that another has signed (``VERIFY_X509_PARTIAL_CHAIN``).

    With revocation lists, there has to be a current one of each authority in a chain: otherwise nothing is known of the
    certificates that it has issued, and they are refused.  Where an authority is trusted, but not its own issuer, it
    has no list for itself, which OpenSSL would require: then the list of the certificate's issuer has to do.
    """
    whole = True
    if not verification.ca:
        context.set_default_verify_paths()
    else:
        with _as_file(verification.ca) as file:
            context.load_verify_locations(file)
        whole = bool(verification.crl) and _is_whole(context)
        if not whole:
            context.verify_flags |= ssl.VERIFY_X509_PARTIAL_CHAIN
    if verification.crl:
        # Without what else the file has: certificates in it would be trusted.
        with _as_file(b"\n".join(_LIST.findall(verification.crl))) as file:
            context.load_verify_locations(file)
        context.verify_flags |= ssl.VERIFY_CRL_CHECK_CHAIN if whole else ssl.VERIFY_CRL_CHECK_LEAF


def _is_whole(context: ssl.SSLContext) -> bool:
    """Whether the issuer of each certificate that is trusted is trusted as well."""
    authorities = context.get_ca_certs()
    names = [authority["subject"] for authority in authorities]
    return len(authorities) == context.cert_store_stats()["x509"] and all(
        authority["issuer"] in names for authority in authorities
    )


def _use(context: ssl.SSLContext, chain: bytes, key: bytes) -> None:
    with _as_file(chain) as chain_file, _as_file(key) as key_file:
        # Without a password OpenSSL would ask the terminal for that of an encrypted key.
        context.load_cert_chain(chain_file, key_file, password=b"")


@contextmanager
def _as_file(content: bytes) -> Iterator[str]:
    """A name for ``content``, which OpenSSL reads from files only; it never reaches a disk."""
    with sealed(content) as descriptor:
        yield f"/proc/self/fd/{descriptor}"


@contextmanager
def _reasons() -> Iterator[None]:
    try:
        yield
    except ssl.SSLError as error:
        reason = getattr(error, "reason", None) or ""
        raise ContextError(_REASONS.get(reason) or reason.replace("_", " ").lower() or _UNREADABLE) from None


_UNREADABLE: Final = "a PEM block is missing, malformed or encrypted"
_REASONS: Final = {
    "KEY_VALUES_MISMATCH": "the key does not fit the certificate",
    "NO_CERTIFICATE_ASSIGNED": "the key does not fit the certificate",
    "EE_KEY_TOO_SMALL": "the certificate's key is too small",
    "CA_KEY_TOO_SMALL": "the key of an authority in the chain is too small",
    "CA_MD_TOO_WEAK": "the certificate is signed with a digest that is too weak",
    "NO_CERTIFICATE_OR_CRL_FOUND": "there is no certificate or revocation list in it",
}
