from rsp.exchange.filter cimport FieldRule
from rsp.http.lines cimport which
from rsp.http.message cimport ResponseHead


cdef class LocationRule(FieldRule):
    cdef bytes _inner, _outer
    cdef object _host
