from rsp.exchange.subject cimport Subject


cdef class Tunnel(Subject):
    cdef public int open_ends
