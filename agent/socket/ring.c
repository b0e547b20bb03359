/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/socket/ring.h"

#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "agent/base/clock.h"
#include "agent/base/secret.h"
#include "agent/socket/principal.h"
#include "agent/socket/worker.h"

/* A reply that found no room. */
struct kgr_stored_reply {
    struct kgr_stored_reply *next;
    uint32_t flags;
    size_t len;
    uint8_t bytes[];
};

struct kgr_served_ring {
    struct kgr_served_ring_options options;
    struct kgr_workers *workers;
    struct kgr_worker *worker;
    atomic_uint refs;
    atomic_bool ended;    /* the connection let go */
    atomic_bool breached; /* nothing more is read or written */
    struct kgr_shm shm;
    struct kgr_lane requests; /* the worker's */
    /* The worker's: where its next reply will stand, if the loop puts none before, and how long the last was. */
    uint8_t *next_reply;
    size_t last_len;
    /* Requests that are with the loop, and replies that found no room; changed under the lock only. */
    atomic_uint num_handed, num_stored;
    pthread_mutex_t lock; /* of what follows: the loop and the worker both reply */
    struct kgr_lane replies;
    struct kgr_stored_reply *first, *last;
};

static struct kgr_lane_words *words_of(const struct kgr_served_ring *ring)
{
    return kgr_lane_words(&ring->shm);
}

static struct kgr_account *account_of(const struct kgr_served_ring *ring)
{
    return kgr_principal_account(ring->options.peer.principal);
}

/* References */

static void drop_stored(struct kgr_served_ring *ring)
{
    struct kgr_stored_reply *r = ring->first;

    ring->first = r->next;
    if (ring->first == NULL)
        ring->last = NULL;
    atomic_fetch_sub(&ring->num_stored, 1);
    kgr_cleanse(r->bytes, r->len);
    free(r);
}

void kgr_served_ring_ref(struct kgr_served_ring *ring)
{
    atomic_fetch_add(&ring->refs, 1);
}

void kgr_served_ring_unref(struct kgr_served_ring *ring)
{
    if (atomic_fetch_sub(&ring->refs, 1) != 1)
        return;
    while (ring->first != NULL)
        drop_stored(ring);
    kgr_shm_unmap(&ring->shm);
    kgr_principal_unref(ring->options.peer.principal);
    (void)pthread_mutex_destroy(&ring->lock);
    free(ring);
}

static struct kgr_handed *new_handed(struct kgr_served_ring *ring, struct kgr_slice body)
{
    struct kgr_handed *item = malloc(sizeof(*item) + body.len);

    if (item == NULL)
        return NULL;
    *item = (struct kgr_handed){.ring = ring, .len = body.len};
    kgr_copy(item->body, body.p, body.len);
    kgr_served_ring_ref(ring);
    return item;
}

/* Nothing is believed any more; the loop ends the connection. */
static void breach(struct kgr_served_ring *ring)
{
    struct kgr_handed *item;

    if (atomic_exchange(&ring->breached, true))
        return;
    item = new_handed(ring, kgr_slice(NULL, 0));
    /* Without memory the client finds a ring that does not answer, until it goes away. */
    if (item == NULL)
        return;
    item->breach = true;
    kgr_workers_hand(ring->workers, item);
}

/* Replies */

static void wake_client(struct kgr_served_ring *ring, uint32_t bits)
{
    _Atomic uint32_t *waits = &words_of(ring)->client_waits.v;

    if (kgr_lane_wakes(waits, bits))
        kgr_futex_wake(waits);
}

/* With the lock held: what is stored goes first. False when the ring is full or broken. */
static bool flush(struct kgr_served_ring *ring)
{
    while (ring->first != NULL) {
        struct kgr_stored_reply *r = ring->first;
        enum kgr_error err = kgr_lane_room(&ring->replies, r->len);

        if (err == KGR_ERR_CORRUPT)
            breach(ring);
        if (err != KGR_OK)
            return false;
        kgr_lane_put(&ring->replies, r->flags, kgr_slice(r->bytes, r->len), kgr_slice(NULL, 0));
        drop_stored(ring);
    }
    return true;
}

/* With the lock held. */
static void store(struct kgr_served_ring *ring, uint32_t flags, struct kgr_slice head,
                  struct kgr_slice body)
{
    struct kgr_stored_reply *r = malloc(sizeof(*r) + head.len + body.len);

