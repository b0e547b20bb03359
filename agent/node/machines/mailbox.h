/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"

/*
 * The messages of one peer (docs/protocol.md, section 8.1): first sealed, in the order they arrived, then, once they are
 * accepted, opened until somebody fetches them. Both count against the limits; what was let in stays until it is
 * taken. Data only: no clock, TPM or disk. Wiped when it goes.
 */
struct kgr_mailbox_limits {
    size_t messages;    /* of one mailbox */
    size_t bytes;       /* of one mailbox */
    size_t total_bytes; /* of all in the pool */
};

/* What all mailboxes of a node share. */
struct kgr_mailbox_pool {
    struct kgr_mailbox_limits limits;
    size_t bytes;
    size_t num_sealed;
    size_t num_opened;
    uint64_t arrivals; /* so many came so far */
};

struct kgr_mailbox_item {
    struct kgr_mailbox_item *next;
    uint64_t arrival; /* from 1, over all mailboxes */
    uint64_t generation;
    uint64_t sequence;
    size_t size; /* bytes counted for it */
    size_t len;
    uint8_t bytes[]; /* the record, then the plaintext */
};

struct kgr_mailbox;

/* kgr_mailbox_new: pool is borrowed and outlives the mailbox. */
KGR_MUST_CHECK enum kgr_error kgr_mailbox_new(struct kgr_mailbox **out,
                                              struct kgr_mailbox_pool *pool, uint64_t now_ms);
/* kgr_mailbox_free accepts NULL. */
void kgr_mailbox_free(struct kgr_mailbox *box);

/* kgr_mailbox_hold copies a record to the end of those that wait sealed. KGR_ERR_QUOTA when it is full. */
KGR_MUST_CHECK enum kgr_error kgr_mailbox_hold(struct kgr_mailbox *box, uint64_t generation,
                                               uint64_t sequence, struct kgr_slice record);
/* kgr_mailbox_sealed and kgr_mailbox_opened borrow the first of each; NULL when there is none. */
const struct kgr_mailbox_item *kgr_mailbox_sealed(const struct kgr_mailbox *box);
const struct kgr_mailbox_item *kgr_mailbox_opened(const struct kgr_mailbox *box);
/*
 * kgr_mailbox_accept makes the first sealed one, with plaintext (not longer than its record) in the place of the
 * record, the last opened one. It cannot fail.
 */
void kgr_mailbox_accept(struct kgr_mailbox *box, struct kgr_slice plaintext);
/* kgr_mailbox_refuse drops the first sealed one, kgr_mailbox_take the first opened one. */
void kgr_mailbox_refuse(struct kgr_mailbox *box);
void kgr_mailbox_take(struct kgr_mailbox *box);
size_t kgr_mailbox_num_opened(const struct kgr_mailbox *box);

/*
 * The price of forgeries: kgr_mailbox_charge takes tokens for a record of len bytes whose tag was wrong, and
 * kgr_mailbox_ready_ms is when the next record may go to the TPM: a time that is over, unless there are none left.
 */
void kgr_mailbox_charge(struct kgr_mailbox *box, size_t len, uint64_t now_ms);
uint64_t kgr_mailbox_ready_ms(const struct kgr_mailbox *box);

/* kgr_mailbox_set_busy notes that the first sealed one is at the TPM; kgr_mailbox_dropped counts for want of room. */
void kgr_mailbox_set_busy(struct kgr_mailbox *box, bool busy);
bool kgr_mailbox_is_busy(const struct kgr_mailbox *box);
uint64_t kgr_mailbox_num_dropped(const struct kgr_mailbox *box);
