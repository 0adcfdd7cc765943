# Cells in shared memory by a pointer; they are mapped as long as ``memory`` is there.

from cpython.buffer cimport PyBUF_WRITABLE, PyBuffer_Release, PyObject_GetBuffer

ctypedef unsigned long long cell


cdef inline cell *cells_at(object memory, Py_ssize_t first) except NULL:
    cdef Py_buffer view
    PyObject_GetBuffer(memory, &view, PyBUF_WRITABLE)
    try:
        if not 0 <= first < view.len // 8:
            raise IndexError(f"cell {first} of {view.len // 8}")
        return <cell *>view.buf + first
    finally:
        PyBuffer_Release(&view)
