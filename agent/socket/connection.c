/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/connection.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include "agent/base/secret.h"
#include "agent/wire/ipc.h"

/* Packets taken from one client before the others have their turn. */
#define MAX_PACKETS_A_TURN 8

struct pending {
    uint64_t call; /* 0: free */
    uint32_t id;   /* the client's */
    uint16_t op;
    bool lent;    /* to another thread, with its count in the user's account */
    bool by_ring; /* it came through the ring, and so goes its reply */
};

struct packet {
    struct packet *next;
    int fd; /* owned, goes with it; -1: none */
    size_t len;
    uint8_t bytes[];
};

struct kgr_connection {
    struct kgr_connection_options options;
    int fd;
    struct kgr_outlet *outlet; /* of fd, for other threads */
    struct kgr_watch *watch;
    struct kgr_timer *timer; /* the hello's time-out, and the end of a broken connection */
    bool greeted;
    enum kgr_door door;
    bool broken; /* nothing more can be sent or read */
    bool malformed;
    uint64_t last_call;
    struct pending *pending;      /* of the socket and of the ring, max_in_flight of each */
    uint32_t num_pending;         /* of the socket */
    struct kgr_served_ring *ring; /* NULL: none */
    struct packet *first, *last;  /* replies that the client has not taken */
    uint32_t num_packets;
};

/* The end comes from the loop, never within a call of the owner's. */
static void break_off(struct kgr_connection *c, bool malformed)
{
    c->broken = true;
    c->malformed = c->malformed || malformed;
    if (kgr_watch_set(c->watch, 0) != KGR_OK) {
        kgr_watch_free(c->watch);
        c->watch = NULL;
    }
    kgr_timer_start(c->timer, 0);
}

static void update_watch(struct kgr_connection *c)
{
    unsigned events = KGR_WATCH_HANGUP;
    if (c->num_pending + c->num_packets < c->options.max_in_flight)
        events |= KGR_WATCH_READ;
    if (c->first != NULL)
        events |= KGR_WATCH_WRITE;
    if (kgr_watch_set(c->watch, events) != KGR_OK)
        break_off(c, false);
}

static void drop_packet(struct kgr_connection *c)
{
    struct packet *p = c->first;
    c->first = p->next;
    if (c->first == NULL)
        c->last = NULL;
    c->num_packets--;
    if (p->fd >= 0)
        close(p->fd);
    kgr_cleanse(p->bytes, p->len);
    free(p);
}

/* Sends a packet at once: 1 sent, 0 not now, -1 never. */
static int try_send(struct kgr_connection *c, struct packet *p)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof p->fd)] = {0};
    struct iovec bytes = {p->bytes, p->len};
    struct msghdr msg = {.msg_iov = &bytes, .msg_iovlen = 1};
    ssize_t n;
    if (p->fd >= 0) {
        msg.msg_control = control;
        msg.msg_controllen = sizeof control;
        struct cmsghdr *rights = CMSG_FIRSTHDR(&msg);
        rights->cmsg_level = SOL_SOCKET;
        rights->cmsg_type = SCM_RIGHTS;
        rights->cmsg_len = CMSG_LEN(sizeof p->fd);
        memcpy(CMSG_DATA(rights), &p->fd, sizeof p->fd);
    }
    do {
        n = sendmsg(c->fd, &msg, MSG_NOSIGNAL | MSG_DONTWAIT);
    } while (n < 0 && errno == EINTR);
    if (n >= 0)
        return 1;
    return errno == EAGAIN || errno == EWOULDBLOCK || errno == ENOBUFS ? 0 : -1;
}

static void flush_packets(struct kgr_connection *c)
{
    while (c->first != NULL) {
        int sent = try_send(c, c->first);
        if (sent < 0)
            break_off(c, false);
        if (sent != 1)
            return;
        drop_packet(c);
    }
}

static void send_packet(struct kgr_connection *c, struct packet *p)
{
    p->next = NULL;
    if (c->last != NULL)
        c->last->next = p;
    else
        c->first = p;
    c->last = p;
    c->num_packets++;
    flush_packets(c);
}

/* What the protocol allows as a reply: at most a packet, and no error without a text. */
static struct kgr_slice make_reply(struct kgr_ipc_header *h, struct kgr_slice body)
{
    static const uint8_t no_text[1] = {0};
    h->reply = true;
    if (body.len > KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN) {
        h->status = KGR_ERR_TOO_LARGE;
        body.len = 0;
    }
    return h->status != KGR_OK && body.len == 0 ? kgr_slice(no_text, sizeof no_text) : body;
}

