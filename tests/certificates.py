"""Certificate authorities and certificates for tests, made with ``cryptography``; equal ones are made once a process.

ca = authority()                                     # or authority("Staff CA"): another one
site = ca.issue("example.com", "*.example.com")      # ECDSA P-256; kind="rsa"; IP addresses are names, too
site.write(tmp_path, "site")                         # site.pem (chain), site.key, site.bundle.pem (both)
"""

import datetime
import functools
import ipaddress
import ssl
from dataclasses import dataclass
from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed25519, rsa
from cryptography.x509 import ocsp
from cryptography.x509.oid import AuthorityInformationAccessOID, ExtendedKeyUsageOID, NameOID

DAY = datetime.timedelta(days=1)
Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey


@functools.cache
def _rsa(number: int) -> rsa.RSAPrivateKey:
    return rsa.generate_private_key(65537, 2048)


@functools.cache
def _key(kind: str, number: int = 0) -> Key:
    """``kind``: ecdsa, rsa, or ed25519.  RSA keys take a quarter of a second, so there are few."""
    if kind == "rsa":
        return _rsa(number % 2)
    return ed25519.Ed25519PrivateKey.generate() if kind == "ed25519" else ec.generate_private_key(ec.SECP256R1())


def now() -> datetime.datetime:
    return datetime.datetime.now(datetime.UTC).replace(microsecond=0)


def _hash(key: Key) -> hashes.SHA256 | None:
    return None if isinstance(key, ed25519.Ed25519PrivateKey) else hashes.SHA256()


def _pem(certificate: x509.Certificate) -> bytes:
    return certificate.public_bytes(serialization.Encoding.PEM)


def _general(name: str) -> x509.GeneralName:
    try:
        return x509.IPAddress(ipaddress.ip_address(name))
    except ValueError:
        return x509.RFC822Name(name) if "@" in name else x509.DNSName(name)


def _named(common_name: str) -> x509.Name:
    return x509.Name([x509.NameAttribute(NameOID.COMMON_NAME, common_name)])


@dataclass(frozen=True)
class Issued:
    """A certificate, its key, and ``above``: the intermediate authorities between it and the root."""

    certificate: x509.Certificate
    private: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        """The certificate alone."""
        return _pem(self.certificate)

    @property
    def chain(self) -> bytes:
        return b"".join(map(_pem, (self.certificate, *self.above)))

    @property
    def der(self) -> bytes:
        return self.certificate.public_bytes(serialization.Encoding.DER)

    @property
    def fingerprint(self) -> str:
        """Hex SHA-256."""
        return self.certificate.fingerprint(hashes.SHA256()).hex()

    def key(self, password: bytes | None = None) -> bytes:
        """PEM; with a password it is encrypted."""
        return self.private.private_bytes(
            serialization.Encoding.PEM,
            serialization.PrivateFormat.PKCS8,
            serialization.BestAvailableEncryption(password) if password else serialization.NoEncryption(),
        )

    def write(self, directory: Path, stem: str, password: bytes | None = None) -> Path:
        """``stem``.pem is the chain, ``stem``.key the key, ``stem``.bundle.pem both; gives the bundle."""
        (directory / f"{stem}.pem").write_bytes(self.chain)
        (directory / f"{stem}.key").write_bytes(self.key(password))
        bundle = directory / f"{stem}.bundle.pem"
        bundle.write_bytes(self.chain + self.key(password))
        return bundle


