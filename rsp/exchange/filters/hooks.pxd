cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.filter cimport Filter
from rsp.exchange.held cimport HeldResponse
from rsp.exchange.hooks.hooks cimport Hooks, Phases
from rsp.exchange.hooks.notes cimport HookNotes
from rsp.exchange.passage cimport Passage
from rsp.http.lines cimport drop, get
from rsp.http.message cimport RequestHead, ResponseHead

cdef int DONE, HOLD, PASS


cdef class HooksFilter(Filter):
    cdef Hooks _hooks
    cdef Phases _phases
    cdef bint _fail_open, _is_first
    cdef int _upstream
    @cython.locals(passage=Passage, hooks=Hooks, notes=HookNotes)
    cdef HookNotes _notes(self, Exchange exchange)
    @cython.locals(notes=HookNotes, passage=Passage, hooks=Hooks)
    cpdef int request(self, exchange) except -1
    @cython.locals(exchange=Exchange)
    cdef int _after_request(self, HookNotes notes, outcome) except -1
    @cython.locals(head=RequestHead, passage=Passage)
    cdef _change_request(self, Exchange exchange, bytes method, bytes target, path_set, bytes host, bytes body)
    @cython.locals(notes=HookNotes, hooks=Hooks, held=HeldResponse)
    cpdef int response(self, exchange) except -1
    @cython.locals(exchange=Exchange, held=HeldResponse)
    cdef int _after_response(self, HookNotes notes, outcome) except -1
    @cython.locals(head=ResponseHead)
    cdef _change_response(self, HookNotes notes, HeldResponse held, status, bytes body, filtered)
    @cython.locals(notes=HookNotes)
    cpdef list body(self, exchange, list pieces, bint last)
    @cython.locals(notes=HookNotes)
    cpdef int error(self, exchange, int status, reason) except -1
    @cython.locals(notes=HookNotes, hooks=Hooks)
    cpdef ended(self, exchange, int status)
    @cython.locals(hooks=Hooks)
    cdef _let_go(self, HookNotes notes)


cdef _begin(Exchange exchange, str phase)
cdef _end(Exchange exchange)
@cython.locals(passage=Passage)
cdef HeldResponse _held(Exchange exchange)
