# The functions of OpenSSL that the engine calls, looked up in the library that Python's ssl has loaded: no headers are
# needed to build, and there is one OpenSSL in the process.  Its types are opaque here.  Part of engine.pyx.

cdef extern from "<dlfcn.h>" nogil:
    int RTLD_NOW, RTLD_NOLOAD
    void *dlopen(const char *file, int mode)
    void *dlsym(void *library, const char *name)

cdef unsigned long (*OpenSSL_version_num)() noexcept
cdef unsigned long (*ERR_get_error)() noexcept
cdef void (*ERR_clear_error)() noexcept
cdef const char *(*ERR_reason_error_string)(unsigned long) noexcept
cdef void *(*CRYPTO_malloc)(size_t, const char *, int) noexcept
cdef int (*RAND_bytes)(unsigned char *, int) noexcept
cdef int (*BIO_get_new_index)() noexcept
cdef void *(*BIO_meth_new)(int, const char *) noexcept
cdef int (*BIO_meth_set_write)(void *, int (*)(void *, const char *, int) noexcept) noexcept
cdef int (*BIO_meth_set_read)(void *, int (*)(void *, char *, int) noexcept) noexcept
cdef int (*BIO_meth_set_ctrl)(void *, long (*)(void *, int, long, void *) noexcept) noexcept
cdef void *(*BIO_new)(const void *) noexcept
cdef int (*BIO_up_ref)(void *) noexcept
cdef void (*BIO_set_init)(void *, int) noexcept
cdef void (*BIO_set_flags)(void *, int) noexcept
cdef void (*BIO_clear_flags)(void *, int) noexcept
cdef uint64_t (*SSL_CTX_get_options)(const void *) noexcept
cdef long (*SSL_CTX_ctrl)(void *, int, long, void *) noexcept
cdef long (*SSL_CTX_callback_ctrl)(void *, int, void *) noexcept
cdef void (*SSL_set_msg_callback)(void *, void *) noexcept
cdef void (*SSL_CTX_set_keylog_callback)(void *, void *) noexcept
cdef int (*SSL_CTX_set_tlsext_ticket_key_evp_cb)(void *, void *) noexcept
cdef void *(*SSL_CTX_get0_certificate)(const void *) noexcept
cdef void *(*SSL_new)(void *) noexcept
cdef void (*SSL_free)(void *) noexcept
cdef void (*SSL_set_bio)(void *, void *, void *) noexcept
cdef void (*SSL_set_accept_state)(void *) noexcept
cdef void (*SSL_set_connect_state)(void *) noexcept
cdef long (*SSL_ctrl)(void *, int, long, void *) noexcept
cdef int (*SSL_CTX_set_session_id_context)(void *, const unsigned char *, unsigned int) noexcept
cdef int (*SSL_do_handshake)(void *) noexcept
cdef int (*SSL_read_ex)(void *, void *, size_t, size_t *) noexcept
cdef int (*SSL_write_ex)(void *, const void *, size_t, size_t *) noexcept
cdef int (*SSL_pending)(const void *) noexcept
cdef int (*SSL_shutdown)(void *) noexcept
cdef void (*SSL_set_shutdown)(void *, int) noexcept
cdef int (*SSL_get_error)(const void *, int) noexcept
cdef long (*SSL_get_verify_result)(const void *) noexcept
cdef int (*SSL_get_verify_mode)(const void *) noexcept
cdef int (*SSL_version)(const void *) noexcept
cdef const char *(*SSL_get_version)(const void *) noexcept
cdef const void *(*SSL_get_current_cipher)(const void *) noexcept
cdef const char *(*SSL_CIPHER_get_name)(const void *) noexcept
cdef void (*SSL_get0_alpn_selected)(const void *, const unsigned char **, unsigned int *) noexcept
cdef int (*SSL_session_reused)(const void *) noexcept
cdef void *(*SSL_get_certificate)(const void *) noexcept
cdef void *(*SSL_get0_peer_certificate)(const void *) noexcept
cdef void *(*SSL_get0_param)(void *) noexcept
cdef void *(*SSL_get0_verified_chain)(const void *) noexcept
cdef void *(*SSL_get1_session)(void *) noexcept
cdef int (*SSL_set_session)(void *, void *) noexcept
cdef int (*SSL_SESSION_is_resumable)(const void *) noexcept
cdef void (*SSL_SESSION_free)(void *) noexcept
cdef int (*X509_VERIFY_PARAM_set1_host)(void *, const char *, size_t) noexcept
cdef int (*X509_VERIFY_PARAM_set1_ip_asc)(void *, const char *) noexcept
cdef const char *(*X509_verify_cert_error_string)(long) noexcept
cdef int (*i2d_X509)(const void *, unsigned char **) noexcept
cdef void *(*d2i_X509)(void *, const unsigned char **, long) noexcept
cdef void (*X509_free)(void *) noexcept
cdef void *(*X509_get_subject_name)(const void *) noexcept
cdef int (*i2d_X509_NAME)(const void *, unsigned char **) noexcept
cdef int (*SSL_CTX_add_client_CA)(void *, void *) noexcept
cdef void (*SSL_CTX_set_client_CA_list)(void *, void *) noexcept
cdef int (*SSL_CTX_set_ciphersuites)(void *, const char *) noexcept
cdef const void *(*X509_get0_notAfter)(const void *) noexcept
cdef int (*X509_cmp_current_time)(const void *) noexcept
cdef void *(*OPENSSL_sk_value)(const void *, int) noexcept
cdef void *(*EVP_CIPHER_fetch)(void *, const char *, const char *) noexcept
cdef int (*EVP_CipherInit_ex)(void *, const void *, void *, const unsigned char *, const unsigned char *, int) noexcept
cdef int (*EVP_MAC_CTX_set_params)(void *, const Parameter *) noexcept