/* Takes fd, unless it is -1. */
static void send_reply_with(struct kgr_connection *c, const struct kgr_ipc_header *header,
                            struct kgr_slice body, int fd)
{
    struct kgr_ipc_header h = *header;
    body = make_reply(&h, body);
    struct packet *p = malloc(sizeof *p + KGR_IPC_HEADER_LEN + body.len);
    if (p == NULL) {
        if (fd >= 0)
            close(fd);
        break_off(c, false);
        return;
    }
    struct kgr_wr wr;
    kgr_wr_init(&wr, p->bytes, KGR_IPC_HEADER_LEN + body.len);
    kgr_ipc_header_encode(&wr, &h);
    kgr_wr_bytes(&wr, body.p, body.len);
    p->len = wr.len;
    p->fd = fd;
    send_packet(c, p);
}

static void send_reply(struct kgr_connection *c, const struct kgr_ipc_header *header,
                       struct kgr_slice body)
{
    send_reply_with(c, header, body, -1);
}

static void send_error(struct kgr_connection *c, const struct kgr_ipc_header *request,
                       enum kgr_error status, const char *text)
{
    uint8_t body[1 + KGR_IPC_TEXT_MAX];
    struct kgr_wr wr;
    struct kgr_ipc_header h = *request;
    kgr_wr_init(&wr, body, sizeof body);
    kgr_wire_write_text8(&wr, kgr_slice(text, strnlen(text, KGR_IPC_TEXT_MAX)), KGR_IPC_TEXT_MAX);
    h.status = (uint32_t)status;
    send_reply(c, &h, kgr_wr_slice(&wr));
}

static void greet(struct kgr_connection *c, const struct kgr_ipc_header *h, struct kgr_slice body)
{
    struct kgr_ipc_hello hello;
    if (kgr_ipc_hello_decode(&hello, body) != KGR_OK) {
        send_error(c, h, KGR_ERR_CORRUPT, "malformed hello");
        return;
    }
    if (c->options.refusal != KGR_OK) {
        send_error(c, h, c->options.refusal, kgr_diag_text(&c->options.why, c->options.refusal));
        break_off(c, false);
        return;
    }
    if (hello.lowest > KGR_IPC_VERSION || hello.highest < KGR_IPC_VERSION) {
        send_error(c, h, KGR_ERR_VERSION, "this service speaks version 1 of the local protocol");
        break_off(c, true);
        return;
    }
    const char *node = c->options.node == NULL ? "" : c->options.node;
    const struct kgr_ipc_hello_reply reply = {KGR_IPC_VERSION,
                                              kgr_slice(KGR_VERSION, strlen(KGR_VERSION)),
                                              kgr_slice(node, strlen(node))};
    uint8_t buf[128];
    struct kgr_wr wr;
    kgr_wr_init(&wr, buf, sizeof buf);
    if (kgr_ipc_hello_reply_encode(&wr, &reply) != KGR_OK) {
        break_off(c, false);
        return;
    }
    c->greeted = true;
    c->door = kgr_door_of(hello.name);
    kgr_timer_stop(c->timer);
    send_reply(c, h, kgr_wr_slice(&wr));
}

/* false: there is no place for it. */
static bool start_call(struct kgr_connection *c, const struct kgr_ipc_header *h,
                       struct kgr_slice body, bool by_ring)
{
    for (uint32_t i = 0; i < 2 * c->options.max_in_flight; i++) {
        struct pending *p = &c->pending[i];
        if (p->call != 0)
            continue;
        p->call = ++c->last_call;
        p->id = h->id;
        p->op = h->op;
        p->by_ring = by_ring;
        p->lent = false;
        c->num_pending += by_ring ? 0 : 1;
        c->options.request(c->options.arg, p->call, h->op, body, by_ring);
        return true;
    }
    return false;
}

static bool on_ring_request(void *arg, const struct kgr_ipc_header *h, struct kgr_slice body)
{
    struct kgr_connection *c = arg;
    return !c->broken && start_call(c, h, body, true);
}

static void end_ring(struct kgr_connection *c)
{
    kgr_served_ring_end(c->ring);
    c->ring = NULL;
}

static void on_ring_breached(void *arg)
{
    struct kgr_connection *c = arg;
    end_ring(c);
    if (!c->broken)
        break_off(c, true);
}

