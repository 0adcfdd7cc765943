"""One message, or the next piece of one, to a transport in one system call, which writes at once what it is given."""

from rsp.http.h1.body import encode_chunk, encode_last_chunk
from rsp.net.transport import Transport


def write_message(
    transport: Transport, start: bytes, pieces: list[bytes], chunked: bool, trailers: list[bytes] | None
) -> None:
    """``start``: a head, or empty; ``trailers``: not ``None`` when the body ends here.  The transport must be open."""
    if not chunked and len(pieces) < 2:
        if start and pieces:
            transport.write_both(start, pieces[0])
        elif start:
            transport.write(start)
        elif pieces:
            transport.write(pieces[0])
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
