cimport cython

from rsp.http.apart cimport request_field
from rsp.http.lines cimport each, get
from rsp.http.message cimport RequestHead


cdef class Condition:
    cdef public str said
    cpdef bint holds(self, RequestHead head, source)


cdef class MethodCondition(Condition):
    cdef bint _preflights
    cdef frozenset _methods


cdef class FieldCondition(Condition):
    cdef bint _apart, _folded, _preflights, _told
    cdef bytes _name, _value
    cdef object _wanted
    @cython.locals(names=bytes, values=list)
    cpdef bint holds(self, RequestHead head, source)
    cdef list _values(self, RequestHead head, source)


cdef class QueryCondition(Condition):
    cdef bytes _name, _value
    cdef object _wanted


cdef class ClientCondition(Condition):
    cdef object _networks


cdef class ListenerCondition(Condition):
    cdef frozenset _listeners
