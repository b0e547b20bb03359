/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/base/text.h"
#include "agent/keys/auth.h"
#include "agent/keys/vault.h"
#include "agent/store/state.h"
#include "agent/tpm/remove.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * Who the KS is: the vault and the sealed database behind it, its storage key and signing key in the TPM, TOPIC0, and
 * the AC that it obeys.
 */
struct kgr_ks_identity { /* stays in its place while open, as its state does */
    struct kgr_vault vault;
    struct kgr_state state;
    struct kgr_auth_root *root;    /* of the vault */
    struct kgr_tpm_auth *auths[2]; /* of storage and signing; owned */
    struct kgr_tpm_object storage;
    struct kgr_tpm_object signing;
    struct kgr_tpm_public storage_pub;
    struct kgr_tpm_public signing_pub;
    struct kgr_tpm_public ek_pub;
    uint8_t ks[KGR_TPM_HASH_LEN]; /* H(signing public): how orders name this KS */
    uint8_t topic0[KGR_TOPIC_LEN];
    struct kgr_tpm_public ac_storage; /* of the AC, for what only it may read */
    struct kgr_tpm_public ac_ek;
};

/*
 * kgr_ks_identity_create makes all of it in tpm and the state folder, obeying the AC of the identity file ac (bytes of
 * ac.pub), or goes on where a run was cut off. best is the highest suite whose keys the storage key is to protect. KGR_ERR_EXISTS when there is an identity; KGR_ERR_CORRUPT when ac is damaged.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_create(struct kgr_tpm *tpm, const char *folder,
                                                     struct kgr_slice ac, enum kgr_suite best,
                                                     struct kgr_diag *diag);
/*
 * kgr_ks_identity_open finds everything again, opens the database, checks every pinned Name, and starts the session salted by
 * the storage key. id is zeroed before. KGR_ERR_STATE when there is no identity, KGR_ERR_CORRUPT when the TPM is another
 * one, or the state was changed by another hand.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_open(struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                                   const char *folder, struct kgr_diag *diag);
/* kgr_ks_identity_close frees what it owns, the database too; idempotent on a zero object. */
void kgr_ks_identity_close(struct kgr_ks_identity *id);

/*
 * kgr_ks_identity_start takes a new epoch, once a start; id->state.db is another one afterwards. *out_restored: the
 * database was put back or copied; then on_restored (may be NULL) runs in the transaction that forgets this.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_start(
    struct kgr_ks_identity *id, struct kgr_tpm *tpm, uint32_t *out_epoch, bool *out_restored,
    enum kgr_error (*on_restored)(struct kgr_db *db, struct kgr_diag *diag), struct kgr_diag *diag);

/* kgr_ks_identity_remains tells what a wipe must remove from the TPM before it erases state and vault. KGR_ERR_NO_KEY: nothing. */
#define KGR_KS_REMAINS 2
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_remains(struct kgr_tpm_remains out[KGR_KS_REMAINS],
                                                      struct kgr_tpm *tpm, const char *folder,
                                                      struct kgr_diag *diag);
/*
 * kgr_ks_identity_file writes ks.pub (docs/protocol.md, section 10), with the grant of the present AC and the address of the broker,
 * into out of at least KGR_KS_PUB_MAX bytes.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_identity_file(const struct kgr_ks_identity *id,
                                                   const char *host, uint16_t port, uint8_t *out,
                                                   size_t *out_len, struct kgr_diag *diag);
