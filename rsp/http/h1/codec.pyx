# cython: boundscheck=False, wraparound=False, cdivision=True
"""The compiled twin of codec.py: plain heads in one pass over their bytes.

Whatever is not plain, be it wrong or only rare, is left to the specification in head.py and write.py, so this file
raises no errors and knows no rules of its own: it has to be right about what it takes, and may always decline.
"""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from libc.stdint cimport uint64_t
from libc.string cimport memchr, memcmp, memcpy

from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.text cimport put_literal, put_number

from rsp.http.h1 import head as specification
from rsp.http import names
from rsp.http.h1 import write as writers

ctypedef const unsigned char *Text

cdef enum:
    CHUNKED = -1
    UNTIL_CLOSE = -2
    NO_LENGTH = -3
    MOST_RUNS = 24  # stretches of fields between dropped ones
    ANY_NUMBER = 1 << 30

include "scan.pxi"

# The last value of its kind: clients repeat themselves, and the same object saves making, hashing and comparing it.
cdef bytes last_host = b"", last_agent = b"", last_reason = b""
cdef bytes GET = b"GET", HEAD = b"HEAD", POST = b"POST", PUT = b"PUT", PATCH = b"PATCH"
cdef list NOTHING = []


cdef inline bytes text(Span span):
    return PyBytes_FromStringAndSize(<const char *>span.start, span.end - span.start)


cdef inline bytes text_or(Span span, bytes known):
    """As :func:`text`, but ``known`` itself when it says the same."""
    cdef Py_ssize_t size = span.end - span.start
    if size == PyBytes_GET_SIZE(known) and memcmp(span.start, PyBytes_AS_STRING(known), size) == 0:
        return known
    return text(span)


cdef struct Runs:
    int count
    Py_ssize_t size
    Span spans[MOST_RUNS]


cdef inline bint keep(Runs *runs, Text start, Text end) noexcept nogil:
    """Note that the bytes from ``start`` to ``end`` are to be forwarded; false when there are too many pieces."""
    if end > start:
        if runs.count == MOST_RUNS:
            return False
        runs.spans[runs.count].start = start
        runs.spans[runs.count].end = end
        runs.count += 1
        runs.size += end - start
    return True


cdef bytes kept(Runs *runs):
    cdef bytes result = PyBytes_FromStringAndSize(NULL, runs.size)
    cdef char *at = PyBytes_AS_STRING(result)
    cdef Py_ssize_t size
    cdef int index
    for index in range(runs.count):
        size = runs.spans[index].end - runs.spans[index].start
        memcpy(at, runs.spans[index].start, size)
        at += size
    return result


cpdef Py_ssize_t end_of_head(bytes data, Py_ssize_t start):
    cdef const char *begin = PyBytes_AS_STRING(data)
    cdef const char *end = begin + PyBytes_GET_SIZE(data)
    cdef const char *at = begin + start
    while True:
        at = <const char *>memchr(at, c"\r", end - at) if at < end else NULL
        if at == NULL or end - at < 4:
            return -1
        if at[2] == c"\r" and at[1] == c"\n" and at[3] == c"\n":
            return at + 4 - begin
        at += 1


cpdef RequestHead parse_request(bytes block, Py_ssize_t limit=ANY_NUMBER):
    cdef RequestHead head = plain_request(block)
    if head is not None and head.count <= limit:
        return head
    return specification.parse_request(block, limit)