@dataclass(frozen=True)
class Authority:
    """``certificate`` signs; ``above``: what stands between it and the root, itself first, without the root."""

    certificate: x509.Certificate
    private: Key
    above: tuple[x509.Certificate, ...] = ()

    @property
    def pem(self) -> bytes:
        return _pem(self.certificate)

    def write(self, file: Path) -> Path:
        file.write_bytes(self.pem)
        return file

    def issue(
        self,
        *names: str,
        kind: str = "ecdsa",
        begins: float = -1,
        ends: float = 365,
        client: bool = False,
        subject: str | None = None,
        responder: str | None = None,
        must_staple: bool = False,
        number: int = 0,
    ) -> Issued:
        """``names``: DNS names, IP addresses, e-mail addresses.  ``begins`` and ``ends``: days from now.

        ``client``: for clients instead of servers.  ``subject``: its common name; default: the first name.
        ``responder``: URL of an OCSP responder.  ``number``: another certificate for the same (a renewal).
        """
        return _issue(self, names, kind, begins, ends, client, subject, responder, must_staple, number)

    def intermediate(self, name: str) -> "Authority":
        """An authority that this one has signed."""
        return _intermediate(self, name)

    def crl(self, *revoked: "Issued | Authority", ends: float = 30) -> bytes:
        """A revocation list, PEM."""
        builder = x509.CertificateRevocationListBuilder().issuer_name(self.certificate.subject)
        builder = builder.last_update(now() - DAY).next_update(now() + ends * DAY)
        for one in revoked:
            entry = x509.RevokedCertificateBuilder().serial_number(one.certificate.serial_number)
            builder = builder.add_revoked_certificate(entry.revocation_date(now() - DAY / 2).build())
        return builder.sign(self.private, _hash(self.private)).public_bytes(serialization.Encoding.PEM)

    def ocsp(self, issued: Issued, *, revoked: bool = False, begins: float = -0.1, ends: float = 7) -> bytes:
        """A responder's answer about ``issued``, DER."""
        builder = ocsp.OCSPResponseBuilder().add_response(
            cert=issued.certificate,
            issuer=self.certificate,
            algorithm=hashes.SHA1(),
            cert_status=ocsp.OCSPCertStatus.REVOKED if revoked else ocsp.OCSPCertStatus.GOOD,
            this_update=now() + begins * DAY,
            next_update=now() + ends * DAY,
            revocation_time=now() - DAY if revoked else None,
            revocation_reason=None,
        )
        builder = builder.responder_id(ocsp.OCSPResponderEncoding.HASH, self.certificate)
        return builder.sign(self.private, hashes.SHA256()).public_bytes(serialization.Encoding.DER)

    def trusted(self, *, client: Issued | None = None, directory: Path | None = None) -> ssl.SSLContext:
        """A client's context that trusts this authority; ``client``: its certificate, written to ``directory``."""
        context = ssl.create_default_context(cadata=self.pem.decode())
        if client is not None:
            assert directory is not None
            context.load_cert_chain(client.write(directory, f"client-{client.fingerprint[:8]}"))
        return context


def _authority(name: str, key: Key, above: Authority | None, ends: float = 3650) -> x509.Certificate:
    signer = key if above is None else above.private
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(name))
        .issuer_name(_named(name) if above is None else above.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() - DAY)
        .not_valid_after(now() + ends * DAY)
        .add_extension(x509.BasicConstraints(ca=True, path_length=None), critical=True)
        .add_extension(x509.SubjectKeyIdentifier.from_public_key(key.public_key()), critical=False)
        .add_extension(_usage(signs=True), critical=True)
    )
    if above is not None:  # RFC 5280 section 4.2.1.1; Python's clients ask for it from 3.13 on
        key_of_signer = x509.AuthorityKeyIdentifier.from_issuer_public_key(signer.public_key())
        builder = builder.add_extension(key_of_signer, critical=False)
    return builder.sign(signer, _hash(signer))


def _usage(*, signs: bool) -> x509.KeyUsage:
    return x509.KeyUsage(not signs, False, False, False, False, signs, signs, False, False)


@functools.cache
def authority(name: str = "Test CA", kind: str = "ecdsa") -> Authority:
    """A root; the same for the same name."""
    key = ec.generate_private_key(ec.SECP256R1()) if kind == "ecdsa" else _rsa(2)
    return Authority(_authority(name, key, None), key)


@functools.cache
def _intermediate(above: Authority, name: str) -> Authority:
    key = ec.generate_private_key(ec.SECP256R1())
    certificate = _authority(name, key, above)
    return Authority(certificate, key, (certificate, *above.above))


@functools.cache
def _issue(
    by: Authority,
    names: tuple[str, ...],
    kind: str,
    begins: float,
    ends: float,
    client: bool,
    subject: str | None,
    responder: str | None,
    must_staple: bool,
    number: int,
) -> Issued:
    key = _key(kind, number)
    common_name = subject if subject is not None else names[0] if names else "nameless"
    purpose = ExtendedKeyUsageOID.CLIENT_AUTH if client else ExtendedKeyUsageOID.SERVER_AUTH
    identifier = by.certificate.extensions.get_extension_for_class(x509.SubjectKeyIdentifier).value
    builder = (
        x509.CertificateBuilder()
        .subject_name(_named(common_name))
        .issuer_name(by.certificate.subject)
        .public_key(key.public_key())
        .serial_number(x509.random_serial_number())
        .not_valid_before(now() + begins * DAY)
        .not_valid_after(now() + ends * DAY)
        .add_extension(x509.BasicConstraints(ca=False, path_length=None), critical=True)
        .add_extension(_usage(signs=False), critical=True)
        .add_extension(x509.ExtendedKeyUsage([purpose]), critical=False)
        .add_extension(x509.AuthorityKeyIdentifier.from_issuer_subject_key_identifier(identifier), critical=False)
    )
    if names:
        builder = builder.add_extension(x509.SubjectAlternativeName([_general(name) for name in names]), critical=False)
    if responder is not None:
        access = x509.AccessDescription(AuthorityInformationAccessOID.OCSP, x509.UniformResourceIdentifier(responder))
        builder = builder.add_extension(x509.AuthorityInformationAccess([access]), critical=False)
    if must_staple:
        builder = builder.add_extension(x509.TLSFeature([x509.TLSFeatureType.status_request]), critical=False)
    return Issued(builder.sign(by.private, _hash(by.private)), key, by.above)
