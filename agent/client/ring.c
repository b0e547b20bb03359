/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/ring.h"

#include <poll.h>
#include <stdlib.h>

#include "agent/base/clock.h"
#include "agent/base/futex.h"

/* An agent that was killed wakes nobody: the socket is looked at so often. */
#define SLICE_MS 50
/* After so many answers of the loop in a row the socket is taken, for so many requests. */
#define BY_LOOP_MAX 4
#define SKIPPED     256

bool kgr_client_ring_suits(uint16_t op)
{
    return op == KGR_IPC_CIPHER || op == KGR_IPC_MAC || op == KGR_IPC_SEAL || op == KGR_IPC_OPEN ||
           op == KGR_IPC_SEAL_BATCH || op == KGR_IPC_OPEN_BATCH || op == KGR_IPC_ETM ||
           op == KGR_IPC_ETM_OPEN;
}

enum kgr_error kgr_client_ring_map(struct kgr_client_ring **out, int fd, struct kgr_slice reply)
{
    struct kgr_ipc_ring_reply told;
    struct kgr_client_ring *ring;
    enum kgr_error err = kgr_ipc_ring_reply_decode(&told, reply);

    if (err != KGR_OK)
        return err;
    if (told.version != KGR_LANE_VERSION || told.len != KGR_SHM_LEN)
        return KGR_ERR_VERSION;
    ring = calloc(1, sizeof(*ring));
    if (ring == NULL)
        return KGR_ERR_NO_MEMORY;
    err = kgr_shm_map(&ring->shm, fd);
    if (err != KGR_OK) {
        free(ring);
        return err;
    }
    kgr_lane_init_requests(&ring->requests, &ring->shm, true);
    kgr_lane_init_replies(&ring->replies, &ring->shm, true);
    kgr_spin_init(&ring->spin);
    *out = ring;
    return KGR_OK;
}

void kgr_client_ring_free(struct kgr_client_ring *ring, bool forked)
{
    if (ring == NULL)
        return;
    if (!forked)
        kgr_shm_unmap(&ring->shm);
    free(ring);
}

/* Every operation that suits begins with the N_ID of a peer: a length and so many characters. */
struct kgr_client_ring_route *kgr_client_ring_route(struct kgr_client_ring *ring, uint16_t op,
                                                    struct kgr_slice body)
{
    uint32_t hash = 2166136261u ^ op;

    for (size_t i = 0; i < body.len && i <= body.p[0]; i++)
        hash = (hash ^ body.p[i]) * 16777619u;
    return &ring->routes[(hash >> 16 ^ hash) % KGR_CLIENT_RING_ROUTES];
}

bool kgr_client_route_skips(struct kgr_client_ring_route *route)
{
    if (route->skip == 0)
        return false;
    route->skip--;
    return true;
}

void kgr_client_route_learn(struct kgr_client_ring_route *route, bool by_loop)
{
    if (!by_loop)
        route->by_loop = 0;
    else if (route->by_loop < BY_LOOP_MAX)
        route->by_loop++;
    if (route->by_loop == BY_LOOP_MAX)
        route->skip = SKIPPED;
}

static void wake_agent(struct kgr_client_ring *ring, uint32_t bits)
{
    _Atomic uint32_t *waits = &kgr_lane_words(&ring->shm)->agent_waits.v;

    if (kgr_lane_wakes(waits, bits))
        kgr_futex_wake(waits);
}

enum kgr_error kgr_client_ring_send(struct kgr_client_ring *ring, struct kgr_slice packet)
{
    enum kgr_error err = kgr_lane_room(&ring->requests, packet.len);

    if (err != KGR_OK)
        return err;
    kgr_lane_put(&ring->requests, 0, packet, kgr_slice(NULL, 0));
    ring->last_len = packet.len;
    wake_agent(ring, KGR_LANE_WAITS_FRAME);
    return KGR_OK;
}

bool kgr_client_ring_has_taken(const struct kgr_client_ring *ring, uint32_t end)
{
    uint32_t head = atomic_load(ring->requests.its_word);

    /* What is in the ring is less than half of what the index counts: behind or past is a matter of the sign. */
    return head - end < UINT32_MAX / 2;
}

void kgr_client_ring_drop(struct kgr_client_ring *ring, const struct kgr_lane_frame *frame)
{
    kgr_lane_drop(&ring->replies, frame);
    wake_agent(ring, KGR_LANE_WAITS_ROOM);
}

/* What a wait is for. */
struct wait {
    struct kgr_client_ring *ring;
    bool wants_room;
    uint32_t its;
};

static bool has_ended(const struct kgr_client_ring *ring)
{
    return atomic_load(&kgr_lane_words(&ring->shm)->ended.v) != 0;
}

static bool is_ready(void *arg)
{
    const struct wait *w = arg;

    return kgr_lane_filled(&w->ring->replies) ||
           (w->wants_room && atomic_load(w->ring->requests.its_word) != w->its) ||
           atomic_load(&w->ring->nudged) != 0 || has_ended(w->ring);
}

static bool is_hung_up(const struct kgr_connection *connection)
{
    struct pollfd p = {.fd = connection->fd, .events = POLLRDHUP};

    return poll(&p, 1, 0) > 0 && p.revents != 0;
}

bool kgr_client_ring_wait(struct kgr_client_ring *ring, const struct kgr_connection *connection,
                          bool wants_room, uint32_t its, uint64_t deadline_ms)
{
    struct wait w = {ring, wants_room, its};
    _Atomic uint32_t *waits = &kgr_lane_words(&ring->shm)->client_waits.v;
    uint32_t bits = KGR_LANE_WAITS_FRAME | (wants_room ? KGR_LANE_WAITS_ROOM : 0u);
    bool spun = kgr_spin_wait(&ring->spin, is_ready, &w);

    while (!spun) {
        uint64_t now = kgr_clock_boot_ms();

        atomic_store(waits, bits);
        if (is_ready(&w) || now >= deadline_ms)
            break;
        if (is_hung_up(connection)) {
            atomic_store(waits, 0);
            return false;
        }
        kgr_futex_wait(waits, bits,
                       deadline_ms - now < SLICE_MS ? (uint32_t)(deadline_ms - now) : SLICE_MS);
    }
    if (!spun) {
        atomic_store(waits, 0);
        kgr_spin_slept(&ring->spin);
    }
    atomic_store(&ring->nudged, 0);
    return !has_ended(ring);
}

void kgr_client_ring_nudge(struct kgr_client_ring *ring)
{
    _Atomic uint32_t *waits = &kgr_lane_words(&ring->shm)->client_waits.v;

    atomic_store(&ring->nudged, 1);
    atomic_store(waits, 0);
    kgr_futex_wake(waits);
}
