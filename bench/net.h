/* What the programs share: time, and opening one WebSocket connection. */
#ifndef BENCH_NET_H
#define BENCH_NET_H

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

static inline uint64_t now_ns(void) {
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return (uint64_t)t.tv_sec * 1000000000u + (uint64_t)t.tv_nsec;
}

static inline void raise_descriptor_limit(void) {
    struct rlimit limit;
    if (getrlimit(RLIMIT_NOFILE, &limit) == 0) {
        limit.rlim_cur = limit.rlim_max;
        setrlimit(RLIMIT_NOFILE, &limit);
    }
}

/* A connected socket, or -1. `source` > 0 binds it to 127.0.0.(1 + source), so that ports do not run out. */
static inline int connect_to(int port, int source) {
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    if (fd < 0) return -1;
    setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
    struct timeval patience = {20, 0};
    setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof patience);
    if (source > 0) {
        struct sockaddr_in from = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u + (uint32_t)source)};
        setsockopt(fd, IPPROTO_IP, IP_BIND_ADDRESS_NO_PORT, &one, sizeof one);
        if (bind(fd, (struct sockaddr *)&from, sizeof from) != 0) goto failed;
    }
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port),
                             .sin_addr.s_addr = htonl(0x7f000001u)};
    if (connect(fd, (struct sockaddr *)&to, sizeof to) == 0) return fd;
failed:
    close(fd);
    return -1;
}

/* Upgrade `fd`; 0 when the answer is a 101. Reads byte by byte so that nothing after the head is lost. */
static inline int handshake(int fd, int port, const char *path) {
    char text[4096];
    int size = snprintf(text, sizeof text,
                        "GET %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nUser-Agent: bench\r\nUpgrade: websocket\r\n"
                        "Connection: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n"
                        "Sec-WebSocket-Version: 13\r\n\r\n",
                        path, port);
    if (write(fd, text, (size_t)size) != size) return -1;
    int got = 0;
    while (got < (int)sizeof text - 1 && (got < 4 || memcmp(text + got - 4, "\r\n\r\n", 4) != 0)) {
        if (read(fd, text + got, 1) != 1) break;
        got++;
    }
    text[got] = 0;
    if (strncmp(text, "HTTP/1.1 101", 12) == 0) return 0;
    fprintf(stderr, "handshake refused: %.200s\n", text);
    return -1;
}

/* Append the masked text frame of `size` bytes at `out`; gives its length. */
static inline size_t text_frame(unsigned char *out, const char *text, size_t size) {
    static const unsigned char mask[4] = {0x37, 0xfa, 0x21, 0x3d};
    size_t at = 0;
    out[at++] = 0x81;
    if (size < 126) {
        out[at++] = (unsigned char)(0x80 | size);
    } else {
        out[at++] = 0x80 | 126; /* messages here are shorter than 64 KiB */
        out[at++] = (unsigned char)(size >> 8);
        out[at++] = (unsigned char)size;
    }
    memcpy(out + at, mask, 4);
    at += 4;
    for (size_t i = 0; i < size; i++) out[at + i] = (unsigned char)text[i] ^ mask[i & 3];
    return at + size;
}

/* Head and payload length of the server frame at `data`; 0 when it is not there whole. */
static inline size_t whole_frame(const unsigned char *data, size_t have, size_t *payload) {
    if (have < 2) return 0;
    size_t length = data[1] & 127, head = 2;
    if (length == 126) {
        if (have < 4) return 0;
        length = (size_t)data[2] << 8 | data[3];
        head = 4;
    } else if (length == 127) {
        if (have < 10) return 0;
        length = 0;
        for (int i = 2; i < 10; i++) length = length << 8 | data[i];
        head = 10;
    }
    if (have < head + length) return 0;
    *payload = length;
    return head;
}

#endif
