# Plain heads of responses, as head.py reads them.  Part of codec.pyx.


cpdef ResponseHead parse_response(bytes block, bytes method, Py_ssize_t limit=ANY_NUMBER):
    return response_in(block, 0, PyBytes_GET_SIZE(block), method, limit)


cpdef ResponseHead response_in(bytes data, Py_ssize_t start, Py_ssize_t stop, bytes method, Py_ssize_t limit):
    cdef Text at = <Text>PyBytes_AS_STRING(data)
    cdef ResponseHead head = plain_response(at + start, at + stop, method)
    if head is not None and head.count <= limit:
        return head
    return specification.parse_response(data[start:stop], method, limit)


cdef ResponseHead plain_response(Text at, Text end, bytes method):
    """``None``: not plain.  Behind ``end`` there are other bytes, or a NUL."""
    global last_reason
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
    head.version = VERSION_11 if minor else VERSION_10
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
