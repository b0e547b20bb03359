/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/ipc.h"

/* Mirrors of a node's keys in stores of tpm2-pkcs11 (docs/protocol.md, section 11). Slices borrow the decoded input. */
#define KGR_IPC_STORE_MAX 1000
#define KGR_IPC_TOKEN_MAX 32

struct kgr_ipc_mirror {
    struct kgr_slice store; /* folder, an absolute path; no NUL */
    struct kgr_slice token; /* label, printable */
    struct kgr_slice peer;  /* N_ID; empty: of every peer */
};

/* mirror_add; the PIN is a secret. */
struct kgr_ipc_mirror_add {
    struct kgr_ipc_mirror mirror;
    struct kgr_slice pin;
};
KGR_MUST_CHECK enum kgr_error kgr_ipc_mirror_add_decode(struct kgr_ipc_mirror_add *out,
                                                        struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_mirror_add_encode(struct kgr_wr *wr,
                                                        const struct kgr_ipc_mirror_add *in);
/* mirror_remove; peer empty: the whole mirror. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_mirror_decode(struct kgr_ipc_mirror *out,
                                                    struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_ipc_mirror_encode(struct kgr_wr *wr,
                                                    const struct kgr_ipc_mirror *in);

/* The reply to mirror_list: a head as that of peers (agent/wire/ipc_status.h), then entries, read and written one by one. */
struct kgr_ipc_mirror_entry {
    struct kgr_ipc_mirror mirror;
    bool configured;  /* in the configuration of the agent */
    uint32_t objects; /* that stand in the token */
    uint32_t error;   /* enum kgr_error: why the token is not what it should be */
    struct kgr_slice reason;
};
#define KGR_IPC_MIRROR_ENTRY_MAX                                                                   \
    (2 + KGR_IPC_STORE_MAX + 1 + KGR_IPC_TOKEN_MAX + 1 + KGR_NID_MAX + 1 + 4 + 4 + 256)
void kgr_ipc_mirror_entry_read(struct kgr_rd *rd, struct kgr_ipc_mirror_entry *out);
void kgr_ipc_mirror_entry_write(struct kgr_wr *wr, const struct kgr_ipc_mirror_entry *in);
