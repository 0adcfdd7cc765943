from rsp.exchange.hooks.fields cimport bar
from rsp.exchange.hooks.notes cimport HookNotes
from rsp.http.lines cimport drop, get
from rsp.http.message cimport RequestHead
from rsp.ipc.shared_memory cimport Shared


cdef class Host:
    cdef public bint serving
    cdef public object context, table
    cdef public HookNotes current
    cdef public RequestHead head
    cdef public Shared store
    cpdef get_field(self, bytes which, name)
    cpdef set_field(self, bytes which, bytes name, bytes lines)
