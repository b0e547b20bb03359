/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/ring.h"

#include <errno.h>
#include <fcntl.h>
#include <setjmp.h>
#include <signal.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <cmocka.h>

#include "agent/base/futex.h"
#include "tests/unit/ring_fixture.h"

/*
 * The agent's end against clients that lie, scribble, never read and die. They speak to the shared memory themselves; failures of
 * their own abort, since some of them are in a child.
 */
struct raw {
    int fd;
    int shm_fd;
    struct kgr_shm shm;
    struct kgr_lane requests, replies;
    uint8_t bytes[KGR_IPC_PACKET_MAX];
};

static void must(bool holds)
{
    if (!holds)
        abort();
}

static struct kgr_lane_words *words_of(const struct raw *raw)
{
    return kgr_lane_words(&raw->shm);
}

/* Pieces of a connection, so that a client can die between them. */

static void dial(struct raw *raw, const struct ring_fixture *f)
{
    struct sockaddr_un address = {.sun_family = AF_UNIX};

    raw->fd = socket(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0);
    memcpy(address.sun_path, f->path, strlen(f->path) + 1);
    must(connect(raw->fd, (struct sockaddr *)&address, sizeof(address)) == 0);
    raw->shm_fd = -1;
}

static void send_op(struct raw *raw, uint16_t op, uint32_t id, struct kgr_slice body)
{
    const struct kgr_ipc_header header = {op, false, id, 0};
    struct kgr_wr wr;

    kgr_wr_init(&wr, raw->bytes, sizeof(raw->bytes));
    kgr_ipc_header_encode(&wr, &header);
    kgr_wr_bytes(&wr, body.p, body.len);
    must(kgr_wr_ok(&wr) && send(raw->fd, wr.p, wr.len, MSG_NOSIGNAL) == (ssize_t)wr.len);
}

/* The status of the next reply on the socket; a descriptor that came with it goes to shm_fd. */
static uint32_t read_status(struct raw *raw, struct kgr_slice *body)
{
    _Alignas(struct cmsghdr) char control[CMSG_SPACE(sizeof(int))];
    struct iovec iov = {raw->bytes, sizeof(raw->bytes)};
    struct msghdr msg = {.msg_iov = &iov,
                         .msg_iovlen = 1,
                         .msg_control = control,
                         .msg_controllen = sizeof(control)};
    struct kgr_ipc_header header;
    ssize_t n = recvmsg(raw->fd, &msg, MSG_CMSG_CLOEXEC);

    must(n > 0 && kgr_ipc_header_decode(&header, body, kgr_slice(raw->bytes, (size_t)n)) == KGR_OK);
    if (CMSG_FIRSTHDR(&msg) != NULL)
        memcpy(&raw->shm_fd, CMSG_DATA(CMSG_FIRSTHDR(&msg)), sizeof(int));
    return header.status;
}

static void greet(struct raw *raw)
{
    const struct kgr_ipc_hello hello = {1, 1, kgr_slice("raw", 3)};
    struct kgr_slice reply;
    uint8_t body[16];
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    must(kgr_ipc_hello_encode(&wr, &hello) == KGR_OK);
    send_op(raw, KGR_IPC_HELLO, 1, kgr_wr_slice(&wr));
    must(read_status(raw, &reply) == KGR_OK);
}

static void ask_for_ring(struct raw *raw)
{
    send_op(raw, KGR_IPC_RING, 2, kgr_slice("\0\1\0\1", 4));
}

static uint32_t take_ring(struct raw *raw)
{
    struct kgr_slice body;
    uint32_t status = read_status(raw, &body);

    if (status != KGR_OK)
        return status;
    must(raw->shm_fd >= 0 && kgr_shm_map(&raw->shm, raw->shm_fd) == KGR_OK);
    kgr_lane_init_requests(&raw->requests, &raw->shm, true);
    kgr_lane_init_replies(&raw->replies, &raw->shm, true);
    return KGR_OK;
}

