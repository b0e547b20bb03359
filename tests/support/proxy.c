/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * A hostile broker for tests: it stands between MQTT clients and Mosquitto, keeps every session in order, and drops,
 * repeats, delays, reorders, replays, misdirects, corrupts and retains what is published, invents more, and cuts
 * connections, as a seed and a few percentages say. Without faults it only records.
 *
 *     proxy LISTEN-PORT BROKER-PORT CONTROL RECORD COUNTS SEED
 *
 * CONTROL is a fifo that takes lines:
 *     faults NAME=PERCENT ...   of drop dup delay corrupt cross replay retain cut garbage; others become 0
 *     seed N                    begins the random numbers anew
 *     block | unblock           swallows all that is published, as if it went well
 *     play forward | reverse | cross    publishes all that is recorded again; cross: on every other topic too
 *     count                     replaces the file COUNTS: published N, injected N, waiting N
 * RECORD is a file of all that was published; what it holds at the start can be played too.
 */
#include "tests/support/mqtt_packet.h"
#include "tests/support/proxy_record.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

#define MAX_CONNECTIONS 64
#define SOON_MS         300  /* copies come within */
#define LATE_MS         2000 /* delayed frames come within */
#define PACE_MS         2    /* between frames that are played */
#define RETRY_MS        100

enum fault { DROP, DUP, DELAY, CORRUPT, CROSS, REPLAY, RETAIN, CUT, GARBAGE, NUM_FAULTS };
static const char *const fault_names[NUM_FAULTS] = {
    [DROP] = "drop",       [DUP] = "dup",     [DELAY] = "delay",
    [CORRUPT] = "corrupt", [CROSS] = "cross", [REPLAY] = "replay",
    [RETAIN] = "retain",   [CUT] = "cut",     [GARBAGE] = "garbage"};

struct bytes {
    uint8_t *p;
    size_t len, cap;
};

struct connection {
    int client, broker; /* -1: free */
    struct bytes from_client, from_broker, to_client, to_broker;
    bool is_v5;
};

static struct {
    struct connection connections[MAX_CONNECTIONS];
    struct connection injector; /* broker and its buffers only */
    uint64_t injector_retry_ms;
    struct proxy_frames record, waiting;
    unsigned percent[NUM_FAULTS];
    bool blocked;
    uint64_t random;
    uint64_t injected;
    uint16_t broker_port;
    const char *counts_path;
} proxy;

static uint64_t now_ms(void)
{
    struct timespec ts;

    (void)clock_gettime(CLOCK_MONOTONIC, &ts);
    return (uint64_t)ts.tv_sec * 1000 + (uint64_t)ts.tv_nsec / 1000000;
}

/* xorshift64*: the same seed, the same faults. */
static uint32_t draw(uint32_t below)
{
    proxy.random ^= proxy.random >> 12;
    proxy.random ^= proxy.random << 25;
    proxy.random ^= proxy.random >> 27;
    return (uint32_t)((proxy.random * UINT64_C(2685821657736338717)) >> 33) % below;
}

static bool rolled(enum fault fault)
{
    return draw(100) < proxy.percent[fault];
}

static void append(struct bytes *b, const void *p, size_t len)
{
    if (b->len + len > b->cap) {
        b->cap = (b->len + len) * 2;
        b->p = realloc(b->p, b->cap);
        if (b->p == NULL)
            proxy_die("memory");
    }
    memcpy(b->p + b->len, p, len);
    b->len += len;
}

static void consume(struct bytes *b, size_t len)
{
    memmove(b->p, b->p + len, b->len - len);
    b->len -= len;
}

/* Faults */

static struct proxy_frame *hold(const struct proxy_frame *frame, uint32_t within_ms)
{
    struct proxy_frame *held = frames_add(&proxy.waiting, frame);

    held->due_ms = now_ms() + draw(within_ms);
    return held;
}

static void hold_on_topic_of(const struct proxy_frame *frame, const struct proxy_frame *other)
{
    struct proxy_frame mixed = *frame;

    mixed.topic = other->topic;
    mixed.topic_len = other->topic_len;
    (void)hold(&mixed, SOON_MS);
}

static void hold_flipped(const struct proxy_frame *frame)
{
    struct proxy_frame *held = hold(frame, SOON_MS);
    uint32_t bit;

    if (held->payload_len == 0)
        return;
    bit = draw((uint32_t)held->payload_len * 8);
    held->payload[bit / 8] ^= (uint8_t)(1u << (bit % 8));
}

static void hold_garbage(const struct proxy_frame *frame)
{
    struct proxy_frame *held = hold(frame, SOON_MS);

    held->payload_len = draw((uint32_t)held->payload_len + 1);
    /* Half of it begins like a frame. */
    for (size_t i = draw(2) == 0 ? 0 : 22; i < held->payload_len; i++)
        held->payload[i] = (uint8_t)draw(256);
}

