"""HTTP/1 (RFC 9112): heads and bodies as bytes, and the connections that carry them."""