static struct raw *raw_open(const struct ring_fixture *f)
{
    struct raw *raw = calloc(1, sizeof(*raw));

    dial(raw, f);
    greet(raw);
    /* Rings that ended a moment ago may still count: their worker lets go of them when it looks. */
    for (int tries = 0;; tries++) {
        uint32_t status;

        ask_for_ring(raw);
        status = take_ring(raw);
        if (status == KGR_OK)
            return raw;
        must(status == KGR_ERR_QUOTA && tries < 200);
        (void)usleep(10000);
    }
}

static void raw_close(struct raw *raw)
{
    (void)close(raw->fd);
    if (raw->shm_fd >= 0)
        (void)close(raw->shm_fd);
    kgr_shm_unmap(&raw->shm);
    free(raw);
}

static void wake(struct raw *raw)
{
    _Atomic uint32_t *waits = &words_of(raw)->agent_waits.v;

    if (kgr_lane_wakes(waits, KGR_LANE_WAITS_FRAME | KGR_LANE_WAITS_ROOM))
        kgr_futex_wake(waits);
}

/* A request in raw->bytes, header and all; its length. */
static size_t build(struct raw *raw, const char *peer, uint32_t id, size_t len)
{
    const struct kgr_ipc_header header = {KGR_IPC_CIPHER, false, id, 0};
    struct kgr_ipc_cipher asked = {.direction = 1, .mode = 3};
    struct kgr_wr wr;
    uint8_t *data;

    must(kgr_nid_set(&asked.key.peer, peer, strlen(peer)) == KGR_OK);
    kgr_wr_init(&wr, raw->bytes, sizeof(raw->bytes));
    kgr_ipc_header_encode(&wr, &header);
    must(kgr_ipc_cipher_encode(&wr, &asked) == KGR_OK);
    data = kgr_wr_reserve(&wr, len);
    must(data != NULL);
    memset(data, (int)(id & 0x7f), len);
    return wr.len;
}

/* KGR_ERR_BUSY when it does not fit. */
static enum kgr_error raw_put(struct raw *raw, const char *peer, uint32_t id, size_t len)
{
    struct kgr_slice packet = kgr_slice(raw->bytes, build(raw, peer, id, len));
    enum kgr_error err = kgr_lane_room(&raw->requests, packet.len);

    if (err != KGR_OK)
        return err;
    kgr_lane_put(&raw->requests, 0, packet, kgr_slice(NULL, 0));
    wake(raw);
    return KGR_OK;
}

/* Waits for a reply: false when the rings ended. */
static bool raw_await(struct raw *raw, struct kgr_lane_frame *frame)
{
    for (int i = 0; i < 200000; i++) {
        enum kgr_error err = kgr_lane_look(&raw->replies, frame);

        must(err != KGR_ERR_CORRUPT);
        if (err == KGR_OK)
            return true;
        if (atomic_load(&words_of(raw)->ended.v) != 0)
            return false;
        usleep(100);
    }
    abort();
}

static void drop(struct raw *raw, const struct kgr_lane_frame *frame)
{
    kgr_lane_drop(&raw->replies, frame);
    wake(raw);
}

/* Takes the next reply; its id. */
static uint32_t raw_get(struct raw *raw, size_t len, uint32_t *flags)
{
    struct kgr_lane_frame frame;
    struct kgr_ipc_header header;
    struct kgr_ipc_cipher_reply reply;
    struct kgr_slice body;

    must(raw_await(raw, &frame));
    must(kgr_ipc_header_decode(&header, &body, kgr_slice(frame.bytes, frame.len)) == KGR_OK);
    must(header.reply && header.status == KGR_OK && header.op == KGR_IPC_CIPHER);
    must(kgr_ipc_cipher_reply_decode(&reply, body) == KGR_OK && reply.data.len == len);
    for (size_t i = 0; i < len; i++)
        must(reply.data.p[i] + (header.id & 0x7f) == 0xff);
    *flags = frame.flags;
    drop(raw, &frame);
    return header.id;
}

