"""What a client's certificate says: for hooks and peers.

Rules of this room: the certificate has been verified, and yet its content is not trusted to be well-formed.  What
cannot be read is empty.  What can is ASCII without control characters, so that it may stand in a header field.
"""

import warnings
from base64 import b64encode
from collections.abc import Callable
from functools import cached_property
from hashlib import sha256
from typing import TYPE_CHECKING, TypeVar

if TYPE_CHECKING:
    from cryptography import x509

T = TypeVar("T")


class ClientCertificate:
    """``der``: the certificate.  Each part of it is read once, when it is asked for first."""

    def __init__(self, der: bytes) -> None:
        self._der = der

    @cached_property
    def fingerprint(self) -> bytes:
        """SHA-256 of all of it, in lower-case hexadecimal."""
        return sha256(self._der).hexdigest().encode()

    @cached_property
    def field(self) -> bytes:
        """As the value of Client-Cert (RFC 9440 section 2.1)."""
        return b":%b:" % b64encode(self._der)

    @cached_property
    def subject(self) -> bytes:
        """In the form of RFC 4514, the most specific part first: ``CN=alice,O=Example``."""
        return self._read(lambda parsed: _plain(parsed.subject.rfc4514_string()), b"")

    @cached_property
    def issuer(self) -> bytes:
        return self._read(lambda parsed: _plain(parsed.issuer.rfc4514_string()), b"")

    @cached_property
    def serial(self) -> bytes:
        """In lower-case hexadecimal."""
        return self._read(lambda parsed: b"%x" % parsed.serial_number, b"")

    @cached_property
    def not_after(self) -> float:
        """Seconds since the epoch; 0: it cannot be read."""
        return self._read(lambda parsed: parsed.not_valid_after_utc.timestamp(), 0.0)

    @cached_property
    def sans(self) -> tuple[bytes, ...]:
        """Its other names, each with its kind, as OpenSSL writes them: ``DNS:example.com``, ``URI:spiffe://a/b``."""
        return self._read(_alternatives, ())

    @cached_property
    def _parsed(self) -> "x509.Certificate":
        from cryptography import x509

        return x509.load_der_x509_certificate(self._der)

    def _read(self, part: "Callable[[x509.Certificate], T]", otherwise: T) -> T:
        """``cryptography`` reads parts when they are asked for, and finds faults with them that OpenSSL does not.

        Its errors have no class in common: ``InvalidVersion``, ``UnsupportedGeneralNameType``, :class:`ValueError`.
        """
        with warnings.catch_warnings(action="ignore"):
            try:
                return part(self._parsed)
            except Exception:
                return otherwise


def warm_up() -> None:
    """Import now what would delay a request later."""
    from cryptography import x509  # noqa: F401


def _alternatives(parsed: "x509.Certificate") -> tuple[bytes, ...]:
    from cryptography import x509

    kinds = (
        (x509.DNSName, "DNS"), (x509.IPAddress, "IP"), (x509.RFC822Name, "email"),
        (x509.UniformResourceIdentifier, "URI"),
    )  # fmt: skip
    try:
        names = parsed.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    except x509.ExtensionNotFound:
        return ()
    return tuple(_plain(f"{kind}:{name.value}") for name in names for known, kind in kinds if isinstance(name, known))


def _plain(text: str) -> bytes:
    """Everything but visible ASCII and spaces as ``\\xx`` (RFC 4514 section 2.4), byte by byte in UTF-8."""
    return b"".join(
        b"%c" % byte if 0x20 <= byte < 0x7F else b"\\%02X" % byte for byte in text.encode("utf-8", "replace")
    )