    if (r == NULL) {
        /* A client that waits for this reply in vain had better connect again. */
        breach(ring);
        return;
    }
    *r = (struct kgr_stored_reply){.flags = flags, .len = head.len + body.len};
    kgr_copy(r->bytes, head.p, head.len);
    kgr_copy(r->bytes + head.len, body.p, body.len);
    if (ring->last != NULL)
        ring->last->next = r;
    else
        ring->first = r;
    ring->last = r;
    atomic_fetch_add(&ring->num_stored, 1);
}

/* Where the next one will stand. */
static uint8_t *send_reply(struct kgr_served_ring *ring, uint32_t flags,
                           const struct kgr_ipc_header *header, struct kgr_slice body)
{
    uint8_t *next;
    uint8_t head[KGR_IPC_HEADER_LEN];
    struct kgr_wr wr;
    enum kgr_error err = KGR_ERR_BUSY;

    kgr_wr_init(&wr, head, sizeof(head));
    kgr_ipc_header_encode(&wr, header);
    (void)pthread_mutex_lock(&ring->lock);
    if (flush(ring))
        err = kgr_lane_room(&ring->replies, sizeof(head) + body.len);
    if (err == KGR_OK)
        kgr_lane_put(&ring->replies, flags, kgr_wr_slice(&wr), body);
    else if (err == KGR_ERR_CORRUPT)
        breach(ring);
    else
        store(ring, flags, kgr_wr_slice(&wr), body);
    next = kgr_lane_next(&ring->replies);
    (void)pthread_mutex_unlock(&ring->lock);
    wake_client(ring, KGR_LANE_WAITS_FRAME);
    return next;
}

void kgr_served_ring_reply(struct kgr_served_ring *ring, const struct kgr_ipc_header *header,
                           struct kgr_slice body)
{
    if (atomic_load(&ring->breached))
        return;
    (void)send_reply(ring, KGR_LANE_BY_LOOP, header, body);
    /* The worker waits for room from now on, or takes requests again. */
    if (atomic_fetch_sub(&ring->num_handed, 1) >= ring->options.max_in_flight ||
        atomic_load(&ring->num_stored) > 0)
        kgr_worker_ring(ring->worker);
}

/* The worker's thread */

static bool may_take(const struct kgr_served_ring *ring)
{
    return atomic_load(&ring->num_stored) == 0 &&
           atomic_load(&ring->num_handed) < ring->options.max_in_flight;
}

/* Answers with an error. */
static void refuse(struct kgr_served_ring *ring, const struct kgr_ipc_header *header,
                   enum kgr_error err, const struct kgr_diag *why)
{
    const struct kgr_ipc_header h = {header->op, true, header->id, (uint32_t)err};
    const char *text = kgr_diag_text(why, err);
    uint8_t body[1 + KGR_IPC_TEXT_MAX];
    struct kgr_wr wr;

    kgr_wr_init(&wr, body, sizeof(body));
    kgr_wire_write_text8(&wr, kgr_slice(text, strnlen(text, KGR_IPC_TEXT_MAX)), KGR_IPC_TEXT_MAX);
    (void)send_reply(ring, 0, &h, kgr_wr_slice(&wr));
}

/* Counts a request in the account of its user, as those of the socket are. */
static enum kgr_error count(struct kgr_served_ring *ring, struct kgr_diag *why)
{
    struct kgr_account *account = account_of(ring);
    enum kgr_error err = kgr_account_begin(account, 1, why);

    if (err == KGR_OK && kgr_account_is_rated(account)) {
        err = kgr_account_take(account, 1, kgr_clock_boot_ns(), why);
        if (err != KGR_OK)
            kgr_account_end(account, 1);
    }
    return err;
}

static void hand_on(struct kgr_served_ring *ring, const struct kgr_ipc_header *header,
                    struct kgr_slice body)
{
    struct kgr_handed *item = new_handed(ring, body);

    if (item == NULL) {
        kgr_account_end(account_of(ring), 1);
        refuse(ring, header, KGR_ERR_NO_MEMORY, NULL);
        return;
    }
    item->header = *header;
    atomic_fetch_add(&ring->num_handed, 1);
    kgr_workers_hand(ring->workers, item);
}

