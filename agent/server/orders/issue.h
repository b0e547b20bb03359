/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/text.h"
#include "agent/server/store/identity.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * Making a one-time credential (docs/protocol.md, sections 9 and 10): NTAG is born in the TPM, sealed for the KS, and
 * leaves it only in a credential file that the AC's TPM alone can open.
 */
#define KGR_KS_ISSUE_MAX 2048

struct kgr_ks_issue {
    /* In. */
    struct kgr_nid nid;
    uint8_t key_id[16];
    uint8_t topic0[KGR_TOPIC_LEN];
    uint64_t expires_s;      /* KS time */
    uint64_t expires_wall_s; /* Unix time, for the node */
    char host[256];          /* of the broker */
    uint16_t port;
    struct kgr_tpm_public ac_storage; /* whose TPM alone opens it */
    struct kgr_tpm_public ac_ek;
    /* Out. */
    struct kgr_tpm_blob ntag;
    uint8_t sealed[KGR_KS_ISSUE_MAX]; /* body of the result of node_add */
    size_t sealed_len;
};

/* kgr_ks_issue_run runs on the worker. */
KGR_MUST_CHECK enum kgr_error kgr_ks_issue_run(struct kgr_ks_issue *issue,
                                               const struct kgr_ks_identity *id,
                                               struct kgr_tpm *tpm, struct kgr_diag *diag);
