"""Content codings (RFC 9110 section 8.4.1): bytes in, bytes out, without sockets and without a configuration.

``coding``             what each of them offers: a body at once, or a stream
``gzip``, ``zstd``, ``br``  the libraries, what a level means to each, and what a stream takes of memory
``codings``            all of them by name

Levels are 1 (fast) to 9 (small) for all.  Nothing is decoded here.
"""
