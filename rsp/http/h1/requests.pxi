# Plain heads of requests, as head.py reads them.  Part of codec.pyx.


cpdef RequestHead parse_request(bytes block, Py_ssize_t limit=ANY_NUMBER):
    return request_in(block, 0, PyBytes_GET_SIZE(block), limit)


cpdef RequestHead request_in(bytes data, Py_ssize_t start, Py_ssize_t stop, Py_ssize_t limit):
    cdef RequestHead head = plain_request(<Text>PyBytes_AS_STRING(data) + start, <Text>PyBytes_AS_STRING(data) + stop)
    if head is not None and head.count <= limit:
        return head
    return specification.parse_request(data[start:stop], limit)


cdef RequestHead plain_request(Text at, Text end):
    """``None``: not plain.  Behind ``end`` there are other bytes, or a NUL."""
    global last_host, last_agent
    cdef Text line, run
    cdef Span method, target, path, value, host, agent, referer, request_id
    cdef Py_ssize_t count = 0, length = NO_LENGTH, size
    cdef Meaning meaning
    cdef Runs runs
    cdef int hosts = 0, minor
    cdef bint chunked = False, connection = False, plain = True, trailers = False, keep_alive
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
        elif meaning == TRANSFERS:  # each call of gRPC has it
            if not value_says(value, "trailers", 8):
                return None
            trailers = True
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
    head.version = VERSION_11 if minor else VERSION_10
    head.host = last_host = text_or(host, last_host)
    head.fields = kept(&runs)
    head.count = count
    head.framing = CHUNKED if chunked else (length if length != NO_LENGTH else 0)
    head.keep_alive = keep_alive
    head.connection_bound = head.expect_continue = False
    head.te_trailers = trailers
    head.upgrade = b""
    head.forwarded = forwarded
    head.request_id = text(request_id)
    head.user_agent = last_agent = text_or(agent, last_agent)
    head.referer = text(referer)
    return head
