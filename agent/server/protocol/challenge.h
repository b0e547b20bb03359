/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/base/text.h"
#include "agent/server/store/identity.h"
#include "agent/server/store/nodes.h"
#include "agent/tpm/template.h"
#include "agent/tpm/types.h"
#include "agent/wire/body_registration.h"

struct kgr_tpm;

/*
 * The TPM's part of a reg_chal: NKSK and NKSKsign are born and duplicated under inner wrappers that only the TPM of
 * this EK, holding this storage key, can release (docs/protocol.md, section 4).
 */
#define KGR_KS_CHAL_MAX 4096

struct kgr_ks_challenge {
    /* In. */
    const struct kgr_challenge_labels *labels;
    struct kgr_nid nid;
    struct kgr_tpm_public ek;
    struct kgr_tpm_public storage;
    enum kgr_suite suite;
    uint8_t custody;
    enum kgr_tpm_form form;     /* of the node's end */
    enum kgr_tpm_form own_form; /* of the KS's */
    uint8_t xid[16];
    uint8_t request[32]; /* H(reg_req body) */
    uint8_t nonce_n[32];
    uint8_t nonce_ks[32];
    uint8_t topic1[KGR_TOPIC_LEN];
    uint8_t topic2[KGR_TOPIC_LEN]; /* for the owner */
    uint8_t key_id[16];
    /* Out. */
    struct kgr_key_blobs nksk; /* kept by the KS */
    uint8_t body[KGR_KS_CHAL_MAX];
    size_t body_len;
    uint8_t proof[32]; /* transcript that reg_proof must have */
};

/* kgr_ks_challenge_make runs on the worker. */
KGR_MUST_CHECK enum kgr_error kgr_ks_challenge_make(struct kgr_ks_challenge *chal,
                                                    const struct kgr_ks_identity *id,
                                                    struct kgr_tpm *tpm, struct kgr_diag *diag);

/*
 * kgr_ks_challenge_done writes the body of reg_done that answers the reg_proof to chal_body, into out of cap
 * bytes. proof is the transcript in that reg_proof. Of nksk_done likewise.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_challenge_done(uint8_t *out, size_t cap, size_t *out_len,
                                                    struct kgr_slice chal_body,
                                                    const struct kgr_challenge_labels *labels,
                                                    const uint8_t xid[16], const uint8_t proof[32],
                                                    struct kgr_slice proof_body);
