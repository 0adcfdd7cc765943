cimport cython

from rsp.http.h2.output cimport Output
from rsp.http.h2.wire cimport frame_head, number_at

cdef int ACK, PING, SETTINGS
cdef int ENABLE_CONNECT_PROTOCOL, ENABLE_PUSH, HEADER_TABLE_SIZE, INITIAL_WINDOW_SIZE, MAX_CONCURRENT_STREAMS
cdef int MAX_FRAME_SIZE
cdef int FLOW_CONTROL_ERROR, FRAME_SIZE_ERROR, PROTOCOL_ERROR
cdef int PINGED, SETTING, SMALL, UPDATE
cdef Py_ssize_t FRAME, LARGEST_WINDOW, _LARGEST_FRAME


cdef class Agreement(Output):
    cdef public bint begins_streams, extended_connect, greeted
    cdef public Py_ssize_t most
    cpdef begin_agreement(self)
    cpdef bint _is_idle_number(self, long long number) except -1
    cpdef bint missing(self, long long number, kind, int points) except -1
    @cython.locals(size=Py_ssize_t)
    cpdef take_window_update(self, long long number, bytes payload)
    cpdef take_settings(self, int flags, long long number, bytes payload)
    cdef _set(self, int name, long long value)
    cpdef take_ping(self, int flags, long long number, bytes payload)
    cpdef take_priority(self, long long number, bytes payload)
    cpdef settings_received(self)
