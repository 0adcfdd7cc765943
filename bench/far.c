/* A long path: relays TCP connections, and delays what goes through by half of a round trip in each direction.
 *
 *   far PORT TO MILLISECONDS     listens on 127.0.0.1:PORT, connects to 127.0.0.1:TO; MILLISECONDS: of a round trip
 *
 * Of each direction up to 16 MB are on the way, so at 50 ms the path itself carries 640 MB a second.  Looks five thousand times a
 * second at what is due.
 */
#include "tls.h"

enum { CHUNK = 64 << 10, MOST = 256, PAIRS = 64 };

struct chunk { double due; size_t from, size; char data[CHUNK]; };
struct way { int in, out, over; unsigned head, tail; struct chunk *ring[MOST]; };   /* over: nothing more comes in */

static struct way ways[2 * PAIRS];
static double delay;

static void take(struct way *way) {
    while (!way->over && way->head - way->tail < MOST) {
        struct chunk **slot = &way->ring[way->head % MOST], *chunk = *slot ? *slot : (*slot = malloc(sizeof **slot));
        ssize_t got = read(way->in, chunk->data, CHUNK);
        if (got < 0 && errno == EAGAIN) return;
        way->over = got <= 0;
        chunk->due = now() + delay;
        chunk->from = 0;
        chunk->size = got > 0 ? got : 0;                  /* 0: the end */
        way->head++;
    }
}

static void pass(struct way *way) {
    for (; way->tail != way->head; way->tail++) {
        struct chunk *chunk = way->ring[way->tail % MOST];
        if (chunk->due > now()) return;
        if (!chunk->size) shutdown(way->out, SHUT_WR);
        while (chunk->from < chunk->size) {
            ssize_t put = write(way->out, chunk->data + chunk->from, chunk->size - chunk->from);
            if (put < 0 && errno == EAGAIN) return;
            chunk->from = put < 0 ? chunk->size : chunk->from + put;
        }
    }
}

int main(int argc, char **argv) {
    if (argc != 4) return fprintf(stderr, "far PORT TO MILLISECONDS\n"), 2;
    signal(SIGPIPE, SIG_IGN);
    delay = atof(argv[3]) / 2e3;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_port = htons(atoi(argv[1])), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK, 0), one = 1, used = 0;
    setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof one);
    if (bind(listener, (struct sockaddr *)&at, sizeof at) || listen(listener, 64)) return perror("far"), 1;
    for (;;) {
        int near = used < PAIRS ? accept4(listener, NULL, NULL, SOCK_NONBLOCK) : -1;
        if (near >= 0) {
            int beyond = dial(atoi(argv[2]), 0);
            setsockopt(near, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
            fcntl(beyond, F_SETFL, O_NONBLOCK);
            ways[2 * used] = (struct way){.in = near, .out = beyond};
            ways[2 * used++ + 1] = (struct way){.in = beyond, .out = near};
        }
        for (struct way *way = ways; way < ways + 2 * used; way++) take(way), pass(way);
        usleep(200);
    }
}
