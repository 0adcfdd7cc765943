"""Why a handshake has failed, in words for one log line, with the other side as its subject: "offers TLS 1.0 only".

Keys are OpenSSL's: names of reasons and alerts (``ssl_err``), and texts of its verification (``X509_V_ERR_*``).  Alerts
come by several names: ``SSLV3_ALERT_BAD_CERTIFICATE`` is ``ssl/tls alert bad certificate`` since OpenSSL 3.2.
"""

import re
import ssl
import warnings
from collections.abc import Iterable
from typing import Any, Final

from rsp.system.memory import sealed
from rsp.tls.engine import TlsError
from rsp.tls.stdlib import MONTHS

_ALERT: Final = re.compile(r"\b(?:SSLV3|SSL/TLS|TLSV1|TLSV13)[_ ](?:ALERT[_ ])?([A-Z_ ]*[A-Z])")
_VERSIONS: Final = {0x0300: "SSL 3", 0x0301: "TLS 1.0", 0x0302: "TLS 1.1", 0x0303: "TLS 1.2", 0x0304: "TLS 1.3"}
_NO_VERSION: Final = frozenset(("UNSUPPORTED_PROTOCOL", "VERSION_TOO_LOW"))
_MOST_NAMES: Final = 3
_LONGEST_NAME: Final = 100

# Alerts: what the other side has against the handshake.
_ALERTS: Final = {
    "UNKNOWN_CA": "does not trust the authority of rsp's certificate",
    "BAD_CERTIFICATE": "does not accept rsp's certificate",
    "CERTIFICATE_UNKNOWN": "does not accept rsp's certificate",
    "UNSUPPORTED_CERTIFICATE": "does not accept rsp's certificate for this purpose, or its kind",
    "CERTIFICATE_REVOKED": "says that rsp's certificate has been revoked",
    "CERTIFICATE_EXPIRED": "says that rsp's certificate has expired",
    "CERTIFICATE_REQUIRED": "requires a certificate",
    "ACCESS_DENIED": "denies access",
    "PROTOCOL_VERSION": "accepts none of the TLS versions that rsp offers",
    "HANDSHAKE_FAILURE": "accepts nothing of what rsp offers: no cipher in common, or it requires a certificate",
    "INSUFFICIENT_SECURITY": "wants stronger ciphers than those in common",
    "UNRECOGNIZED_NAME": "does not know the server name",
    "NO_APPLICATION_PROTOCOL": "does not speak the version of HTTP that rsp offers (ALPN)",
    "INAPPROPRIATE_FALLBACK": "has fallen back to an older version than both sides can speak",
    "BAD_CERTIFICATE_STATUS_RESPONSE": "does not accept the stapled OCSP response",
    "USER_CANCELLED": "has cancelled the handshake",
    "DECRYPT_ERROR": "cannot verify what rsp has signed",
    "INTERNAL_ERROR": "has an internal error",
}

# What OpenSSL has against the other side.
_REASONS: Final = {
    "UNSUPPORTED_PROTOCOL": "accepts no TLS version in common",
    "VERSION_TOO_LOW": "accepts no TLS version in common",
    "NO_SHARED_CIPHER": "offers no cipher in common, or none for the kind of rsp's certificate",
    "NO_CIPHERS_SPECIFIED": "offers no cipher",
    "NO_SUITABLE_SIGNATURE_ALGORITHM": "accepts no signature of the kind of rsp's certificate",
    "NO_SHARED_SIGNATURE_ALGORITHMS": "offers no signature algorithm in common",
    "NO_SUITABLE_GROUPS": "offers no group for the key exchange in common",
    "NO_SUITABLE_KEY_SHARE": "offers no group for the key exchange in common",
    "INAPPROPRIATE_FALLBACK": _ALERTS["INAPPROPRIATE_FALLBACK"],
    "PEER_DID_NOT_RETURN_A_CERTIFICATE": "shows no certificate, and one is required",
    "HTTP_REQUEST": "speaks plain HTTP",
    "HTTPS_PROXY_REQUEST": "speaks plain HTTP",
    "UNKNOWN_PROTOCOL": "speaks SSL 2",
    "WRONG_VERSION_NUMBER": "does not speak TLS",
    "RECORD_LAYER_FAILURE": "does not speak TLS",
    "UNEXPECTED_EOF_WHILE_READING": "has closed the connection without close_notify",
    "DECRYPTION_FAILED_OR_BAD_RECORD_MAC": "sends a record that cannot be decrypted",
    "NO_RENEGOTIATION": "wants to renegotiate",
    "UNSAFE_LEGACY_RENEGOTIATION_DISABLED": "does not know secure renegotiation (RFC 5746)",
    "DH_KEY_TOO_SMALL": "uses a key exchange (DHE) that is too weak",
    "EE_KEY_TOO_SMALL": "has a certificate whose key is too small",
    "CA_MD_TOO_WEAK": "has a certificate that is signed with a digest that is too weak",
}

