cimport cython

from rsp.exchange.exchange cimport Exchange
from rsp.exchange.handler cimport Handler
from rsp.exchange.handlers.file_response cimport respond_with
from rsp.exchange.handlers.waiting cimport Waiting
from rsp.exchange.passage cimport Passage
from rsp.files.entry cimport Entry, Folder
from rsp.files.tree cimport Tree
from rsp.http.lines cimport get
from rsp.http.message cimport RequestHead
from rsp.http.negotiation cimport choose


cdef class Files(Handler):
    cdef bytes _fallback
    cdef bint _has_index, _redirects
    cdef Handler _other
    cdef Py_ssize_t _normal_size, _size
    cdef Tree _tree
    @cython.locals(asked=Exchange, entry=Entry, method=bytes, name=bytes)
    cpdef start(self, exchange)
    @cython.locals(head=RequestHead, size=Py_ssize_t, path=bytes, name=bytes)
    cdef bytes _name(self, Exchange exchange)
    cdef _refuse_method(self, Exchange exchange)
    @cython.locals(sibling=Entry)
    cpdef respond(self, Exchange exchange, Entry entry)
    @cython.locals(search=Search)
    cpdef look(self, Exchange exchange, bytes name)
    cpdef found(self, Exchange exchange, bytes name, found)
    cdef _respond_with_folder(self, Exchange exchange, bytes name, Folder folder)
    cdef _redirect(self, Exchange exchange)
    @cython.locals(entry=Entry)
    cdef _miss(self, Exchange exchange, bytes name)


@cython.locals(passage=Passage)
cdef bint _is_chosen(Exchange exchange) except -1


cdef class Search(Waiting):
    cdef Files _files
    cdef bytes _searched
    cpdef set_up(self, Files files, bytes name)
    cpdef begin(self, Tree tree, Exchange exchange)