static struct proxy_frame *any_recorded(void)
{
    return &proxy.record.list[draw((uint32_t)proxy.record.num)];
}

/* What happens beside the frame itself. */
static void add_faults(const struct proxy_frame *frame)
{
    if (rolled(DUP))
        for (uint32_t i = draw(3) + 1; i > 0; i--)
            (void)hold(frame, SOON_MS);
    if (rolled(REPLAY))
        (void)hold(any_recorded(), SOON_MS);
    if (rolled(CROSS))
        hold_on_topic_of(frame, any_recorded());
    if (rolled(RETAIN))
        hold(frame, SOON_MS)->retain = true;
    if (rolled(GARBAGE))
        hold_garbage(frame);
}

/* Whether the frame itself goes on, now and whole. */
static bool goes_on(const struct proxy_frame *frame)
{
    if (proxy.blocked || rolled(DROP))
        return false;
    if (rolled(CORRUPT)) {
        hold_flipped(frame);
        return false;
    }
    if (rolled(DELAY)) {
        (void)hold(frame, LATE_MS);
        return false;
    }
    return true;
}

/* Connections */

static void close_connection(struct connection *c)
{
    if (c->client >= 0)
        (void)close(c->client);
    if (c->broker >= 0)
        (void)close(c->broker);
    free(c->from_client.p);
    free(c->from_broker.p);
    free(c->to_client.p);
    free(c->to_broker.p);
    memset(c, 0, sizeof(*c));
    c->client = c->broker = -1;
}

static int connect_broker(void)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(proxy.broker_port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0)
        proxy_die("socket");
    if (connect(fd, (struct sockaddr *)&address, sizeof(address)) != 0 ||
        fcntl(fd, F_SETFL, O_NONBLOCK) != 0) {
        (void)close(fd);
        return -1;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    return fd;
}

static void accept_client(int listener)
{
    struct connection *c = NULL;
    int one = 1, fd = accept4(listener, NULL, NULL, SOCK_CLOEXEC | SOCK_NONBLOCK);

    if (fd < 0)
        return;
    for (size_t i = 0; i < MAX_CONNECTIONS && c == NULL; i++)
        if (proxy.connections[i].client < 0)
            c = &proxy.connections[i];
    if (c == NULL) {
        (void)close(fd);
        return;
    }
    (void)setsockopt(fd, IPPROTO_TCP, TCP_NODELAY, &one, sizeof(one));
    c->client = fd;
    c->broker = connect_broker();
    if (c->broker < 0)
        close_connection(c);
}

/* false: the connection is to be cut. */
static bool take_publish(struct connection *c, const uint8_t *p, size_t len)
{
    struct publish publish;
    struct proxy_frame frame = {0};

    if (!publish_parse(&publish, p, len, c->is_v5))
        return false;
    frame.topic = bytes_copy(publish.topic, publish.topic_len);
    frame.topic_len = publish.topic_len;
    frame.payload = bytes_copy(publish.payload, publish.payload_len);
    frame.payload_len = publish.payload_len;
    record_add(&proxy.record, &frame);
    if (!proxy.blocked)
        add_faults(&frame);
    if (goes_on(&frame)) {
        append(&c->to_broker, p, len);
    } else if (publish.qos == 1) {
        const uint8_t ack[] = {0x40, 2, (uint8_t)(publish.id >> 8), (uint8_t)publish.id};

        append(&c->to_client, ack, sizeof(ack));
    }
    free(frame.topic);
    free(frame.payload);
    return !rolled(CUT);
}

/* Takes whole packets from the client's bytes; false: the connection is to be cut. */
static bool take_packets(struct connection *c)
{
    for (;;) {
        size_t len = packet_len(c->from_client.p, c->from_client.len);
        bool ok = true;

        if (len == SIZE_MAX)
            return false;
        if (len == 0 || len > c->from_client.len)
            return true;
        if (c->from_client.p[0] >> 4 == MQTT_CONNECT)
            c->is_v5 = connect_is_v5(c->from_client.p, len);
        if (c->from_client.p[0] >> 4 == MQTT_PUBLISH)
            ok = take_publish(c, c->from_client.p, len);
        else
            append(&c->to_broker, c->from_client.p, len);
        consume(&c->from_client, len);
        if (!ok)
            return false;
    }
}

/* Reads what is there; false at the end. */
static bool fill(int fd, struct bytes *b)
{
    uint8_t room[16384];
    ssize_t n = read(fd, room, sizeof(room));

    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    append(b, room, (size_t)n);
    return n > 0;
}

