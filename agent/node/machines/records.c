/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/records.h"

#include <sched.h>
#include <string.h>

#define GROWTH  4u
#define BUSY_MS 1000u
#define IDLE_MS 10000u
#define SPINS   100u

uint32_t kgr_reserve_next(struct kgr_reserve *reserve, uint32_t max, uint64_t now_ms)
{
    uint64_t passed_ms = now_ms - reserve->last_ms;

    if (reserve->units == 0 || passed_ms >= IDLE_MS)
        reserve->units = 1;
    else if (passed_ms < BUSY_MS)
        reserve->units = reserve->units > max / GROWTH ? max : reserve->units * GROWTH;
    reserve->last_ms = now_ms;
    return reserve->units;
}

/* The end of the row of that many blocks that sequence (from 1) lies in. */
static uint64_t row_end(uint64_t sequence, uint32_t blocks)
{
    uint64_t len = (uint64_t)blocks * KGR_RECORD_BLOCK;
    uint64_t rows = (sequence - 1) / len;

    return rows >= UINT64_MAX / len ? UINT64_MAX : (rows + 1) * len;
}

/*
 * So many blocks from the one that sequence lies in, but never past the end of the row of KGR_RECORD_BLOCKS: after a crash of
 * both ends the sender goes on in the next row, and the receiver has reserved nothing there.
 */
static uint64_t reserve_end(uint64_t sequence, uint32_t blocks)
{
    uint64_t row = row_end(sequence, KGR_RECORD_BLOCKS);
    uint64_t end = row_end(sequence, 1);
    uint64_t more = (uint64_t)(blocks - 1) * KGR_RECORD_BLOCK;

    return more >= row - end ? row : end + more;
}

/* The middle of what lies between what is used and the ceiling. */
static uint64_t middle(uint64_t used, uint64_t ceiling)
{
    return used >= ceiling ? ceiling : used + (ceiling - used) / 2;
}

void kgr_record_send_restart(struct kgr_record_send *out, uint64_t ceiling)
{
    if (ceiling != 0 && ceiling % KGR_RECORD_BLOCK == 0)
        ceiling = row_end(ceiling, KGR_RECORD_BLOCKS);
    atomic_init(&out->ceiling, ceiling);
    atomic_init(&out->low, ceiling);
    /* 0 stands for "spent": no number follows the last one. */
    atomic_init(&out->next, ceiling + 1);
}

enum kgr_error kgr_record_send_need(const struct kgr_record_send *send, uint32_t blocks,
                                    bool *out_needed, uint64_t *out_ceiling)
{
    uint64_t next = atomic_load_explicit(&send->next, memory_order_relaxed);

    if (next == 0)
        return KGR_ERR_QUOTA;
    *out_needed = next > atomic_load_explicit(&send->ceiling, memory_order_relaxed);
    if (*out_needed)
        *out_ceiling = reserve_end(next, blocks);
    return KGR_OK;
}

bool kgr_record_send_is_low(const struct kgr_record_send *send)
{
    uint64_t next = atomic_load_explicit(&send->next, memory_order_relaxed);

    return next != 0 && next > atomic_load_explicit(&send->low, memory_order_relaxed);
}

uint64_t kgr_record_send_more(const struct kgr_record_send *send, uint32_t blocks)
{
    uint64_t ceiling = atomic_load_explicit(&send->ceiling, memory_order_relaxed);

    return ceiling == UINT64_MAX ? UINT64_MAX : reserve_end(ceiling + 1, blocks);
}

void kgr_record_send_raise(struct kgr_record_send *send, uint64_t ceiling)
{
    uint64_t before = atomic_load_explicit(&send->ceiling, memory_order_relaxed);
    uint64_t next = atomic_load_explicit(&send->next, memory_order_relaxed);

    if (ceiling <= before)
        return;
    atomic_store_explicit(&send->low, middle(next - 1, ceiling), memory_order_relaxed);
    atomic_store_explicit(&send->ceiling, ceiling, memory_order_release);
}

enum kgr_error kgr_record_send_take(struct kgr_record_send *send, uint32_t num, uint64_t *out)
{
    uint64_t next = atomic_load_explicit(&send->next, memory_order_relaxed);
    uint64_t ceiling;

    do {
        ceiling = atomic_load_explicit(&send->ceiling, memory_order_acquire);
        if (next == 0 || next > ceiling || num > ceiling - next + 1)
            return KGR_ERR_STATE;
    } while (!atomic_compare_exchange_weak_explicit(&send->next, &next, next + num,
                                                    memory_order_relaxed, memory_order_relaxed));
    *out = next;
    return KGR_OK;
}