cdef RequestHead plain_request(bytes block):
    """``None``: not plain."""
    global last_host, last_agent
    cdef Text at = <Text>PyBytes_AS_STRING(block)
    cdef Text end = at + PyBytes_GET_SIZE(block)
    cdef Text line, run
    cdef Span method, target, path, value, host, agent, referer, request_id
    cdef Py_ssize_t count = 0, length = NO_LENGTH, size
    cdef Meaning meaning
    cdef Runs runs
    cdef int hosts = 0, minor
    cdef bint chunked = False, connection = False, plain = True, keep_alive
    cdef list forwarded = NOTHING
    cdef RequestHead head

    method.start = at
    while KINDS[at[0]] & TOKEN:
        at += 1
    method.end = at
    if at == method.start or at[0] != c" " or at[1] != c"/":
        return None
    at += 1
    target.start = path.start = at
    while KINDS[at[0]] & PATH:
        if at[0] == c"/" and (at[1] == c"/" or at[1] == c"."):
            plain = False
        at += 1
    while KINDS[at[0]] & TARGET and at[0] != c"?":
        plain = False
        at += 1
    path.end = at
    while KINDS[at[0]] & TARGET:
        at += 1
    target.end = at
    if end - at < 13 or memcmp(at, b" HTTP/1.", 8) or at[9] != c"\r" or at[10] != c"\n":
        return None
    minor = at[8] - c"0"
    if minor != 0 and minor != 1:
        return None
    at += 11

    keep_alive = minor == 1
    runs.count = 0
    runs.size = 0
    run = at
    agent.start = agent.end = referer.start = referer.end = request_id.start = request_id.end = at
    host.start = host.end = at
    while at[0] != c"\r":
        line = at
        while KINDS[at[0]] & NAME:
            at += 1
        size = at - line
        if size == 0 or at[0] != c":":
            return None
        value.start = at + 1
        at = value.end = behind_value(at + 1, end)
        if at[0] != c"\r" or at[1] != c"\n":
            return None
        at += 2
        count += 1
        meaning = request_meaning(line, size)
        if meaning == PASS:
            continue
        value = trimmed(value.start, value.end)
        if meaning == AGENT:
            agent = value
            continue
        if meaning == REFERER:
            referer = value
            continue
        if meaning == CREDENTIALS:
            if value.end > value.start and value.start[0] | 0x20 == c"n":
                return None
            continue
        if not keep(&runs, run, line):
            return None
        run = at
        if meaning == HOST_FIELD:
            host = value
            hosts += 1
        elif meaning == CONNECTION:
            if connection:
                return None
            connection = True
            if value_says(value, "keep-alive", 10):
                keep_alive = True
            elif value_says(value, "close", 5):
                keep_alive = False
            else:
                return None
        elif meaning == LENGTH:
            if length != NO_LENGTH:
                return None
            length = number(value)
            if length == NO_LENGTH:
                return None
        elif meaning == CODING:
            if chunked or minor == 0 or not value_says(value, "chunked", 7):
                return None
            chunked = True
        elif meaning == REQUEST_ID:
            if is_id(value):
                request_id = value
        elif meaning == FORWARDED:
            if forwarded is NOTHING:
                forwarded = []
            value.start = line
            value.end = at - 2
            forwarded.append(text(value))
        elif meaning == RARE:
            return None
    if at[1] != c"\n" or at + 2 != end or hosts != 1 or not is_host(host) or (chunked and length != NO_LENGTH):
        return None
    if not keep(&runs, run, at):
        return None

    head = RequestHead.__new__(RequestHead)
    size = method.end - method.start
    if size == 3 and memcmp(method.start, b"GET", 3) == 0:
        head.method = GET
    elif size == 4 and memcmp(method.start, b"POST", 4) == 0:
        head.method = POST
    elif size == 7 and memcmp(method.start, b"CONNECT", 7) == 0:
        return None
    else:
        head.method = text(method)
    head.target = text(target)
    head.path = head.target if path.end == target.end else text(path)
    head.plain = plain
    head.minor = minor
    head.host = last_host = text_or(host, last_host)
    head.fields = kept(&runs)
    head.count = count
    head.framing = CHUNKED if chunked else (length if length != NO_LENGTH else 0)
    head.keep_alive = keep_alive
    head.connection_bound = head.expect_continue = head.te_trailers = False
    head.upgrade = b""
    head.forwarded = forwarded
    head.request_id = text(request_id)
    head.user_agent = last_agent = text_or(agent, last_agent)
    head.referer = text(referer)
    return head


