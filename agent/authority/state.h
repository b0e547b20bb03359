/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

/*
 * What the AC keeps on disk: the root of its authorisation values, sealed by its TPM, where its keys stand
 * in the TPM and what their Names are, and the KS that it has pinned. Nothing of it opens anything without
 * the TPM.
 */
struct kgr_ac_state;

/* A key or counter of the AC's TPM. */
struct kgr_ac_anchor {
    uint32_t handle;
    struct kgr_tpm_name name;
};

struct kgr_ac_identity {
    struct kgr_tpm_public signing;
    struct kgr_tpm_public storage;
    struct kgr_tpm_public ek;
};

/* kgr_ac_state_open opens or creates FOLDER/ac.db; the folder is locked by the caller. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_open(struct kgr_ac_state **out, const char *folder,
                                                struct kgr_diag *diag);
/* kgr_ac_state_close accepts NULL. */
void kgr_ac_state_close(struct kgr_ac_state *state);

/* What init stores, all of it in one transaction. */
struct kgr_ac_founding {
    const struct kgr_tpm_blob *root; /* sealed below srk */
    struct kgr_tpm_name srk;
    struct kgr_ac_anchor storage;
    struct kgr_ac_anchor signing;
    struct kgr_ac_anchor counter;
    const struct kgr_ac_identity *identity;
};
KGR_MUST_CHECK enum kgr_error kgr_ac_state_found(struct kgr_ac_state *state,
                                                 const struct kgr_ac_founding *founding,
                                                 struct kgr_diag *diag);

/* The readers: KGR_ERR_STATE, with the remedy, when the thing is not there. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_root(struct kgr_ac_state *state,
                                                struct kgr_tpm_blob *out,
                                                struct kgr_tpm_name *out_srk,
                                                struct kgr_diag *diag);
enum kgr_ac_which { KGR_AC_STORAGE, KGR_AC_SIGNING, KGR_AC_COUNTER };
KGR_MUST_CHECK enum kgr_error kgr_ac_state_anchor(struct kgr_ac_state *state,
                                                  struct kgr_ac_anchor *out,
                                                  enum kgr_ac_which which, struct kgr_diag *diag);

/* kgr_ac_state_identity is the AC's own, as init made it. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_identity(struct kgr_ac_state *state,
                                                    struct kgr_ac_identity *out,
                                                    struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_state_set_ks(struct kgr_ac_state *state,
                                                  const struct kgr_ac_identity *ks,
                                                  struct kgr_diag *diag);
/* The newest record of the KS's audit log that was verified; *out_id is 0 when there is none. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_audit(struct kgr_ac_state *state, uint64_t *out_id,
                                                 uint8_t out_hash[KGR_TPM_HASH_LEN],
                                                 struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ac_state_set_audit(struct kgr_ac_state *state, uint64_t id,
                                                     const uint8_t hash[KGR_TPM_HASH_LEN],
                                                     struct kgr_diag *diag);
/* kgr_ac_state_ks: KGR_ERR_STATE when none is pinned. */
KGR_MUST_CHECK enum kgr_error kgr_ac_state_ks(struct kgr_ac_state *state,
                                              struct kgr_ac_identity *out, struct kgr_diag *diag);
