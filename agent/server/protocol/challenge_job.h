/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/protocol/challenge.h"
#include "agent/server/ks.h"

/*
 * A challenge that is being made: queued in a transaction, made on the TPM's worker after the commit, handed back on the
 * loop. First member of a larger struct where its owner needs more.
 */
struct kgr_ks_challenge_job {
    struct kgr_ks_after after; /* first */
    struct kgr_ks *ks;
    struct kgr_ks_node *node;
    struct kgr_ks_challenge chal;
    /* made is called once, outside a transaction; job is freed afterwards. */
    void (*made)(struct kgr_ks_challenge_job *job, enum kgr_error err);
};

/* What the node asked for. */
struct kgr_ks_challenge_wish {
    const struct kgr_challenge_labels *labels;
    const uint8_t *xid;     /* 16 bytes */
    const uint8_t *hash;    /* of the request's body, 32 bytes */
    const uint8_t *nonce_n; /* 32 bytes */
    const uint8_t *topic2;
    uint8_t suite;
    uint8_t custody;
    uint8_t custodies; /* mask of what the node can do */
};

/*
 * kgr_ks_challenge_job_new returns size zeroed bytes that begin with the job of a challenge for node, its EK and storage key, with
 * fresh nonce, topic and key_id; NULL without memory. The caller sets made, and may set another storage key.
 */
void *kgr_ks_challenge_job_new(size_t size, struct kgr_ks *ks, struct kgr_ks_node *node,
                               const struct kgr_ks_challenge_wish *wish);
/* kgr_ks_challenge_job_start queues it, within a transaction, and owns it from then on. */
void kgr_ks_challenge_job_start(struct kgr_ks_challenge_job *job);
