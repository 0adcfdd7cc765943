"""HTTP/1.0 and 1.1 (RFC 9112) as pure functions: bytes in, heads and body pieces out, no sockets, no loop.

``errors``  the one exception, which carries the status to answer
``head``    request and response heads: strict parsing, framing, what to forward
``body``    body decoders and the chunked encoder
"""
