# What OpenSSL calls while an engine is at work: the BIO that all engines share, and the callbacks of contexts.  Part of
# engine.pyx.  No exception leaves a function of this file.

cdef enum:
    BIO_TYPE_SOURCE_SINK = 0x0400
    BIO_FLUSH = 11, BIO_PUSH = 6, BIO_POP = 7  # BIO_ctrl
    BIO_RETRY_READ = 0x01 | 0x08
    BIO_ALL_RETRIES = 0x0f
    HANDSHAKE_RECORD = 22
    # A message of the handshake after the handshake (new keys, tickets, renegotiation that is refused) costs up to 20 us
    # and 27 bytes to send, so few of them are processed in one turn.  OpenSSL has no limit of its own.
    LATE_MESSAGES = 32
    UTF8_STRING = 4, OCTET_STRING = 5  # core.h
    STATUS_OK = 0, STATUS_NONE = 3
    TLS_1_3 = 0x0304

cdef struct Parameter:  # OSSL_PARAM
    const char *key
    unsigned int data_type
    void *data
    size_t data_size, return_size

cdef struct Output:
    char *start
    Py_ssize_t used, size
    PyObject *whole  # the bytes object that it is in, or NULL

cdef Output scratch, output
cdef const char *input_at
cdef Py_ssize_t input_left
cdef int late_messages
cdef PyObject *current  # the engine at work
cdef void *bio
cdef const void *aes


# -- the BIO


cdef int on_read(void *source, char *into, int size) noexcept:
    global input_at, input_left
    BIO_clear_flags(source, BIO_ALL_RETRIES)
    if late_messages > LATE_MESSAGES:
        return -1
    if input_left == 0:
        BIO_set_flags(source, BIO_RETRY_READ)
        return -1
    if size > input_left:
        size = <int>input_left
    memcpy(into, input_at, size)
    input_at += size
    input_left -= size
    return size


cdef int on_write(void *sink, const char *data, int size) noexcept:
    BIO_clear_flags(sink, BIO_ALL_RETRIES)
    if output.used + size > output.size and not grow(output.used + size):
        return -1
    memcpy(output.start + output.used, data, size)
    output.used += size
    return size


cdef long on_control(void *either, int command, long number, void *pointer) noexcept:
    return command == BIO_FLUSH or command == BIO_PUSH or command == BIO_POP


cdef bint grow(Py_ssize_t size) noexcept:
    """Make room for ``size`` bytes, and some more."""
    cdef char *moved
    size += size >> 3
    if output.whole != NULL:
        if _PyBytes_Resize(&output.whole, size) < 0:
            PyErr_Clear()
            output.used = output.size = 0
            return False
        output.start = PyBytes_AS_STRING(<object>output.whole)
    else:
        size += 4096
        moved = <char *>realloc(output.start, size)
        if moved == NULL:
            return False
        output.start = moved
    output.size = size
    return True


cdef bint make_bio() noexcept:
    global bio
    cdef void *method = BIO_meth_new(BIO_get_new_index() | BIO_TYPE_SOURCE_SINK, b"rsp")
    BIO_meth_set_read(method, on_read)
    BIO_meth_set_write(method, on_write)
    BIO_meth_set_ctrl(method, on_control)
    bio = BIO_new(method)
    if bio != NULL:
        BIO_set_init(bio, 1)
    return bio != NULL


# -- an engine at work


cdef enter(Engine engine, bytes data):
    global current, input_at, input_left, late_messages
    ERR_clear_error()
    current = <PyObject *>engine
    input_at = PyBytes_AS_STRING(data)
    input_left = PyBytes_GET_SIZE(data)
    late_messages = 0
    output.used = 0


cdef leave():
    global current, input_left
    current = NULL
    input_left = 0


cdef write_to_bytes(bytes first, Py_ssize_t size):
    """Write to a new bytes object for ``size`` bytes behind ``first`` from now on, until ``written_bytes``."""
    global output, scratch
    scratch = output
    size += 0 if first is None else PyBytes_GET_SIZE(first)
    output.whole = new_bytes(NULL, size)
    output.start = PyBytes_AS_STRING(<object>output.whole)
    output.size = size
    output.used = 0
    if first is not None:
        on_write(bio, PyBytes_AS_STRING(first), <int>PyBytes_GET_SIZE(first))


cdef bytes written_bytes():
    global output
    cdef PyObject *whole = output.whole
    cdef Py_ssize_t used = output.used
    output = scratch
    if whole != NULL and _PyBytes_Resize(&whole, used) < 0:
        raise MemoryError
    return steal(whole)


cdef bytes steal(PyObject *whole):
    """The object, whose only reference ``whole`` is."""
    if whole == NULL:
        raise MemoryError
    value = <object>whole
    release(whole)
    return value


# -- callbacks of contexts


cdef void on_message(int sent, int version, int kind, const void *data, size_t size, void *ssl, void *argument) noexcept:
    global late_messages
    if not sent and kind == HANDSHAKE_RECORD:
        late_messages += 1


cdef int on_ticket(void *ssl, unsigned char *name, unsigned char *nonce, void *cipher, void *mac, int seals) noexcept:
    """Seal a ticket with the newest key, or open one with the key that it names.  2: the client gets a new one, in
    TLS 1.3 always, because clients use each ticket once (RFC 8446 appendix C.4)."""
    if current == NULL:
        return 0
    cdef bytes keys = (<Engine>current)._owner._keys
    cdef unsigned char *key = <unsigned char *>PyBytes_AS_STRING(keys)
    cdef unsigned char *end = key + PyBytes_GET_SIZE(keys)
    cdef Parameter parameters[3]
    if seals:
        memcpy(name, key, 16)
        if RAND_bytes(nonce, 16) != 1:
            return -1
    while key < end and memcmp(name, key, 16) != 0:
        key += KEY_SIZE
    if key >= end:
        return 0
    parameters[0] = Parameter(b"key", OCTET_STRING, key + 16, 32, 0)
    parameters[1] = Parameter(b"digest", UTF8_STRING, <void *><const char *>b"SHA256", 6, 0)
    parameters[2] = Parameter(NULL, 0, NULL, 0, 0)
    if EVP_CipherInit_ex(cipher, aes, NULL, key + 48, nonce, seals) != 1 or EVP_MAC_CTX_set_params(mac, parameters) != 1:
        return -1
    if seals or (key == <unsigned char *>PyBytes_AS_STRING(keys) and SSL_version(ssl) != TLS_1_3):
        return 1
    return 2


cdef int on_status(void *ssl, void *argument) noexcept:
    """The OCSP response for the certificate that this handshake uses; OpenSSL owns and frees the copy."""
    if current == NULL:
        return STATUS_NONE
    cdef bytes response = (<Engine>current)._owner._staples.get(<size_t>SSL_get_certificate(ssl))
    if response is None:
        return STATUS_NONE
    cdef Py_ssize_t size = PyBytes_GET_SIZE(response)
    cdef void *copy = CRYPTO_malloc(size, b"", 0)
    if copy == NULL:
        return STATUS_NONE
    memcpy(copy, PyBytes_AS_STRING(response), size)
    return STATUS_OK if SSL_ctrl(ssl, SET_STATUS_RESPONSE, size, copy) == 1 else STATUS_NONE
