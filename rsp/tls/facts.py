"""The data of a connection after its handshake."""


class Facts:
    """``version``: ``TLSv1.3``; ``cipher``: its name in OpenSSL; ``sni``: the name that the client asked for, or empty.

    ``alpn``         the protocol that was agreed on, or empty
    ``resumed``      whether an earlier session was resumed
    ``policy``       digest of the rules for client certificates under which the handshake was made; empty: none
    ``certificate``  the other side's, DER, or empty; ``verified``: by ``policy``
    ``about``        what has been read out of the certificate (``certificate.py``), once it was asked for
    """

    __slots__ = ("about", "alpn", "certificate", "cipher", "policy", "resumed", "sni", "verified", "version")

    def __init__(
        self,
        version: bytes,
        cipher: bytes,
        sni: bytes = b"",
        alpn: bytes = b"",
        resumed: bool = False,
        policy: bytes = b"",
        certificate: bytes = b"",
        verified: bool = False,
    ) -> None:
        self.version = version
        self.cipher = cipher
        self.sni = sni
        self.alpn = alpn
        self.resumed = resumed
        self.policy = policy
        self.certificate = certificate
        self.verified = verified
        self.about: object = None
