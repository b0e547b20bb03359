/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/text.h"
#include "agent/keys/auth.h"
#include "agent/store/db.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * Who the KS is: its storage key, signing key and epoch counter in the TPM, the root of their authorisation
 * values, TOPIC0, and the AC that it obeys.
 */
struct kgr_ks_identity {
    struct kgr_auth_root *root;
    struct kgr_tpm_auth *auths[3]; /* of storage, signing and counter; owned */
    struct kgr_tpm_object storage;
    struct kgr_tpm_object signing;
    struct kgr_tpm_object counter;
    struct kgr_tpm_public storage_pub;
    struct kgr_tpm_public signing_pub;
    struct kgr_tpm_public ek_pub;
    uint8_t ks[KGR_TPM_HASH_LEN]; /* H(signing public): how orders name this KS */
    uint8_t topic0[KGR_TOPIC_LEN];
    struct kgr_tpm_public ac_signing;
    struct kgr_tpm_public ac_storage;
    struct kgr_tpm_public ac_ek;
};

/*
 * kgr_ks_identity_create makes all of it in tpm and db, obeying the AC of the identity file ac (bytes of ac.pub).
 * KGR_ERR_EXISTS when db holds an identity; KGR_ERR_CORRUPT when ac is damaged.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_create(struct kgr_db *db, struct kgr_tpm *tpm,
                                                     struct kgr_slice ac, struct kgr_diag *diag);
/*
 * kgr_ks_identity_open finds everything again, checks every pinned Name, and starts the session salted by
 * the storage key. id is zeroed before. KGR_ERR_STATE when there is no identity, KGR_ERR_CORRUPT when the TPM is another one.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_open(struct kgr_ks_identity *id, struct kgr_db *db,
                                                   struct kgr_tpm *tpm, struct kgr_diag *diag);
/* kgr_ks_identity_close frees what it owns; idempotent on a zero object. */
void kgr_ks_identity_close(struct kgr_ks_identity *id);

/*
 * kgr_ks_identity_start takes a new epoch, once a start. *out_restored: the counter of the TPM is not where the last
 * start left it, so the database was put back or copied.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_start(const struct kgr_ks_identity *id,
                                                    struct kgr_db *db, struct kgr_tpm *tpm,
                                                    uint32_t *out_epoch, bool *out_restored,
                                                    struct kgr_diag *diag);

/* kgr_ks_identity_load reads only the publics and TOPIC0, without a TPM, into a zeroed object. Close it like an open one. */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_load(struct kgr_ks_identity *out, struct kgr_db *db,
                                                   struct kgr_diag *diag);
/* kgr_ks_identity_file writes ks.pub (docs/protocol.md, section 10) into out of at least KGR_IDENTITY_MAX bytes. */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_file(const struct kgr_ks_identity *id, uint8_t *out,
                                                   size_t *out_len);
