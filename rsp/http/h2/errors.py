"""The ways in which HTTP/2 can go wrong (RFC 9113 section 5.4).  ``str(error)`` is one clear clause."""


class Http2Error(Exception):
    """The connection cannot go on: GOAWAY with ``code``."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code


class StreamError(Exception):
    """One stream cannot go on: RST_STREAM with ``code``."""

    def __init__(self, code: int, reason: str) -> None:
        super().__init__(reason)
        self.code = code
