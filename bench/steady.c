/* A constant rate of GET requests over keep-alive connections, without coordinated omission: a latency counts from
 * the moment at which its request was due, whether or not a connection was free to send it.
 *
 *   steady PORT CONNECTIONS RATE SECONDS PATH BODY_SIZE [tls]
 *
 * One line of JSON: requests, errors (answers that are not a 200 of BODY_SIZE, lost connections), percentiles in us.
 */
#include "tls.h"
#include <sys/epoll.h>
#include <sys/prctl.h>

struct connection { int fd; SSL *tls; double due; size_t have, want; char head[2048]; };

static const char *path;
static size_t body_size;
static char request[2048];
static int request_size;
static long errors;

/* As read(2) and write(2). */
static ssize_t get(struct connection *c, void *data, size_t room) {
    if (!c->tls) return read(c->fd, data, room);
    int got = SSL_read(c->tls, data, room);
    if (got <= 0 && SSL_get_error(c->tls, got) == SSL_ERROR_WANT_READ) return errno = EAGAIN, -1;
    return got > 0 ? got : 0;
}

static ssize_t put(struct connection *c, const void *data, size_t size) {
    return c->tls ? SSL_write(c->tls, data, size) : write(c->fd, data, size);
}

static void start(struct connection *c, double due) {
    c->due = due;
    c->have = c->want = 0;
    if (put(c, request, request_size) != request_size) errors++;
}

/* 1: the response is complete; 0: more is to come; -1: the connection is of no use any more. */
static int receive(struct connection *c) {
    static char body[1 << 18];
    if (!c->want) {
        ssize_t got = get(c, c->head + c->have, sizeof c->head - 1 - c->have);
        if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
        c->have += got;
        c->head[c->have] = 0;
        char *end = strstr(c->head, "\r\n\r\n");
        if (!end) return c->have < sizeof c->head - 1 ? 0 : -1;
        char *length = strcasestr(c->head, "\r\ncontent-length:");
        if (strncmp(c->head, "HTTP/1.1 200", 12) || !length || strtoul(length + 17, 0, 10) != body_size) errors++;
        c->want = end + 4 - c->head + body_size;
    } else {
        size_t left = c->want - c->have;
        ssize_t got = get(c, body, left < sizeof body ? left : sizeof body);
        if (got <= 0) return got < 0 && errno == EAGAIN ? 0 : -1;
        c->have += got;
    }
    return c->have >= c->want;
}

int main(int argc, char **argv) {
    if (argc != 7 && argc != 8) return fprintf(stderr, "steady PORT CONNECTIONS RATE SECONDS PATH BODY_SIZE [tls]\n"), 2;
    int port = atoi(argv[1]), count = atoi(argv[2]);
    double rate = atof(argv[3]), seconds = atof(argv[4]);
    path = argv[5];
    body_size = strtoul(argv[6], 0, 10);
    prctl(PR_SET_TIMERSLACK, 1);
    request_size = snprintf(request, sizeof request,
        "GET %s HTTP/1.1\r\nHost: shop.example.com\r\nConnection: keep-alive\r\nCache-Control: max-age=0\r\n"
        "Upgrade-Insecure-Requests: 1\r\nUser-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like "
        "Gecko) Chrome/124.0.0.0 Safari/537.36\r\nAccept: text/html,application/xhtml+xml,*/*;q=0.8\r\n"
        "Sec-Fetch-Site: same-origin\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n"
        "Referer: http://shop.example.com/catalogue/shoes?page=3\r\nAccept-Encoding: gzip, deflate, br, zstd\r\n"
        "Accept-Language: en-GB,en;q=0.9\r\nCookie: session=8d4f1c0e2b7a49f6b3a5; theme=dark\r\n\r\n", path);
    SSL_CTX *context = argc == 8 ? client_context(0) : NULL;
    struct connection *all = calloc(count, sizeof *all), **idle = calloc(count, sizeof *idle);
    int poll = epoll_create1(0), free_ones = 0, alive = count;
    for (int i = 0; i < count; i++) {
        int fd = all[i].fd = dial(port, 0);
        if (fd < 0) return perror("connect"), 1;
        if (context && SSL_connect(all[i].tls = speak(context, fd, NULL)) != 1) return ERR_print_errors_fp(stderr), 1;
        fcntl(fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = &all[i]};
        epoll_ctl(poll, EPOLL_CTL_ADD, fd, &event);
        idle[free_ones++] = &all[i];
    }
    long total = rate * seconds, sent = 0, finished = 0;
    float *latencies = malloc(total * sizeof *latencies);
    double began = now(), patience = began + seconds + 10;
    while (finished < total && alive && now() < patience) {
        double time = now();
        while (sent < total && free_ones && began + sent / rate <= time) {
            start(idle[--free_ones], began + sent / rate);
            sent++;
        }
        double wait = sent == total || !free_ones ? 0.1 : began + sent / rate - now();
        struct timespec nap = {.tv_nsec = wait > 0 ? wait * 1e9 : 0};   /* spinning would starve the backend beside us */
        struct epoll_event events[256];
        int ready = epoll_pwait2(poll, events, 256, &nap, 0);
        double arrived = now();
        for (int i = 0; i < ready; i++) {
            struct connection *c = events[i].data.ptr;
            int state;
            do state = receive(c); while (!state && c->tls && SSL_pending(c->tls));   /* epoll cannot see what is in there */
            if (state > 0) {
                latencies[finished++] = (arrived - c->due) * 1e6;
                idle[free_ones++] = c;
            } else if (state < 0) {
                errors++;
                alive--;
                close(c->fd);
            }
        }
    }
    errors += total - finished;
    qsort(latencies, finished, sizeof *latencies, ascending);
    double sum = 0;
    for (long i = 0; i < finished; i++) sum += latencies[i];
    #define AT(q) (finished ? latencies[(long)((finished - 1) * (q))] : 0)
    printf("{\"requests\":%ld,\"seconds\":%.6f,\"errors\":%ld,\"mean\":%.1f,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f}\n",
        finished, now() - began, errors, finished ? sum / finished : 0, AT(0.5), AT(0.99), AT(0.999));
    return 0;
}