static void make_ring(struct kgr_connection *c, const struct kgr_ipc_header *h,
                      struct kgr_slice body)
{
    const struct kgr_served_ring_options options = {
        .peer = c->options.peer,
        .slot = c->options.slot,
        .generation = c->options.generation,
        .max_in_flight = c->options.max_in_flight,
        .tally = c->options.tally,
        .door = c->door,
        .request = on_ring_request,
        .breached = on_ring_breached,
        .arg = c,
    };
    const struct kgr_ipc_ring_reply reply = {KGR_LANE_VERSION, KGR_SHM_LEN};
    struct kgr_ipc_ring asked;
    uint8_t buf[16];
    struct kgr_wr wr;
    int fd = -1;
    enum kgr_error err = kgr_ipc_ring_decode(&asked, body);
    kgr_wr_init(&wr, buf, sizeof buf);
    if (err == KGR_OK && c->ring != NULL)
        err = KGR_ERR_STATE;
    if (err == KGR_OK && (c->options.workers == NULL || asked.lowest > KGR_LANE_VERSION ||
                          asked.highest < KGR_LANE_VERSION))
        err = KGR_ERR_UNSUPPORTED;
    if (err == KGR_OK)
        err = kgr_ipc_ring_reply_encode(&wr, &reply);
    if (err == KGR_OK)
        err = kgr_served_ring_new(&c->ring, c->options.workers, &options, &fd);
    if (err == KGR_OK)
        send_reply_with(c, h, kgr_wr_slice(&wr), fd);
    else
        send_error(c, h, err, kgr_strerror(err));
}

static void take_packet(struct kgr_connection *c, size_t len)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    enum kgr_error err = kgr_ipc_header_decode(&h, &body, kgr_slice(c->options.scratch, len));
    if (err != KGR_OK || h.reply) {
        /* A malformed header names no request that could be answered. */
        if (err == KGR_OK)
            send_error(c, &h, KGR_ERR_CORRUPT, "a reply was sent to the service");
        break_off(c, true);
    } else if (!c->greeted && h.op == KGR_IPC_HELLO) {
        greet(c, &h, body);
    } else if (!c->greeted) {
        send_error(c, &h, KGR_ERR_STATE, "the first message must be hello");
        break_off(c, true);
    } else if (h.op == KGR_IPC_HELLO) {
        send_error(c, &h, KGR_ERR_STATE, "hello was said before");
    } else if (h.op == KGR_IPC_RING) {
        make_ring(c, &h, body);
    } else {
        (void)start_call(c, &h, body, false);
    }
}

/* A packet over the limit is cut by the kernel; its header is enough to say why the client is sent away. */
static void refuse_oversized(struct kgr_connection *c)
{
    struct kgr_ipc_header h;
    struct kgr_slice body;
    struct kgr_slice head = kgr_slice(c->options.scratch, KGR_IPC_HEADER_LEN);
    if (kgr_ipc_header_decode(&h, &body, head) == KGR_OK && !h.reply)
        send_error(c, &h, KGR_ERR_TOO_LARGE, "the packet is larger than 73,728 bytes");
    break_off(c, true);
}

/*
 * Most clients send one request and wait: looking for a second one in vain would cost a system call each time. Who has
 * several under way may have sent several.
 */
static void read_packets(struct kgr_connection *c)
{
    uint32_t most = c->num_pending < MAX_PACKETS_A_TURN ? c->num_pending + 1 : MAX_PACKETS_A_TURN;

    for (uint32_t i = 0; i < most && !c->broken; i++) {
        if (c->num_pending + c->num_packets >= c->options.max_in_flight)
            return;
        ssize_t n = recv(c->fd, c->options.scratch, KGR_IPC_PACKET_MAX, MSG_DONTWAIT | MSG_TRUNC);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0 && (errno == EAGAIN || errno == EWOULDBLOCK))
            return;
        if (n <= 0) {
            break_off(c, false);
            return;
        }
        if (n > KGR_IPC_PACKET_MAX)
            refuse_oversized(c);
        else
            take_packet(c, (size_t)n);
        /* Plaintext of an application may stand there. */
        size_t used = n > KGR_IPC_PACKET_MAX ? KGR_IPC_PACKET_MAX : (size_t)n;
        kgr_cleanse(c->options.scratch, used);
    }
}

static void on_events(void *arg, unsigned events)
{
    struct kgr_connection *c = arg;
    if ((events & KGR_WATCH_WRITE) != 0)
        flush_packets(c);
    if ((events & KGR_WATCH_READ) != 0)
        read_packets(c);
    else if ((events & (KGR_WATCH_HANGUP | KGR_WATCH_ERROR)) != 0)
        break_off(c, false);
    if (!c->broken)
        update_watch(c);
}

static void on_timer(void *arg)
{
    struct kgr_connection *c = arg;
    c->options.ended(c->options.arg, c->malformed);
}

uint32_t kgr_connection_num_pending(const struct kgr_connection *conn)
{
    uint32_t num = 0;
    for (uint32_t i = 0; i < 2 * conn->options.max_in_flight; i++)
        num += conn->pending[i].call != 0 && !conn->pending[i].lent;
    return num;
}

