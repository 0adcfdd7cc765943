/* A long path: relays TCP connections, and delays what goes through by half of a round trip in each direction.
 *
 *   far PORT TO MILLISECONDS     listens on 127.0.0.1:PORT, connects to 127.0.0.1:TO; MILLISECONDS: of a round trip
 *
 * A relay ends TCP's own control of what is on the way, so each direction begins as TCP does: 10 segments may be on the way at
 * first (RFC 6928), and as much more as has been acknowledged, so twice as much after each round trip (RFC 5681 section 3.1), up
 * to 64 MB.  Looks five thousand times a second at what is due.
 */
#include "tls.h"

enum { CHUNK = 64 << 10, MOST = 1024, PAIRS = 64, FIRST = 14600 };

struct chunk { double due; size_t from, size; char data[CHUNK]; };
/* From done to tail: delivered, and not acknowledged yet; to head: on the way.  over: nothing more comes in. */
struct way { int in, out, over; unsigned head, tail, done; size_t open, window; struct chunk *ring[MOST]; };

static struct way ways[2 * PAIRS];
static double delay;

static void take(struct way *way) {
    for (; way->done != way->tail && way->ring[way->done % MOST]->due + delay <= now(); way->done++) {
        way->open -= way->ring[way->done % MOST]->size;
        way->window += way->ring[way->done % MOST]->size;
    }
    while (!way->over && way->head - way->done < MOST && way->open < way->window) {
        struct chunk **slot = &way->ring[way->head % MOST], *chunk = *slot ? *slot : (*slot = malloc(sizeof **slot));
        size_t room = way->window - way->open;
        ssize_t got = read(way->in, chunk->data, room < CHUNK ? room : CHUNK);
        if (got < 0 && errno == EAGAIN) return;
        way->over = got <= 0;
        chunk->due = now() + delay;
        chunk->from = 0;
        way->open += chunk->size = got > 0 ? got : 0;     /* 0: the end */
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
            ways[2 * used] = (struct way){.in = near, .out = beyond, .window = FIRST};
            ways[2 * used++ + 1] = (struct way){.in = beyond, .out = near, .window = FIRST};
        }
        for (struct way *way = ways; way < ways + 2 * used; way++) take(way), pass(way);
        usleep(200);
    }
}