static void raw_ask(struct raw *raw, const char *peer, uint32_t id, size_t len)
{
    uint32_t flags;

    must(raw_put(raw, peer, id, len) == KGR_OK);
    assert_int_equal(raw_get(raw, len, &flags), id);
    assert_int_equal(flags, strcmp(peer, RING_PEER_WORKER) == 0 ? 0 : KGR_LANE_BY_LOOP);
}

/* The connection is closed; what was on it does not matter. */
static void expect_end(struct raw *raw)
{
    ssize_t n;

    do
        n = recv(raw->fd, raw->bytes, sizeof(raw->bytes), 0);
    while (n > 0);
    assert_true(n == 0 || errno == ECONNRESET);
    assert_int_equal(atomic_load(&words_of(raw)->ended.v), 1);
}

static int setup(void **state)
{
    struct ring_fixture *f = malloc(sizeof(*f));

    ring_fixture_init(f);
    ring_fixture_start(f, 2);
    *state = f;
    return 0;
}

static int teardown(void **state)
{
    struct ring_fixture *f = *state;

    ring_fixture_stop(f);
    ring_fixture_deinit(f);
    free(f);
    return 0;
}

static void ring_serves_by_worker_and_by_loop(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *raw = raw_open(f);
    uint32_t flags;

    raw_ask(raw, RING_PEER_WORKER, 1, 1000);
    raw_ask(raw, RING_PEER_LOOP, 2, 1000);
    raw_ask(raw, RING_PEER_WORKER, 3, 65536);
    for (uint32_t i = 0; i < 200; i++)
        raw_ask(raw, RING_PEER_TICKET, i, 100);
    /* Replies come in any order. */
    assert_int_equal(raw_put(raw, RING_PEER_HELD, 4, 5), KGR_OK);
    assert_int_equal(raw_put(raw, RING_PEER_WORKER, 5, 6), KGR_OK);
    assert_int_equal(raw_get(raw, 6, &flags), 5);
    raw_close(raw);
}

static void ring_op_has_its_refusals(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *raw = raw_open(f);
    struct kgr_slice body;

    ask_for_ring(raw);
    assert_int_equal(read_status(raw, &body), KGR_ERR_STATE);
    raw_close(raw);
    raw = calloc(1, sizeof(*raw));
    dial(raw, f);
    greet(raw);
    send_op(raw, KGR_IPC_RING, 3, kgr_slice("\0\2\0\3", 4));
    assert_int_equal(read_status(raw, &body), KGR_ERR_UNSUPPORTED);
    send_op(raw, KGR_IPC_RING, 4, kgr_slice("\0\1\0", 3));
    assert_int_equal(read_status(raw, &body), KGR_ERR_CORRUPT);
    ask_for_ring(raw);
    assert_int_equal(take_ring(raw), KGR_OK);
    raw_ask(raw, RING_PEER_WORKER, 5, 10);
    raw_close(raw);
}

static bool one_is_gone(struct ring_fixture *f)
{
    return f->stats.rings == 31;
}

static void ring_quota_of_a_user_holds(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *raws[32];
    struct raw *more = calloc(1, sizeof(*more));

    for (size_t i = 0; i < 32; i++)
        raws[i] = raw_open(f);
    for (size_t i = 0; i < 32; i++)
        raw_ask(raws[i], RING_PEER_WORKER, (uint32_t)i, 100);
    dial(more, f);
    greet(more);
    ask_for_ring(more);
    assert_int_equal(take_ring(more), KGR_ERR_QUOTA);
    raw_close(raws[0]);
    ring_fixture_await(f, one_is_gone);
    ask_for_ring(more);
    assert_int_equal(take_ring(more), KGR_OK);
    raw_ask(more, RING_PEER_WORKER, 1, 100);
    raw_close(more);
    for (size_t i = 1; i < 32; i++)
        raw_close(raws[i]);
}

