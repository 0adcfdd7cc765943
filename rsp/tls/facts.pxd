cdef class Facts:
    cdef public bytes alpn, certificate, cipher, policy, sni, version
    cdef public object about
    cdef public bint resumed, verified