cdef bint look_up() except -1:
    """Whether all of them are there.  ``_ssl`` may be part of the interpreter itself: then it has no file."""
    cdef bytes file = os.fsencode(getattr(_ssl, "__file__", ""))
    cdef void *library = dlopen(<const char *>file if file else NULL, RTLD_NOW | RTLD_NOLOAD)
    if library == NULL:
        return False
    for name, where in (
        (b"OpenSSL_version_num", <size_t>&OpenSSL_version_num),
        (b"ERR_get_error", <size_t>&ERR_get_error),
        (b"ERR_clear_error", <size_t>&ERR_clear_error),
        (b"ERR_reason_error_string", <size_t>&ERR_reason_error_string),
        (b"CRYPTO_malloc", <size_t>&CRYPTO_malloc),
        (b"RAND_bytes", <size_t>&RAND_bytes),
        (b"BIO_get_new_index", <size_t>&BIO_get_new_index),
        (b"BIO_meth_new", <size_t>&BIO_meth_new),
        (b"BIO_meth_set_write", <size_t>&BIO_meth_set_write),
        (b"BIO_meth_set_read", <size_t>&BIO_meth_set_read),
        (b"BIO_meth_set_ctrl", <size_t>&BIO_meth_set_ctrl),
        (b"BIO_new", <size_t>&BIO_new),
        (b"BIO_up_ref", <size_t>&BIO_up_ref),
        (b"BIO_set_init", <size_t>&BIO_set_init),
        (b"BIO_set_flags", <size_t>&BIO_set_flags),
        (b"BIO_clear_flags", <size_t>&BIO_clear_flags),
        (b"SSL_CTX_get_options", <size_t>&SSL_CTX_get_options),
        (b"SSL_CTX_ctrl", <size_t>&SSL_CTX_ctrl),
        (b"SSL_CTX_callback_ctrl", <size_t>&SSL_CTX_callback_ctrl),
        (b"SSL_set_msg_callback", <size_t>&SSL_set_msg_callback),
        (b"SSL_CTX_set_keylog_callback", <size_t>&SSL_CTX_set_keylog_callback),
        (b"SSL_CTX_set_tlsext_ticket_key_evp_cb", <size_t>&SSL_CTX_set_tlsext_ticket_key_evp_cb),
        (b"SSL_CTX_get0_certificate", <size_t>&SSL_CTX_get0_certificate),
        (b"SSL_new", <size_t>&SSL_new),
        (b"SSL_free", <size_t>&SSL_free),
        (b"SSL_set_bio", <size_t>&SSL_set_bio),
        (b"SSL_set_accept_state", <size_t>&SSL_set_accept_state),
        (b"SSL_set_connect_state", <size_t>&SSL_set_connect_state),
        (b"SSL_ctrl", <size_t>&SSL_ctrl),
        (b"SSL_CTX_set_session_id_context", <size_t>&SSL_CTX_set_session_id_context),
        (b"SSL_do_handshake", <size_t>&SSL_do_handshake),
        (b"SSL_read_ex", <size_t>&SSL_read_ex),
        (b"SSL_write_ex", <size_t>&SSL_write_ex),
        (b"SSL_pending", <size_t>&SSL_pending),
        (b"SSL_shutdown", <size_t>&SSL_shutdown),
        (b"SSL_set_shutdown", <size_t>&SSL_set_shutdown),
        (b"SSL_get_error", <size_t>&SSL_get_error),
        (b"SSL_get_verify_result", <size_t>&SSL_get_verify_result),
        (b"SSL_get_verify_mode", <size_t>&SSL_get_verify_mode),
        (b"SSL_version", <size_t>&SSL_version),
        (b"SSL_get_version", <size_t>&SSL_get_version),
        (b"SSL_get_current_cipher", <size_t>&SSL_get_current_cipher),
        (b"SSL_CIPHER_get_name", <size_t>&SSL_CIPHER_get_name),
        (b"SSL_get0_alpn_selected", <size_t>&SSL_get0_alpn_selected),
        (b"SSL_session_reused", <size_t>&SSL_session_reused),
        (b"SSL_get_certificate", <size_t>&SSL_get_certificate),
        (b"SSL_get0_peer_certificate", <size_t>&SSL_get0_peer_certificate),
        (b"SSL_get0_param", <size_t>&SSL_get0_param),
        (b"SSL_get0_verified_chain", <size_t>&SSL_get0_verified_chain),
        (b"SSL_get1_session", <size_t>&SSL_get1_session),
        (b"SSL_set_session", <size_t>&SSL_set_session),
        (b"SSL_SESSION_is_resumable", <size_t>&SSL_SESSION_is_resumable),
        (b"SSL_SESSION_free", <size_t>&SSL_SESSION_free),
        (b"X509_VERIFY_PARAM_set1_host", <size_t>&X509_VERIFY_PARAM_set1_host),
        (b"X509_VERIFY_PARAM_set1_ip_asc", <size_t>&X509_VERIFY_PARAM_set1_ip_asc),
        (b"X509_verify_cert_error_string", <size_t>&X509_verify_cert_error_string),
        (b"i2d_X509", <size_t>&i2d_X509),
        (b"d2i_X509", <size_t>&d2i_X509),
        (b"X509_free", <size_t>&X509_free),
        (b"X509_get_subject_name", <size_t>&X509_get_subject_name),
        (b"i2d_X509_NAME", <size_t>&i2d_X509_NAME),
        (b"SSL_CTX_add_client_CA", <size_t>&SSL_CTX_add_client_CA),
        (b"SSL_CTX_set_client_CA_list", <size_t>&SSL_CTX_set_client_CA_list),
        (b"SSL_CTX_set_ciphersuites", <size_t>&SSL_CTX_set_ciphersuites),
        (b"X509_get0_notAfter", <size_t>&X509_get0_notAfter),
        (b"X509_cmp_current_time", <size_t>&X509_cmp_current_time),
        (b"OPENSSL_sk_value", <size_t>&OPENSSL_sk_value),
        (b"EVP_CIPHER_fetch", <size_t>&EVP_CIPHER_fetch),
        (b"EVP_CipherInit_ex", <size_t>&EVP_CipherInit_ex),
        (b"EVP_MAC_CTX_set_params", <size_t>&EVP_MAC_CTX_set_params),
    ):
        (<void **><size_t>where)[0] = dlsym(library, name)
        if (<void **><size_t>where)[0] == NULL:
            return False
    return True