/* Lies. Each is told after some requests, so that indices are somewhere. */

static void put_raw_frame(struct raw *raw, uint32_t len, const struct kgr_ipc_header *header)
{
    uint8_t *at = raw->requests.bytes + raw->requests.own % KGR_SHM_RING;
    struct kgr_wr wr;

    memcpy(at, &len, sizeof(len));
    kgr_wr_init(&wr, at + KGR_LANE_FRAME_LEN, KGR_IPC_HEADER_LEN);
    if (header != NULL)
        kgr_ipc_header_encode(&wr, header);
    raw->requests.own += 128;
    atomic_store(raw->requests.own_word, raw->requests.own);
}

static void lie_tail_between(struct raw *raw)
{
    atomic_store(raw->requests.own_word, raw->requests.own + 100);
}

static void lie_tail_far(struct raw *raw)
{
    atomic_store(raw->requests.own_word, raw->requests.own + KGR_SHM_RING + 64);
}

static void lie_tail_back(struct raw *raw)
{
    atomic_store(raw->requests.own_word, raw->requests.own - 64);
}

static void lie_tail_before_frame(struct raw *raw)
{
    atomic_store(raw->requests.own_word, raw->requests.own + 64);
}

static void lie_length_long(struct raw *raw)
{
    put_raw_frame(raw, KGR_IPC_PACKET_MAX + 1, NULL);
}

static void lie_length_past_tail(struct raw *raw)
{
    put_raw_frame(raw, 121, NULL);
}

static void lie_length_wraps(struct raw *raw)
{
    put_raw_frame(raw, UINT32_MAX - 3, NULL);
}

static void lie_header(struct raw *raw)
{
    put_raw_frame(raw, 20, NULL);
}

static void lie_reply(struct raw *raw)
{
    put_raw_frame(raw, 16, &(struct kgr_ipc_header){KGR_IPC_CIPHER, true, 1, 0});
}

static void lie_hello(struct raw *raw)
{
    put_raw_frame(raw, 16, &(struct kgr_ipc_header){KGR_IPC_HELLO, false, 1, 0});
}

static void lie_ring(struct raw *raw)
{
    put_raw_frame(raw, 16, &(struct kgr_ipc_header){KGR_IPC_RING, false, 1, 0});
}

static void lie_hole(struct raw *raw)
{
    must(raw_put(raw, RING_PEER_STUCK, 1, 60000) == KGR_OK);
    must(raw_put(raw, RING_PEER_WORKER, 2, 60000) == KGR_OK);
    must(fallocate(raw->shm_fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0, KGR_SHM_LEN) == 0);
    /* All indices are 0 now: that of requests went backwards. */
}

/* The agent looks at the head of replies when it runs out of room. */
static void run_out_of_room(struct raw *raw)
{
    for (uint32_t i = 0; i < 8; i++)
        if (raw_put(raw, RING_PEER_WORKER, i, 30000) != KGR_OK)
            break;
}

static void lie_head_far(struct raw *raw)
{
    atomic_store(raw->replies.own_word, raw->replies.own + KGR_SHM_RING);
    run_out_of_room(raw);
}

static void lie_head_back(struct raw *raw)
{
    atomic_store(raw->replies.own_word, raw->replies.own - 64 * 5000);
    run_out_of_room(raw);
}

static void lie_head_between(struct raw *raw)
{
    atomic_store(raw->replies.own_word, raw->replies.own + 1);
    run_out_of_room(raw);
}

