"""Reads and checks the files that TLS is made of: certificates, keys, authorities, revocation lists.

Runs in short-lived children of the master, with its rights; nothing else may import this module, because it imports
``cryptography``.
"""

from pathlib import Path

from cryptography import x509
from cryptography.hazmat.primitives import hashes, serialization
from cryptography.hazmat.primitives.asymmetric import ec, rsa

from rsp.config.errors import ConfigError
from rsp.config.schema import Config
from rsp.config.tls import Certificate
from rsp.tls.material import Chain, Described, Keyring, Reading, pack


def read(config: Config, main: str, before: Reading | None = None) -> Reading:
    """Names of files are relative to the folder of ``main``, the configuration.

    Raises :class:`ConfigError`; with ``before``, what is bad now keeps what it had, and ``notes`` say so.
    """
    folder = Path(main).parent
    chains = [_chain(folder, certificate) for certificate in config.certificates]
    authorities = {}
    for route in config.routes:
        for name in (route.client_ca, route.client_crl):
            if name is not None:
                authorities[name] = (folder / name).read_bytes()
    keyring = Keyring(tuple(chains), authorities)
    return Reading(pack(keyring), tuple(chain.about for chain in chains), ())


def _chain(folder: Path, declared: Certificate) -> Chain:
    try:
        data = (folder / declared.file).read_bytes()
        key = (folder / (declared.key or declared.file)).read_bytes()
    except OSError as error:
        raise ConfigError(f'{declared.at}: certificate "{declared.file}": {error.strerror}') from None
    certificates = x509.load_pem_x509_certificates(data)
    first = certificates[0]
    names = first.extensions.get_extension_for_class(x509.SubjectAlternativeName).value
    public = first.public_key()
    kind = (
        "ecdsa"
        if isinstance(public, ec.EllipticCurvePublicKey)
        else "rsa"
        if isinstance(public, rsa.RSAPublicKey)
        else "other"
    )
    private = serialization.load_pem_private_key(key, None)
    about = Described(
        declared.at,
        declared.file,
        tuple(str(name.value).lower() for name in names),
        first.subject.rfc4514_string(),
        first.issuer.rfc4514_string(),
        kind,
        first.fingerprint(hashes.SHA256()).hex(),
        first.not_valid_before_utc.timestamp(),
        first.not_valid_after_utc.timestamp(),
    )
    pem = b"".join(each.public_bytes(serialization.Encoding.PEM) for each in certificates)
    plain = private.private_bytes(
        serialization.Encoding.PEM, serialization.PrivateFormat.PKCS8, serialization.NoEncryption()
    )
    return Chain(pem, plain, about)
