/* Open N WebSocket connections and hold them until standard input ends, throwing away what arrives.
 *
 *   hold -p PORT -u PATH -c N [-s SOURCES] [-m MESSAGE]
 *
 * The connections come from SOURCES loopback addresses. With -m each sends MESSAGE once, and its first
 * reply is printed, one a line. Then one JSON line says how many are open, and a last one what arrived.
 */
#define _GNU_SOURCE
#include "net.h"

#include <sys/epoll.h>

static unsigned char scratch[256 * 1024];

/* Send the message and print the payload of the first whole frame that comes back. */
static int ask(int fd, const char *message) {
    unsigned char frame[4096];
    size_t size = text_frame(frame, message, strlen(message)), got = 0, payload = 0, head;
    if (write(fd, frame, size) != (ssize_t)size) return -1;
    while (!(head = whole_frame(frame, got, &payload))) {
        ssize_t more = read(fd, frame + got, sizeof frame - got);
        if (more <= 0) return -1;
        got += (size_t)more;
    }
    printf("%.*s\n", (int)payload, frame + head);
    return 0;
}

int main(int argc, char **argv) {
    const char *path = "/", *message = NULL;
    int port = 0, wanted = 1, sources = 1, option;
    while ((option = getopt(argc, argv, "p:u:c:s:m:")) != -1) switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': path = optarg; break;
        case 'c': wanted = atoi(optarg); break;
        case 's': sources = atoi(optarg); break;
        case 'm': message = optarg; break;
        default: return 2;
    }
    raise_descriptor_limit();
    int epoll = epoll_create1(EPOLL_CLOEXEC), open = 0, lost = 0;
    uint64_t start = now_ns();
    for (int i = 0; i < wanted; i++) {
        int fd = connect_to(port, 1 + i % sources);
        if (fd < 0 || handshake(fd, port, path) != 0 || (message && ask(fd, message) != 0)) {
            if (fd >= 0) close(fd);
            break; /* the server or this process takes no more */
        }
        fcntl(fd, F_SETFL, O_NONBLOCK);
        struct epoll_event event = {.events = EPOLLIN, .data.fd = fd};
        epoll_ctl(epoll, EPOLL_CTL_ADD, fd, &event);
        open++;
    }
    printf("{\"open\":%d,\"per_second\":%.0f}\n", open, open / ((double)(now_ns() - start) / 1e9));
    fflush(stdout);
    struct epoll_event input = {.events = EPOLLIN | EPOLLHUP, .data.fd = 0}, events[512];
    epoll_ctl(epoll, EPOLL_CTL_ADD, 0, &input);
    unsigned long long bytes = 0;
    for (;;) {
        int ready = epoll_wait(epoll, events, 512, -1);
        for (int i = 0; i < ready; i++) {
            int fd = events[i].data.fd;
            ssize_t got = read(fd, scratch, sizeof scratch);
            if (fd == 0 && got <= 0) {
                printf("{\"bytes\":%llu,\"lost\":%d}\n", bytes, lost);
                return 0;
            }
            if (fd != 0 && got == 0) {
                close(fd);
                lost++;
            } else if (fd != 0 && got > 0) {
                bytes += (unsigned long long)got;
            }
        }
    }
}