static bool flush_bytes(int fd, struct bytes *b)
{
    ssize_t n;

    if (b->len == 0)
        return true;
    n = send(fd, b->p, b->len, MSG_NOSIGNAL);
    if (n < 0)
        return errno == EAGAIN || errno == EINTR;
    consume(b, (size_t)n);
    return true;
}

static void serve(struct connection *c, short client_events, short broker_events)
{
    bool ok = true;

    if (client_events & (POLLIN | POLLHUP | POLLERR))
        ok = fill(c->client, &c->from_client) && take_packets(c);
    if (ok && (broker_events & (POLLIN | POLLHUP | POLLERR)))
        ok = fill(c->broker, &c->to_client);
    if (ok)
        ok = flush_bytes(c->broker, &c->to_broker) && flush_bytes(c->client, &c->to_client);
    if (!ok)
        close_connection(c);
}

/* Injecting, by a connection of the proxy's own */

static void keep_injector(void)
{
    static const uint8_t hello[] = {0x10, 17, 0, 4, 'M', 'Q', 'T', 'T', 4,  2,
                                    0,    0,  0, 5, 'p', 'r', 'o', 'x', 'y'};

    if (proxy.injector.broker >= 0 || now_ms() < proxy.injector_retry_ms)
        return;
    proxy.injector_retry_ms = now_ms() + RETRY_MS;
    proxy.injector.broker = connect_broker();
    if (proxy.injector.broker >= 0)
        append(&proxy.injector.to_broker, hello, sizeof(hello));
}

static void inject(const struct proxy_frame *frame)
{
    uint8_t *packet = malloc(frame->topic_len + frame->payload_len + PUBLISH_ROOM);

    if (packet == NULL)
        proxy_die("memory");
    append(&proxy.injector.to_broker, packet,
           publish_write(packet, frame->topic, frame->topic_len, frame->payload, frame->payload_len,
                         frame->retain));
    free(packet);
    proxy.injected++;
}

/* Injects what is due; returns when the next is, or UINT64_MAX. */
static uint64_t inject_due(void)
{
    uint64_t now = now_ms(), next = UINT64_MAX;

    if (proxy.injector.broker < 0)
        return proxy.injector_retry_ms;
    for (size_t i = 0; i < proxy.waiting.num;) {
        struct proxy_frame *frame = &proxy.waiting.list[i];

        if (frame->due_ms > now) {
            if (frame->due_ms < next)
                next = frame->due_ms;
            i++;
            continue;
        }
        inject(frame);
        free(frame->topic);
        free(frame->payload);
        *frame = proxy.waiting.list[--proxy.waiting.num];
    }
    if (!flush_bytes(proxy.injector.broker, &proxy.injector.to_broker))
        close_connection(&proxy.injector);
    return next;
}

/* Control */

static void play(const char *order)
{
    size_t num = proxy.record.num;
    uint64_t due_ms = now_ms();

    for (size_t i = 0; i < num; i++) {
        const struct proxy_frame *frame =
            &proxy.record.list[strcmp(order, "reverse") == 0 ? num - 1 - i : i];

        for (size_t j = 0; j < num && strcmp(order, "cross") == 0; j++) {
            const struct proxy_frame *other = &proxy.record.list[j];
            bool is_first = true;

            for (size_t k = 0; k < j && is_first; k++)
                is_first = proxy.record.list[k].topic_len != other->topic_len ||
                           memcmp(proxy.record.list[k].topic, other->topic, other->topic_len) != 0;
            if (!is_first)
                continue;
            hold_on_topic_of(frame, other);
            proxy.waiting.list[proxy.waiting.num - 1].due_ms = due_ms += PACE_MS;
        }
        if (strcmp(order, "cross") != 0)
            frames_add(&proxy.waiting, frame)->due_ms = due_ms += PACE_MS;
    }
}

static void count(void)
{
    char path[256];
    FILE *file;

    (void)snprintf(path, sizeof(path), "%s.new", proxy.counts_path);
    file = fopen(path, "w");
    if (file == NULL)
        proxy_die(path);
    (void)fprintf(file, "published %zu\ninjected %llu\nwaiting %zu\n", proxy.record.num,
                  (unsigned long long)proxy.injected, proxy.waiting.num);
    if (fclose(file) != 0 || rename(path, proxy.counts_path) != 0)
        proxy_die(path);
}

static void set_faults(char *words)
{
    char *state = NULL;

    memset(proxy.percent, 0, sizeof(proxy.percent));
    for (char *word = strtok_r(words, " ", &state); word != NULL;
         word = strtok_r(NULL, " ", &state))
        for (int i = 0; i < NUM_FAULTS; i++) {
            size_t len = strlen(fault_names[i]);

            if (strncmp(word, fault_names[i], len) == 0 && word[len] == '=')
                proxy.percent[i] = (unsigned)strtoul(word + len + 1, NULL, 10);
        }
}

