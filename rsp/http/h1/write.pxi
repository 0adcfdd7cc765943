# Heads as write.py makes them, and ids of requests.  Part of codec.pyx.


cdef inline char *put(char *at, bytes piece) noexcept:
    cdef Py_ssize_t size = PyBytes_GET_SIZE(piece)
    memcpy(at, PyBytes_AS_STRING(piece), size)
    return at + size


cpdef bytes request_head(RequestHead head, bytes target, bytes host, bytes fields, bytes extra, bytes request_id):
    cdef Py_ssize_t framing = head.framing, size
    cdef bytes result
    cdef char *at
    if head.expect_continue or head.te_trailers or PyBytes_GET_SIZE(head.upgrade):
        return writers.request_head(head, target, host, fields, extra, request_id)
    size = PyBytes_GET_SIZE(head.method) + 1 + PyBytes_GET_SIZE(target) + 17 + PyBytes_GET_SIZE(host) + 2
    size += PyBytes_GET_SIZE(fields) + PyBytes_GET_SIZE(extra) + 2
    if PyBytes_GET_SIZE(request_id):
        size += 14 + PyBytes_GET_SIZE(request_id) + 2
    cdef char length_line[48]
    cdef char *length_end = length_line
    if framing == CHUNKED:
        length_end = put_literal(length_end, b"Transfer-Encoding: chunked\r\n", 28)
    elif framing > 0 or head.method is POST or head.method == POST or head.method == PUT or head.method == PATCH:
        length_end = put_literal(length_end, b"Content-Length: ", 16)
        length_end = put_literal(put_number(length_end, framing), b"\r\n", 2)
    size += length_end - length_line
    result = PyBytes_FromStringAndSize(NULL, size)
    at = put(PyBytes_AS_STRING(result), head.method)
    at = put(put_literal(at, b" ", 1), target)
    at = put(put_literal(at, b" HTTP/1.1\r\nHost: ", 17), host)
    at = put(put(put_literal(at, b"\r\n", 2), fields), extra)
    if PyBytes_GET_SIZE(request_id):
        at = put_literal(put(put_literal(at, b"X-Request-Id: ", 14), request_id), b"\r\n", 2)
    at = put_literal(at, length_line, length_end - length_line)
    put_literal(at, b"\r\n", 2)
    return result


cpdef bytes response_head(ResponseHead head, bytes fields, Py_ssize_t framing, bytes connection):
    cdef char start[32]
    cdef char *start_end = put_literal(put_number(put_literal(start, b"HTTP/1.1 ", 9), head.status), b" ", 1)
    cdef char framing_line[48]
    cdef char *framing_end = framing_line
    cdef Py_ssize_t size
    cdef bytes result
    cdef char *at
    if PyBytes_GET_SIZE(head.upgrade) or PyBytes_GET_SIZE(head.length_line):
        return writers.response_head(head, fields, framing, connection)
    if head.framing < 0:
        if framing == CHUNKED:
            framing_end = put_literal(framing_end, b"Transfer-Encoding: chunked\r\n", 28)
    elif framing > 0 or head.has_length:
        framing_end = put_literal(framing_end, b"Content-Length: ", 16)
        framing_end = put_literal(put_number(framing_end, framing), b"\r\n", 2)
    size = (start_end - start) + PyBytes_GET_SIZE(head.reason) + 2 + PyBytes_GET_SIZE(fields) + (framing_end - framing_line) + 2
    if PyBytes_GET_SIZE(connection):
        size += 12 + PyBytes_GET_SIZE(connection) + 2
    result = PyBytes_FromStringAndSize(NULL, size)
    at = put_literal(PyBytes_AS_STRING(result), start, start_end - start)
    at = put_literal(put(at, head.reason), b"\r\n", 2)
    at = put_literal(put(at, fields), framing_line, framing_end - framing_line)
    if PyBytes_GET_SIZE(connection):
        at = put(put_literal(at, b"Connection: ", 12), connection)
        at = put_literal(at, b"\r\n", 2)
    put_literal(at, b"\r\n", 2)
    return result
