"""Finding a peer for a request."""
