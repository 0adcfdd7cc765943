/* Many TLS connections, each new.
 *
 *   handshakes PORT KIND VERSION CONNECTIONS SECONDS     VERSION: 1.2 or 1.3
 *
 *   full      a whole handshake, close_notify, the server's end
 *   resumed   the same with the session of a first connection
 *   request   resumed, and a GET with Connection: close
 *   flood     one ClientHello, the server's whole answer, RST: the server works, this side does not
 *   idle      CONNECTIONS at once with one answer each; says "held", and holds them until its input ends
 *   idle2     the same over HTTP/2
 *
 * One line of JSON: requests (connections), errors, resumed (connections), percentiles in us.
 */
#include "tls.h"
#include <sys/epoll.h>

enum state { SHAKING, ASKING, CLOSING, HELD };
struct connection { int fd; SSL *tls; double began; enum state state; size_t have; char data[1024]; };

static const char *kind;
static int port, poll_set, flooding, holding, http2;
static SSL_CTX *context;
static SSL_SESSION *session;
static char hello[4096];
static int hello_size;
static long errors, finished, resumed, room;
static float *latencies;

static const char waiting[] = "GET /small HTTP/1.1\r\nHost: shop.example.com\r\n\r\n",
                  closing[] = "GET /small HTTP/1.1\r\nHost: shop.example.com\r\nConnection: close\r\n\r\n",
                  framed[] = "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n"            /* SETTINGS; HEADERS of stream 1, its last frame */
                             "\0\0\0\4\0\0\0\0\0" "\0\0\x1c\1\5\0\0\0\1"
                             "\x82\x87\x04\6/small\x01\x10" "shop.example.com",
                  acknowledged[] = "\0\0\0\4\1\0\0\0\0";

static void ask(SSL *tls) {
    if (http2) SSL_write(tls, framed, sizeof framed - 1);
    else if (holding) SSL_write(tls, waiting, sizeof waiting - 1);
    else SSL_write(tls, closing, sizeof closing - 1);
}

static void start(struct connection *c) {
    c->began = now();
    c->state = SHAKING;
    c->have = 0;
    c->fd = dial(port, 1);
    c->tls = flooding ? NULL : speak(context, c->fd, session);
    struct epoll_event event = {.events = EPOLLIN | EPOLLOUT | EPOLLET, .data.ptr = c};
    epoll_ctl(poll_set, EPOLL_CTL_ADD, c->fd, &event);
}

/* The connection is over: count it, and begin another one. */
static void end(struct connection *c, int good) {
    if (good) {
        if (finished < room) latencies[finished] = (now() - c->began) * 1e6;
        finished++;
        if (c->tls && SSL_session_reused(c->tls)) resumed++;
    } else {
        errors++;
    }
    reset(c->tls, c->fd);
    start(c);
}

static void drown(struct connection *c) {
    char answer[16384];
    if (c->state == SHAKING && write(c->fd, hello, hello_size) == hello_size) c->state = ASKING;
    ssize_t got;
    while ((got = read(c->fd, answer, sizeof answer)) > 0) c->have += got;
    if (!got || (got < 0 && errno != EAGAIN)) end(c, 0);
    else if (c->have > 500) end(c, 1);   /* up to the server's Finished */
}

static int waits(SSL *tls, int result) {
    int why = SSL_get_error(tls, result);
    return why == SSL_ERROR_WANT_READ || why == SSL_ERROR_WANT_WRITE;
}

/* Stream 1 has ended, with 13 bytes of DATA. */
static int complete2(struct connection *c) {
    size_t at = 0, data = 0;
    while (c->have - at >= 9) {
        unsigned char *head = (unsigned char *)c->data + at;
        size_t size = head[0] << 16 | head[1] << 8 | head[2];
        at += 9 + size;
        if (at > c->have) return 0;
        if (head[3] == 0) data += size;
        if (head[3] <= 1 && head[4] & 1) return data == 13 && SSL_write(c->tls, acknowledged, 9) == 9;
    }
    return 0;
}

static int complete(struct connection *c) {
    if (http2) return complete2(c);
    char *over = memmem(c->data, c->have, "\r\n\r\n", 4);
    return over && c->data + c->have - over >= 4 + 13;   /* /small is 13 bytes */
}

