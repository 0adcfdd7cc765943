"""TLS without sockets: what certificates say, which of them a client gets, and the connection's state machine.

Rules of this room: bytes in, bytes out; nothing here reads a socket or a clock, and only ``reader.py`` reads files.
"""
