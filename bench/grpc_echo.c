/* A gRPC server in clear text that answers every call with the same message and grpc-status 0.
 *
 *   grpc_echo PORT
 *
 * It reads frames, never what fields say: a stream that ends is answered.  Its response indexes what repeats, as gRPC servers do,
 * unless the client's table is too small for that.
 */
#include <errno.h>
#include <fcntl.h>
#include <arpa/inet.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/socket.h>
#include <unistd.h>

enum { DATA, HEADERS, SETTINGS = 4, PING = 6, WINDOW_UPDATE = 8, END_STREAM = 1, ACK = 1, END_HEADERS = 4 };
enum { MESSAGE = 100, PREFACE = 24, ROOM = 1 << 17 };

struct connection {
    int fd, greeted, indexes, answered;
    unsigned long owed;                          /* bytes of DATA that no WINDOW_UPDATE has given back */
    size_t have, out;
    unsigned char in[ROOM], answers[ROOM];
};

static void frame(struct connection *c, int kind, int flags, unsigned stream, const void *payload, size_t size) {
    unsigned char head[9] = {size >> 16, size >> 8, size, kind, flags, stream >> 24, stream >> 16, stream >> 8, stream};
    memcpy(c->answers + c->out, head, 9);
    memcpy(c->answers + c->out + 9, payload, size);
    c->out += 9 + size;
}

static void grow(struct connection *c, unsigned by) {
    unsigned char size[4] = {by >> 24, by >> 16, by >> 8, by};
    frame(c, WINDOW_UPDATE, 0, 0, size, 4);
}

static int flush(struct connection *c) {
    for (size_t done = 0; done < c->out;) {
        ssize_t sent = write(c->fd, c->answers + done, c->out - done);
        if (sent > 0) done += sent;
        else if (errno == EAGAIN) poll(&(struct pollfd){c->fd, POLLOUT, 0}, 1, 1000);
        else return -1;
    }
    c->out = 0;
    return 0;
}

#define LITERAL(text) text, sizeof text - 1

/* :status 200, content-type; a message; grpc-status 0.  First with what fills the tables, then with what they hold. */
static void answer(struct connection *c, unsigned stream) {
    static unsigned char message[5 + MESSAGE] = {0, 0, 0, 0, MESSAGE};
    if (c->indexes && c->answered) frame(c, HEADERS, END_HEADERS, stream, LITERAL("\x88\xbf"));
    else if (c->indexes) frame(c, HEADERS, END_HEADERS, stream, LITERAL("\x88\x5f\x10" "application/grpc"));
    else frame(c, HEADERS, END_HEADERS, stream, LITERAL("\x20\x88\x0f\x10\x10" "application/grpc"));
    frame(c, DATA, 0, stream, message, sizeof message);
    if (c->indexes && c->answered) frame(c, HEADERS, END_HEADERS | END_STREAM, stream, LITERAL("\xbe"));
    else if (c->indexes) frame(c, HEADERS, END_HEADERS | END_STREAM, stream, LITERAL("\x40\x0bgrpc-status\x01" "0"));
    else frame(c, HEADERS, END_HEADERS | END_STREAM, stream, LITERAL("\x00\x0bgrpc-status\x01" "0"));
    c->answered = 1;
}

static void settings(struct connection *c, const unsigned char *payload, size_t size) {
    for (size_t at = 0; at + 6 <= size; at += 6) {
        unsigned value = (unsigned)payload[at + 2] << 24 | payload[at + 3] << 16 | payload[at + 4] << 8 | payload[at + 5];
        if (payload[at] == 0 && payload[at + 1] == 1) c->indexes = value >= 4096;
    }
    frame(c, SETTINGS, ACK, 0, "", 0);
}

static void greet(struct connection *c) {
    c->greeted = 1;
    frame(c, SETTINGS, 0, 0, LITERAL("\0\3\0\0\4\0" "\0\4\0\x10\0\0"));   /* 1024 streams, windows of 1 MB */
    grow(c, 1 << 30);
}

/* As many frames as are whole; -1: this is no HTTP/2, or the connection is lost. */
static int frames(struct connection *c) {
    size_t at = 0;
    if (!c->greeted) {
        if (c->have < PREFACE) return 0;
        if (memcmp(c->in, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", PREFACE)) return -1;
        greet(c);
        at = PREFACE;
    }
    while (c->have - at >= 9) {
        const unsigned char *head = c->in + at;
        size_t size = head[0] << 16 | head[1] << 8 | head[2];
        unsigned stream = (unsigned)head[5] << 24 | head[6] << 16 | head[7] << 8 | head[8];
        if (size > ROOM / 2) return -1;
        if (c->have - at < 9 + size) break;
        if (c->out > ROOM / 2 && flush(c)) return -1;
        if (head[3] == SETTINGS && !(head[4] & ACK)) settings(c, head + 9, size);
        if (head[3] == PING && !(head[4] & ACK)) frame(c, PING, ACK, 0, head + 9, size);
        if (head[3] == DATA) c->owed += size;
        if (head[3] <= HEADERS && head[4] & END_STREAM) answer(c, stream);
        at += 9 + size;
    }
    memmove(c->in, c->in + at, c->have -= at);
    if (c->owed > 1 << 20) grow(c, c->owed), c->owed = 0;
    return flush(c);
}

int main(int argc, char **argv) {
    if (argc != 2) return fprintf(stderr, "grpc_echo PORT\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, poll_set = epoll_create1(0);
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 4096)) return perror("grpc_echo"), 1;
    epoll_ctl(poll_set, EPOLL_CTL_ADD, listener, &(struct epoll_event){.events = EPOLLIN});
    for (;;) {
        struct epoll_event events[256];
        int ready = epoll_wait(poll_set, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            if (!c) {
                int fd = accept4(listener, NULL, NULL, SOCK_NONBLOCK);
                if (fd < 0) continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                c = calloc(1, sizeof *c);
                c->fd = fd;
                c->indexes = 1;
                epoll_ctl(poll_set, EPOLL_CTL_ADD, fd, &(struct epoll_event){.events = EPOLLIN, .data.ptr = c});
                continue;
            }
            ssize_t got = read(c->fd, c->in + c->have, ROOM - c->have);
            if (got > 0) c->have += got;
            if (got == 0 || (got < 0 && errno != EAGAIN) || frames(c)) close(c->fd), free(c);
        }
    }
}