static void ring_lies_end_it_and_nobody_else_notices(void **state)
{
    static void (*const lies[])(struct raw * raw) = {
        lie_tail_between, lie_tail_far,
        lie_tail_back,    lie_tail_before_frame,
        lie_length_long,  lie_length_past_tail,
        lie_length_wraps, lie_header,
        lie_reply,        lie_hello,
        lie_ring,         lie_hole,
        lie_head_far,     lie_head_back,
        lie_head_between,
    };
    struct ring_fixture *f = *state;
    struct raw *good[2] = {raw_open(f), raw_open(f)}; /* one on each worker */

    for (size_t i = 0; i < KGR_ARRAY_LEN(lies); i++) {
        struct raw *liar = raw_open(f);

        for (uint32_t n = 0; n < 5; n++)
            raw_ask(liar, RING_PEER_WORKER, n, 3000);
        lies[i](liar);
        wake(liar);
        if (lies[i] == lie_hole)
            (void)sem_post(&f->unstick);
        expect_end(liar);
        for (size_t n = 0; n < 10; n++)
            raw_ask(good[n % 2], RING_PEER_WORKER, (uint32_t)n, 500);
        ring_fixture_look(f);
        assert_int_equal(f->server_stats.malformed, i + 1);
        assert_int_equal(f->stats.breaches, i + 1);
        assert_int_equal(f->stats.rings, 2);
        raw_close(liar);
    }
    raw_close(good[0]);
    raw_close(good[1]);
}

/* Scribbling */

struct scribbler {
    const struct ring_fixture *f;
    unsigned int seed;
    atomic_bool stop;
};

static void scribble(struct raw *raw, unsigned int *seed)
{
    unsigned int what = (unsigned int)rand_r(seed) % 8;
    uint32_t value = (uint32_t)rand_r(seed);
    struct kgr_lane_word *words = (struct kgr_lane_word *)(void *)raw->shm.head;

    if (what < 3)
        atomic_store(&words[value % 7].v, value % 3 == 0 ? value : value % 8 * 64);
    else if (what < 5)
        memcpy(raw->shm.ring[what % 2] + value % KGR_SHM_RING / 64 * 64, &value, sizeof(value));
    else
        (void)raw_put(raw, value % 2 == 0 ? RING_PEER_WORKER : RING_PEER_LOOP, value, value % 4000);
    kgr_futex_wake(&words[value % 7].v);
}

static void *scribble_on(void *arg)
{
    struct scribbler *s = arg;

    while (!atomic_load(&s->stop)) {
        struct raw *raw = raw_open(s->f);

        for (int i = 0; i < 300 && !atomic_load(&s->stop); i++)
            scribble(raw, &s->seed);
        raw_close(raw);
    }
    return NULL;
}

static void ring_scribbling_disturbs_nobody_else(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *good[2] = {raw_open(f), raw_open(f)};
    struct scribbler s[2] = {{.f = f, .seed = 1}, {.f = f, .seed = 2}};
    pthread_t threads[2];

    for (size_t i = 0; i < 2; i++)
        assert_int_equal(pthread_create(&threads[i], NULL, scribble_on, &s[i]), 0);
    for (uint32_t i = 0; i < 3000; i++)
        raw_ask(good[i % 2], i % 7 == 0 ? RING_PEER_LOOP : RING_PEER_WORKER, i, i % 5000);
    for (size_t i = 0; i < 2; i++)
        atomic_store(&s[i].stop, true);
    for (size_t i = 0; i < 2; i++)
        (void)pthread_join(threads[i], NULL);
    raw_close(good[0]);
    raw_close(good[1]);
}

/* Dying */

