"""The compiled twin of engine.py, which says what the classes mean: the same over OpenSSL 3's own functions.

An engine is an ``SSL`` and no more.  All engines share one BIO, because one of them works at a time: it reads from the
bytes that :meth:`Engine.open` was given, and writes behind what ``output`` has, so an idle connection keeps no buffer (Python sets SSL_MODE_RELEASE_BUFFERS).
"""

import _ssl
import os
import ssl
from hashlib import sha256

cimport cython
from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE, _PyBytes_Resize
from cpython.exc cimport PyErr_Clear
from cpython.object cimport PyObject
from libc.stdint cimport uint64_t, uintptr_t
from libc.stdlib cimport realloc
from libc.string cimport memcmp, memcpy

from rsp.tls import stdlib
from rsp.tls.facts cimport Facts
from rsp.tls.stdlib import TlsError

cdef extern from "<arpa/inet.h>" nogil:
    int AF_INET, AF_INET6
    int inet_pton(int family, const char *text, void *address)

cdef extern from "Python.h":
    PyObject *new_bytes "PyBytes_FromStringAndSize"(const char *start, Py_ssize_t size) except NULL
    void release "Py_XDECREF"(PyObject *value)

cdef enum:
    # SSL_CTX_ctrl and SSL_ctrl: in ssl.h they are macros
    SET_MODE = 33, SET_CACHE_MODE = 44, SET_NAME_CALLBACK = 53, SET_HOST_NAME = 55, SET_STATUS_CALLBACK = 63
    SET_STATUS_RESPONSE = 71, SET_GROUPS_LIST = 92, SELECT_CERTIFICATE = 116, SET_CERTIFICATE = 117
    FIRST = 1, NEXT = 2  # of a context's certificates
    SENT_AND_RECEIVED = 3
    WANT_READ = 2, ZERO_RETURN = 6  # SSL_get_error
    VERIFY_PEER = 1
    NO_AUTO_CHAIN = 8
    KEY_SIZE = 80
    MOST_NAMES = 16 << 10  # bytes of CertificateRequest
    RECORD = 16 << 10
    OVERHEAD = 29  # of a record: header, nonce and tag of AES-GCM in TLS 1.2; CBC adds more, then the output grows
    HELD = (16 << 10) + 1024  # at most so much of a record waits in OpenSSL for its rest

cdef struct Named:
    const char *text  # OpenSSL's own
    PyObject *name  # one of `interned`

include "openssl.pxi"
include "callbacks.pxi"

cdef char room[2 * (16 << 10) + 2048]  # what small pieces say, before it is copied to bytes of the right size
# Of TLS 1.3, the cheapest first: processors have instructions for SHA-256, which a handshake computes forty times, and
# seldom for SHA-384, with which OpenSSL begins.
cdef const char *SUITES = b"TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256"
cdef dict interned = {}  # names of versions and suites: connections have the same
cdef Named last_version, last_cipher
cdef dict error_names = getattr(_ssl, "err_codes_to_names", {})