static void go_on(struct connection *c) {
    int got;
    if (c->state == SHAKING) {
        if ((got = SSL_do_handshake(c->tls)) != 1) {
            if (!waits(c->tls, got)) end(c, 0);
            return;
        }
        if (holding || !strcmp(kind, "request")) {
            c->state = ASKING;
            ask(c->tls);
        } else {
            c->state = CLOSING;
            SSL_shutdown(c->tls);
        }
    }
    while (c->state == ASKING) {
        got = SSL_read(c->tls, c->data + c->have, sizeof c->data - c->have);
        if (got > 0) {
            c->have += got;
            if (!complete(c)) continue;
            if (!http2 && strncmp(c->data, "HTTP/1.1 200", 12)) errors++;
            if (holding) {
                c->state = HELD;
                finished++;
            } else {
                c->state = CLOSING;
                SSL_shutdown(c->tls);
            }
        } else if (waits(c->tls, got)) {
            return;
        } else {
            return end(c, 0);
        }
    }
    while (c->state == CLOSING) {
        got = SSL_read(c->tls, c->data, sizeof c->data);
        if (got <= 0) {
            if (!waits(c->tls, got)) end(c, 1);
            return;
        }
    }
}

/* A session whose ticket any later connection can use. */
static SSL_SESSION *first_session(void) {
    int fd = dial(port, 0);
    SSL *tls = speak(context, fd, NULL);
    char answer[4096];
    if (SSL_connect(tls) != 1) exit((ERR_print_errors_fp(stderr), 1));
    ask(tls);
    while (SSL_read(tls, answer, sizeof answer) > 0) continue;
    SSL_SESSION *found = SSL_get1_session(tls);
    if (!SSL_SESSION_is_resumable(found)) exit((fprintf(stderr, "handshakes: no ticket came\n"), 1));
    reset(tls, fd);
    return found;
}

static void record_hello(void) {
    SSL *tls = SSL_new(context);
    BIO *out = BIO_new(BIO_s_mem());
    SSL_set_bio(tls, BIO_new(BIO_s_mem()), out);
    SSL_set_tlsext_host_name(tls, "shop.example.com");
    SSL_set_connect_state(tls);
    SSL_do_handshake(tls);
    hello_size = BIO_read(out, hello, sizeof hello);
    SSL_free(tls);
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "handshakes PORT KIND VERSION CONNECTIONS SECONDS\n"), 2;
    port = atoi(argv[1]);
    kind = argv[2];
    int count = atoi(argv[4]), started = 0;
    double seconds = atof(argv[5]);
    flooding = !strcmp(kind, "flood");
    holding = !strncmp(kind, "idle", 4);
    http2 = !strcmp(kind, "idle2");
    context = client_context(strcmp(argv[3], "1.2") ? TLS1_3_VERSION : TLS1_2_VERSION);
    if (http2) SSL_CTX_set_alpn_protos(context, (const unsigned char *)"\2h2", 3);
    if (flooding) record_hello();
    if (*kind == 'r') session = first_session();
    room = 1000000;
    latencies = malloc(room * sizeof *latencies);
    poll_set = epoll_create1(0);
    struct connection *all = calloc(count, sizeof *all);
    double began = now(), over = began + (holding ? 120 : seconds);
    while (now() < over && !(holding && finished == count)) {
        while (started < count && (!holding || started - finished < 100)) start(&all[started++]);
        struct epoll_event events[256];
        int ready = epoll_wait(poll_set, events, 256, 100);
        for (int i = 0; i < ready; i++) (flooding ? drown : go_on)(events[i].data.ptr);
    }
    double taken = now() - began;
    if (holding) {
        printf("held\n");
        fflush(stdout);
        while (getchar() != EOF) continue;
        errors += count - finished;
    }
    for (int i = 0; i < started; i++) reset(all[i].tls, all[i].fd);
    long seen = holding ? 0 : finished < room ? finished : room;
    qsort(latencies, seen, sizeof *latencies, ascending);
    #define AT(q) (seen ? latencies[(long)((seen - 1) * (q))] : 0)
    printf("{\"requests\":%ld,\"seconds\":%.6f,\"errors\":%ld,\"resumed\":%ld,\"p50\":%.1f,\"p99\":%.1f,\"p999\":%.1f}\n",
        finished, taken, errors, resumed, AT(0.5), AT(0.99), AT(0.999));
    return 0;
}
