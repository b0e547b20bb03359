/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/wire/lane.h"

#include "agent/base/secret.h"

#define MASK (KGR_SHM_RING - 1u)
/* Longer messages take their time anyway. */
#define WARM_MAX 32768u

_Static_assert((KGR_SHM_RING & MASK) == 0, "indices are reduced by a mask");
_Static_assert(KGR_IPC_PACKET_MAX + KGR_LANE_FRAME_LEN + KGR_LANE_ALIGN <= KGR_SHM_RING,
               "every packet fits into an empty ring");
_Static_assert(sizeof(struct kgr_lane_words) <= KGR_SHM_HEAD, "the words fit");
_Static_assert(ATOMIC_INT_LOCK_FREE == 2, "words are shared between processes");

static uint32_t frame_size(size_t len)
{
    return ((uint32_t)len + KGR_LANE_FRAME_LEN + KGR_LANE_ALIGN - 1u) & ~(KGR_LANE_ALIGN - 1u);
}

void kgr_lane_init_requests(struct kgr_lane *out, const struct kgr_shm *shm, bool client)
{
    struct kgr_lane_words *words = kgr_lane_words(shm);

    *out = (struct kgr_lane){
        .own_word = client ? &words->request_tail.v : &words->request_head.v,
        .its_word = client ? &words->request_head.v : &words->request_tail.v,
        .bytes = shm->ring[0],
    };
}

void kgr_lane_init_replies(struct kgr_lane *out, const struct kgr_shm *shm, bool client)
{
    struct kgr_lane_words *words = kgr_lane_words(shm);

    *out = (struct kgr_lane){
        .own_word = client ? &words->reply_head.v : &words->reply_tail.v,
        .its_word = client ? &words->reply_tail.v : &words->reply_head.v,
        .bytes = shm->ring[1],
    };
}

/* Takes the other end's index over if it can be true: used is what the ring would hold then. */
static bool believe(struct kgr_lane *lane, uint32_t its, uint32_t used)
{
    if (used > KGR_SHM_RING || its % KGR_LANE_ALIGN != 0)
        return false;
    lane->its = its;
    return true;
}

enum kgr_error kgr_lane_room(struct kgr_lane *lane, size_t len)
{
    uint32_t size = frame_size(len);
    uint32_t its;

    /* What was free is still free: it is asked anew only where that is not enough. */
    if (KGR_SHM_RING - (lane->own - lane->its) >= size)
        return KGR_OK;
    its = atomic_load(lane->its_word);
    /* Never back to before what it had taken: that would be a frame it has wiped. */
    if (its - lane->its > lane->own - lane->its || !believe(lane, its, lane->own - its))
        return KGR_ERR_CORRUPT;
    return KGR_SHM_RING - (lane->own - lane->its) >= size ? KGR_OK : KGR_ERR_BUSY;
}

void kgr_lane_put(struct kgr_lane *lane, uint32_t flags, struct kgr_slice head,
                  struct kgr_slice body)
{
    uint8_t *at = lane->bytes + (lane->own & MASK);
    uint32_t *frame = (uint32_t *)(void *)at;
    size_t len = head.len + body.len;

    frame[0] = (uint32_t)len;
    frame[1] = flags;
    kgr_copy(at + KGR_LANE_FRAME_LEN, head.p, head.len);
    kgr_copy(at + KGR_LANE_FRAME_LEN + head.len, body.p, body.len);
    lane->own += frame_size(len);
    atomic_store(lane->own_word, lane->own);
}

void kgr_lane_warm(uint8_t *next, size_t len)
{
    for (size_t i = 0; i < len + KGR_LANE_FRAME_LEN && i < WARM_MAX; i += KGR_LANE_ALIGN) {
#if defined(__x86_64__)
        /* The compiler's own needs a newer processor than it builds for; older ones take this for nothing. */
        __asm__ volatile("prefetchw %0" : : "m"(next[i]));
#else
        __builtin_prefetch(next + i, 1);
#endif
    }
}

enum kgr_error kgr_lane_look(struct kgr_lane *lane, struct kgr_lane_frame *out)
{
    _Atomic uint32_t *frame;
    uint32_t its = lane->its;
    uint32_t len;

    if (its == lane->own) {
        its = atomic_load(lane->its_word);
        if (its == lane->own)
            return KGR_ERR_BUSY;
        if (!believe(lane, its, its - lane->own))
            return KGR_ERR_CORRUPT;
    }
    frame = (_Atomic uint32_t *)(void *)(lane->bytes + (lane->own & MASK));
    len = atomic_load_explicit(&frame[0], memory_order_relaxed);
    if (len < KGR_IPC_HEADER_LEN || len > KGR_IPC_PACKET_MAX || frame_size(len) > its - lane->own)
        return KGR_ERR_CORRUPT;
    out->len = len;
    out->flags = atomic_load_explicit(&frame[1], memory_order_relaxed);
    out->bytes = lane->bytes + (lane->own & MASK) + KGR_LANE_FRAME_LEN;
    return KGR_OK;
}

void kgr_lane_drop(struct kgr_lane *lane, const struct kgr_lane_frame *frame)
{
    uint32_t size = frame_size(frame->len);

    kgr_cleanse(frame->bytes - KGR_LANE_FRAME_LEN, size);
    lane->own += size;
    atomic_store(lane->own_word, lane->own);
}

enum kgr_error kgr_ipc_ring_decode(struct kgr_ipc_ring *out, struct kgr_slice body)
{
    struct kgr_rd rd;

    kgr_rd_init(&rd, body.p, body.len);
    out->lowest = kgr_rd_u16(&rd);
    out->highest = kgr_rd_u16(&rd);
    if (out->lowest > out->highest)
        kgr_rd_fail(&rd);
    return kgr_wire_read_result(&rd);
}

enum kgr_error kgr_ipc_ring_encode(struct kgr_wr *wr, const struct kgr_ipc_ring *in)
{
    kgr_wr_u16(wr, in->lowest);
    kgr_wr_u16(wr, in->highest);
    return kgr_wire_write_result(wr);
}

enum kgr_error kgr_ipc_ring_reply_decode(struct kgr_ipc_ring_reply *out, struct kgr_slice body)
{
    struct kgr_rd rd;

    kgr_rd_init(&rd, body.p, body.len);
    out->version = kgr_rd_u16(&rd);
    out->len = kgr_rd_u32(&rd);
    return kgr_wire_read_result(&rd);
}

enum kgr_error kgr_ipc_ring_reply_encode(struct kgr_wr *wr, const struct kgr_ipc_ring_reply *in)
{
    kgr_wr_u16(wr, in->version);
    kgr_wr_u32(wr, in->len);
    return kgr_wire_write_result(wr);
}