cdef class OpenSslContext:
    def __init__(self, context, bytes policy=b""):
        context.options |= ssl.OP_NO_RENEGOTIATION
        self._context = context
        self._handle = handle_of(context)
        self._checks_names = context.check_hostname
        self._bound = policy or b"rsp"
        self._keys = b""
        self._staples = {}
        self.policy = policy
        SSL_CTX_ctrl(self._handle, SET_CACHE_MODE, 0, NULL)
        # A session of one policy is never resumed under another: OpenSSL does not verify again.
        if not SSL_CTX_set_session_id_context(self._handle, self._bound, <unsigned int>PyBytes_GET_SIZE(self._bound)):
            raise ValueError("a policy's digest has at most 32 bytes")
        # Python's own callbacks expect a connection of Python's; and no file is to have keys of sessions.
        SSL_CTX_set_keylog_callback(self._handle, NULL)
        SSL_CTX_callback_ctrl(self._handle, SET_NAME_CALLBACK, NULL)
        if context.protocol == ssl.PROTOCOL_TLS_SERVER:
            self._choose_groups()
            SSL_CTX_set_ciphersuites(self._handle, SUITES)
            # Clients get what the files have.  By itself OpenSSL looks for issuers among the authorities that are
            # trusted, which are those of clients, and verifies the chain in each handshake.
            SSL_CTX_ctrl(self._handle, SET_MODE, NO_AUTO_CHAIN, NULL)
            if context.verify_mode != ssl.CERT_NONE:
                self._announce()

    cdef _choose_groups(self):
        """Mozilla's, as the ciphers are.  By itself OpenSSL agrees to ffdhe8192 as well: a hello that costs a client
        nothing takes a server 125 ms, where X25519 takes 0.2."""
        for groups in (b"X25519MLKEM768:X25519:P-256:P-384", b"X25519:P-256:P-384"):  # the first one since OpenSSL 3.5
            if SSL_CTX_ctrl(self._handle, SET_GROUPS_LIST, 0, <void *><const char *>groups) == 1:
                break
        ERR_clear_error()

    cdef _announce(self):
        """The names of the authorities that are trusted: a client with several certificates chooses by them.  All of
        them or none, which stands for any."""
        cdef const unsigned char *at
        cdef void *certificate
        cdef int size = 0
        known = self._context.cert_store_stats()
        for authority in self._context.get_ca_certs(True) if known["x509"] == known["x509_ca"] else ():
            at = authority
            certificate = d2i_X509(NULL, &at, len(authority))
            if certificate == NULL:
                raise MemoryError
            size += i2d_X509_NAME(X509_get_subject_name(certificate), NULL)
            SSL_CTX_add_client_CA(self._handle, certificate)
            X509_free(certificate)
        if size > MOST_NAMES:
            SSL_CTX_set_client_CA_list(self._handle, NULL)

    def use_tickets(self, keys):
        if any(len(key) != KEY_SIZE for key in keys):
            raise ValueError("a ticket key has 80 bytes")
        self._keys = b"".join(keys)
        SSL_CTX_set_tlsext_ticket_key_evp_cb(self._handle, <void *>on_ticket if self._keys else NULL)

    def staple(self, responses):
        cdef void *certificate
        cdef void *chosen = SSL_CTX_get0_certificate(self._handle)
        cdef int which = FIRST
        self._staples = {}
        while responses and SSL_CTX_ctrl(self._handle, SET_CERTIFICATE, which, NULL) == 1:
            certificate = SSL_CTX_get0_certificate(self._handle)
            response = responses.get(sha256(der_of(certificate)).digest())
            if response is not None:
                self._staples[<uintptr_t>certificate] = response
            which = NEXT
        SSL_CTX_ctrl(self._handle, SELECT_CERTIFICATE, 0, chosen)
        ERR_clear_error()
        SSL_CTX_callback_ctrl(self._handle, SET_STATUS_CALLBACK, <void *>on_status if self._staples else NULL)

    cpdef Engine server(self, bytes sni):
        cdef Engine engine = self._engine(sni)
        SSL_set_accept_state(engine._ssl)
        return engine

    def client(self, str name, session):
        cdef Engine engine = self._engine(ascii_of(name))
        SSL_set_connect_state(engine._ssl)
        expect(engine._ssl, engine._sni, self._checks_names)
        if isinstance(session, Session) and (<Session>session).fits(engine):
            SSL_set_session(engine._ssl, (<Session>session)._handle)
        return engine

    cdef Engine _engine(self, bytes sni):
        cdef Engine engine = Engine.__new__(Engine)
        engine._owner = self
        engine._sni = sni
        engine._ssl = SSL_new(self._handle)
        if engine._ssl == NULL:
            raise MemoryError
        BIO_up_ref(bio)
        SSL_set_bio(engine._ssl, bio, bio)
        return engine


cdef class Session:
    """What resumes a connection to the same name under the same rules: those of its context."""

    def __dealloc__(self):
        if self._handle != NULL:
            SSL_SESSION_free(self._handle)

    cdef bint fits(self, Engine engine):
        cdef OpenSslContext owner = engine._owner
        return self._owner._handle == owner._handle and self._owner._bound == owner._bound and self._name == engine._sni