/* Goes so many steps, of which none comes back without the one before, and no further. */
static void live_for(struct raw *raw, const struct ring_fixture *f, int steps)
{
    struct kgr_lane_frame frame;
    size_t len = 0;
    uint8_t *at = NULL;

    for (int step = 0; step < steps; step++)
        switch (step) {
        case 0:
            dial(raw, f);
            break;
        case 1:
            greet(raw);
            break;
        case 2:
            ask_for_ring(raw);
            break;
        case 3:
            must(take_ring(raw) == KGR_OK);
            break;
        case 4:
            len = build(raw, RING_PEER_WORKER, 1, 500);
            at = raw->requests.bytes;
            memcpy(at + KGR_LANE_FRAME_LEN, raw->bytes, len);
            break;
        case 5:
            *(uint32_t *)(void *)at = (uint32_t)len;
            break;
        case 6:
            raw->requests.own = ((uint32_t)len + 8 + 63) / 64 * 64;
            atomic_store(raw->requests.own_word, raw->requests.own);
            break;
        case 7:
            wake(raw);
            break;
        case 8:
            must(raw_await(raw, &frame));
            break;
        case 9:
            memset(frame.bytes, 0, frame.len);
            break;
        case 10:
            kgr_lane_drop(&raw->replies, &frame);
            break;
        case 11:
            atomic_store(&words_of(raw)->client_waits.v, KGR_LANE_WAITS_FRAME);
            break;
        default:
            must(raw_put(raw, RING_PEER_LOOP, 3, 4000) == KGR_OK);
            must(raw_put(raw, RING_PEER_HELD, 4, 4000) == KGR_OK);
            break;
        }
}

static bool one_connection_is_left(struct ring_fixture *f)
{
    return f->server_stats.conns == 1 && f->stats.rings == 1;
}

static void ring_client_may_die_at_any_step(void **state)
{
    static struct raw dying;
    struct ring_fixture *f = *state;
    struct raw *good = raw_open(f);

    for (int steps = 0; steps <= 14; steps++) {
        int status = 0;
        pid_t pid = fork();

        if (pid == 0) {
            live_for(&dying, f, steps);
            (void)kill(getpid(), SIGKILL);
        }
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        assert_int_equal(WTERMSIG(status), SIGKILL);
        raw_ask(good, RING_PEER_WORKER, (uint32_t)steps, 700);
        ring_fixture_await(f, one_connection_is_left);
        ring_fixture_release(f);
        assert_int_equal(f->stats.breaches, 0);
    }
    raw_close(good);
}

static void ring_client_that_never_reads_is_bounded(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *raw = raw_open(f), *good = raw_open(f);
    bool seen[512] = {false};
    unsigned int put = 0, got = 0;
    uint32_t flags;

    for (int idle = 0; idle < 20; idle++) { /* until nothing has moved for some time */
        while (put < 512 && raw_put(raw, put % 2 == 0 ? RING_PEER_WORKER : RING_PEER_LOOP, put,
                                    30000) == KGR_OK) {
            put++;
            idle = 0;
            raw_ask(good, RING_PEER_WORKER, 1, 100);
        }
        usleep(1000);
    }
    /* What both rings hold, and one more for each way; not the 64 that may be in flight. */
    assert_true(put < 16);
    for (uint32_t i = 0; i < 50; i++)
        raw_ask(good, RING_PEER_WORKER, i, 100);
    for (; got < put; got++) {
        uint32_t id = raw_get(raw, 30000, &flags);

        assert_true(id < put && !seen[id]);
        seen[id] = true;
    }
    raw_ask(raw, RING_PEER_WORKER, 7, 100);
    raw_close(raw);
    raw_close(good);
}

static bool loop_holds_64(struct ring_fixture *f)
{
    return f->num_held >= 64;
}

static void ring_in_flight_limit_stops_reading(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *raw = raw_open(f), *good = raw_open(f);
    struct kgr_lane_frame frame;

    for (uint32_t i = 0; i < 70; i++)
        assert_int_equal(raw_put(raw, RING_PEER_HELD, i, 10), KGR_OK);
    ring_fixture_await(f, loop_holds_64);
    for (uint32_t i = 0; i < 50; i++)
        raw_ask(good, RING_PEER_WORKER, i, 100);
    ring_fixture_look(f);
    assert_int_equal(f->num_held, 64);
    ring_fixture_release(f);
    for (uint32_t i = 0; i < 64; i++) {
        assert_true(raw_await(raw, &frame));
        drop(raw, &frame);
    }
    while (f->num_held < 6)
        ring_fixture_look(f);
    ring_fixture_release(f);
    for (uint32_t i = 0; i < 6; i++) {
        assert_true(raw_await(raw, &frame));
        drop(raw, &frame);
    }
    raw_close(raw);
    raw_close(good);
}

