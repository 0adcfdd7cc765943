"""The data plane of one worker: protocols on a uvloop, no task and no timer for a request.

``plane``       what all connections of a worker share: clock, site, counters, the walk over deadlines
``site``        a configuration in its running form: router, groups of peers
``downstream``  a client's HTTP/1 connection
``exchange``    one request and its response, the only place that knows both sides
``upstream``    a connection to a peer
``pool``        a peer's idle connections, and how new ones are made
"""
