/* A closed loop: N connections with D requests in flight on each; a reply lets the next request go.
 *
 *   load ws|http -p PORT -u PATH -f FILE [-c N] [-d D] [-t SECONDS] [-w WARM-UP] [-P PID] [-B PID] [-b BODY-BYTES]
 *
 * ws: FILE holds the messages, one a line, sent in turn; any data frame is a reply, a gateway's error frame an error.
 * http: FILE holds the paths, one a line, which are POSTed to in turn; an answer other than 200 is an error.
 * -P is the server's, whose main thread's CPU time is read; -B that of a backend behind it, whose CPU time is read of
 * all threads. Prints one JSON line.
 */
#define _GNU_SOURCE
#include "net.h"

#include <errno.h>
#include <poll.h>
#include <sys/epoll.h>

#define BUFFER (64 * 1024)
#define BUCKETS 64 /* of the histogram, to each power of two */

typedef struct {
    int fd;
    size_t used, cursor; /* bytes of a reply that is not whole; the request that goes next */
    uint64_t *sent;      /* when each request in flight went, a ring */
    unsigned head, tail;
    unsigned char data[BUFFER];
} Connection;

static int is_http, depth = 1;
static unsigned char *requests; /* one after the other, the first `depth` of them once more at the end */
static size_t *starts, count;   /* where each begins */
static unsigned long long replies, errors, histogram[64 * BUCKETS];
static int measuring;

static void record(uint64_t ns) {
    if (ns < BUCKETS) ns = BUCKETS;
    int power = 63 - __builtin_clzll(ns);
    histogram[power * BUCKETS + (int)((ns >> (power - 6)) & (BUCKETS - 1))]++;
}

static double percentile(double share) {
    unsigned long long all = 0, seen = 0;
    for (int i = 0; i < 64 * BUCKETS; i++) all += histogram[i];
    for (int i = 0; i < 64 * BUCKETS && all; i++) {
        seen += histogram[i];
        if ((double)seen >= (double)all * share) {
            double low = (double)(1ull << (i / BUCKETS));
            return (low + (i % BUCKETS) * low / BUCKETS) / 1000.0;
        }
    }
    return 0;
}

/* Read FILE and lay out the requests. */
static void prepare(const char *file, int port, int body) {
    FILE *in = fopen(file, "r");
    if (!in) { perror(file); exit(1); }
    char *line = NULL, *filler = malloc((size_t)body + 1);
    memset(filler, 'x', (size_t)body);
    filler[body] = 0;
    size_t room = 0, size = 0, capacity = 0, slots = 0;
    ssize_t length;
    long first_size = -1;
    while ((length = getline(&line, &room, in)) > 0) {
        if (line[length - 1] == '\n') line[--length] = 0;
        if (!length) continue;
        if (size + (size_t)length + (size_t)body + 1024 > capacity)
            requests = realloc(requests, capacity = capacity * 2 + (size_t)length + (size_t)body + 4096);
        if (count + 1 >= slots) starts = realloc(starts, (slots = slots * 2 + 64) * sizeof *starts);
        starts[count++] = size;
        if (is_http)
            size += (size_t)sprintf((char *)requests + size,
                "POST %s HTTP/1.1\r\nHost: 127.0.0.1:%d\r\nAccept-Encoding: identity\r\n"
                "User-Agent: Boto3/1.40.0 md/Botocore#1.40.0 ua/2.1 os/linux md/arch#x86_64 lang/python#3.13\r\n"
                "Content-Type: application/octet-stream\r\nX-Amz-Date: 20251122T000000Z\r\n"
                "Authorization: AWS4-HMAC-SHA256 Credential=test/20251122/us-east-1/execute-api/aws4_request, "
                "SignedHeaders=host;x-amz-date, Signature=%064d\r\n"
                "Content-Length: %d\r\n\r\n%s", line, port, 0, body, filler);
        else
            size += text_frame(requests + size, line, (size_t)length);
        if (first_size < 0) first_size = (long)size;
    }
    fclose(in);
    free(line);
    free(filler);
    if (!count) { fprintf(stderr, "%s is empty\n", file); exit(1); }
    /* Repeat from the front until any `depth` requests in a row lie together. */
    size_t distinct = count;
    requests = realloc(requests, size + (size_t)(depth + 1) * (size / distinct + 4096));
    starts = realloc(starts, (distinct + (size_t)depth + 2) * sizeof *starts);
    starts[distinct] = size;
    for (size_t i = 0; i <= (size_t)depth; i++) {
        size_t from = starts[i % distinct], until = starts[i % distinct + 1];
        memcpy(requests + size, requests + from, until - from);
        starts[distinct + i] = size;
        starts[distinct + i + 1] = size += until - from;
    }
}

