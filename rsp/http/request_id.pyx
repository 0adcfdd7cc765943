# cython: boundscheck=False, wraparound=False
"""The compiled twin of request_id.py."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE

from rsp.http.text cimport put_literal


cpdef bytes make_id(bytes prefix, Py_ssize_t number):
    cdef char digits[18]
    cdef int count = 0
    cdef size_t left = <size_t>number
    cdef bytes result
    cdef char *at
    while left or count == 0:
        digits[count] = b"0123456789abcdef"[left & 15]
        left >>= 4
        count += 1
    result = PyBytes_FromStringAndSize(NULL, PyBytes_GET_SIZE(prefix) + 1 + count)
    at = put_literal(PyBytes_AS_STRING(result), PyBytes_AS_STRING(prefix), PyBytes_GET_SIZE(prefix))
    at = put_literal(at, b"-", 1)
    while count:
        count -= 1
        at[0] = digits[count]
        at += 1
    return result
