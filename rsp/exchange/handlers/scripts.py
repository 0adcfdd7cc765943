"""Requests for peers that run scripts: what such a peer is not asked for, because it would not be right to."""

from http import HTTPStatus

from rsp.exchange.exchange import Exchange
from rsp.exchange.handlers.slash import add_slash
from rsp.http.cgi.scripts import Scripts
from rsp.http.message import CHUNKED


def is_for_peer(exchange: Exchange, scripts: Scripts) -> bool:
    """Whether a peer is to be asked; the request is answered otherwise."""
    script = scripts.find(exchange.target.partition(b"?")[0])
    if script is None:
        exchange.refuse(HTTPStatus.NOT_FOUND, "")
    elif script.slash:  # it is a directory: relative links of its index mean what they say only below it
        add_slash(exchange)
    elif not _has_length(exchange):  # a hook has sent it here, or it would have been held
        exchange.refuse(HTTPStatus.LENGTH_REQUIRED, "the peer has to know how long the body is")
    else:
        return True
    return False


def _has_length(exchange: Exchange) -> bool:
    """Whether the length of the body is known, by now at least."""
    head, body = exchange.head, exchange.body
    if head.framing == CHUNKED and body is not None and body.trailers is not None:
        head.framing = body.size
    return head.framing != CHUNKED
