"""Heads, read and written: what the proxy calls.

``codec.pyx`` is this module's compiled twin.  It understands and writes plain heads in one pass, and leaves every
head with something unusual in it to the functions that are named here; so these say what is right.
"""

from rsp.http.h1.head import end_of_head, parse_request, parse_response
from rsp.http.h1.write import request_head, response_head

__all__ = ["end_of_head", "parse_request", "parse_response", "request_head", "response_head"]
