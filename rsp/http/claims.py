"""Fields by which another service says which user a request comes from: a client that sends them itself claims it.

So they are removed, in every spelling that a backend may take for them (``names.py``), wherever a client can put them:
among the fields, among those that tell of a client, and behind the body.
"""

from rsp.http.lines import without
from rsp.http.message import RequestHead
from rsp.http.names import lines_without


def drop_claims(head: RequestHead, names: frozenset[bytes]) -> None:
    """``names``: folded."""
    head.fields = without(head.fields, names)
    if head.forwarded:
        head.forwarded = lines_without(head.forwarded, names)  # the list may be shared with other requests
    head.barred = (head.barred or set()) | names