enum kgr_door kgr_connection_door(const struct kgr_connection *conn)
{
    return conn->door;
}

static struct pending *find_pending(struct kgr_connection *c, uint64_t call)
{
    for (uint32_t i = 0; call != 0 && i < 2 * c->options.max_in_flight; i++)
        if (c->pending[i].call == call)
            return &c->pending[i];
    return NULL;
}

static void end_call(struct kgr_connection *c, struct pending *p)
{
    p->call = 0;
    p->lent = false;
    c->num_pending -= p->by_ring ? 0 : 1;
}

static void tally(const struct kgr_connection *c, uint16_t op, uint32_t status)
{
    if (c->options.tally != NULL)
        kgr_tally_add(c->options.tally, c->door, op, status);
}

bool kgr_connection_reply(struct kgr_connection *conn, uint64_t call, enum kgr_error status,
                          struct kgr_slice body)
{
    struct pending *p = find_pending(conn, call);
    if (p == NULL)
        return false;
    struct kgr_ipc_header h = {p->op, true, p->id, (uint32_t)status};
    bool counted = !p->lent, by_ring = p->by_ring;
    tally(conn, p->op, (uint32_t)status);
    end_call(conn, p);
    if (conn->broken)
        return counted;
    if (by_ring) {
        body = make_reply(&h, body);
        kgr_served_ring_reply(conn->ring, &h, body);
        return counted;
    }
    send_reply(conn, &h, body);
    if (!conn->broken)
        update_watch(conn);
    return counted;
}

bool kgr_connection_lend(struct kgr_connection *conn, uint64_t call, struct kgr_outlet **out_outlet,
                         struct kgr_served_ring **out_ring, struct kgr_ipc_header *out_header)
{
    struct pending *p = find_pending(conn, call);
    if (p == NULL || conn->broken)
        return false;
    p->lent = true;
    *out_header = (struct kgr_ipc_header){p->op, true, p->id, KGR_OK};
    *out_outlet = kgr_outlet_hold(conn->outlet);
    *out_ring = p->by_ring ? conn->ring : NULL;
    if (*out_ring != NULL)
        kgr_served_ring_ref(*out_ring);
    return true;
}

void kgr_connection_answered(struct kgr_connection *conn, uint64_t call)
{
    struct pending *p = find_pending(conn, call);
    if (p == NULL)
        return;
    end_call(conn, p);
    if (!conn->broken)
        update_watch(conn);
}

enum kgr_error kgr_connection_new(struct kgr_connection **out, struct kgr_loop *loop, int fd,
                                  const struct kgr_connection_options *options)
{
    struct kgr_connection *c = calloc(1, sizeof *c);
    enum kgr_error err = KGR_ERR_NO_MEMORY;
    if (c == NULL)
        return err;
    c->fd = -1;
    c->options = *options;
    c->pending = calloc(2 * (size_t)options->max_in_flight, sizeof *c->pending);
    if (c->pending == NULL)
        goto out;
    err = kgr_timer_new(&c->timer, loop, on_timer, c);
    if (err != KGR_OK)
        goto out;
    err = kgr_watch_new(&c->watch, loop, fd, on_events, c);
    if (err != KGR_OK)
        goto out;
    err = kgr_watch_set(c->watch, KGR_WATCH_READ | KGR_WATCH_HANGUP);
    if (err != KGR_OK)
        goto out;
    err = kgr_outlet_new(&c->outlet, fd);
    if (err != KGR_OK)
        goto out;
    c->fd = fd;
    kgr_timer_start(c->timer, options->hello_timeout_ms);
    *out = c;
    return KGR_OK;
out:
    kgr_connection_free(c);
    return err;
}

/* Closing over unread packets would reset the connection and lose the reply that says why. */
static void hang_up(int fd)
{
    uint8_t byte;
    ssize_t n;
    shutdown(fd, SHUT_RDWR);
    do {
        n = recv(fd, &byte, 1, MSG_DONTWAIT);
    } while (n > 0 || (n < 0 && errno == EINTR));
    close(fd);
}

void kgr_connection_free(struct kgr_connection *conn)
{
    if (conn == NULL)
        return;
    end_ring(conn);
    kgr_watch_free(conn->watch);
    kgr_timer_free(conn->timer);
    while (conn->first != NULL)
        drop_packet(conn);
    if (conn->outlet != NULL)
        kgr_outlet_close(conn->outlet);
    kgr_outlet_release(conn->outlet);
    if (conn->fd >= 0)
        hang_up(conn->fd);
    free(conn->pending);
    free(conn);
}
