/* As many exchanges as a proxy answers, each connection with one at a time.
 *
 *   exchanges PORT KIND CONNECTIONS SECONDS
 *
 *   close     a new connection for each GET, with Connection: close, until the server's end
 *   echo      a WebSocket, and over it frames of 16 bytes, each of which waits for its echo
 *
 * One line of JSON: requests, seconds, errors (answers that are not the expected ones, lost connections), percentiles in us.
 */
#include "tls.h"
#include <sys/epoll.h>

struct connection { int fd, open; double began; size_t have; char data[4096]; };

static const char closing[] = "GET /small HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n",
                  upgrade[] = "GET /ws HTTP/1.1\r\nHost: shop.example.com\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n"
                              "Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n",
                  frame[] = "\x82\x90" "mask" "sixteen bytes :)",
                  content[] = "hello, world\n";
static int port, echoing, poll_set;
static long errors, finished, room;
static float *latencies;

static void send_all(struct connection *c, const char *text, size_t size) {
    c->began = now();
    c->have = 0;
    if (write(c->fd, text, size) != (ssize_t)size) errors++;
}

static void start(struct connection *c) {
    c->fd = dial(port, 0);   /* over loopback, a connection stands at once */
    c->open = 0;
    if (c->fd < 0) return perror("exchanges: connect"), exit(1);
    struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
    epoll_ctl(poll_set, EPOLL_CTL_ADD, c->fd, &event);
    if (echoing) send_all(c, upgrade, sizeof upgrade - 1);
    else send_all(c, closing, sizeof closing - 1);
}

static void count(struct connection *c) {
    if (finished < room) latencies[finished] = (now() - c->began) * 1e6;
    finished++;
}

static void again(struct connection *c, int good) {
    if (good) count(c);
    else errors++;
    close(c->fd);
    start(c);
}

/* The answer is whole and as it should be; it ends where the connection does. */
static int complete(struct connection *c) {
    c->data[c->have] = 0;
    char *body = strstr(c->data, "\r\n\r\n");
    return !strncmp(c->data, "HTTP/1.1 200", 12) && body && !strcmp(body + 4, content);
}

static void receive(struct connection *c) {
    ssize_t got = recv(c->fd, c->data + c->have, sizeof c->data - 1 - c->have, MSG_DONTWAIT);
    if (got < 0 && errno == EAGAIN) return;
    if (got <= 0) return again(c, !echoing && !got && complete(c));
    c->have += got;
    if (!echoing) return;
    if (!c->open) {
        c->data[c->have] = 0;
        if (!strstr(c->data, "\r\n\r\n")) return;
        c->open = !strncmp(c->data, "HTTP/1.1 101", 12);
        errors += !c->open;
    } else {
        if (c->have < sizeof frame - 1) return;
        if (c->have > sizeof frame - 1 || memcmp(c->data, frame, sizeof frame - 1)) errors++;
        else count(c);
    }
    send_all(c, frame, sizeof frame - 1);
}

int main(int argc, char **argv) {
    if (argc != 5) return fprintf(stderr, "exchanges PORT close|echo CONNECTIONS SECONDS\n"), 2;
    port = atoi(argv[1]), echoing = !strcmp(argv[2], "echo");
    int connections = atoi(argv[3]);
    double seconds = atof(argv[4]);
    signal(SIGPIPE, SIG_IGN);
    room = seconds * 400000;
    latencies = malloc(room * sizeof *latencies);
    struct connection *all = calloc(connections, sizeof *all);
    poll_set = epoll_create1(0);
    double began = now(), time = began;
    for (int i = 0; i < connections; i++) start(&all[i]);
    while ((time = now()) - began < seconds) {
        struct epoll_event events[256];
        int ready = epoll_wait(poll_set, events, 256, 100);
        for (int i = 0; i < ready; i++) receive(events[i].data.ptr);
    }
    for (int i = 0; i < connections; i++) reset(NULL, all[i].fd);
    long known = finished < room ? finished : room;
    qsort(latencies, known, sizeof *latencies, ascending);
    #define AT(q) (known ? latencies[(long)((known - 1) * (q))] : 0)
    printf("{\"requests\":%ld,\"seconds\":%.6f,\"errors\":%ld,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f}\n",
        finished, time - began, errors, AT(0.5), AT(0.99), AT(0.999));
    return 0;
}