@cython.no_gc  # it is part of no circle, and there are many
cdef class Engine:
    def __dealloc__(self):
        if self._ssl != NULL:
            SSL_set_shutdown(self._ssl, SENT_AND_RECEIVED)  # else OpenSSL will not resume its session
            SSL_free(self._ssl)

    cpdef bytes open(self, bytes data):
        cdef bytes plain = b""
        self._check()
        enter(self, data)
        if not self.ready:
            self._shake_hands()
        if self.ready and self._error is None and (input_left > 0 or SSL_pending(self._ssl) > 0):
            plain = self._read(PyBytes_GET_SIZE(data))
        if output.used > 0:
            self._say()
        leave()
        if not plain:
            self._check()
        return plain

    cdef _say(self):
        """What is written waits behind what does already."""
        cdef bytes said = PyBytes_FromStringAndSize(output.start, output.used)
        self._waiting = said if self._waiting is None else self._waiting + said

    cpdef bytes take(self):
        cdef bytes waiting = self._waiting
        self._waiting = None
        return b"" if waiting is None else waiting

    cpdef bytes seal(self, bytes data):
        cdef size_t written
        cdef Py_ssize_t size = PyBytes_GET_SIZE(data)
        cdef int code
        cdef bytes sealed
        self._check()
        if not self.ready:
            raise TlsError("the handshake is not complete")
        if size == 0:
            return self.take()
        enter(self, b"")
        write_to_bytes(self._waiting, size + (size // RECORD + 1) * OVERHEAD)
        self._waiting = None
        code = SSL_write_ex(self._ssl, PyBytes_AS_STRING(data), size, &written)
        if code != 1:
            self._fail()
        leave()
        sealed = written_bytes()
        self._check()
        return sealed

    cpdef bytes close(self):
        cdef bytes last = self.take()
        if self.ready and self._error is None:
            enter(self, b"")
            SSL_shutdown(self._ssl)
            last += PyBytes_FromStringAndSize(output.start, output.used)
            leave()
        return last

    cpdef Facts facts(self):
        cdef const unsigned char *alpn = NULL
        cdef unsigned int size = 0
        cdef void *certificate = SSL_get0_peer_certificate(self._ssl)
        cdef Facts facts = Facts.__new__(Facts)  # no call of Python
        SSL_get0_alpn_selected(self._ssl, &alpn, &size)
        facts.version = known(SSL_get_version(self._ssl), &last_version)
        facts.cipher = known(SSL_CIPHER_get_name(SSL_get_current_cipher(self._ssl)), &last_cipher)
        facts.sni = self._sni
        facts.alpn = alpn[:size]
        facts.resumed = SSL_session_reused(self._ssl) == 1
        facts.policy = self._owner.policy
        facts.certificate = der_of(certificate)
        facts.verified = certificate != NULL and self._verified(certificate)
        return facts

    def session(self):
        cdef Session session = Session.__new__(Session)
        session._handle = SSL_get1_session(self._ssl)
        session._owner = self._owner
        session._name = self._sni
        return session if session._handle != NULL and SSL_SESSION_is_resumable(session._handle) else None

    cdef bint _verified(self, void *certificate):
        """A resumed session brings its verdict with it, so the date is looked at again."""
        if not SSL_get_verify_mode(self._ssl) & VERIFY_PEER or SSL_get_verify_result(self._ssl) != 0:
            return False
        return not SSL_session_reused(self._ssl) or X509_cmp_current_time(X509_get0_notAfter(certificate)) > 0

    cdef _shake_hands(self):
        cdef int code = SSL_do_handshake(self._ssl)
        self.ready = code == 1
        if self.ready:
            SSL_set_msg_callback(self._ssl, <void *>on_message)  # it counts what comes late
        else:
            self._end(SSL_get_error(self._ssl, code))

    cdef bytes _read(self, Py_ssize_t size):
        """All that can be decrypted of ``size`` bytes and of what OpenSSL holds of a record."""
        cdef PyObject *whole = NULL
        cdef char *into = room
        cdef size_t most = sizeof(room), used = 0, got = 0
        cdef int code = 1
        if size > RECORD:
            most = size + HELD
            whole = new_bytes(NULL, most)
            into = PyBytes_AS_STRING(<object>whole)
        while used < most and code == 1 and (input_left > 0 or SSL_pending(self._ssl) > 0):
            code = SSL_read_ex(self._ssl, into + used, most - used, &got)
            used += got if code == 1 else 0
        if code != 1:
            self._end(SSL_get_error(self._ssl, 0))
        if whole == NULL:
            return PyBytes_FromStringAndSize(room, used)
        _PyBytes_Resize(&whole, used)
        return steal(whole)

    cdef _end(self, int reason):
        if reason == ZERO_RETURN:
            self.ended = True
        elif reason != WANT_READ:
            self._fail()

    cdef _fail(self):
        self._error = failure(self._ssl)
        self.ended = True

    cdef _check(self):
        if self._error is not None:
            raise TlsError(*self._error)  # a new one: its traceback has the engine


# -- errors, names and certificates


cdef tuple failure(void *ssl):
    """Text, code and certificate for :class:`TlsError`."""
    cdef str code = "", latest = code_of(ERR_get_error())
    cdef void *chain
    while latest:
        if latest != "RECORD_LAYER_FAILURE":  # since OpenSSL 3.2 behind the reason
            code = latest
        latest = code_of(ERR_get_error())
    if late_messages > LATE_MESSAGES:
        return "too many messages after the handshake", "TOO_MANY_MESSAGES"
    if code != "CERTIFICATE_VERIFY_FAILED":
        return code.replace("_", " ").lower() or "the connection has failed", code
    chain = SSL_get0_verified_chain(ssl)
    certificate = b"" if chain == NULL else der_of(OPENSSL_sk_value(chain, 0))
    return X509_verify_cert_error_string(SSL_get_verify_result(ssl)).decode("latin-1"), code, certificate


cdef str code_of(unsigned long error):
    """As Python calls it, which does not know the latest."""
    cdef const char *reason = ERR_reason_error_string(error)
    cdef str code = error_names.get((error >> 23 & 0xff, error & 0x7fffff))
    if code is None:
        code = "" if reason == NULL else reason.decode("latin-1").upper().replace(" ", "_")
    return code


cdef bytes der_of(const void *certificate):
    cdef bytes der
    cdef unsigned char *at
    cdef int size = 0 if certificate == NULL else i2d_X509(certificate, NULL)
    if size <= 0:
        return b""
    der = PyBytes_FromStringAndSize(NULL, size)
    at = <unsigned char *>PyBytes_AS_STRING(der)
    i2d_X509(certificate, &at)
    return der


cdef bytes known(const char *text, Named *last):
    """``last``: what has been asked for before, nearly always the same."""
    cdef bytes name
    if text == NULL or text != last.text:
        name = b"" if text == NULL else <bytes>text
        name = interned.setdefault(name, name)
        last.name = <PyObject *>name
        last.text = text
    return <bytes>last.name


cdef bytes ascii_of(str name):
    return name.encode() if name.isascii() else name.encode("idna")


cdef expect(void *ssl, bytes name, bint checks):
    """Ask for ``name`` and, where the context ``checks`` names, accept no other."""
    cdef char address[16]
    cdef bint is_address = inet_pton(AF_INET, name, address) == 1 or inet_pton(AF_INET6, name, address) == 1
    cdef bint right = not checks or len(name) > 0
    if is_address:
        right = not checks or X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl), name) == 1
    elif name:
        right = SSL_ctrl(ssl, SET_HOST_NAME, 0, <char *>name) == 1
        if checks and right:
            right = X509_VERIFY_PARAM_set1_host(SSL_get0_param(ssl), name, PyBytes_GET_SIZE(name)) == 1
    if not right:
        ERR_clear_error()
        raise ValueError(f"{name.decode()!r} is not a name that a certificate can have")


# -- which of the two is used


class FallbackEngine(stdlib.Engine, Engine):
    """Over Python's ssl, and yet what the compiled modules call an engine."""


class FallbackContext(stdlib.Context, OpenSslContext):
    """As :class:`FallbackEngine`."""

    kind = FallbackEngine


COMPLETE = is_usable()
Context = OpenSslContext if COMPLETE else FallbackContext
