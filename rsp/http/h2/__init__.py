"""HTTP/2 (RFC 9113): frames, compressed heads and streams, and the connections that carry them."""
