"""TLS without sockets: what certificates say, which of them a client gets, and the connection's state machine.

Rules of this room: bytes in, bytes out; nothing here reads a socket.  Only the reader reads files (``reader``, and
below it ``inspection`` and ``sources``), in children of the master.
"""
