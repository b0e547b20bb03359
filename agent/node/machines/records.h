/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * Sequences of records (docs/protocol.md, section 8). Pure. Nothing is written per record: a ceiling on
 * disk runs ahead in blocks of 1,024, and a sequence above it is neither used nor accepted before a
 * new ceiling is stored. After a crash everything up to the ceiling counts as used or seen.
 *
 * Thread-safe but for restart and restore: any thread takes and accepts below the ceiling, and the one that owns the disk raises it.
 */
#define KGR_RECORD_BLOCK  1024u
#define KGR_RECORD_WINDOW 1024u
#define KGR_RECORD_BLOCKS                                                                          \
    1024u /* reserved at once at most, and what a sender skips after a crash */

/* How much is reserved at once: a busy pair shall store about once a second, an idle one lose little by a crash. */
struct kgr_reserve {
    uint32_t units; /* of the last time; 0: never */
    uint64_t last_ms;
};
/* kgr_reserve_next: how many units to reserve now; 1 to max. */
uint32_t kgr_reserve_next(struct kgr_reserve *reserve, uint32_t max, uint64_t now_ms);

/* One sender's numbers under one generation. */
struct kgr_record_send {
    _Atomic uint64_t next;    /* from 1; 0: all are spent */
    _Atomic uint64_t ceiling; /* highest that may be used */
    _Atomic uint64_t low;     /* from here on the next block shall be reserved */
};

/*
 * kgr_record_send_restart continues after everything up to the stored ceiling; 0 for a new key. A ceiling that is no clean
 * stop's is continued after all blocks that the receiver may have reserved: it may have crashed too.
 */
void kgr_record_send_restart(struct kgr_record_send *out, uint64_t ceiling);
/*
 * kgr_record_send_need tells whether a ceiling must be stored before the next take, and which one, with so many blocks:
 * store it, then kgr_record_send_raise. KGR_ERR_QUOTA when all 2^64 - 1 numbers are spent.
 */
KGR_MUST_CHECK enum kgr_error kgr_record_send_need(const struct kgr_record_send *send,
                                                   uint32_t blocks, bool *out_needed,
                                                   uint64_t *out_ceiling);
/* kgr_record_send_is_low: more than half of what was reserved last is used. kgr_record_send_more is the ceiling to store then. */
bool kgr_record_send_is_low(const struct kgr_record_send *send);
uint64_t kgr_record_send_more(const struct kgr_record_send *send, uint32_t blocks);
void kgr_record_send_raise(struct kgr_record_send *send, uint64_t ceiling);
/* kgr_record_send_take takes num numbers, the first of which it returns; KGR_ERR_STATE, and none, above the ceiling. */
KGR_MUST_CHECK enum kgr_error kgr_record_send_take(struct kgr_record_send *send, uint32_t num,
                                                   uint64_t *out);
/* kgr_record_send_exact is the ceiling that a clean stop stores. */
uint64_t kgr_record_send_exact(const struct kgr_record_send *send);

/* The other end's numbers under one generation. */
struct kgr_record_recv {
    /* Held for the few instructions that look at the window and mark it, and over no call. */
    atomic_flag lock;
    uint64_t highest; /* seen; 0: none */
    uint64_t ceiling;
    uint64_t low; /* as of the sender */
    uint64_t
        seen[KGR_RECORD_WINDOW / 64]; /* bit (n % 1024) for n of the window below and at highest */
};

/* kgr_record_recv_restart takes everything up to the stored ceiling for seen; 0 for a new key. */
void kgr_record_recv_restart(struct kgr_record_recv *out, uint64_t ceiling);
/* kgr_record_recv_restore continues from what a clean stop stored. */
void kgr_record_recv_restore(struct kgr_record_recv *out, uint64_t ceiling,
                             const uint64_t seen[KGR_RECORD_WINDOW / 64]);
/* kgr_record_recv_check: KGR_ERR_REPLAY when seen or below the window, KGR_ERR_CORRUPT for 0. Changes nothing. */
KGR_MUST_CHECK enum kgr_error kgr_record_recv_check(struct kgr_record_recv *recv,
                                                    uint64_t sequence);
/* kgr_record_recv_need tells whether a ceiling must be stored before sequence is accepted, and which one, with so many blocks. */
bool kgr_record_recv_need(struct kgr_record_recv *recv, uint64_t sequence, uint32_t blocks,
                          uint64_t *out_ceiling);
bool kgr_record_recv_is_low(struct kgr_record_recv *recv);
uint64_t kgr_record_recv_more(struct kgr_record_recv *recv, uint32_t blocks);
void kgr_record_recv_raise(struct kgr_record_recv *recv, uint64_t ceiling);
/*
 * kgr_record_recv_accept marks a sequence whose record was verified. As kgr_record_recv_check, since
 * another copy may have come first; KGR_ERR_STATE above the ceiling.
 */
KGR_MUST_CHECK enum kgr_error kgr_record_recv_accept(struct kgr_record_recv *recv,
                                                     uint64_t sequence);
/* kgr_record_recv_exact is the ceiling that a clean stop stores. */
uint64_t kgr_record_recv_exact(struct kgr_record_recv *recv);
