/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * Sequences of records (docs/protocol.md, section 8). Pure. Nothing is written per record: a ceiling on
 * disk runs ahead in blocks of 1,024, and a sequence above it is neither used nor accepted before a
 * new ceiling is stored. After a crash everything up to the ceiling counts as used or seen.
 */
#define KGR_RECORD_BLOCK  1024u
#define KGR_RECORD_WINDOW 1024u

/* One sender's numbers under one generation. */
struct kgr_record_send {
    uint64_t next;    /* from 1 */
    uint64_t ceiling; /* highest that may be used */
};

/* kgr_record_send_restart continues after everything up to the stored ceiling; 0 for a new key. */
void kgr_record_send_restart(struct kgr_record_send *out, uint64_t ceiling);
/*
 * kgr_record_send_need tells whether a ceiling must be stored before the next take, and which one:
 * store it, then kgr_record_send_raise. KGR_ERR_QUOTA when all 2^64 - 1 numbers are spent.
 */
KGR_MUST_CHECK enum kgr_error kgr_record_send_need(const struct kgr_record_send *send,
                                                   bool *out_needed, uint64_t *out_ceiling);
void kgr_record_send_raise(struct kgr_record_send *send, uint64_t ceiling);
/* kgr_record_send_take returns the next number; KGR_ERR_STATE above the ceiling. */
KGR_MUST_CHECK enum kgr_error kgr_record_send_take(struct kgr_record_send *send, uint64_t *out);
/* kgr_record_send_exact is the ceiling that a clean stop stores. */
uint64_t kgr_record_send_exact(const struct kgr_record_send *send);

/* The other end's numbers under one generation. */
struct kgr_record_recv {
    uint64_t highest; /* seen; 0: none */
    uint64_t ceiling;
    uint64_t
        seen[KGR_RECORD_WINDOW / 64]; /* bit (n % 1024) for n of the window below and at highest */
};

/* kgr_record_recv_restart takes everything up to the stored ceiling for seen; 0 for a new key. */
void kgr_record_recv_restart(struct kgr_record_recv *out, uint64_t ceiling);
/* kgr_record_recv_restore continues from what a clean stop stored. */
void kgr_record_recv_restore(struct kgr_record_recv *out, uint64_t ceiling,
                             const uint64_t seen[KGR_RECORD_WINDOW / 64]);
/* kgr_record_recv_check: KGR_ERR_REPLAY when seen or below the window, KGR_ERR_CORRUPT for 0. Changes nothing. */
KGR_MUST_CHECK enum kgr_error kgr_record_recv_check(const struct kgr_record_recv *recv,
                                                    uint64_t sequence);
/* kgr_record_recv_need tells whether a ceiling must be stored before sequence is accepted, and which one. */
bool kgr_record_recv_need(const struct kgr_record_recv *recv, uint64_t sequence,
                          uint64_t *out_ceiling);
void kgr_record_recv_raise(struct kgr_record_recv *recv, uint64_t ceiling);
/*
 * kgr_record_recv_accept marks a sequence whose record was verified. As kgr_record_recv_check, since
 * another copy may have come first; KGR_ERR_STATE above the ceiling.
 */
KGR_MUST_CHECK enum kgr_error kgr_record_recv_accept(struct kgr_record_recv *recv,
                                                     uint64_t sequence);
/* kgr_record_recv_exact is the ceiling that a clean stop stores. */
uint64_t kgr_record_recv_exact(const struct kgr_record_recv *recv);
