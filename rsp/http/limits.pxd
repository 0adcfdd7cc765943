cdef class Limits:
    cdef public double head_time, handshake_time, body_time, idle_time, connect_time, response_time, read_time, send_time
    cdef public double half_close_time, request_time, tunnel_time, keepalive_time, shutdown_time
    cdef public Py_ssize_t line_limit, head_limit, fields, body_limit, min_rate, buffer, connections, per_client, lingering, streams, temp
    cdef tuple _layers
    cdef Limits _for_calls
    cpdef Limits for_calls(self)
