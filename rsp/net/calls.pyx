"""The compiled twin of calls.py, which says what the calls mean."""

from cpython.bytes cimport PyBytes_AS_STRING, PyBytes_FromStringAndSize, PyBytes_GET_SIZE
from cpython.exc cimport PyErr_SetFromErrno
from libc.errno cimport EAGAIN, EINTR, errno
from libc.string cimport memcmp, memcpy, memset, strlen
from posix.types cimport off_t
from posix.time cimport CLOCK_MONOTONIC, clock_gettime, timespec

cdef extern from "<sys/socket.h>" nogil:
    ctypedef unsigned int socklen_t
    struct sockaddr:
        unsigned short sa_family
    struct sockaddr_storage:
        unsigned short ss_family
    struct msghdr:
        iovec *msg_iov
        size_t msg_iovlen
    int AF_INET, AF_INET6, SOCK_NONBLOCK, SOCK_CLOEXEC, MSG_MORE, MSG_NOSIGNAL
    ssize_t c_recv "recv"(int, void *, size_t, int)
    ssize_t c_send "send"(int, const void *, size_t, int)
    ssize_t c_sendmsg "sendmsg"(int, const msghdr *, int)
    int c_accept "accept4"(int, sockaddr *, socklen_t *, int)
    int setsockopt(int, int, int, const void *, socklen_t)

cdef extern from "<netinet/tcp.h>" nogil:
    int IPPROTO_TCP, TCP_QUICKACK

cdef extern from "<sys/uio.h>" nogil:
    struct iovec:
        void *iov_base
        size_t iov_len

cdef extern from "<sys/sendfile.h>" nogil:
    ssize_t c_sendfile "sendfile"(int, int, off_t *, size_t)

cdef extern from "<netinet/in.h>" nogil:
    struct in_addr:
        pass
    struct in6_addr:
        pass
    struct sockaddr_in:
        in_addr sin_addr
    struct sockaddr_in6:
        in6_addr sin6_addr

cdef extern from "<sys/epoll.h>" nogil:
    ctypedef union epoll_data_t:
        int fd
    struct epoll_event:
        unsigned int events
        epoll_data_t data
    int EPOLL_CLOEXEC, EPOLL_CTL_ADD, EPOLL_CTL_MOD, EPOLL_CTL_DEL
    int epoll_create1(int)
    int epoll_ctl(int, int, int, epoll_event *)
    int epoll_wait(int, epoll_event *, int, int)

cdef extern from "<poll.h>" nogil:
    struct pollfd:
        int fd
        short events
    int POLLIN, POLLRDHUP
    int c_poll "poll"(pollfd *, unsigned long, int)

cdef extern from "<unistd.h>" nogil:
    int c_close "close"(int)

cdef extern from "<arpa/inet.h>" nogil:
    const char *inet_ntop(int, const void *, char *, socklen_t)

cdef extern from "Python.h" nogil:
    ctypedef struct PyInterpreterState:
        pass
    ctypedef struct PyThreadState:
        pass
    PyInterpreterState *PyInterpreterState_Get()
    PyThreadState *PyInterpreterState_ThreadHead(PyInterpreterState *)
    PyThreadState *PyThreadState_Next(PyThreadState *)

cdef enum:
    MOST_EVENTS = 256

READ_SIZE = 256 << 10
cdef epoll_event found_events[MOST_EVENTS]
cdef char room[256 << 10]
cdef char together[16 << 10]
cdef bytes LOCAL = b"unix:", last_client = b""
cdef const unsigned char *MAPPED = b"\0\0\0\0\0\0\0\0\0\0\xff\xff"  # IPv4 at a socket for both families


cpdef bytes receive(int descriptor):
    cdef ssize_t size
    while True:
        size = c_recv(descriptor, room, sizeof(room), 0)
        if size >= 0:
            return PyBytes_FromStringAndSize(room, size)
        if errno == EAGAIN:
            return None
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef Py_ssize_t send(int descriptor, bytes data, Py_ssize_t offset) except -1:
    cdef ssize_t size
    while True:
        size = c_send(descriptor, PyBytes_AS_STRING(data) + offset, PyBytes_GET_SIZE(data) - offset, MSG_NOSIGNAL)
        if size >= 0:
            return size
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef Py_ssize_t send_both(int descriptor, bytes first, bytes second) except -1:
    cdef Py_ssize_t before = PyBytes_GET_SIZE(first), all = before + PyBytes_GET_SIZE(second)
    cdef ssize_t size
    cdef iovec pieces[2]
    cdef msghdr message
    if all <= <Py_ssize_t>sizeof(together):  # one copy is cheaper than a vector of buffers
        memcpy(together, PyBytes_AS_STRING(first), before)
        memcpy(together + before, PyBytes_AS_STRING(second), all - before)
        while True:
            size = c_send(descriptor, together, all, MSG_NOSIGNAL)
            if size >= 0:
                return size
            if errno == EAGAIN:
                return 0
            if errno != EINTR:
                PyErr_SetFromErrno(OSError)
    pieces[0].iov_base = PyBytes_AS_STRING(first)
    pieces[0].iov_len = PyBytes_GET_SIZE(first)
    pieces[1].iov_base = PyBytes_AS_STRING(second)
    pieces[1].iov_len = PyBytes_GET_SIZE(second)
    memset(&message, 0, sizeof(message))
    message.msg_iov = &pieces[0]
    message.msg_iovlen = 2
    while True:
        size = c_sendmsg(descriptor, &message, MSG_NOSIGNAL)
        if size >= 0:
            return size
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef Py_ssize_t send_more(int descriptor, bytes data) except -1:
    cdef ssize_t size
    while True:
        size = c_send(descriptor, PyBytes_AS_STRING(data), PyBytes_GET_SIZE(data), MSG_NOSIGNAL | MSG_MORE)
        if size >= 0:
            return size
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef Py_ssize_t send_file(int descriptor, int file, Py_ssize_t start, Py_ssize_t size) except -2:
    cdef off_t offset = start
    cdef ssize_t sent
    while True:
        sent = c_sendfile(descriptor, file, &offset, size)  # Python has SIGPIPE ignored
        if sent > 0:
            return sent
        if sent == 0:
            return -1
        if errno == EAGAIN:
            return 0
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cdef Py_ssize_t dotted(const unsigned char *host, char *text) noexcept:
    """An IPv4 address as text, with a tenth of the instructions of ``inet_ntop``; its length."""
    cdef Py_ssize_t used = 0
    cdef int at, number
    for at in range(4):
        number = host[at]
        if number >= 100:
            text[used] = 48 + number // 100
            used += 1
        if number >= 10:
            text[used] = 48 + number // 10 % 10
            used += 1
        text[used] = 48 + number % 10
        text[used + 1] = 46
        used += 2
    return used - 1


