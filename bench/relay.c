/* What a proxy cannot be faster than: it copies between clients and a backend, and understands as little as possible.
 *
 *   relay PORT BACKEND-PORT
 *
 * One epoll set, one read and one write for each message, kept connections to the backend.  No field is checked or
 * added, nothing is logged, nothing waits or times out.  Of a response it looks for Content-Length and 101, of a request
 * for "Connection: close": enough to know when a connection is free.
 */
#include "tls.h"
#include <sys/epoll.h>

struct end { int fd, backend, closes; long left; struct end *other, *next; };

static char data[(1 << 18) + 1];
static struct end *idle;
static int poll;
static struct sockaddr_in backend = {.sin_family = AF_INET};

static struct end *added(int fd, int is_backend) {
    struct end *e = calloc(1, sizeof *e);
    e->fd = fd;
    e->backend = is_backend;
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = e};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
    return e;
}

static struct end *a_backend(void) {
    struct end *e = idle;
    if (e) return idle = e->next, e;
    int fd = socket(AF_INET, SOCK_STREAM, 0), on = 1;
    if (fd < 0 || connect(fd, (struct sockaddr *)&backend, sizeof backend)) return perror("relay"), exit(1), NULL;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    return added(fd, 1);
}

/* A client that is gone gives its backend's connection up: nothing says how much would still come over it.  Its memory
 * is not freed: another event of the same turn may name it, and a benchmark ends. */
static void leave(struct end *e) {
    close(e->fd);
    e->fd = -1;
    if (e->other) e->other->other = NULL, leave(e->other);
}

static void from_client(struct end *e) {
    ssize_t got = read(e->fd, data, sizeof data - 1);
    if (got <= 0) return leave(e);
    if (!e->other) {
        data[got] = 0;
        char *closing = strstr(data, "\r\nConnection: close");
        if ((e->closes = closing != NULL)) memcpy(closing + 14, "empty", 5);   /* the backend stays */
        e->other = a_backend();
        e->other->other = e;
        e->other->left = -1;
    }
    if (write(e->other->fd, data, got) != got) leave(e);
}

static void from_backend(struct end *e) {
    ssize_t got = read(e->fd, data, sizeof data - 1);
    struct end *client = e->other;
    if (got <= 0 || !client) return leave(e);
    if (e->left < 0) {
        data[got] = 0;
        char *end = strstr(data, "\r\n\r\n"), *length = strcasestr(data, "\r\nContent-Length:");
        e->left = end && length ? end + 4 - data + atol(length + 17) : 1L << 62;
    }
    if (write(client->fd, data, got) != got) return leave(client);
    if ((e->left -= got) > 0) return;
    client->other = e->other = NULL;
    e->next = idle;
    idle = e;
    if (client->closes) leave(client);
}

int main(int argc, char **argv) {
    if (argc != 3) return fprintf(stderr, "relay PORT BACKEND-PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    backend.sin_port = htons(atoi(argv[2])), backend.sin_addr = at.sin_addr;
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), on = 1;
    poll = epoll_create1(0);
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(listening, (struct sockaddr *)&at, sizeof at) || listen(listening, 8192)) return perror("relay"), 1;
    struct epoll_event events[256] = {{.events = EPOLLIN, .data.ptr = NULL}};
    epoll_ctl(poll, EPOLL_CTL_ADD, listening, &events[0]);
    for (;;) {
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct end *e = events[i].data.ptr;
            if (!e) {
                for (int fd; (fd = accept4(listening, NULL, NULL, 0)) >= 0;) added(fd, 0);
            } else if (e->fd >= 0)
                e->backend ? from_backend(e) : from_client(e);
        }
    }
}
