cpdef bytes text(bytes value)
cpdef bytes number(double seconds)
cpdef bytes moment(double wall)
cpdef bytes json_line(
    double wall, bytes client, bytes method, bytes target, bytes version, int status, Py_ssize_t sent, double seconds,
    bytes upstreams, double upstream_seconds, bytes route, bytes request_id,
)
