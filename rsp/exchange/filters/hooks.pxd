cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter
from rsp.exchange.hooks.hooks cimport Hooks, Phases
from rsp.exchange.hooks.notes cimport HookNotes
from rsp.exchange.passage cimport Passage
from rsp.http.lines cimport drop
from rsp.http.message cimport RequestHead, ResponseHead

cdef int DONE, HOLD, PASS


cdef class HooksFilter(Filter):
    cdef Hooks _hooks
    cdef Phases _phases
    cdef bint _fail_open, _is_first
    cdef int _upstream
    cdef HookNotes _notes(self, Exchange exchange)
    @cython.locals(notes=HookNotes, passage=Passage)
    cpdef int request(self, exchange) except -1
    cdef int _after_request(self, HookNotes notes, outcome) except -1
    @cython.locals(head=RequestHead, passage=Passage)
    cdef _change_request(self, Exchange exchange, bytes method, bytes target, path_set, bytes host, bytes body)
    @cython.locals(notes=HookNotes)
    cpdef int response(self, exchange) except -1
    cdef int _after_response(self, HookNotes notes, outcome) except -1
    @cython.locals(head=ResponseHead)
    cdef _change_response(self, HookNotes notes, held, status, bytes body, filtered)
    @cython.locals(notes=HookNotes)
    cpdef list body(self, exchange, list pieces, bint last)
    @cython.locals(notes=HookNotes)
    cpdef int error(self, exchange, int status, reason) except -1
    @cython.locals(notes=HookNotes)
    cpdef ended(self, exchange, int status)