static void fail(Connection *c, const char *why) {
    if (!errors++) fprintf(stderr, "a connection failed: %s\n", why);
    close(c->fd);
    c->fd = -1;
}

static void go(Connection *c, int many) {
    uint64_t now = now_ns();
    for (int i = 0; i < many; i++) c->sent[c->tail++ % (unsigned)depth] = now;
    const unsigned char *at = requests + starts[c->cursor];
    size_t left = starts[c->cursor + (size_t)many] - starts[c->cursor];
    c->cursor = (c->cursor + (size_t)many) % count;
    while (left) {
        ssize_t done = write(c->fd, at, left);
        if (done < 0 && errno == EAGAIN) {
            struct pollfd wait = {c->fd, POLLOUT, 0};
            if (poll(&wait, 1, 5000) == 1) continue;
        }
        if (done <= 0) { fail(c, "it cannot be written to"); return; }
        at += done;
        left -= (size_t)done;
    }
}

/* The size of the whole HTTP answer at `data`, 0 when it is not there yet. */
static size_t whole_answer(const char *data, size_t have) {
    const char *end = memmem(data, have, "\r\n\r\n", 4);
    if (!end) return 0;
    size_t length = 0;
    for (const char *line = data; line < end; line = (char *)memchr(line, '\n', have) + 1)
        if (strncasecmp(line, "content-length:", 15) == 0) length = (size_t)strtoul(line + 15, NULL, 10);
    size_t size = (size_t)(end - data) + 4 + length;
    return have < size ? 0 : size;
}

static void take(Connection *c) {
    ssize_t got = read(c->fd, c->data + c->used, BUFFER - c->used);
    if (got <= 0) {
        if (got == 0 || errno != EAGAIN) fail(c, "the server closed it");
        return;
    }
    c->used += (size_t)got;
    size_t at = 0, payload = 0, size;
    int answered = 0;
    uint64_t now = now_ns();
    while (at < c->used) {
        if (is_http) {
            size = whole_answer((char *)c->data + at, c->used - at);
            if (size && memcmp(c->data + at + 9, "200", 3) != 0 && !errors++)
                fprintf(stderr, "answered: %.300s\n", c->data + at);
        } else {
            size = whole_frame(c->data + at, c->used - at, &payload);
            if (size && (c->data[at] & 15) == 8) { fail(c, "a close frame"); return; }
            if (size && payload > 10 && memcmp(c->data + at + size, "{\"message\"", 10) == 0 && !errors++)
                fprintf(stderr, "answered: %.*s\n", (int)payload, c->data + at + size);
            size = size ? size + payload : 0;
        }
        if (!size) break;
        at += size;
        answered++;
        if (measuring) record(now - c->sent[c->head % (unsigned)depth]);
        c->head++;
    }
    memmove(c->data, c->data + at, c->used - at);
    c->used -= at;
    replies += (unsigned)answered;
    if (answered) go(c, answered);
}

/* Nanoseconds of CPU that the main thread of `pid` has had. */
static unsigned long long cpu_of(int pid) {
    char path[64];
    unsigned long long ns = 0;
    snprintf(path, sizeof path, "/proc/%d/schedstat", pid);
    FILE *in = pid ? fopen(path, "r") : NULL;
    if (in) {
        if (fscanf(in, "%llu", &ns) != 1) ns = 0;
        fclose(in);
    }
    return ns;
}

