/* SPDX-License-Identifier: BSD-2-Clause */
/*
 * Target: the taking end of a ring (docs/protocol.md, 11.1), over whatever the other end wrote there.
 * Input: u32 index of both ends at first (its lowest bits are cleared), u32 tail, u32 step by which the tail is moved after each
 * message, then what stands in the ring from that index on. Property: every message that is found lies between the two
 * indices and within two rounds of the ring, and no more is taken than a ring holds before the tail moves.
 */
#include "agent/wire/lane.h"

#include "tests/fuzz/harness.h"

static uint8_t ring[2 * KGR_SHM_RING];

static uint32_t number(const uint8_t *p)
{
    uint32_t v;

    memcpy(&v, p, sizeof(v));
    return v;
}

/* What stands in the ring, in both rounds. */
static void fill(uint32_t at, const uint8_t *data, size_t size)
{
    memset(ring, 0, sizeof(ring));
    for (size_t i = 0; i < size; i++) {
        size_t place = (at + i) % KGR_SHM_RING;

        ring[place] = ring[place + KGR_SHM_RING] = data[i];
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static _Atomic uint32_t own_word, its_word;
    struct kgr_lane lane = {.own_word = &own_word, .its_word = &its_word, .bytes = ring};
    struct kgr_lane_frame frame;
    uint32_t step;

    if (size < 12 || size > KGR_IPC_PACKET_MAX)
        return 0;
    lane.own = lane.its = number(data) & ~(KGR_LANE_ALIGN - 1u);
    atomic_store(&its_word, number(data + 4));
    step = number(data + 8);
    fill(lane.own, data + 12, size - 12);
    for (int i = 0; i < 4096 && kgr_lane_look(&lane, &frame) == KGR_OK; i++) {
        struct kgr_ipc_header header;
        struct kgr_slice body;
        uint32_t before = lane.own;

        fuzz_check(frame.bytes >= ring + KGR_LANE_FRAME_LEN);
        fuzz_check(frame.len <= (size_t)(ring + sizeof(ring) - frame.bytes));
        fuzz_check(frame.len >= KGR_IPC_HEADER_LEN && frame.len <= KGR_IPC_PACKET_MAX);
        fuzz_check(frame.len + KGR_LANE_FRAME_LEN <= lane.its - lane.own);
        (void)!kgr_ipc_header_decode(&header, &body, kgr_slice(frame.bytes, frame.len));
        kgr_lane_drop(&lane, &frame);
        fuzz_check(lane.own - before <= KGR_SHM_RING && lane.its - lane.own <= KGR_SHM_RING);
        atomic_store(&its_word, atomic_load(&its_word) + step);
    }
    return 0;
}
