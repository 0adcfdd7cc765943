"""Non-blocking sockets: bytes out, bytes in, and which socket waits for what.  It knows nothing of HTTP.

A worker's loop is uvloop's; the sockets of its data plane wait in one epoll set of their own, for which the worker
waits in the place of the loop.  A connection then costs one small object, and no call goes through more layers than
needed.

``calls``      the system calls of the hot path (and ``calls.pyx``, the compiled twin)
``poller``     which descriptor waits for which events
``libuv``      when the loop below has something to do
``transport``  an open connection: writes with a backlog, pauses, half-closes, ends
``secure``     the same over TLS
``handshake``  TLS handshakes, of clients in their turn and with peers
``session``    what a handshake knows of a client, and of what serves it afterwards
``acceptor``   new connections at a listening socket
``connector``  a connection on its way up
``timing``     what the kernel measures of a connection
``lookup``     names to addresses
``families``   which of a host's addresses are used, IPv4 or IPv6
"""
