from rsp.http.message cimport RequestHead

cdef int _MOST_TRIES, _MOST_RUNS, _MOST_CALLS


cdef class Try:
    cdef public bytes id, peer
    cdef public double connected, ended, first_byte, sent, started
    cdef public int status
    cdef public str failure, left
    cdef public bint hedge


cdef class HookRun:
    cdef public str phase
    cdef public double ended, started


cdef class Journal:
    cdef public RequestHead head
    cdef public list calls, hooks, tries
    cdef public Try sending
    cdef public str upstream
    cdef public bytes scheme
    cdef public object trace
    cdef public bint cut
    cdef public int left_out
    cpdef asks(self, str upstream, bint secure)
    cpdef Try begin_try(self, bytes peer, double started)
    cpdef sends(self, Try noted, double now)
    cpdef begin_hook(self, str phase, double now)
    cpdef end_hook(self, double now)
    cpdef Journal begin_call(self, RequestHead head)