cpdef ResponseHead parse_response(bytes block, bytes method, Py_ssize_t limit=ANY_NUMBER):
    cdef ResponseHead head = plain_response(block, method)
    if head is not None and head.count <= limit:
        return head
    return specification.parse_response(block, method, limit)


cdef ResponseHead plain_response(bytes block, bytes method):
    """``None``: not plain."""
    global last_reason
    cdef Text at = <Text>PyBytes_AS_STRING(block)
    cdef Text end = at + PyBytes_GET_SIZE(block)
    cdef Text line, run
    cdef Span reason, value
    cdef Py_ssize_t count = 0, length = NO_LENGTH, size
    cdef Meaning meaning
    cdef Runs runs
    cdef int minor, status
    cdef bint chunked = False, connection = False, keep_alive
    cdef ResponseHead head

    if end - at < 17 or memcmp(at, b"HTTP/1.", 7) or at[8] != c" " or at[12] != c" ":
        return None
    minor = at[7] - c"0"
    if minor != 0 and minor != 1 or not c"2" <= at[9] <= c"9":
        return None
    if not c"0" <= at[10] <= c"9" or not c"0" <= at[11] <= c"9":
        return None
    status = (at[9] - c"0") * 100 + (at[10] - c"0") * 10 + (at[11] - c"0")
    reason.start = at + 13
    at = reason.end = behind_value(at + 13, end)
    if at[0] != c"\r" or at[1] != c"\n":
        return None
    at += 2

    keep_alive = minor == 1
    runs.count = 0
    runs.size = 0
    run = at
    while at[0] != c"\r":
        line = at
        while KINDS[at[0]] & TOKEN:
            at += 1
        size = at - line
        if size == 0 or at[0] != c":":
            return None
        value.start = at + 1
        at = value.end = behind_value(at + 1, end)
        if at[0] != c"\r" or at[1] != c"\n":
            return None
        at += 2
        count += 1
        meaning = response_meaning(line, size)
        if meaning == PASS:
            continue
        if not keep(&runs, run, line):
            return None
        run = at
        value = trimmed(value.start, value.end)
        if meaning == LENGTH:
            if length != NO_LENGTH:
                return None
            length = number(value)
            if length == NO_LENGTH:
                return None
        elif meaning == CODING:
            if chunked or minor == 0 or not value_says(value, "chunked", 7):
                return None
            chunked = True
        elif meaning == CONNECTION:
            if connection:
                return None
            connection = True
            if value_says(value, "keep-alive", 10):
                keep_alive = True
            elif value_says(value, "close", 5):
                keep_alive = False
            else:
                return None
        elif meaning == RARE:
            return None
    if at[1] != c"\n" or at + 2 != end or not keep(&runs, run, at):
        return None
    if status == 204 or status == 304 or method == HEAD or (chunked and length != NO_LENGTH):
        if chunked or length != NO_LENGTH:
            return None

    head = ResponseHead.__new__(ResponseHead)
    head.status = status
    head.reason = last_reason = text_or(reason, last_reason)
    head.minor = minor
    head.fields = kept(&runs)
    head.count = count
    head.keep_alive = keep_alive
    head.has_length = length != NO_LENGTH
    head.connection_bound = False
    head.length_line = head.upgrade = b""
    if status == 204 or status == 304 or method == HEAD:
        head.framing = 0
    elif chunked:
        head.framing = CHUNKED
    elif length != NO_LENGTH:
        head.framing = length
    else:
        head.framing = UNTIL_CLOSE
        head.keep_alive = False
    return head


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


cpdef bytes make_id(bytes prefix, Py_ssize_t number):
    cdef char digits[18]
    cdef int count = 0
    cdef size_t left = <size_t>number
    cdef bytes result
    cdef char *at
    while left or count == 0:
        digits[count] = b"0123456789abcdef"[left & 15]
        left >>= 4
        count += 1
    result = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(prefix) + 1 + count)
    at = put_literal(put(PyBytes_AS_STRING(result), prefix), b"-", 1)
    while count:
        count -= 1
        at[0] = digits[count]
        at += 1
    return result
