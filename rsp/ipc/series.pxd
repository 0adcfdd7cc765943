from rsp.ipc.cells cimport cell


cdef class Series:
    cdef object _memory
    cdef cell *_cells


cdef class RouteSeries(Series):
    cpdef answered(self, int status, Py_ssize_t sent, Py_ssize_t received)


cdef class ListenerSeries(Series):
    cpdef accepted(self)
    cpdef spoke_http2(self)
    cpdef answered(self, int status, bytes version)
    cpdef shaken(self, bytes version, bint resumed)
    cpdef failed(self)


cdef class TimesSeries(Series):
    cpdef took(self, double seconds, double first_byte, double connect, Py_ssize_t size)
