"""The compiled twin of calls.py, which says what the calls mean."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, ENOENT, EOPNOTSUPP, errno
from libc.string cimport memchr

cdef extern from *:
    """
    #include <fcntl.h>
    #include <stdint.h>
    #include <sys/stat.h>
    #include <sys/syscall.h>
    #include <sys/uio.h>
    #include <sys/vfs.h>
    #include <unistd.h>
    #ifndef SYS_openat2
    #define SYS_openat2 437
    #endif
    #ifndef RWF_NOWAIT
    #define RWF_NOWAIT 8
    #endif
    static int rsp_open(int directory, const char *name, int flags, int resolve) {
        struct { uint64_t flags, mode, resolve; } how = {(uint64_t)(unsigned)(flags | O_CLOEXEC), 0, (uint64_t)resolve};
        if (!resolve)
            return openat(directory, name, flags | O_CLOEXEC);
        return (int)syscall(SYS_openat2, directory, name, &how, sizeof how);
    }
    static int64_t rsp_ns(struct timespec at) {
        return (int64_t)at.tv_sec * 1000000000 + at.tv_nsec;
    }
    static ssize_t rsp_read_now(int descriptor, void *room, size_t size, int64_t start) {
        struct iovec piece = {room, size};
        return preadv2(descriptor, &piece, 1, start, RWF_NOWAIT);
    }
    """
    ctypedef struct timespec "struct timespec":
        pass
    ctypedef struct c_stat "struct stat":
        unsigned long long st_dev, st_ino
        unsigned int st_mode
        long long st_size
        timespec st_mtim, st_ctim
    ctypedef struct c_statfs "struct statfs":
        unsigned long f_type
    unsigned int S_IFMT, S_IFREG, S_IFDIR
    int AT_NO_AUTOMOUNT
    int rsp_open(int, const char *, int, int) nogil
    long long rsp_ns(timespec) nogil
    ssize_t rsp_read_now(int, void *, size_t, long long) nogil
    ssize_t c_pread "pread"(int, void *, size_t, long long) nogil
    int c_close "close"(int) nogil
    int c_fstat "fstat"(int, c_stat *) nogil
    int c_fstatat "fstatat"(int, const char *, c_stat *, int) nogil
    int c_fstatfs "fstatfs"(int, c_statfs *) nogil

AT_CWD = -100
NO_MAGIC_LINKS = 0x02
NO_LINKS = 0x04
BENEATH = 0x08
CACHED = 0x20
cdef int count = 0  # of descriptors


cpdef int open_below(int directory, bytes name, int flags, int resolve, bint wait) except? -1:
    global count
    cdef const char *text = PyBytes_AS_STRING(name)
    cdef int found, error
    if memchr(text, 0, PyBytes_GET_SIZE(name)) != NULL:
        return -ENOENT
    while True:
        if wait:
            with nogil:
                found = rsp_open(directory, text, flags, resolve)
                error = errno
        else:
            found = rsp_open(directory, text, flags, resolve)
            error = errno
        if found >= 0:
            count += 1
            return found
        if error != EINTR:
            return -error


cpdef close(int descriptor, bint wait=False):
    global count
    count -= 1
    if wait:
        with nogil:
            c_close(descriptor)
    else:
        c_close(descriptor)


cpdef int opened() noexcept:
    return count


cdef class Mark:
    def __cinit__(self, int descriptor, bint wait):
        cdef c_stat found
        cdef int failed
        if wait:
            with nogil:
                failed = c_fstat(descriptor, &found)
        else:
            failed = c_fstat(descriptor, &found)
        if failed:
            PyErr_SetFromErrno(OSError)
        self.device, self.number, self.mode, self.size = found.st_dev, found.st_ino, found.st_mode, found.st_size
        self.modified, self.changed = rsp_ns(found.st_mtim), rsp_ns(found.st_ctim)

    cpdef bint holds(self, int directory, bytes name, bint wait):
        cdef c_stat found
        cdef const char *text = PyBytes_AS_STRING(name)
        cdef int failed
        if wait:
            with nogil:
                failed = c_fstatat(directory, text, &found, AT_NO_AUTOMOUNT)
        else:
            failed = c_fstatat(directory, text, &found, AT_NO_AUTOMOUNT)
        if failed:
            return False
        return (
            found.st_ino == self.number
            and found.st_size == self.size
            and rsp_ns(found.st_mtim) == self.modified
            and rsp_ns(found.st_ctim) == self.changed
            and found.st_dev == self.device
        )

    cpdef bint is_at(self, int directory, bytes name):
        cdef c_stat found
        if c_fstatat(directory, PyBytes_AS_STRING(name), &found, AT_NO_AUTOMOUNT):
            return False
        return found.st_ino == self.number and found.st_dev == self.device

    cpdef bint equals(self, Mark other):
        return (
            self.is_file_of(other)
            and self.size == other.size
            and self.modified == other.modified
            and self.changed == other.changed
        )

    cpdef bint is_file_of(self, Mark other):
        return self.number == other.number and self.device == other.device

    cpdef bint is_regular(self):
        return self.mode & S_IFMT == S_IFREG

    cpdef bint is_directory(self):
        return self.mode & S_IFMT == S_IFDIR


cpdef bytes read_now(int descriptor, long long start, Py_ssize_t size):
    cdef bytes found = PyBytes_FromStringAndSize(NULL, size)
    cdef ssize_t count
    while True:
        count = rsp_read_now(descriptor, PyBytes_AS_STRING(found), size, start)
        if count == size:
            return found
        if count >= 0:
            return found[:count]
        if errno == EAGAIN or errno == EOPNOTSUPP:
            return None
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef bytes read(int descriptor, long long start, Py_ssize_t size):
    cdef bytes found = PyBytes_FromStringAndSize(NULL, size)
    cdef char *room = PyBytes_AS_STRING(found)
    cdef Py_ssize_t done = 0
    cdef ssize_t count
    while done < size:
        with nogil:
            count = c_pread(descriptor, room + done, size - done, start + done)
        if count > 0:
            done += count
        elif count == 0:
            return found[:done]
        elif errno != EINTR:
            PyErr_SetFromErrno(OSError)
    return found


cpdef unsigned int file_system(int descriptor) except? 0:
    cdef c_statfs found
    cdef int failed
    with nogil:
        failed = c_fstatfs(descriptor, &found)
    return 0 if failed else <unsigned int>found.f_type
