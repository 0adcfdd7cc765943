cpdef bytes escape(bytes value)
cpdef bytes combined(
    bytes client, bytes stamp, bytes method, bytes target, bytes version, int status, Py_ssize_t sent, bytes referer,
    bytes agent, bytes upstreams, double seconds, double upstream_seconds, bytes request_id,
)
