"""Heads of requests and responses: what a proxy needs to know of them, whatever protocol brought them."""

from typing import Final

# Framing of a body: a length in bytes (>= 0), or one of these.
CHUNKED: Final = -1
UNTIL_CLOSE: Final = -2
# HTTP/1.0 and 1.1, by their minor version.
VERSIONS: Final = (b"1.0", b"1.1")


class RequestFields:
    """What a block of request fields says, whatever the request line is.  Shared between requests: never changed."""

    # fmt: off
    __slots__ = (
        "codings", "connection_bound", "count", "expectation", "forwarded", "host", "hosts", "kept", "lengths",
        "options", "referer", "request_id", "te_trailers", "upgrade", "user_agent",
    )
    # fmt: on

    def __init__(self) -> None:
        self.kept = b""
        self.count = 0
        self.hosts = 0
        self.host = b""
        self.lengths: list[bytes] = []
        self.codings: list[bytes] = []
        self.options: list[bytes] = []
        self.expectation = b""
        self.te_trailers = False
        self.connection_bound = False
        self.upgrade = b""
        self.forwarded: list[bytes] = []
        self.request_id = b""
        self.user_agent = b""
        self.referer = b""


class RequestHead:
    r"""What a proxy needs to know of a request; the rest stays the bytes that they were.

    ``fields``       the field lines to forward, each with its CRLF; never Host, framing, hop-by-hop or forwarded ones
    ``count``        how many field lines there were in all
    ``target``       origin-form or ``*``, as received (absolute-form is taken apart)
    ``path``         the target without its query; ``/`` for ``*``, which asks about the host as a whole
    ``plain``        whether the path can only be read as it is written: no ``%``, ``\``, ``//`` or ``/.`` in it
    ``host``         the authority that the request is for, without doubt; empty only in HTTP/1.0
    ``framing``      body length in bytes, or ``CHUNKED``
    ``keep_alive``   whether the client lets us keep the connection
    ``forwarded``    the lines with the client of another proxy
    ``request_id``   X-Request-Id, if it is sound; else empty
    ``upgrade``      value of Upgrade, when Connection names it; else empty
    ``connection_bound``  its credentials authenticate the connection that it is sent on (NTLM, Negotiate)
    ``version``      of HTTP in which it came, as Via and logs have it: ``1.1``
    ``grpc``         it is a call of gRPC (``grpc.py``), which only HTTP/2 carries
    ``barred``       names, folded, that its trailers may not have either: from Connection, or written by a hook

    ``forwarded`` may be shared with other requests: it is not to be changed.
    """

    # fmt: off
    __slots__ = (
        "barred", "connection_bound", "count", "expect_continue", "fields", "forwarded", "framing", "grpc", "host",
        "keep_alive", "method", "minor", "path", "plain", "referer", "request_id", "target", "te_trailers", "upgrade",
        "user_agent", "version",
    )
    # fmt: on

    def __init__(self, method: bytes, target: bytes, minor: int, fields: RequestFields) -> None:
        self.method = method
        self.target = target
        self.path = b""
        self.plain = True
        self.minor = minor
        self.version = VERSIONS[minor]
        self.host = fields.host
        self.fields = fields.kept
        self.count = fields.count
        self.framing = 0
        self.keep_alive = minor == 1
        self.expect_continue = False
        self.te_trailers = fields.te_trailers
        self.connection_bound = fields.connection_bound
        self.upgrade = b""
        self.grpc = False
        self.barred: set[bytes] | None = None
        self.forwarded = fields.forwarded
        self.request_id = fields.request_id
        self.user_agent = fields.user_agent
        self.referer = fields.referer


class ResponseHead:
    """A response head: as :class:`RequestHead` where names are the same; ``framing`` may also be ``UNTIL_CLOSE``.

    ``length_line`` is the Content-Length line of a response that has no body on the wire but names the length
    that a GET would have (HEAD, 304).  ``connection_bound``: it asks for credentials that authenticate the connection.
    ``own``: it is an answer of rsp itself.
    """

    # fmt: off
    __slots__ = (
        "barred", "connection_bound", "count", "fields", "framing", "has_length", "keep_alive", "length_line", "minor",
        "own", "reason", "status", "upgrade", "version",
    )
    # fmt: on

    def __init__(self, status: int, reason: bytes, minor: int) -> None:
        self.status = status
        self.reason = reason
        self.minor = minor
        self.version = VERSIONS[minor]
        self.fields = b""
        self.count = 0
        self.framing = 0
        self.length_line = b""
        self.has_length = False  # Content-Length: 0 was said, not implied
        self.keep_alive = minor == 1
        self.connection_bound = False
        self.own = False
        self.upgrade = b""
        self.barred: set[bytes] | None = None


class OutgoingHead:
    """A request's head as a peer is to see it: ``head`` with another target and Host, and other field lines.

    ``fields``, ``extra``: lines, each with its CRLF; ``request_id``: the value of X-Request-Id, or empty.  What
    frames the body, and what belongs to one connection, is written by the connection that sends it.
    """

    __slots__ = ("extra", "fields", "head", "host", "request_id", "target")

    def __init__(
        self, head: RequestHead, target: bytes, host: bytes, fields: bytes, extra: bytes, request_id: bytes
    ) -> None:
        self.set_up(head, target, host, fields, extra, request_id)

    def set_up(
        self, head: RequestHead, target: bytes, host: bytes, fields: bytes, extra: bytes, request_id: bytes
    ) -> None:
        self.head = head
        self.target = target
        self.host = host
        self.fields = fields
        self.extra = extra
        self.request_id = request_id
