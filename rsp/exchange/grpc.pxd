from rsp.http.grpc cimport status_in, timeout
from rsp.http.message cimport RequestHead, ResponseHead
from rsp.http.stream cimport ClientStream


cpdef bound_call(ClientStream stream, RequestHead head, double started, double most)
cpdef list answer_call(ResponseHead head, list pieces, int code)
cdef bytes _text(ResponseHead head, list pieces)
cpdef int code_told(int code, ResponseHead head) except? -2