_UNTRUSTED: Final = "has a certificate of an authority that is not trusted"
_CERTIFICATES: Final = {
    "certificate has expired": "has a certificate that {expired}",
    "certificate is not yet valid": "has a certificate that is not valid yet",
    "certificate is not yet valid or the system clock is incorrect": "has a certificate that is not valid yet",
    "hostname mismatch": "has a certificate for {names}, not for {name}",
    "ip address mismatch": "has a certificate for {names}, not for {name}",
    "self-signed certificate": "has a self-signed certificate, which is not trusted",
    "self-signed certificate in certificate chain": _UNTRUSTED,
    "unable to get local issuer certificate": f"{_UNTRUSTED}, or sends an incomplete chain",
    "unable to get issuer certificate": f"{_UNTRUSTED}, or sends an incomplete chain",
    "unable to verify the first certificate": f"{_UNTRUSTED}, or sends an incomplete chain",
    "certificate revoked": "has a certificate that has been revoked",
    "crl has expired": "has a certificate whose authority's revocation list (crl) has expired",
    "crl is not yet valid": "has a certificate whose authority's revocation list (crl) is not valid yet",
    "unable to get certificate crl": "has a certificate of an authority without a revocation list (crl)",
    "crl signature failure": "has a certificate whose authority's revocation list (crl) is signed by another",
    "unsuitable certificate purpose": "has a certificate that is not for {side}s (extended key usage)",
    "ee certificate key too weak": "has a certificate whose key is too small",
    "ca certificate key too weak": "has a certificate of an authority whose key is too small",
    "ca signature digest algorithm too weak": "has a certificate that is signed with a digest that is too weak",
}


def of_client(error: TlsError, versions: Iterable[int] = ()) -> str:
    """``versions``: those of its hello."""
    if error.code in _NO_VERSION and (newest := _newest(versions)):
        return f"offers {newest} only"
    return _words(error, "client", "")


def of_peer(error: TlsError, name: str, received: bytes = b"") -> str:
    """``name``: what its certificate has to be for.  ``received``: the first bytes that it has sent, if it sent any."""
    if received.startswith(b"HTTP/"):
        return "speaks plain HTTP"
    return _words(error, "server", name)


def _words(error: TlsError, side: str, name: str) -> str:
    if error.code == "CERTIFICATE_VERIFY_FAILED":
        return _certificate(error, side, name)
    alert = _ALERT.search(error.code or str(error).upper())
    if alert is not None:
        said = alert[1].replace(" ", "_")
        return f"{_ALERTS.get(said, 'refuses to continue')} (alert: {said.replace('_', ' ').lower()})"
    return _REASONS.get(error.code) or f"does not keep to TLS: {error}"


def _certificate(error: TlsError, side: str, name: str) -> str:
    text = str(error)
    words = _CERTIFICATES.get(text.lower())
    if words is None:
        return f"has a certificate that is not accepted: {text}"
    about = _read(error.certificate)
    return words.format(expired=_expired(about), names=_names(about), name=name, side=side)


def _read(certificate: bytes) -> dict[str, Any]:
    """As ``getpeercert`` gives it; empty: it cannot be read.

    The decoder of ``ssl`` itself: ``cryptography`` would cost a worker 14 MB and 60 ms for one line of the log.
    """
    with sealed(ssl.DER_cert_to_PEM_cert(certificate).encode()) as descriptor, warnings.catch_warnings(action="ignore"):
        try:
            about: dict[str, Any] = ssl._ssl._test_decode_cert(f"/proc/self/fd/{descriptor}")  # type: ignore[attr-defined]
        except (AttributeError, OSError, RuntimeError, ValueError):
            return {}
    return about


def _expired(about: dict[str, Any]) -> str:
    """``notAfter`` is such as ``Nov  1 12:00:00 2026 GMT``.  A worker without rights cannot import what reads it."""
    month, day, _, year, *_ = (*str(about.get("notAfter", "")).split(), "", "", "", "")
    return f"expired on {year}-{MONTHS.index(month) + 1:02}-{day:0>2}" if month in MONTHS else "has expired"


def _names(about: dict[str, Any]) -> str:
    if not about:
        return "another name"
    names = [name.strip() for kind, name in about.get("subjectAltName", ()) if kind in ("DNS", "IP Address")]
    shown = ", ".join(_plain(name[:_LONGEST_NAME]) for name in names[:_MOST_NAMES])
    return (shown + " and others" if len(names) > _MOST_NAMES else shown) or "no name"


def _plain(name: str) -> str:
    return "".join(letter if "!" <= letter <= "~" else "?" for letter in name)


def _newest(versions: Iterable[int]) -> str:
    """Without those that are not versions (GREASE, RFC 8701)."""
    return max((_VERSIONS[version] for version in versions if version in _VERSIONS), default="")
