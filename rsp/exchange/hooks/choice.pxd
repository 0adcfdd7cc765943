from rsp.exchange.forward.forward cimport Forward
from rsp.exchange.hooks.hooks cimport Hooks
from rsp.exchange.hooks.notes cimport HookNotes


cdef class PeerChoice:
    cdef Hooks _hooks
    cdef HookNotes _notes
    cdef Forward _forward
    cdef bint _fail_open
    cdef int _number, _status
    cdef list _peers
