"""What a hook does with the fields of a message, beside reading and writing them."""

from rsp.http.message import RequestHead, ResponseHead
from rsp.http.names import fold


def bar(head: RequestHead | ResponseHead, name: bytes) -> None:
    """A hook has written the field ``name``: what stands behind the body does not contradict it."""
    if head.barred is None:
        head.barred = set()
    head.barred.add(fold(name))