/* What stands in the reply when the handler is done; the text of an error if it wrote none. */
static struct kgr_slice finish_body(struct kgr_wr *reply, enum kgr_error *status,
                                    const struct kgr_diag *diag)
{
    if (*status == KGR_OK && !kgr_wr_ok(reply))
        *status = KGR_ERR_TOO_LARGE;
    if (*status != KGR_OK && (reply->len == 0 || !kgr_wr_ok(reply))) {
        const char *text = kgr_diag_text(diag, *status);

        reply->len = 0;
        reply->failed = false;
        kgr_wire_write_text8(reply, kgr_slice(text, strnlen(text, KGR_IPC_TEXT_MAX)),
                             KGR_IPC_TEXT_MAX);
    }
    return kgr_wr_slice(reply);
}

static void serve(struct kgr_served_ring *ring, const struct kgr_ipc_header *header, size_t len)
{
    struct kgr_worker *w = ring->worker;
    const struct kgr_worker_request request = {
        .worker = w->index,
        .scratch = w->scratch,
        .peer = ring->options.peer,
        .slot = ring->options.slot,
        .generation = ring->options.generation,
        .op = header->op,
        .body = w->in + KGR_IPC_HEADER_LEN,
        .body_len = len - KGR_IPC_HEADER_LEN,
    };
    const struct kgr_workers_options *o = &ring->workers->options;
    enum kgr_error status = KGR_OK;
    struct kgr_diag diag = {{0}};
    enum kgr_worker_verdict verdict;
    struct kgr_wr reply;

    status = count(ring, &diag);
    if (status != KGR_OK) {
        refuse(ring, header, status, &diag);
        return;
    }
    kgr_wr_init(&reply, w->out, KGR_IPC_PACKET_MAX - KGR_IPC_HEADER_LEN);
    atomic_fetch_add(&w->turn, 1);
    verdict = o->handler(o->arg, &request, &reply, &status, &diag);
    atomic_fetch_add(&w->turn, 1);
    if (atomic_load(&ring->workers->retiring))
        kgr_wakeup_signal(ring->workers->wakeup);
    if (verdict == KGR_WORKER_DONE) {
        struct kgr_slice body = finish_body(&reply, &status, &diag);
        const struct kgr_ipc_header h = {header->op, true, header->id, (uint32_t)status};

        kgr_account_end(account_of(ring), 1);
        if (ring->options.tally != NULL)
            kgr_tally_add(ring->options.tally, ring->options.door, header->op, h.status);
        ring->next_reply = send_reply(ring, 0, &h, body);
        ring->last_len = body.len;
    } else {
        atomic_fetch_add_explicit(&w->num_handed, 1, memory_order_relaxed);
        hand_on(ring, header, kgr_slice(request.body, request.body_len));
    }
    kgr_cleanse(w->out, reply.len);
}

static bool take_request(struct kgr_served_ring *ring)
{
    struct kgr_worker *w = ring->worker;
    struct kgr_lane_frame frame;
    struct kgr_ipc_header header;
    struct kgr_slice body;
    enum kgr_error err = kgr_lane_look(&ring->requests, &frame);

    if (err == KGR_ERR_BUSY)
        return false;
    if (err == KGR_OK) {
        memcpy(w->in, frame.bytes, frame.len);
        err = kgr_ipc_header_decode(&header, &body, kgr_slice(w->in, frame.len));
        if (err == KGR_OK &&
            (header.reply || header.op == KGR_IPC_HELLO || header.op == KGR_IPC_RING))
            err = KGR_ERR_CORRUPT;
        if (err == KGR_OK) {
            atomic_fetch_add_explicit(&w->num_requests, 1, memory_order_relaxed);
            serve(ring, &header, frame.len);
        }
        kgr_cleanse(w->in, frame.len);
    }
    if (err != KGR_OK) {
        breach(ring);
        return false;
    }
    kgr_lane_drop(&ring->requests, &frame);
    wake_client(ring, KGR_LANE_WAITS_ROOM);
    if (ring->last_len != 0)
        kgr_lane_warm(ring->next_reply, ring->last_len);
    ring->last_len = 0;
    return true;
}

bool kgr_served_ring_is_over(const struct kgr_served_ring *ring)
{
    return atomic_load(&ring->ended) || atomic_load(&ring->breached);
}

