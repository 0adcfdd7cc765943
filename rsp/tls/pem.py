"""What PEM files hold: certificates, private keys, revocation lists.

For the reader's children alone: it imports ``cryptography``.  No message has anything of a key in it: errors of
libraries are not passed on.
"""

import warnings
from collections.abc import Iterable, Sequence
from typing import Final, NamedTuple

from cryptography import x509
from cryptography.exceptions import InvalidSignature, UnsupportedAlgorithm
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, ed448, ed25519, padding, rsa

from rsp.tls.sources import Unusable

Key = ec.EllipticCurvePrivateKey | rsa.RSAPrivateKey | ed25519.Ed25519PrivateKey | ed448.Ed448PrivateKey
CERTIFICATES: Final = ("CERTIFICATE", "X509 CERTIFICATE")
LISTS: Final = ("X509 CRL",)
_KEYS: Final = ("PRIVATE KEY", "ENCRYPTED PRIVATE KEY", "EC PRIVATE KEY", "RSA PRIVATE KEY")
_MOST_BLOCKS: Final = 2000  # a system's bundle of authorities has 150
_MOST_KEYS: Final = 8
_MOST_PASSWORDS: Final = 8
_BEGIN: Final = b"-----BEGIN "
_DASHES: Final = b"-----"
# What people have instead of PEM files with certificates and keys, by the label of a block.
_OTHERS: Final = {
    "CERTIFICATE REQUEST": "it contains a certificate request, not a certificate",
    "NEW CERTIFICATE REQUEST": "it contains a certificate request, not a certificate",
    "TRUSTED CERTIFICATE": "it is in OpenSSL's own form; convert it:  openssl x509 -in FILE -out OTHER",
    "PKCS7": "it is PKCS #7; convert it:  openssl pkcs7 -print_certs -in FILE -out OTHER",
    "OPENSSH PRIVATE KEY": "its key is in OpenSSH's form; convert it:  ssh-keygen -p -m PEM -f FILE",
    "DSA PRIVATE KEY": "its key is a DSA key, which TLS no longer supports; use ECDSA or RSA",
    "PUBLIC KEY": "it has a public key, where the private one is needed",
}

_KNOWN: Final = frozenset((*CERTIFICATES, *LISTS, *_KEYS, *_OTHERS))


class Block(NamedTuple):
    """``text``: with its first and last line."""

    label: str
    text: bytes


def blocks(data: bytes) -> list[Block]:
    """All that is between BEGIN and END.  Raises :class:`Unusable`."""
    found: list[Block] = []
    at = data.find(_BEGIN)
    while at >= 0:
        named = data[at + len(_BEGIN) : at + 100].partition(_DASHES)[0]
        label = named.decode("ascii", "replace")
        last = b"-----END " + named + _DASHES
        end = data.find(last, at)
        if end < 0:
            raise Unusable(f"it ends within a block ({_shown(label)}); is it still being written?")
        end += len(last)
        found.append(Block(label, data[at:end] + b"\n"))
        if len(found) > _MOST_BLOCKS:
            raise Unusable(f"it has more than {_MOST_BLOCKS} certificates, keys or lists")
        at = data.find(_BEGIN, end)
    if not found:
        raise Unusable(_not_pem(data))
    return found


def _shown(label: str) -> str:
    """A label that is not known may be anything, a part of a key, too."""
    return label if label in _KNOWN else "of another kind"


def _not_pem(data: bytes) -> str:
    if data[:1] == b"\x30":
        return f"it is not PEM; convert it:  openssl {_converter(data)} -in FILE -out OTHER"
    return "it is not PEM: it has no line  -----BEGIN ...-----"


def _converter(der: bytes) -> str:
    """By what a sequence begins with: another one, or its version, which of PKCS #12 is 3, of keys below 2."""
    inner = der[2 + (der[1] & 0x7F if der[1:2] >= b"\x80" else 0) :][:3]
    if inner == b"\x02\x01\x03":
        return "pkcs12"
    return "pkey -inform der" if inner[:2] == b"\x02\x01" else "x509 -inform der"


def _missing(what: str, of: Sequence[Block]) -> Unusable:
    """``what`` is not among ``of``."""
    other = next((_OTHERS[block.label] for block in of if block.label in _OTHERS), None)
    if other is None:
        there = sorted({_called(block.label) for block in of})
        other = f"there is no {what} in it, but {' and '.join(there)}"
    return Unusable(other)


def _called(label: str) -> str:
    if label in _KEYS:
        return "a private key"
    if label in LISTS:
        return "a revocation list"
    return "a certificate" if label in CERTIFICATES else f"a block that is {_shown(label)}"


# -- certificates and lists


