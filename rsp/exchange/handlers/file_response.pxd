cimport cython

from rsp.exchange.compression cimport Compression
from rsp.exchange.content cimport send_content
from rsp.exchange.exchange cimport Exchange
from rsp.files.entry cimport Entry
from rsp.http.lines cimport get, which
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.preconditions cimport decide, range_holds
from rsp.http.ranges cimport content_range, delimiters, ranges, unsatisfied
from rsp.net.context cimport WorkerContext


cdef int _RANGE, _UNCHANGED
cdef list _NOTHING
cdef tuple _NAMES


@cython.locals(head=RequestHead, asked=int, context=WorkerContext, found=int)
cpdef respond_with(Exchange exchange, Entry entry)
@cython.locals(compression=Compression, response=ResponseHead)
cdef _send_unchanged(Exchange exchange, Entry entry)
@cython.locals(response=ResponseHead, content=bytes)
cdef _send_all(Exchange exchange, Entry entry)
@cython.locals(parts=list)
cdef _send_parts(Exchange exchange, Entry entry)
@cython.locals(response=ResponseHead, content=bytes, pieces=list)
cdef _send_segments(Exchange exchange, Entry entry, bytes fields, Py_ssize_t size, list segments)
