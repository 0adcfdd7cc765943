"""OCSP (RFC 6960): the question for a certificate's responder, and what its answer is worth.

Bytes in, bytes out; the clock is the caller's.  Imports ``cryptography``, so only the control process imports it, and
only where a certificate names a responder.
"""

from collections.abc import Iterable
from datetime import UTC, datetime, timedelta
from typing import Final

import msgspec
from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import ExtendedKeyUsageOID

from rsp.tls import chains

LARGEST: Final = 64 << 10
_SKEW: Final = timedelta(minutes=5)  # of the responder's clock
_WITHOUT_END: Final = timedelta(hours=1)  # use of an answer that does not say until when it holds


class Unfit(Exception):
    """What is wrong with an answer, or with the certificate: a clause."""


class Revoked(Unfit):
    """The responder says that the certificate is revoked."""


class Answer(msgspec.Struct, frozen=True):
    """``response``: DER, for clients.  Times in seconds since the epoch."""

    response: bytes
    begins: float
    ends: float


class Subject:
    """A certificate that a responder is asked about.  ``chain``: DER, itself first.  Raises :class:`Unfit`."""

    def __init__(self, chain: tuple[bytes, ...]) -> None:
        try:
            self._certificate, *above = (x509.load_der_x509_certificate(one) for one in chain[:10])
            self._issuer = _issuer(self._certificate, above)
            self.request = (
                ocsp.OCSPRequestBuilder()
                .add_certificate(self._certificate, self._issuer, hashes.SHA1())  # noqa: S303 - what all responders know
                .build()
                .public_bytes(serialization.Encoding.DER)
            )
        except (ValueError, UnsupportedAlgorithm) as error:
            raise Unfit(str(error)) from None

    @property
    def must_staple(self) -> bool:
        """Whether clients refuse the certificate without a response (RFC 7633)."""
        return chains.must_staple(self._certificate)

    def check(self, data: bytes, now: float) -> Answer:
        """Raises :class:`Unfit` for an answer that is no use to clients."""
        moment = datetime.fromtimestamp(now, UTC)
        try:
            response = ocsp.load_der_ocsp_response(data)
            if response.response_status is not ocsp.OCSPResponseStatus.SUCCESSFUL:
                raise Unfit(f"says {response.response_status.name.lower().replace('_', ' ')}")
            self._verify(response, moment)
            return self._single(response, data, moment)
        except (ValueError, TypeError, UnsupportedAlgorithm, x509.ExtensionNotFound):
            raise Unfit("is not valid: it cannot be read as an OCSP response") from None

    def _single(self, response: ocsp.OCSPResponse, data: bytes, now: datetime) -> Answer:
        serial = self._certificate.serial_number
        single = next((one for one in response.responses if one.serial_number == serial), None)
        if single is None or single.issuer_name_hash != _hashed(single, self._issuer):
            raise Unfit("is about another certificate")
        begins = single.this_update_utc
        ends = single.next_update_utc or now + _WITHOUT_END
        if begins > now + _SKEW:
            raise Unfit(f"begins to hold only at {begins:%Y-%m-%d %H:%M} UTC")
        if ends <= now:
            raise Unfit(f"held until {ends:%Y-%m-%d %H:%M} UTC")
        if single.certificate_status is ocsp.OCSPCertStatus.REVOKED:
            since = single.revocation_time_utc
            raise Revoked("says that the certificate is revoked" + (f" since {since:%Y-%m-%d}" if since else ""))
        if single.certificate_status is not ocsp.OCSPCertStatus.GOOD:
            raise Unfit("does not know the certificate")
        return Answer(data, begins.timestamp(), ends.timestamp())

    def _verify(self, response: ocsp.OCSPResponse, now: datetime) -> None:
        """By the issuer, or by a responder that the issuer has appointed (RFC 6960, 4.2.2.2)."""
        for signer in (self._issuer, *response.certificates):
            if signer is not self._issuer and not self._is_appointed(signer, now):
                continue
            try:
                _verify(signer, response)
            except InvalidSignature:
                continue
            return
        raise Unfit("is signed neither by the certificate's issuer nor by a responder that it has appointed")

    def _is_appointed(self, signer: x509.Certificate, now: datetime) -> bool:
        usage = chains.extension(signer, x509.ExtendedKeyUsage)
        appointed = usage is not None and ExtendedKeyUsageOID.OCSP_SIGNING in usage
        return appointed and chains.issued(self._issuer, signer) and chains.out_of_date(signer, now) is None


def _issuer(certificate: x509.Certificate, above: Iterable[x509.Certificate]) -> x509.Certificate:
    issuer = next((one for one in above if chains.issued(one, certificate)), None)
    if issuer is None:
        raise Unfit("its issuer is not in the file: append the intermediate certificates")
    return issuer


def _hashed(single: ocsp.OCSPSingleResponse, issuer: x509.Certificate) -> bytes:
    digest = hashes.Hash(single.hash_algorithm)
    digest.update(issuer.subject.public_bytes())
    return digest.finalize()


def _verify(signer: x509.Certificate, response: ocsp.OCSPResponse) -> None:
    """Raises :class:`InvalidSignature`."""
    key, signature, signed = signer.public_key(), response.signature, response.tbs_response_bytes
    algorithm = response.signature_hash_algorithm
    if isinstance(key, ed25519.Ed25519PublicKey | ed448.Ed448PublicKey):
        key.verify(signature, signed)
    elif isinstance(key, ec.EllipticCurvePublicKey) and algorithm is not None:
        key.verify(signature, signed, ec.ECDSA(algorithm))
    elif isinstance(key, rsa.RSAPublicKey) and algorithm is not None:
        key.verify(signature, signed, padding.PKCS1v15(), algorithm)
    else:
        raise InvalidSignature
