/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/ipc.h"

/* A whole message of the bare construction of RFC 7518: docs/protocol.md, section 11. Slices borrow the decoded input. */
struct kgr_ipc_etm {
    struct kgr_ipc_key key;
    uint8_t iv[KGR_IV_LEN];
    struct kgr_slice aad;  /* at most KGR_IPC_AAD_MAX */
    struct kgr_slice tag;  /* etm_open: 16 or 24 bytes; etm: empty */
    struct kgr_slice data; /* plaintext, at most KGR_IPC_DATA_MAX; or E, one block longer at most */
};

struct kgr_ipc_etm_reply {
    uint64_t generation;     /* of the key */
    struct kgr_slice sealed; /* E, then the tag */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_etm_reply_decode(struct kgr_ipc_etm_reply *out,
                                                       struct kgr_slice body);
/* kgr_ipc_etm_reply_begin writes what stands before E. */
void kgr_ipc_etm_reply_begin(struct kgr_wr *wr, uint64_t generation);
/* kgr_ipc_etm_decode: opens tells which of the two operations it is. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_etm_decode(struct kgr_ipc_etm *out, bool opens,
                                                 struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_etm_encode(struct kgr_wr *wr, bool opens,
                                                 const struct kgr_ipc_etm *in);
