from rsp.http.message cimport RequestHead, ResponseHead


cpdef bytes request_field(RequestHead head, bytes name)
cpdef bytes response_field(ResponseHead head, bytes name)
