"""Heads, read and written: what the proxy calls.

``codec.pyx`` is this module's compiled twin.  It understands and writes plain heads in one pass, and leaves every
head with something unusual in it to the functions that are named here; so these say what is right.
"""

from rsp.http.h1.head import end_of_head, parse_request, parse_response
from rsp.http.h1.write import request_head, response_head
from rsp.http.message import RequestHead, ResponseHead

__all__ = [
    "end_of_head", "parse_request", "parse_response", "request_head", "request_in", "response_head", "response_in",
]  # fmt: skip


def request_in(data: bytes, start: int, stop: int, limit: int) -> RequestHead:
    """Of ``data`` from ``start`` to ``stop``, which end a head; what follows is not looked at."""
    return parse_request(data[start:stop], limit)


def response_in(data: bytes, start: int, stop: int, method: bytes, limit: int) -> ResponseHead:
    return parse_response(data[start:stop], method, limit)
