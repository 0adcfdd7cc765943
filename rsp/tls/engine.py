"""One side of a TLS connection, as a state machine: ciphertext in, plaintext out, and the other way round.

``engine.pyx`` is this module's compiled twin: the same classes over OpenSSL itself, which can do what Python's ``ssl``
cannot (:data:`COMPLETE`): tickets that every worker accepts, OCSP stapling, and half of the memory.
"""

import ssl
from collections.abc import Sequence
from typing import Final

from rsp.tls.facts import Facts

COMPLETE: Final = False  # whether tickets and stapling work
_PIECE: Final = 64 << 10


class TlsError(Exception):
    """The handshake has failed, or a record is not valid; its text is OpenSSL's reason: ``unsupported protocol``.

    ``code``: OpenSSL's name for it in capitals, empty where there is none (``words.py`` says what it means).
    """

    def __init__(self, text: str, code: str = "") -> None:
        super().__init__(text)
        self.code = code


class Context:
    """What connections of one kind share: an ``ssl.SSLContext`` that is configured already (``contexts.py``).

    ``policy``: the digest that sessions are bound to; empty: no rules for client certificates.
    """

    __slots__ = ("_context", "policy")

    def __init__(self, context: ssl.SSLContext, policy: bytes = b"") -> None:
        self._context = context
        self.policy = policy

    def use_tickets(self, keys: Sequence[bytes]) -> None:
        """``keys``: 80 bytes each (name 16, HMAC 32, AES 32), the newest first: it seals, all of them open."""

    def staple(self, responses: dict[bytes, bytes]) -> None:
        """OCSP responses, DER, by the SHA-256 of the certificate (DER) that they are for."""

    def server(self, sni: bytes) -> "Engine":
        """A new connection of a client that asks for ``sni``."""
        return Engine(self, self._context, sni, server=True)

    def client(self, name: str, session: object) -> "Engine":
        """A new connection to a peer.  ``name``: what its certificate has to have; an IP address is sent as no SNI.
        ``session``: what :meth:`Engine.session` gave for a connection of this context, or ``None``."""
        return Engine(self, self._context, name.encode(), server=False, session=session)


class Engine:
    """``ready``: the handshake is complete.  ``ended``: the other side has said that it sends no more."""

    __slots__ = ("_incoming", "_object", "_outgoing", "_owner", "_sni", "ended", "ready")

    def __init__(
        self, owner: Context, context: ssl.SSLContext, sni: bytes, *, server: bool, session: object = None
    ) -> None:
        self._owner = owner
        self._sni = sni
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else sni.decode() or None
        kept = session if isinstance(session, ssl.SSLSession) else None
        self._object = context.wrap_bio(self._incoming, self._outgoing, server, name, kept)
        self.ready = False
        self.ended = False

    def open(self, data: bytes) -> bytes:
        """``data`` has arrived, perhaps nothing: go on with the handshake, then give what it says.

        What the other side is to be told is in :meth:`take` afterwards, also after an error.  Raises :class:`TlsError`.
        """
        if data:
            self._incoming.write(data)
        pieces: list[bytes] = []
        try:
            if not self.ready:
                self._object.do_handshake()
                self.ready = True
            while piece := self._object.read(_PIECE):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            raise TlsError(
                error.verify_message if isinstance(error, ssl.SSLCertVerificationError) else _text(error),
                error.reason or "",
            ) from None
        return b"".join(pieces)

    def take(self) -> bytes:
        """Ciphertext that has to be sent: of the handshake, tickets, an alert."""
        return self._outgoing.read()

    def seal(self, data: bytes) -> bytes:
        """``data`` as ciphertext, behind what :meth:`take` would give.  Raises :class:`TlsError`."""
        try:
            view = memoryview(data)
            while view:
                view = view[self._object.write(view) :]
        except ssl.SSLError as error:
            raise TlsError(_text(error), error.reason or "") from None
        return self._outgoing.read()

    def close(self) -> bytes:
        """Ciphertext that says that no more will be sent."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass  # the other side has not said so yet
        return self._outgoing.read()

    def facts(self) -> Facts:
        """After the handshake."""
        version, cipher, alpn = self._object.version(), self._object.cipher(), self._object.selected_alpn_protocol()
        certificate = self._object.getpeercert(binary_form=True) or b""
        return Facts(
            (version or "").encode(),
            (cipher[0] if cipher is not None else "").encode(),
            self._sni,
            (alpn or "").encode(),
            bool(self._object.session_reused),
            self._owner.policy,
            certificate,
            bool(certificate) and bool(self._owner.policy),
        )

    def session(self) -> object:
        """To resume it later, once the peer has sent a ticket; ``None``: not yet."""
        return self._object.session


def _text(error: ssl.SSLError) -> str:
    return (error.reason or str(error)).replace("_", " ").lower()
