"""libuv, which turns uvloop's loop, from below (https://docs.libuv.org/en/v1.x/loop.html).

Its functions are those that uvloop was linked with, found by name.  They are public and stable; what is needed here is
there since libuv 1.45, uvloop 0.18.
"""

from cpython.pycapsule cimport PyCapsule_GetPointer
from libc.stdlib cimport calloc, free

import sys

import uvloop.loop

cdef extern from "<dlfcn.h>" nogil:
    int RTLD_LAZY, RTLD_NOLOAD
    void *dlopen(const char *, int)
    void *dlsym(void *, const char *)

cdef enum:
    CHECK = 2, IDLE = 6, PREPARE = 9  # of uv_handle_type
    MOST_CHECKS = 4

cdef struct uv_handle_t:  # how each handle begins
    void *data
    void *loop
    int type

# What libuv calls, it calls without the interpreter's lock.
ctypedef void (*uv_walk_cb)(uv_handle_t *, void *) noexcept nogil
ctypedef void (*uv_callback)(void *) noexcept nogil

cdef void (*uv_update_time)(void *) noexcept nogil
cdef int (*uv_backend_timeout)(void *) noexcept nogil
cdef int (*uv_backend_fd)(void *) noexcept nogil
cdef int (*uv_is_active)(void *) noexcept nogil
cdef void (*uv_walk)(void *, uv_walk_cb, void *) noexcept nogil
cdef size_t (*uv_handle_size)(int) noexcept nogil
cdef int (*uv_prepare_init)(void *, void *) noexcept nogil
cdef int (*uv_prepare_start)(void *, uv_callback) noexcept nogil
cdef int (*uv_idle_init)(void *, void *) noexcept nogil
cdef int (*uv_idle_start)(void *, uv_callback) noexcept nogil
cdef int (*uv_idle_stop)(void *) noexcept nogil
cdef void (*uv_unref)(void *) noexcept nogil
cdef void (*uv_close)(void *, uv_callback) noexcept nogil

cdef object wait = None  # the callback of this process's loop
cdef void *prepare  # calls it
cdef void *idle  # while it is active, the loop does not wait


cdef void *function(void *library, const char *name) except NULL:
    cdef void *found = dlsym(library, name)
    if found == NULL:
        raise NotImplementedError(name.decode())
    return found


cdef void find_functions() except *:
    global uv_update_time, uv_backend_timeout, uv_backend_fd, uv_is_active
    global uv_walk, uv_handle_size, uv_prepare_init, uv_prepare_start
    global uv_idle_init, uv_idle_start, uv_idle_stop, uv_unref, uv_close
    cdef bytes path = uvloop.loop.__file__.encode(sys.getfilesystemencoding(), "surrogateescape")
    cdef void *library = dlopen(path, RTLD_LAZY | RTLD_NOLOAD)
    if library == NULL or uvloop.loop.libuv_get_version() < 0x012D00:
        raise NotImplementedError("libuv")
    uv_update_time = <void (*)(void *) noexcept nogil>function(library, "uv_update_time")
    uv_backend_timeout = <int (*)(void *) noexcept nogil>function(library, "uv_backend_timeout")
    uv_backend_fd = <int (*)(void *) noexcept nogil>function(library, "uv_backend_fd")
    uv_is_active = <int (*)(void *) noexcept nogil>function(library, "uv_is_active")
    uv_walk = <void (*)(void *, uv_walk_cb, void *) noexcept nogil>function(library, "uv_walk")
    uv_handle_size = <size_t (*)(int) noexcept nogil>function(library, "uv_handle_size")
    uv_prepare_init = <int (*)(void *, void *) noexcept nogil>function(library, "uv_prepare_init")
    uv_prepare_start = <int (*)(void *, uv_callback) noexcept nogil>function(library, "uv_prepare_start")
    uv_idle_init = <int (*)(void *, void *) noexcept nogil>function(library, "uv_idle_init")
    uv_idle_start = <int (*)(void *, uv_callback) noexcept nogil>function(library, "uv_idle_start")
    uv_idle_stop = <int (*)(void *) noexcept nogil>function(library, "uv_idle_stop")
    uv_unref = <void (*)(void *) noexcept nogil>function(library, "uv_unref")
    uv_close = <void (*)(void *, uv_callback) noexcept nogil>function(library, "uv_close")


cdef void gather_check(uv_handle_t *handle, void *libuv) noexcept with gil:
    cdef Libuv self = <Libuv>libuv
    if handle.type == CHECK and self._count < MOST_CHECKS:
        self._checks[self._count] = handle
        self._count += 1


cdef void nothing(void *handle) noexcept nogil:
    pass


cdef void call() noexcept with gil:
    wait()


cdef void run_before(void *handle) noexcept nogil:
    uv_idle_stop(idle)
    call()
    if idle != NULL:  # it has not ended
        uv_idle_start(idle, nothing)


cdef class Libuv:
    """See libuv.py."""

    def __init__(self, loop):
        if not isinstance(loop, uvloop.Loop):
            raise NotImplementedError(type(loop).__name__)
        find_functions()
        self._loop = PyCapsule_GetPointer(uvloop.loop.libuv_get_loop_t_ptr(loop), NULL)
        self.descriptor = uv_backend_fd(self._loop)
        uv_walk(self._loop, gather_check, <void *>self)

    def wait_by(self, callback):
        global wait, prepare, idle
        if wait is not None:
            raise NotImplementedError("a second loop")
        prepare, idle = calloc(1, uv_handle_size(PREPARE)), calloc(1, uv_handle_size(IDLE))
        if prepare == NULL or idle == NULL:
            raise MemoryError
        wait = callback
        uv_idle_init(self._loop, idle)
        uv_unref(idle)
        uv_prepare_init(self._loop, prepare)
        uv_prepare_start(prepare, run_before)
        uv_unref(prepare)

    def end(self):
        global wait, idle
        wait = None
        uv_close(prepare, free)
        uv_close(idle, free)
        idle = NULL

    cpdef int idle_for(self) noexcept:
        cdef int at
        for at in range(self._count):
            if uv_is_active(self._checks[at]):
                return 0
        uv_update_time(self._loop)
        return uv_backend_timeout(self._loop)
