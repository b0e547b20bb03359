/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/ipc.h"

/* seal and open of many messages of one peer: docs/protocol.md, section 11. Slices borrow the decoded input. */
#define KGR_IPC_BATCH_MAX 256 /* messages in one request */

struct kgr_ipc_batch_item {
    struct kgr_slice aad;
    struct kgr_slice data; /* plaintext, or a record */
};

struct kgr_ipc_batch {
    struct kgr_nid peer;
    bool stored;
    size_t num; /* from 1 */
};

/*
 * kgr_ipc_batch_decode fills items[0..num-1]. As for seal and open: the decoder cannot tell them apart, and the service
 * of seal checks that no message is longer than KGR_IPC_DATA_MAX.
 */
KGR_MUST_CHECK enum kgr_error kgr_ipc_batch_decode(struct kgr_ipc_batch *out,
                                                   struct kgr_ipc_batch_item *items,
                                                   struct kgr_slice body);
/* The head, then in->num items. */
void kgr_ipc_batch_head_write(struct kgr_wr *wr, const struct kgr_ipc_batch *in);
void kgr_ipc_batch_item_write(struct kgr_wr *wr, const struct kgr_ipc_batch_item *item);
/* What a message takes of a request. */
size_t kgr_ipc_batch_item_len(const struct kgr_ipc_batch_item *item);
#define KGR_IPC_BATCH_HEAD_MAX   (1 + KGR_NID_MAX + 1 + 2)
#define KGR_IPC_BATCH_ANSWER_LEN 8 /* before the data, at most */

/* The replies: one answer for each message, in order. */
struct kgr_ipc_opened {
    uint32_t status; /* enum kgr_error */
    struct kgr_slice
        data; /* plaintext if status is KGR_OK, else a text for people, at most KGR_IPC_TEXT_MAX */
};

void kgr_ipc_sealed_write(struct kgr_wr *wr, struct kgr_slice record);
/* kgr_ipc_sealed_reserve writes the length and returns room for a record of len bytes; NULL: no room. */
uint8_t *kgr_ipc_sealed_reserve(struct kgr_wr *wr, size_t len);
struct kgr_slice kgr_ipc_sealed_read(struct kgr_rd *rd);
void kgr_ipc_opened_write(struct kgr_wr *wr, const struct kgr_ipc_opened *in);
void kgr_ipc_opened_read(struct kgr_rd *rd, struct kgr_ipc_opened *out);