uint64_t kgr_record_send_exact(const struct kgr_record_send *send)
{
    return atomic_load_explicit(&send->next, memory_order_relaxed) - 1;
}

/* Receiving */

static void enter(struct kgr_record_recv *recv)
{
    for (unsigned i = 1; atomic_flag_test_and_set_explicit(&recv->lock, memory_order_acquire); i++)
        if (i % SPINS == 0)
            (void)sched_yield(); /* who holds it has lost the processor */
}

static void leave(struct kgr_record_recv *recv)
{
    atomic_flag_clear_explicit(&recv->lock, memory_order_release);
}

static uint64_t bit(uint64_t sequence)
{
    return UINT64_C(1) << (sequence % 64);
}

static size_t word(uint64_t sequence)
{
    return (size_t)(sequence % KGR_RECORD_WINDOW / 64);
}

static void restart(struct kgr_record_recv *out, uint64_t ceiling)
{
    atomic_flag_clear_explicit(&out->lock, memory_order_relaxed);
    out->highest = ceiling;
    out->ceiling = ceiling;
    out->low = ceiling;
}

void kgr_record_recv_restart(struct kgr_record_recv *out, uint64_t ceiling)
{
    restart(out, ceiling);
    memset(out->seen, ceiling != 0 ? 0xff : 0, sizeof(out->seen));
}

void kgr_record_recv_restore(struct kgr_record_recv *out, uint64_t ceiling,
                             const uint64_t seen[KGR_RECORD_WINDOW / 64])
{
    restart(out, ceiling);
    memcpy(out->seen, seen, sizeof(out->seen));
}

static enum kgr_error check(const struct kgr_record_recv *recv, uint64_t sequence)
{
    if (sequence == 0)
        return KGR_ERR_CORRUPT;
    if (sequence > recv->highest)
        return KGR_OK;
    if (recv->highest - sequence >= KGR_RECORD_WINDOW ||
        (recv->seen[word(sequence)] & bit(sequence)) != 0)
        return KGR_ERR_REPLAY;
    return KGR_OK;
}

enum kgr_error kgr_record_recv_check(struct kgr_record_recv *recv, uint64_t sequence)
{
    enum kgr_error err;

    enter(recv);
    err = check(recv, sequence);
    leave(recv);
    return err;
}

bool kgr_record_recv_need(struct kgr_record_recv *recv, uint64_t sequence, uint32_t blocks,
                          uint64_t *out_ceiling)
{
    bool needed;

    enter(recv);
    needed = sequence > recv->ceiling;
    leave(recv);
    if (needed)
        *out_ceiling = reserve_end(sequence, blocks);
    return needed;
}

bool kgr_record_recv_is_low(struct kgr_record_recv *recv)
{
    bool low;

    enter(recv);
    low = recv->highest > recv->low;
    leave(recv);
    return low;
}

uint64_t kgr_record_recv_more(struct kgr_record_recv *recv, uint32_t blocks)
{
    uint64_t ceiling;

    enter(recv);
    ceiling = recv->ceiling;
    leave(recv);
    return ceiling == UINT64_MAX ? UINT64_MAX : reserve_end(ceiling + 1, blocks);
}

void kgr_record_recv_raise(struct kgr_record_recv *recv, uint64_t ceiling)
{
    enter(recv);
    if (ceiling > recv->ceiling) {
        recv->low = middle(recv->highest, ceiling);
        recv->ceiling = ceiling;
    }
    leave(recv);
}

static void mark(struct kgr_record_recv *recv, uint64_t sequence)
{
    if (sequence > recv->highest) {
        uint64_t skipped = sequence - recv->highest - 1;

        if (skipped >= KGR_RECORD_WINDOW)
            memset(recv->seen, 0, sizeof(recv->seen));
        for (uint64_t i = 1; skipped < KGR_RECORD_WINDOW && i <= skipped; i++)
            recv->seen[word(recv->highest + i)] &= ~bit(recv->highest + i);
        recv->highest = sequence;
    }
    recv->seen[word(sequence)] |= bit(sequence);
}

enum kgr_error kgr_record_recv_accept(struct kgr_record_recv *recv, uint64_t sequence)
{
    enum kgr_error err;

    enter(recv);
    err = check(recv, sequence);
    if (err == KGR_OK && sequence > recv->ceiling)
        err = KGR_ERR_STATE;
    if (err == KGR_OK)
        mark(recv, sequence);
    leave(recv);
    return err;
}

uint64_t kgr_record_recv_exact(struct kgr_record_recv *recv)
{
    uint64_t highest;

    enter(recv);
    highest = recv->highest;
    leave(recv);
    return highest;
}