# -- whether all of this can be used


cdef extern from "<sys/mman.h>" nogil:
    int mincore(void *start, size_t size, unsigned char *pages)


cdef void *handle_of(context) except? NULL:
    """``SSL_CTX *`` is the first field of Python's contexts."""
    if not isinstance(context, ssl.SSLContext):
        raise TypeError("not an ssl.SSLContext")
    return (<void **>(<char *><PyObject *>context + <Py_ssize_t>object.__basicsize__))[0]


cdef bint is_usable() except -1:
    """Whether OpenSSL 3 is there, and contexts are what they are taken for: options that Python sets are read there."""
    global aes
    cdef unsigned char page
    if not look_up() or OpenSSL_version_num() != ssl.OPENSSL_VERSION_NUMBER or OpenSSL_version_num() < 0x30000000:
        return False
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    cdef uintptr_t handle = <uintptr_t>handle_of(context)
    if handle & 7 or mincore(<void *>(handle & ~<uintptr_t>4095), 4096, &page) != 0:
        return False
    for changed in (0, ssl.OP_NO_TICKET, ssl.OP_NO_TICKET):
        context.options ^= changed
        if SSL_CTX_get_options(<void *>handle) != <uint64_t>int(context.options):
            return False
    aes = EVP_CIPHER_fetch(NULL, b"AES-256-CBC", NULL)
    return aes != NULL and make_bio()