static void obey(char *line)
{
    if (strncmp(line, "faults", 6) == 0)
        set_faults(line + 6);
    else if (strncmp(line, "seed ", 5) == 0)
        proxy.random = strtoull(line + 5, NULL, 10) * 2 + 1;
    else if (strcmp(line, "block") == 0 || strcmp(line, "unblock") == 0)
        proxy.blocked = line[0] == 'b';
    else if (strncmp(line, "play ", 5) == 0)
        play(line + 5);
    else if (strcmp(line, "count") == 0)
        count();
    else
        (void)fprintf(stderr, "proxy: no such command: %s\n", line);
}

static void take_lines(struct bytes *control)
{
    uint8_t *end;

    while (control->len > 0 && (end = memchr(control->p, '\n', control->len)) != NULL) {
        *end = '\0';
        obey((char *)control->p);
        consume(control, (size_t)(end - control->p) + 1);
    }
}

static int listen_on(uint16_t port)
{
    struct sockaddr_in address = {.sin_family = AF_INET, .sin_port = htons(port)};
    int one = 1, fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one)) != 0 ||
        bind(fd, (struct sockaddr *)&address, sizeof(address)) != 0 || listen(fd, 64) != 0)
        proxy_die("listen");
    return fd;
}

static short wanted(const struct bytes *out)
{
    return (short)(POLLIN | (out->len > 0 ? POLLOUT : 0));
}

/* One round: what is due, then what can be read or written. */
static void serve_round(int listener, int control_fd, struct bytes *control)
{
    struct pollfd fds[3 + 2 * MAX_CONNECTIONS] = {{.fd = listener, .events = POLLIN},
                                                  {.fd = control_fd, .events = POLLIN}};
    uint64_t next, now;
    int timeout = -1;

    keep_injector();
    next = inject_due();
    fds[2] = (struct pollfd){proxy.injector.broker, wanted(&proxy.injector.to_broker), 0};
    for (size_t i = 0; i < MAX_CONNECTIONS; i++) {
        struct connection *c = &proxy.connections[i];

        fds[3 + 2 * i] = (struct pollfd){c->client, wanted(&c->to_client), 0};
        fds[4 + 2 * i] = (struct pollfd){c->broker, wanted(&c->to_broker), 0};
    }
    now = now_ms();
    if (next != UINT64_MAX)
        timeout = next > now ? (int)(next - now) : 0;
    if (poll(fds, 3 + 2 * MAX_CONNECTIONS, timeout) < 0 && errno != EINTR)
        proxy_die("poll");
    if (fds[0].revents != 0)
        accept_client(listener);
    if (fds[1].revents != 0 && fill(control_fd, control))
        take_lines(control);
    if (fds[2].revents & (POLLIN | POLLHUP | POLLERR)) {
        if (!fill(proxy.injector.broker, &proxy.injector.from_broker))
            close_connection(&proxy.injector);
        proxy.injector.from_broker.len = 0; /* of no interest */
    }
    for (size_t i = 0; i < MAX_CONNECTIONS; i++)
        if (fds[3 + 2 * i].fd >= 0 && proxy.connections[i].client == fds[3 + 2 * i].fd)
            serve(&proxy.connections[i], fds[3 + 2 * i].revents, fds[4 + 2 * i].revents);
}

int main(int argc, char **argv)
{
    struct bytes control = {0};
    int listener, control_fd;

    if (argc != 7) {
        (void)fprintf(stderr, "usage: proxy LISTEN-PORT BROKER-PORT CONTROL RECORD COUNTS SEED\n");
        return 2;
    }
    proxy.broker_port = (uint16_t)strtoul(argv[2], NULL, 10);
    proxy.counts_path = argv[5];
    proxy.random = strtoull(argv[6], NULL, 10) * 2 + 1;
    proxy.injector.client = proxy.injector.broker = -1;
    for (size_t i = 0; i < MAX_CONNECTIONS; i++)
        proxy.connections[i].client = proxy.connections[i].broker = -1;
    if (mkfifo(argv[3], 0600) != 0 && errno != EEXIST)
        proxy_die(argv[3]);
    control_fd = open(argv[3], O_RDWR | O_NONBLOCK | O_CLOEXEC); /* never at its end */
    if (control_fd < 0)
        proxy_die(argv[3]);
    record_open(&proxy.record, argv[4]);
    listener = listen_on((uint16_t)strtoul(argv[1], NULL, 10));
    for (;;)
        serve_round(listener, control_fd, &control);
}