/* Nanoseconds of CPU that all threads of `pid` have had, those that ended included. */
static unsigned long long all_cpu_of(int pid) {
    char path[64], text[1024];
    unsigned long long user = 0, system = 0;
    snprintf(path, sizeof path, "/proc/%d/stat", pid);
    FILE *in = pid ? fopen(path, "r") : NULL;
    if (!in) return 0;
    text[fread(text, 1, sizeof text - 1, in)] = 0;
    fclose(in);
    char *after = strrchr(text, ')'); /* the name before it may hold anything */
    if (!after || sscanf(after + 1, " %*c %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu %llu", &user, &system) != 2)
        return 0;
    return (user + system) * (1000000000ull / (unsigned long long)sysconf(_SC_CLK_TCK));
}

int main(int argc, char **argv) {
    const char *path = "/", *file = NULL;
    int port = 0, connections = 1, pid = 0, backend = 0, body = 64, option;
    double seconds = 1.5, warm = 0.3;
    if (argc < 2) return 2;
    is_http = strcmp(argv[1], "http") == 0;
    optind = 2;
    while ((option = getopt(argc, argv, "p:u:f:c:d:t:w:P:B:b:")) != -1) switch (option) {
        case 'p': port = atoi(optarg); break;
        case 'u': path = optarg; break;
        case 'f': file = optarg; break;
        case 'c': connections = atoi(optarg); break;
        case 'd': depth = atoi(optarg); break;
        case 't': seconds = atof(optarg); break;
        case 'w': warm = atof(optarg); break;
        case 'P': pid = atoi(optarg); break;
        case 'B': backend = atoi(optarg); break;
        case 'b': body = atoi(optarg); break;
        default: return 2;
    }
    if (!file || !port) return 2;
    prepare(file, port, body);
    raise_descriptor_limit();
    int epoll = epoll_create1(EPOLL_CLOEXEC);
    Connection **all = calloc((size_t)connections, sizeof *all);
    for (int i = 0; i < connections; i++) {
        Connection *c = all[i] = calloc(1, sizeof **all);
        c->fd = connect_to(port, 0);
        if (c->fd < 0 || (!is_http && handshake(c->fd, port, path) != 0)) {
            fprintf(stderr, "connection %d cannot be opened\n", i);
            return 1;
        }
        fcntl(c->fd, F_SETFL, O_NONBLOCK);
        c->sent = calloc((size_t)depth, sizeof *c->sent);
        c->cursor = count * (size_t)i / (size_t)connections;
        struct epoll_event event = {.events = EPOLLIN, .data.ptr = c};
        epoll_ctl(epoll, EPOLL_CTL_ADD, c->fd, &event);
    }
    for (int i = 0; i < connections; i++) go(all[i], depth);
    uint64_t now = now_ns(), begin = now + (uint64_t)(warm * 1e9), end = begin + (uint64_t)(seconds * 1e9);
    unsigned long long cpu = 0, behind = 0;
    struct epoll_event events[512];
    while (now < end && errors < 100) {
        int ready = epoll_wait(epoll, events, 512, 100);
        now = now_ns();
        if (!measuring && now >= begin) {
            measuring = 1;
            begin = now;
            replies = 0;
            cpu = cpu_of(pid);
            behind = all_cpu_of(backend);
        }
        for (int i = 0; i < ready; i++) {
            Connection *c = events[i].data.ptr;
            if (c->fd >= 0) take(c);
        }
    }
    cpu = cpu_of(pid) - cpu;
    behind = all_cpu_of(backend) - behind;
    double lasted = (double)(now - begin) / 1e9, all_replies = replies ? (double)replies : 1;
    printf("{\"rate\":%.1f,\"p50_us\":%.1f,\"p99_us\":%.1f,\"cpu_us\":%.3f,\"backend_us\":%.3f,\"errors\":%llu,"
           "\"replies\":%llu}\n",
           (double)replies / lasted, percentile(0.5), percentile(0.99), (double)cpu / 1000.0 / all_replies,
           (double)behind / 1000.0 / all_replies, errors, replies);
    return 0;
}
