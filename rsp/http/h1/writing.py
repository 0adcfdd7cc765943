"""One message, or the next piece of one, to a transport in one system call, which writes at once what it is given."""

from typing import Final

from rsp.http.h1.body import encode_chunk, encode_last_chunk
from rsp.http.pieces import joined
from rsp.net.transport import Transport

# Below this many bytes one copy is cheaper than a vector of buffers.
_JOIN_BELOW: Final = 16 << 10


def write_message(
    transport: Transport, start: bytes, pieces: list[bytes], chunked: bool, trailers: list[bytes] | None
) -> None:
    """``start``: a head, or empty; ``trailers``: not ``None`` when the body ends here.  The transport must be open."""
    if not chunked and len(pieces) < 2:
        if not pieces:
            if start:
                transport.write(start)
            return
        piece = pieces[0]
        if not start:
            transport.write(piece)
        elif len(piece) < _JOIN_BELOW:
            transport.write(joined(start, piece))
        else:
            transport.write_both(start, piece)
        return
    buffers = [start] if start else []
    if not chunked:
        buffers += pieces
    else:
        if pieces:
            buffers += encode_chunk(pieces)
        if trailers is not None:
            buffers.append(encode_last_chunk(trailers))
    if buffers:
        transport.write(b"".join(buffers))
