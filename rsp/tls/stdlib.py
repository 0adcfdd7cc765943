"""The engine over Python's ``ssl``: what runs in pure Python, and where the compiled engine cannot be used.

``engine.py`` says what each class is for; ``engine.pyx`` derives its own fallback from these.
"""

import contextlib
import ssl
import time
from collections.abc import Sequence

from rsp.tls.facts import Facts

_PIECE = 64 << 10
_DER = 2  # _ssl.ENCODING_DER
MONTHS = ("Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec")
_MISMATCH = {62: "hostname mismatch", 64: "IP address mismatch"}  # OpenSSL's words, where Python has its own


class TlsError(Exception):
    """The handshake has failed, or a record is not valid; its text is OpenSSL's reason: ``unsupported protocol``.

    ``code``         OpenSSL's name for it in capitals, empty where there is none (``words.py`` says what it means)
    ``certificate``  the other side's, DER, where it has not been verified; or empty
    """

    def __init__(self, text: str, code: str = "", certificate: bytes = b"") -> None:
        super().__init__(text)
        self.code = code
        self.certificate = certificate


class Engine:
    """``ready``: the handshake is complete.  ``ended``: no more can be read: the other side has said so, or
    :meth:`open` raises what is wrong.

    It has no slots, so that the compiled engine's fallback can be derived from both.
    """

    def __init__(
        self, owner: "Context", context: ssl.SSLContext, sni: bytes, *, server: bool, session: object = None
    ) -> None:
        self._owner = owner
        self._sni = sni
        self._incoming, self._outgoing = ssl.MemoryBIO(), ssl.MemoryBIO()
        name = None if server else sni.decode() or None
        self._object = context.wrap_bio(self._incoming, self._outgoing, server, name)
        if isinstance(session, ssl.SSLSession):
            with contextlib.suppress(ValueError):  # of another context: a new session is made
                self._object.session = session
        self._error: tuple[str, str, bytes] | None = None
        self._facts: Facts | None = None  # Python tells them no more once a record was not valid
        self.ready = False
        self.ended = False

    def open(self, data: bytes) -> bytes:
        """``data`` has arrived, perhaps nothing: go on with the handshake, then give what it says.

        What the other side is to be told is in :meth:`take` afterwards, also after an error.  Raises :class:`TlsError`,
        but gives what came before a broken record first: then the next call raises it.
        """
        self._check()
        if data:
            self._incoming.write(data)
        pieces: list[bytes] = []
        try:
            if not self.ready:
                self._object.do_handshake()
                self._facts = self._read_facts()
                self.ready = True
            while piece := self._object.read(_PIECE):
                pieces.append(piece)
            self.ended = True
        except ssl.SSLWantReadError:
            pass
        except ssl.SSLZeroReturnError:
            self.ended = True
        except ssl.SSLError as error:
            self._error = meaning(error)
            self.ended = True
        if not pieces:
            self._check()
        return b"".join(pieces)

    def take(self) -> bytes:
        """Ciphertext that has to be sent: of the handshake, tickets, an alert."""
        return self._outgoing.read()

    def seal(self, data: bytes) -> bytes:
        """``data`` as ciphertext, behind what :meth:`take` would give.  Raises :class:`TlsError`."""
        self._check()
        try:
            view = memoryview(data)
            while view:
                view = view[self._object.write(view) :]
        except ssl.SSLError as error:
            raise TlsError(*meaning(error)) from None
        return self._outgoing.read()

    def _check(self) -> None:
        if self._error is not None:
            raise TlsError(*self._error)  # a new one: its traceback has the engine

    def close(self) -> bytes:
        """Ciphertext that says that no more will be sent, behind what :meth:`take` would give."""
        try:
            self._object.unwrap()
        except ssl.SSLError:
            pass  # the other side has not said so yet
        return self._outgoing.read()

    def facts(self) -> Facts:
        """After the handshake."""
        if self._facts is None:
            raise TlsError("the handshake is not complete")
        return self._facts

    def _read_facts(self) -> Facts:
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
            bool(certificate) and self._is_verified(),
        )

    def _is_verified(self) -> bool:
        """A resumed session brings its verdict with it, so the date is looked at again."""
        if self._object.context.verify_mode == ssl.CERT_NONE:
            return False
        about = self._object.getpeercert() if self._object.session_reused else None
        return about is None or _date(str(about["notAfter"])) > time.gmtime()[:6]

    def session(self) -> object:
        """To resume it later, once the peer has sent a ticket; ``None``: not yet."""
        return self._object.session


class Connection(ssl.SSLObject):
    """Python's, whose errors say which certificate was not accepted; for :attr:`ssl.SSLContext.sslobject_class`."""

    def do_handshake(self) -> None:
        try:
            super().do_handshake()
        except ssl.SSLCertVerificationError as error:
            chain = self._sslobj.get_verified_chain() or ()  # type: ignore[attr-defined]
            error.certificate = chain[0].public_bytes(_DER) if chain else b""  # type: ignore[attr-defined]
            raise


def meaning(error: ssl.SSLError) -> tuple[str, str, bytes]:
    """Text, code and certificate of the :class:`TlsError` that says the same."""
    if isinstance(error, ssl.SSLCertVerificationError):
        text = _MISMATCH.get(error.verify_code, error.verify_message)
        return text, error.reason, getattr(error, "certificate", b"")
    # Python has no name for new reasons: "[SSL] tlsv1 alert no application protocol (_ssl.c:1006)"
    reason = error.reason or str(error).partition("] ")[2].partition(" (")[0]
    return reason.replace("_", " ").lower(), reason.replace(" ", "_").upper(), b""


def _date(text: str) -> tuple[int, ...]:
    """``Nov  1 12:00:00 2026 GMT``.  A worker without rights cannot import what ``ssl`` reads it with."""
    month, day, clock, year, _ = text.split()
    return int(year), MONTHS.index(month) + 1, int(day), *map(int, clock.split(":"))


class Context:
    """What connections of one kind share: an ``ssl.SSLContext`` that is configured already (``contexts.py``).

    ``policy``: the digest that sessions are bound to; empty: no rules for client certificates.
    """

    kind = Engine

    def __init__(self, context: ssl.SSLContext, policy: bytes = b"") -> None:
        context.options |= ssl.OP_NO_RENEGOTIATION
        context.sslobject_class = Connection
        self._context = context
        self.policy = policy

    def use_tickets(self, keys: Sequence[bytes]) -> None:
        """``keys``: 80 bytes each (name 16, HMAC 32, AES 32), the newest first: it seals, all of them open."""

    def staple(self, responses: dict[bytes, bytes]) -> None:
        """OCSP responses, DER, by the SHA-256 of the certificate (DER) that they are for."""

    def server(self, sni: bytes) -> Engine:
        """A new connection of a client that asks for ``sni``."""
        return self.kind(self, self._context, sni, server=True)

    def client(self, name: str, session: object) -> Engine:
        """A new connection to a peer.  ``name``: what its certificate has to have; an IP address is sent as no SNI.
        ``session``: what :meth:`Engine.session` gave for a connection of this context and name, or ``None``."""
        if self._context.check_hostname and not name:
            raise ValueError("the peer has no name that its certificate could have")  # Python would verify none
        return self.kind(self, self._context, name.encode(), server=False, session=session)
