/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/records.h"

#include <string.h>

/*
 * The end of the block that sequence (from 1) lies in. Both ends reserve the same blocks, so that
 * after a crash of both the sender goes on where the receiver accepts.
 */
static uint64_t block_end(uint64_t sequence)
{
    uint64_t blocks = (sequence - 1) / KGR_RECORD_BLOCK;
    return blocks >= UINT64_MAX / KGR_RECORD_BLOCK ? UINT64_MAX : (blocks + 1) * KGR_RECORD_BLOCK;
}

void kgr_record_send_restart(struct kgr_record_send *out, uint64_t ceiling)
{
    out->ceiling = ceiling;
    /* 0 stands for "spent": no number follows the last one. */
    out->next = ceiling + 1;
}

enum kgr_error kgr_record_send_need(const struct kgr_record_send *send, bool *out_needed,
                                    uint64_t *out_ceiling)
{
    if (send->next == 0)
        return KGR_ERR_QUOTA;
    *out_needed = send->next > send->ceiling;
    if (*out_needed)
        *out_ceiling = block_end(send->next);
    return KGR_OK;
}

void kgr_record_send_raise(struct kgr_record_send *send, uint64_t ceiling)
{
    if (ceiling > send->ceiling)
        send->ceiling = ceiling;
}

enum kgr_error kgr_record_send_take(struct kgr_record_send *send, uint64_t *out)
{
    if (send->next == 0 || send->next > send->ceiling)
        return KGR_ERR_STATE;
    *out = send->next++;
    return KGR_OK;
}

uint64_t kgr_record_send_exact(const struct kgr_record_send *send)
{
    return send->next - 1;
}

static uint64_t bit(uint64_t sequence)
{
    return UINT64_C(1) << (sequence % 64);
}

static size_t word(uint64_t sequence)
{
    return (size_t)(sequence % KGR_RECORD_WINDOW / 64);
}

void kgr_record_recv_restart(struct kgr_record_recv *out, uint64_t ceiling)
{
    out->highest = ceiling;
    out->ceiling = ceiling;
    memset(out->seen, ceiling != 0 ? 0xff : 0, sizeof(out->seen));
}

void kgr_record_recv_restore(struct kgr_record_recv *out, uint64_t ceiling,
                             const uint64_t seen[KGR_RECORD_WINDOW / 64])
{
    out->highest = ceiling;
    out->ceiling = ceiling;
    memcpy(out->seen, seen, sizeof(out->seen));
}

enum kgr_error kgr_record_recv_check(const struct kgr_record_recv *recv, uint64_t sequence)
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

bool kgr_record_recv_need(const struct kgr_record_recv *recv, uint64_t sequence,
                          uint64_t *out_ceiling)
{
    if (sequence <= recv->ceiling)
        return false;
    *out_ceiling = block_end(sequence);
    return true;
}

void kgr_record_recv_raise(struct kgr_record_recv *recv, uint64_t ceiling)
{
    if (ceiling > recv->ceiling)
        recv->ceiling = ceiling;
}

enum kgr_error kgr_record_recv_accept(struct kgr_record_recv *recv, uint64_t sequence)
{
    enum kgr_error err = kgr_record_recv_check(recv, sequence);

    if (err != KGR_OK)
        return err;
    if (sequence > recv->ceiling)
        return KGR_ERR_STATE;
    if (sequence > recv->highest) {
        uint64_t skipped = sequence - recv->highest - 1;

        if (skipped >= KGR_RECORD_WINDOW)
            memset(recv->seen, 0, sizeof(recv->seen));
        for (uint64_t i = 1; skipped < KGR_RECORD_WINDOW && i <= skipped; i++)
            recv->seen[word(recv->highest + i)] &= ~bit(recv->highest + i);
        recv->highest = sequence;
    }
    recv->seen[word(sequence)] |= bit(sequence);
    return KGR_OK;
}

uint64_t kgr_record_recv_exact(const struct kgr_record_recv *recv)
{
    return recv->highest;
}