cpdef tuple accept(int descriptor):
    global last_client
    cdef sockaddr_storage address
    cdef socklen_t size = sizeof(address)
    cdef char text[64]
    cdef unsigned char *host
    cdef Py_ssize_t length
    cdef bytes client
    cdef int found
    while True:
        found = c_accept(descriptor, <sockaddr *>&address, &size, SOCK_NONBLOCK | SOCK_CLOEXEC)
        if found >= 0:
            break
        if errno == EAGAIN:
            return None
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)
    if address.ss_family == AF_INET:
        length = dotted(<unsigned char *>&(<sockaddr_in *>&address).sin_addr, text)
    elif address.ss_family == AF_INET6:
        host = <unsigned char *>&(<sockaddr_in6 *>&address).sin6_addr
        if memcmp(host, MAPPED, 12) == 0:
            length = dotted(host + 12, text)
        else:
            inet_ntop(AF_INET6, host, text, sizeof(text))
            length = strlen(text)
    else:
        return found, LOCAL
    client = PyBytes_FromStringAndSize(text, length)
    if client == last_client:
        client = last_client
    last_client = client
    return found, client


cpdef bint has_news(int descriptor) except -1:
    cdef pollfd asked
    cdef int found
    asked.fd = descriptor
    asked.events = POLLIN | POLLRDHUP
    while True:
        found = c_poll(&asked, 1, 0)
        if found >= 0:
            return found > 0
        if errno != EINTR:
            PyErr_SetFromErrno(OSError)


cpdef acknowledge(int descriptor):
    cdef int on = 1
    setsockopt(descriptor, IPPROTO_TCP, TCP_QUICKACK, &on, sizeof(on))  # fails where it is not TCP


cpdef close(int descriptor):
    if c_close(descriptor) < 0 and errno != EINTR:  # it is closed then as well
        PyErr_SetFromErrno(OSError)


cpdef double monotonic() noexcept:
    cdef timespec moment
    clock_gettime(CLOCK_MONOTONIC, &moment)
    return moment.tv_sec + moment.tv_nsec * 1e-9


cdef inline bint other_threads() noexcept:
    """Whether Python's lock is to be given up for them; to give it up and take it again costs 400 instructions."""
    return PyThreadState_Next(PyInterpreterState_ThreadHead(PyInterpreterState_Get())) != NULL


cdef long long nanoseconds() noexcept nogil:
    cdef timespec now
    clock_gettime(CLOCK_MONOTONIC, &now)
    return now.tv_sec * 1000000000 + now.tv_nsec


cdef int look_and_sleep(int epoll, int most, int wait, long long spin) noexcept nogil:
    cdef long long until
    cdef int count = 0
    if wait and spin:
        until = nanoseconds() + spin
        while count == 0 and nanoseconds() < until:
            count = epoll_wait(epoll, found_events, most, 0)
    return count if count else epoll_wait(epoll, found_events, most, wait)


cdef class Epoll:
    def __cinit__(self):
        self._set = epoll_create1(EPOLL_CLOEXEC)
        if self._set < 0:
            PyErr_SetFromErrno(OSError)

    def __dealloc__(self):
        self.close()

    def fileno(self):
        return self._set

    cpdef add(self, int descriptor, int events):
        self._control(EPOLL_CTL_ADD, descriptor, events)

    cpdef change(self, int descriptor, int events):
        self._control(EPOLL_CTL_MOD, descriptor, events)

    cpdef remove(self, int descriptor):
        self._control(EPOLL_CTL_DEL, descriptor, 0)

    cdef _control(self, int what, int descriptor, int events):
        cdef epoll_event event
        event.events = events
        event.data.fd = descriptor
        if epoll_ctl(self._set, what, descriptor, &event) < 0:
            PyErr_SetFromErrno(OSError)

    cpdef int look(self, int most, int wait) except -1:
        cdef int at, count
        most = min(most, MOST_EVENTS)
        if wait and other_threads():
            with nogil:
                count = look_and_sleep(self._set, most, wait, self.spin)
        else:
            count = look_and_sleep(self._set, most, wait, self.spin)
        if count < 0 and errno != EINTR:
            PyErr_SetFromErrno(OSError)
        for at in range(count):
            self._found[at].descriptor = found_events[at].data.fd
            self._found[at].events = <int>found_events[at].events
        return max(count, 0)

    def close(self):
        if self._set >= 0:
            c_close(self._set)
            self._set = -1
