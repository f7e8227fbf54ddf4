/* An HTTP backend that answers the same 200 to every request: prints its port, ends with its standard input. */
#define _GNU_SOURCE
#include "net.h"

#include <sys/epoll.h>

#define BUFFER (16 * 1024)

typedef struct {
    int fd;
    size_t used;
    char data[BUFFER];
} Client;

static const char answer[] =
    "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: 65\r\n\r\n"
    "{\"answer\":\"the quick brown fox jumps over the lazy dog, surely.\"}";

/* The size of the whole request at the front of `client`, 0 when it is not there yet. */
static size_t whole(Client *client) {
    char *end = memmem(client->data, client->used, "\r\n\r\n", 4);
    if (!end) return 0;
    *end = 0;
    char *length = strcasestr(client->data, "\ncontent-length:");
    *end = '\r';
    size_t size = (size_t)(end - client->data) + 4 + (length ? strtoul(length + 16, NULL, 10) : 0);
    return client->used < size ? 0 : size;
}

static int serve(Client *client) {
    ssize_t got = read(client->fd, client->data + client->used, BUFFER - client->used);
    if (got <= 0) return -1;
    client->used += (size_t)got;
    for (size_t size; client->used && (size = whole(client)) > 0;) {
        memmove(client->data, client->data + size, client->used - size);
        client->used -= size;
        if (write(client->fd, answer, sizeof answer - 1) != (ssize_t)sizeof answer - 1) return -1;
    }
    return client->used == BUFFER ? -1 : 0;
}

int main(void) {
    int listener = socket(AF_INET, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0), one = 1;
    struct sockaddr_in at = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(0x7f000001u)};
    socklen_t size = sizeof at;
    if (bind(listener, (struct sockaddr *)&at, size) || listen(listener, 1024)) { perror("backend"); return 1; }
    getsockname(listener, (struct sockaddr *)&at, &size);
    printf("%d\n", ntohs(at.sin_port));
    fflush(stdout);
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    struct epoll_event input = {.events = EPOLLIN | EPOLLHUP, .data.ptr = NULL};
    struct epoll_event door = {.events = EPOLLIN, .data.ptr = &listener}, events[256];
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
    epoll_ctl(epoll, EPOLL_CTL_ADD, listener, &door);
    for (;;) {
        int ready = epoll_wait(epoll, events, 256, -1);
        for (int i = 0; i < ready; i++) {
            if (events[i].data.ptr == NULL) return 0;
            if (events[i].data.ptr == &listener) {
                int fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC);
                if (fd < 0) continue;
                setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof one);
                Client *client = calloc(1, sizeof *client);
                client->fd = fd;
                struct epoll_event event = {.events = EPOLLIN, .data.ptr = client};
                epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
                continue;
            }
            Client *client = events[i].data.ptr;
            if (serve(client) != 0) {
                close(client->fd);
                free(client);
            }
        }
    }
}
