# The layout of heads in the compiled build; message.py says what they mean.

cdef class RequestHead:
    cdef public bytes method, target, path, host, fields, request_id, referer, upgrade, user_agent, version
    cdef public list forwarded
    cdef public int minor
    cdef public Py_ssize_t count, framing
    cdef public bint connection_bound, expect_continue, grpc, keep_alive, plain, te_trailers
    cdef public set barred


cdef class ResponseHead:
    cdef public bytes fields, length_line, reason, upgrade, version
    cdef public int minor, status
    cdef public Py_ssize_t count, framing
    cdef public bint connection_bound, has_length, keep_alive, own
    cdef public set barred


cdef class OutgoingHead:
    cdef public RequestHead head
    cdef public bytes extra, fields, host, request_id, target
    cpdef set_up(self, RequestHead head, bytes target, bytes host, bytes fields, bytes extra, bytes request_id)