bool kgr_served_ring_turn(struct kgr_served_ring *ring)
{
    bool flushed = false;

    if (kgr_served_ring_is_over(ring))
        return false;
    if (atomic_load(&ring->num_stored) > 0) {
        unsigned int before = atomic_load(&ring->num_stored);

        (void)pthread_mutex_lock(&ring->lock);
        (void)flush(ring);
        (void)pthread_mutex_unlock(&ring->lock);
        flushed = atomic_load(&ring->num_stored) < before;
        if (flushed)
            wake_client(ring, KGR_LANE_WAITS_FRAME);
    }
    return may_take(ring) ? take_request(ring) || flushed : flushed;
}

bool kgr_served_ring_ready(struct kgr_served_ring *ring)
{
    bool ready;

    if (kgr_served_ring_is_over(ring))
        return false;
    if (may_take(ring) && kgr_lane_filled(&ring->requests))
        return true;
    if (atomic_load(&ring->num_stored) == 0)
        return false;
    (void)pthread_mutex_lock(&ring->lock);
    ready = kgr_lane_moved(&ring->replies);
    (void)pthread_mutex_unlock(&ring->lock);
    return ready;
}

uint32_t kgr_served_ring_arm(struct kgr_served_ring *ring)
{
    uint32_t bits = 0;

    if (kgr_served_ring_is_over(ring))
        return 0;
    if (may_take(ring))
        bits |= KGR_LANE_WAITS_FRAME;
    if (atomic_load(&ring->num_stored) > 0)
        bits |= KGR_LANE_WAITS_ROOM;
    atomic_store(&words_of(ring)->agent_waits.v, bits);
    return bits;
}

void kgr_served_ring_disarm(struct kgr_served_ring *ring)
{
    atomic_store(&words_of(ring)->agent_waits.v, 0);
}

_Atomic uint32_t *kgr_served_ring_bell(struct kgr_served_ring *ring)
{
    return &words_of(ring)->agent_waits.v;
}

/* The loop's thread */

uid_t kgr_served_ring_uid(const struct kgr_served_ring *ring)
{
    return ring->options.peer.uid;
}

struct kgr_worker *kgr_served_ring_worker(const struct kgr_served_ring *ring)
{
    return ring->worker;
}

void kgr_served_ring_take(struct kgr_served_ring *ring, const struct kgr_handed *item, bool heed)
{
    bool over = !heed || atomic_load(&ring->ended);

    if (item->breach) {
        if (!over)
            ring->options.breached(ring->options.arg);
        return;
    }
    if (over || atomic_load(&ring->breached) ||
        !ring->options.request(ring->options.arg, &item->header, kgr_slice(item->body, item->len)))
        kgr_account_end(account_of(ring), 1);
}

enum kgr_error kgr_served_ring_new(struct kgr_served_ring **out, struct kgr_workers *workers,
                                   const struct kgr_served_ring_options *options, int *out_fd)
{
    struct kgr_served_ring *ring = calloc(1, sizeof(*ring));
    enum kgr_error err;

    if (ring == NULL)
        return KGR_ERR_NO_MEMORY;
    ring->options = *options;
    ring->workers = workers;
    atomic_init(&ring->refs, 1);
    if (pthread_mutex_init(&ring->lock, NULL) != 0) {
        free(ring);
        return KGR_ERR_NO_MEMORY;
    }
    (void)kgr_principal_ref(ring->options.peer.principal);
    err = kgr_shm_create(&ring->shm, out_fd);
    if (err == KGR_OK) {
        kgr_lane_init_requests(&ring->requests, &ring->shm, false);
        kgr_lane_init_replies(&ring->replies, &ring->shm, false);
        err = kgr_workers_attach(workers, options->peer.uid, ring, &ring->worker);
        if (err != KGR_OK)
            (void)close(*out_fd);
    }
    if (err != KGR_OK) {
        kgr_served_ring_unref(ring);
        return err;
    }
    *out = ring;
    return KGR_OK;
}

void kgr_served_ring_end(struct kgr_served_ring *ring)
{
    struct kgr_lane_words *words;

    if (ring == NULL)
        return;
    words = words_of(ring);
    atomic_store(&ring->ended, true);
    atomic_store(&words->ended.v, 1);
    atomic_store(&words->client_waits.v, 0);
    kgr_futex_wake(&words->client_waits.v);
    kgr_workers_detach(ring->workers, ring);
    kgr_worker_ring(ring->worker);
    kgr_served_ring_unref(ring);
}
