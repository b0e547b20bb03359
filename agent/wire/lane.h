/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/shm.h"
#include "agent/wire/ipc.h"

/*
 * The rings of docs/protocol.md, section 11.1. A lane is one end of one ring: it puts in, or it takes out. Whoever shares a lane
 * between threads lets one of them use it at a time.
 *
 * Nothing that stands in the shared memory is believed: a lane keeps its own index, and checks every value
 * of the other end, loaded once, before it uses it.
 */
#define KGR_LANE_VERSION   1
#define KGR_LANE_ALIGN     64u
#define KGR_LANE_FRAME_LEN 8u
#define KGR_LANE_BY_LOOP   1u /* flag of a reply */

#define KGR_LANE_WAITS_FRAME 1u /* bits of the words of waiting */
#define KGR_LANE_WAITS_ROOM  2u

struct kgr_lane_word {
    _Alignas(KGR_LANE_ALIGN) _Atomic uint32_t v;
};

/* What stands at the head of the shared memory. */
struct kgr_lane_words {
    struct kgr_lane_word request_tail, request_head;
    struct kgr_lane_word reply_tail, reply_head;
    struct kgr_lane_word agent_waits, client_waits;
    struct kgr_lane_word ended;
};

struct kgr_lane {
    _Atomic uint32_t *own_word; /* we store it */
    _Atomic uint32_t *its_word; /* the other end does */
    uint8_t *bytes;             /* the ring, mapped twice */
    uint32_t own;               /* what we stored last */
    uint32_t its;               /* what we loaded last, and found good */
};

struct kgr_lane_frame {
    uint8_t *bytes; /* of the message, in the ring: the other end may change them */
    uint32_t len;
    uint32_t flags;
};

static inline struct kgr_lane_words *kgr_lane_words(const struct kgr_shm *shm)
{
    return (struct kgr_lane_words *)(void *)shm->head;
}

/* The two ends of each side; client: the client's, else the agent's. */
void kgr_lane_init_requests(struct kgr_lane *out, const struct kgr_shm *shm, bool client);
void kgr_lane_init_replies(struct kgr_lane *out, const struct kgr_shm *shm, bool client);

/* For the end that puts in. */

/* kgr_lane_room: KGR_OK when a message of len bytes (at most a packet) fits now; KGR_ERR_BUSY; KGR_ERR_CORRUPT: a breach. */
KGR_MUST_CHECK enum kgr_error kgr_lane_room(struct kgr_lane *lane, size_t len);
/*
 * kgr_lane_put copies a message that consists of head and body. After kgr_lane_room said that it fits. The other end may have
 * to be woken: kgr_lane_wakes.
 */
void kgr_lane_put(struct kgr_lane *lane, uint32_t flags, struct kgr_slice head,
                  struct kgr_slice body);

/*
 * kgr_lane_next is where the next message will stand. kgr_lane_warm has the processor fetch the lines for a message of len bytes
 * there, which the other end wiped last: while there is nothing else to do, so that kgr_lane_put need not wait for them.
 */
static inline uint8_t *kgr_lane_next(const struct kgr_lane *lane)
{
    return lane->bytes + (lane->own & (KGR_SHM_RING - 1u));
}
void kgr_lane_warm(uint8_t *next, size_t len);

/* For the end that takes out. */

/*
 * kgr_lane_look finds the oldest message: KGR_ERR_BUSY when there is none, KGR_ERR_CORRUPT: a breach. It stays where it is until
 * kgr_lane_drop.
 */
KGR_MUST_CHECK enum kgr_error kgr_lane_look(struct kgr_lane *lane, struct kgr_lane_frame *out);
/* kgr_lane_drop wipes the message that was looked at last, and gives its room back. */
void kgr_lane_drop(struct kgr_lane *lane, const struct kgr_lane_frame *frame);
/* kgr_lane_filled: kgr_lane_look has something to say. */
static inline bool kgr_lane_filled(const struct kgr_lane *lane)
{
    return lane->its != lane->own || atomic_load(lane->its_word) != lane->own;
}
/* kgr_lane_moved: the other end has stored another index since it was loaded last. */
static inline bool kgr_lane_moved(const struct kgr_lane *lane)
{
    return atomic_load(lane->its_word) != lane->its;
}

/* kgr_lane_wakes tells whether waits has one of bits, and clears it then: kgr_futex_wake is due. */
static inline bool kgr_lane_wakes(_Atomic uint32_t *waits, uint32_t bits)
{
    return (atomic_load(waits) & bits) != 0 && atomic_exchange(waits, 0) != 0;
}

/* Op ring. */
struct kgr_ipc_ring {
    uint16_t lowest;
    uint16_t highest;
};

struct kgr_ipc_ring_reply {
    uint16_t version;
    uint32_t len; /* of the memory */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_ring_decode(struct kgr_ipc_ring *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_ring_encode(struct kgr_wr *wr, const struct kgr_ipc_ring *in);
KGR_MUST_CHECK enum kgr_error kgr_ipc_ring_reply_decode(struct kgr_ipc_ring_reply *out,
                                                        struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_ring_reply_encode(struct kgr_wr *wr,
                                                        const struct kgr_ipc_ring_reply *in);
