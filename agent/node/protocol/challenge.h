/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/node/store/store.h"
#include "agent/tpm/types.h"
#include "agent/wire/body_registration.h"

struct kgr_node;

/*
 * A challenge of the KS, reg_chal or nksk_chal, worked on by the TPM: the signature verified, the credential activated,
 * both keys imported (docs/protocol.md, sections 4 and 5.2).
 */
struct kgr_challenge {
    struct kgr_reg_chal chal; /* borrows the job */
    struct kgr_nksk_row row;
    uint8_t proof[KGR_DIGEST_LEN]; /* transcript of the proof */
    uint8_t done[KGR_DIGEST_LEN];  /* of what answers it */
};

struct kgr_challenge_args {
    const struct kgr_challenge_labels *labels;
    const struct kgr_tpm_object *parent; /* storage key; borrowed until done */
    const uint8_t *xid;
    const uint8_t *req_hash; /* of the request that it answers */
    struct kgr_slice body;
    /* On the loop, once for a challenge that kgr_challenge_work took; challenge is NULL when err is not KGR_OK. */
    void (*done)(struct kgr_node *node, const struct kgr_challenge *challenge, enum kgr_error err,
                 const struct kgr_diag *diag);
};

KGR_MUST_CHECK enum kgr_error kgr_challenge_work(struct kgr_node *node,
                                                 const struct kgr_challenge_args *args);

#define KGR_CHALLENGE_PROOF_MAX 256
/* kgr_challenge_encode_proof writes the body of reg_proof or nksk_proof. */
KGR_MUST_CHECK enum kgr_error kgr_challenge_encode_proof(struct kgr_wr *wr,
                                                         const struct kgr_nid *self,
                                                         const uint8_t nonce_ks[KGR_NONCE_LEN],
                                                         const uint8_t proof[KGR_DIGEST_LEN]);
