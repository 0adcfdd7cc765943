/* Large bodies over TLS, a thread for each connection.
 *
 *   transfer PORT PATH SIZE COUNT CONNECTIONS     PATH /upload: bodies are sent; else they are received and compared
 *
 * One line of JSON: requests, seconds, errors.
 */
#include "tls.h"
#include <pthread.h>

enum { PIECE = 256 << 10 };
static int port, count, uploading;
static size_t size;
static const char *path;
static SSL_CTX *context;
static long errors, finished;

/* The head of a response and what came behind it; how much there is of both. */
static int head(SSL *tls, char *buffer, int room, char **body) {
    int have = 0, got;
    *body = NULL;
    while (!*body && (got = SSL_read(tls, buffer + have, room - have)) > 0) {
        have += got;
        if ((*body = memmem(buffer, have, "\r\n\r\n", 4))) *body += 4;
    }
    return *body && !strncmp(buffer, "HTTP/1.1 200", 12) ? have : -1;
}

static int send_all(SSL *tls, const char *data, size_t left) {
    for (int put; left; left -= put, data += put)
        if ((put = SSL_write(tls, data, left < PIECE ? left : PIECE)) <= 0) return 0;
    return 1;
}

static int upload(SSL *tls, char *buffer) {
    char *body;
    int have = snprintf(buffer, PIECE, "POST %s HTTP/1.1\r\nHost: shop.example.com\r\nContent-Length: %zu\r\n\r\n", path, size);
    if (!send_all(tls, buffer, have)) return 0;
    memset(buffer, 'u', PIECE);
    for (size_t left = size, part; left; left -= part)
        if (!send_all(tls, buffer, part = left < PIECE ? left : PIECE)) return 0;
    have = head(tls, buffer, 4096, &body);
    if (have < 0) return 0;
    while (!memchr(body, '\n', buffer + have - body)) {
        int got = SSL_read(tls, buffer + have, 4096 - have);
        if (got <= 0) return 0;
        have += got;
    }
    return strtoul(body, 0, 10) == size;
}

static int download(SSL *tls, char *buffer) {
    char *body;
    int have = snprintf(buffer, PIECE, "GET %s HTTP/1.1\r\nHost: shop.example.com\r\n\r\n", path);
    if (!send_all(tls, buffer, have)) return 0;
    have = head(tls, buffer, PIECE, &body);
    if (have < 0) return 0;
    size_t left = size - (buffer + have - body);
    int wrong = 0;
    while (left) {
        int got = SSL_read(tls, buffer, left < PIECE ? left : PIECE);
        if (got <= 0) return 0;
        wrong |= memcmp(buffer, buffer + 1, got - 1) != 0;   /* bodies are one letter, repeated */
        left -= got;
    }
    return !wrong;
}

static void *client(void *unused) {
    int fd = dial(port, 0);
    SSL *tls = speak(context, fd, NULL);
    char *buffer = malloc(PIECE);
    int good = SSL_connect(tls) == 1;
    for (int i = 0; i < count && good; i++) {
        good = (uploading ? upload : download)(tls, buffer);
        if (good) __atomic_add_fetch(&finished, 1, __ATOMIC_RELAXED);
    }
    if (!good) __atomic_add_fetch(&errors, 1, __ATOMIC_RELAXED);
    reset(tls, fd);
    return unused;
}

int main(int argc, char **argv) {
    if (argc != 6) return fprintf(stderr, "transfer PORT PATH SIZE COUNT CONNECTIONS\n"), 2;
    port = atoi(argv[1]);
    path = argv[2];
    size = strtoul(argv[3], 0, 10);
    count = atoi(argv[4]);
    int connections = atoi(argv[5]);
    uploading = !strcmp(path, "/upload");
    context = client_context(0);
    pthread_t threads[64];
    double began = now();
    for (int i = 0; i < connections; i++) pthread_create(&threads[i], NULL, client, NULL);
    for (int i = 0; i < connections; i++) pthread_join(threads[i], NULL);
    printf("{\"requests\":%ld,\"seconds\":%.6f,\"errors\":%ld}\n", finished, now() - began, errors);
    return 0;
}
