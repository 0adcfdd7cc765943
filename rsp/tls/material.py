"""What is read from certificate files, checked, and handed to the processes that use it.

The master passes the packed form on without looking into it.  Keys are in :class:`Keyring` alone, which goes to
workers; what the control process and operators see is a list of :class:`Described`.
"""

import math

import msgspec


class Described(msgspec.Struct, frozen=True):
    """A certificate in use, without its key.  Times in seconds since the epoch.

    ``at``         where the configuration declares it; ``file``: where it was read from
    ``names``      DNS names and IP addresses that it is for, in lower case
    ``digest``     hex SHA-256 of the certificate; ``kind``: ``ecdsa``, ``rsa`` or another
    ``responder``  URL of its OCSP responder, or empty
    ``problem``    what a user has to know, or empty
    ``chain``      DER, the certificate itself first, then its issuers; where there is a responder, to ask it
    """

    at: str
    file: str
    names: tuple[str, ...]
    subject: str
    issuer: str
    kind: str
    digest: str
    not_before: float
    not_after: float
    responder: str = ""
    problem: str = ""
    chain: tuple[bytes, ...] = ()


class Chain(msgspec.Struct, frozen=True):
    """``chain``: PEM, the certificate itself first.  ``key``: PEM, not encrypted."""

    chain: bytes
    key: bytes
    about: Described

    def __repr__(self) -> str:  # without the key
        return f"Chain({self.about!r})"


class Keyring(msgspec.Struct, frozen=True):
    """All that the TLS of one configuration is made of.

    ``chains``       for clients, in the order of their declaration; the first is the default
    ``authorities``  the content of files with CA certificates and revocation lists, by their name in the configuration
    ``own``          rsp's certificates for peers, by ``(certificate, key)`` as the configuration names them
    ``staples``      OCSP responses (DER), by the digest of the certificate
    ``key_sets``     keys of issuers of tokens that are fetched (JWKS), by where they come from (``Jwt.source``)
    ``files``        what is kept of files that are no certificates, by their key (``plain_files.py``)
    """

    chains: tuple[Chain, ...] = ()
    authorities: dict[str, bytes] = {}
    own: dict[tuple[str, str], Chain] = {}
    staples: dict[str, bytes] = {}
    key_sets: dict[str, bytes] = {}
    files: dict[str, bytes] = {}

    def __repr__(self) -> str:  # without keys and passwords
        return f"Keyring({self.chains!r})"


class Reading(msgspec.Struct, frozen=True):
    """What the reader found.

    ``keyring``    packed
    ``described``  what it has, without keys
    ``watch``      names of files, and patterns, whose change calls for another reading
    ``notes``      lines for the log: what was refused or will have to be renewed
    ``peers``      packed, for the control process: a keyring of ``authorities`` and ``own`` alone
    ``due``        when something in the files begins or ends to be valid, so that another reading says something else
    """

    keyring: bytes
    described: tuple[Described, ...]
    watch: tuple[str, ...]
    notes: tuple[str, ...] = ()
    peers: bytes = b""
    due: float = math.inf

    def __repr__(self) -> str:  # without keys and passwords
        return f"Reading({self.described!r})"


_encoder = msgspec.msgpack.Encoder()
_keyring_decoder = msgspec.msgpack.Decoder(Keyring)


def pack(keyring: Keyring) -> bytes:
    return _encoder.encode(keyring)


def unpack(data: bytes) -> Keyring:
    """Raises :class:`msgspec.MsgspecError`."""
    return _keyring_decoder.decode(data)
