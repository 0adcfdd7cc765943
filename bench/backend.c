/* The backend of the scenarios that a static server cannot serve: swallows uploads, echoes WebSockets.
 *
 *   backend PORT
 *
 * Enough HTTP/1.1 for well-behaved proxies: an upload, which has a Content-Length, is answered with the number of bytes that came.
 */
#include "tls.h"
#include <sys/epoll.h>

struct connection { int fd, echoes; long length, left; size_t have; char head[1 << 14]; };

static const char switching[] = "HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: websocket\r\n"
                                "Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n";
static char data[1 << 18];

/* 0: the connection is of no use any more.  What is written here is small: it fits, or the proxy does not read. */
static int put(int fd, const char *text, size_t size) { return write(fd, text, size) == (ssize_t)size; }

static int body(struct connection *c, long size) {
    char answer[128], number[32];
    if ((c->left -= size) > 0) return 1;
    int digits = snprintf(number, sizeof number, "%ld\n", c->length);
    return put(c->fd, answer, snprintf(answer, sizeof answer, "HTTP/1.1 200 OK\r\nContent-Length: %d\r\n\r\n%s", digits, number));
}

static int head(struct connection *c) {
    c->head[c->have] = 0;
    char *end = strstr(c->head, "\r\n\r\n");
    if (!end) return c->have < sizeof c->head - 1;
    end += 4;
    long rest = c->head + c->have - end;
    end[-1] = 0;
    char *length = strcasestr(c->head, "\r\ncontent-length:");
    c->have = 0;
    if (strcasestr(c->head, "\r\nupgrade: websocket")) {
        c->echoes = 1;
        return put(c->fd, switching, sizeof switching - 1) && (!rest || put(c->fd, end, rest));
    }
    c->length = c->left = length ? atol(length + 17) : 0;
    return body(c, rest);
}

static int receive(struct connection *c) {
    int in_head = !c->echoes && c->left <= 0;
    ssize_t got = in_head ? read(c->fd, c->head + c->have, sizeof c->head - 1 - c->have) : read(c->fd, data, sizeof data);
    if (got <= 0) return got < 0 && errno == EAGAIN;
    if (c->echoes) return put(c->fd, data, got);
    if (!in_head) return body(c, got);
    c->have += got;
    return head(c);
}

static void watch(int poll, int fd, void *what) {
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = what};
    epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "backend PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listening = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), poll = epoll_create1(0), on = 1;
    setsockopt(listening, SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
    setsockopt(listening, IPPROTO_TCP, TCP_NODELAY, &on, sizeof on);
    if (bind(listening, (struct sockaddr *)&at, sizeof at) || listen(listening, 4096)) return perror("backend"), 1;
    watch(poll, listening, NULL);
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(poll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) {
                int fd = accept4(listening, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0) continue;
                c = calloc(1, sizeof *c);
                c->fd = fd;
                watch(poll, fd, c);
            } else if (!receive(c)) {
                close(c->fd);
                free(c);
            }
        }
    }
}
