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


cdef class ValueCondition(Condition):
    cdef bytes _name
    cdef object _wanted
    @cython.locals(values=list)
    cpdef bint holds(self, RequestHead head, source)
    cpdef list values(self, RequestHead head, source)


cdef class FieldCondition(ValueCondition):
    cdef bint _apart, _folded, _preflights, _told
    @cython.locals(names=bytes)
    cpdef bint holds(self, RequestHead head, source)
    cpdef list values(self, RequestHead head, source)


cdef class CookieCondition(ValueCondition):
    cdef bint _preflights
    cpdef bint holds(self, RequestHead head, source)
    cpdef list values(self, RequestHead head, source)


cdef class QueryCondition(ValueCondition):
    cpdef list values(self, RequestHead head, source)


cdef class ClientCondition(Condition):
    cdef object _networks


cdef class ListenerCondition(Condition):
    cdef frozenset _listeners