def certificates(of: Sequence[Block]) -> list[x509.Certificate]:
    """At least one; each once.  Raises :class:`Unusable`."""
    found: dict[bytes, x509.Certificate] = {}
    for number, block in enumerate((block for block in of if block.label in CERTIFICATES), 1):
        certificate = _certificate(block)
        if certificate is None:
            raise Unusable(f"certificate number {number} in it is damaged, or of an unknown kind")
        found.setdefault(certificate.fingerprint(hashes.SHA256()), certificate)
    if not found:
        raise _missing("certificate", of)
    return list(found.values())


def readable(of: Sequence[Block]) -> list[x509.Certificate]:
    """Those that are not damaged."""
    return [one for block in of if block.label in CERTIFICATES and (one := _certificate(block)) is not None]


def _certificate(block: Block) -> x509.Certificate | None:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # old authorities have numbers that new ones may not have
        try:
            certificate = x509.load_pem_x509_certificate(block.text)
            _ = certificate.subject, certificate.issuer, certificate.public_key()
        except (ValueError, UnsupportedAlgorithm, x509.InvalidVersion):
            return None
    return certificate


def lists(of: Sequence[Block]) -> list[x509.CertificateRevocationList]:
    """At least one.  Raises :class:`Unusable`."""
    found = []
    for number, block in enumerate((block for block in of if block.label in LISTS), 1):
        try:
            found.append(x509.load_pem_x509_crl(block.text))
            _ = found[-1].issuer, found[-1].next_update_utc
        except (ValueError, UnsupportedAlgorithm):
            raise Unusable(
                f"revocation list number {number} in it is damaged, or of a kind that is not known"
            ) from None
    if not found:
        raise _missing("revocation list (X509 CRL)", of)
    return found


def pem(found: Iterable[x509.Certificate]) -> bytes:
    return b"".join(certificate.public_bytes(serialization.Encoding.PEM) for certificate in found)


# -- keys


def has_key(of: Sequence[Block]) -> bool:
    return any(block.label in _KEYS for block in of)


def private_keys(of: Sequence[Block], passwords: Sequence[bytes]) -> list[Key]:
    """At least one.  Raises :class:`Unusable`."""
    given = [block for block in of if block.label in _KEYS]
    if not given:
        raise _missing("private key", of)
    if len(given) > _MOST_KEYS:
        raise Unusable(f"it has {len(given)} private keys; at most {_MOST_KEYS} are read")
    return [_private_key(block, passwords) for block in given]


def passwords(data: bytes) -> list[bytes]:
    """One a line.  Raises :class:`Unusable`."""
    found = [line for line in data.splitlines() if line]
    if not found or len(found) > _MOST_PASSWORDS:
        raise Unusable(f"expected a password, or up to {_MOST_PASSWORDS}, each in a line")
    return found


def _private_key(block: Block, given: Sequence[bytes]) -> Key:
    encrypted = block.label == "ENCRYPTED PRIVATE KEY" or b"Proc-Type: 4,ENCRYPTED" in block.text[:200]
    if encrypted and not given:
        raise Unusable('the key is encrypted; add  password = "FILE"  with the file that has its password')
    for password in given if encrypted else (None,):
        try:
            # Whether its parts belong together is found out by a signature, and not by tests for primes, which take
            # 100 times as long.
            key = serialization.load_pem_private_key(block.text, password, unsafe_skip_rsa_key_validation=True)
        except (ValueError, TypeError, UnsupportedAlgorithm):
            continue
        if isinstance(key, Key):
            return key
        raise Unusable("its key type is not supported by TLS; use ECDSA or RSA")
    if encrypted:
        raise Unusable("the password of the key is wrong, or the key is damaged")
    raise Unusable("the key is damaged, or of an unknown kind")


def unencrypted(key: Key) -> bytes:
    """PEM."""
    return key.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )


def fits(key: Key, certificate: x509.Certificate) -> bool:
    return bool(key.public_key() == certificate.public_key())


def can_sign(key: Key) -> bool:
    """Whether the private part of the key belongs to its public one: half a millisecond."""
    said = b"rsp"
    try:
        if isinstance(key, rsa.RSAPrivateKey):
            signature = key.sign(said, padding.PKCS1v15(), hashes.SHA256())
            key.public_key().verify(signature, said, padding.PKCS1v15(), hashes.SHA256())
        elif isinstance(key, ec.EllipticCurvePrivateKey):
            key.public_key().verify(key.sign(said, ec.ECDSA(hashes.SHA256())), said, ec.ECDSA(hashes.SHA256()))
        else:
            key.public_key().verify(key.sign(said), said)
    except (InvalidSignature, ValueError, UnsupportedAlgorithm):
        return False
    return True


def kind(certificate: x509.Certificate) -> str:
    """Of its key: ``ecdsa``, ``rsa``, ``ed25519``; another has the name of its class."""
    return kind_of(certificate.public_key())


def kind_of(public: object) -> str:
    if isinstance(public, ec.EllipticCurvePublicKey):
        return "ecdsa"
    if isinstance(public, rsa.RSAPublicKey):
        return "rsa"
    return type(public).__name__.removeprefix("_").removesuffix("PublicKey").lower()
