cpdef bytes make_id(bytes prefix, Py_ssize_t number)
