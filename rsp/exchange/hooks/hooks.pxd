cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.hooks.host cimport Host
from rsp.exchange.hooks.notes cimport HookNotes
from rsp.exchange.hooks.tasks cimport Runner
from rsp.http.message cimport RequestHead
from rsp.ipc.shared_memory cimport Shared
from rsp.ipc.worker_stats cimport WorkerStats


cdef int HOOK_FAILURES, HOOK_RUNS, HOOK_TIME


cdef class Phases:
    cdef public int error, log, request, response, upstream
    cdef public object fail_open


cdef class Hooks(Runner):
    cdef public Host host
    cdef object _evaluation, _resume
    cdef public Py_ssize_t _last
    cdef bint _stopped
    cdef dict _timers
    cdef public object long, phases, request, response, tracing, witness
    cdef public Shared store
    cdef public Phases everywhere
    cdef public bint fail_open, keeps
    cdef public dict routes
    cpdef Py_ssize_t new_number(self) except -1
    @cython.locals(host=Host, before=HookNotes, begun=double)
    cpdef invoke(self, HookNotes notes, function, tuple given)
    cpdef call(self, HookNotes notes, then, function, tuple given)
    @cython.locals(exchange=Exchange, head=RequestHead, host=Host, before=HookNotes, begun=double)
    cpdef call_request(self, HookNotes notes, then, int number)
    @cython.locals(stats=WorkerStats)
    cdef _count(self, double begun)
    cdef _settle(self, HookNotes notes, then, outcome)