static void workers_with_nothing_to_do_sleep(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *raws[3] = {raw_open(f), raw_open(f), raw_open(f)};
    bool slept = false;

    for (uint32_t i = 0; i < 300; i++)
        raw_ask(raws[i % 3], RING_PEER_WORKER, i, 100);
    /* They go to sleep once more after the last request, and that is it. */
    for (int i = 0; i < 10 && !slept; i++) {
        uint64_t before;

        ring_fixture_look(f);
        before = f->stats.sleeps;
        usleep(200000);
        ring_fixture_look(f);
        slept = f->stats.sleeps == before && before > 0;
    }
    assert_true(slept);
    for (size_t i = 0; i < 3; i++) {
        raw_ask(raws[i], RING_PEER_WORKER, 1, 100);
        raw_close(raws[i]);
    }
}

static void count_retired(void *arg)
{
    struct ring_fixture *f = arg;

    f->num_retired++;
}

static void retire(struct ring_fixture *f)
{
    assert_int_equal(kgr_workers_retire(f->workers, count_retired, f), KGR_OK);
}

static bool two_are_retired(struct ring_fixture *f)
{
    return f->num_retired >= 2;
}

static void workers_retire_what_nobody_can_look_at(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *raw = raw_open(f), *other = raw_open(f);
    uint32_t flags;

    assert_int_equal(kgr_workers_num(f->workers), 2);
    assert_int_equal(raw_put(raw, RING_PEER_STUCK, 1, 10), KGR_OK);
    while (sem_wait(&f->stuck) != 0)
        continue;
    ring_fixture_do(f, retire);
    ring_fixture_do(f, retire);
    for (uint32_t i = 0; i < 50; i++) /* turns of the other worker change nothing */
        raw_ask(other, RING_PEER_WORKER, i, 100);
    ring_fixture_look(f);
    assert_int_equal(f->num_retired, 0);
    (void)sem_post(&f->unstick);
    ring_fixture_await(f, two_are_retired);
    assert_int_equal(raw_get(raw, 10, &flags), 1);
    raw_close(raw);
    raw_close(other);
}

static void workers_end_with_requests_under_way(void **state)
{
    struct ring_fixture *f = *state;
    struct raw *raw = raw_open(f);

    for (uint32_t i = 0; i < 30; i++)
        assert_int_equal(raw_put(raw, i % 2 == 0 ? RING_PEER_HELD : RING_PEER_LOOP, i, 3000),
                         KGR_OK);
    ring_fixture_stop(f);
    assert_int_equal(atomic_load(&words_of(raw)->ended.v), 1);
    raw_close(raw);
    ring_fixture_start(f, 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(ring_serves_by_worker_and_by_loop, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_op_has_its_refusals, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_quota_of_a_user_holds, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_lies_end_it_and_nobody_else_notices, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_scribbling_disturbs_nobody_else, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_client_may_die_at_any_step, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_client_that_never_reads_is_bounded, setup, teardown),
        cmocka_unit_test_setup_teardown(ring_in_flight_limit_stops_reading, setup, teardown),
        cmocka_unit_test_setup_teardown(workers_with_nothing_to_do_sleep, setup, teardown),
        cmocka_unit_test_setup_teardown(workers_retire_what_nobody_can_look_at, setup, teardown),
        cmocka_unit_test_setup_teardown(workers_end_with_requests_under_way, setup, teardown),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
