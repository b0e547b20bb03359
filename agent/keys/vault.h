/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/keys/auth.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * What opens the state of a program: the root of its secrets, which its TPM derives, and the counter of its epochs.
 * On disk it is the file `vault` in the state folder (docs/protocol.md, section 10): of no use without this TPM, and
 * holding nothing that anybody needs to hide.
 */
struct kgr_vault {
    struct kgr_auth_root *root;        /* owned */
    struct kgr_tpm_auth *counter_auth; /* owned, in the arena */
    struct kgr_tpm_object counter;
    uint64_t first; /* where the counter stood when the vault was made: no start has been since */
};

/* kgr_vault_exists tells whether there is one in folder. */
bool kgr_vault_exists(const char *folder);
/*
 * kgr_vault_create makes the root's key below the SRK and the counter, and writes the file; nothing is left in the TPM when
 * it fails. KGR_ERR_EXISTS when there is one. The TPM's session is salted by the SRK afterwards.
 */
KGR_MUST_CHECK enum kgr_error kgr_vault_create(struct kgr_vault *out, struct kgr_tpm *tpm,
                                               const char *folder, struct kgr_diag *diag);
/*
 * kgr_vault_open reads it again, with a session salted by the SRK that was pinned. KGR_ERR_NO_KEY (without diag) when there is
 * none, KGR_ERR_CORRUPT when the file is damaged, or the TPM is another one or was cleared.
 */
KGR_MUST_CHECK enum kgr_error kgr_vault_open(struct kgr_vault *out, struct kgr_tpm *tpm,
                                             const char *folder, struct kgr_diag *diag);
/*
 * kgr_vault_no_state says why the database beside the vault is missing or empty: KGR_ERR_NO_KEY (without diag) when no program has
 * started on it yet, so that the initialisation was cut off; else KGR_ERR_CORRUPT, it was lost. counter is where the TPM's stands.
 */
enum kgr_error kgr_vault_no_state(const struct kgr_vault *vault, uint64_t counter,
                                  const char *folder, struct kgr_diag *diag);
/* kgr_vault_close accepts a zero object. */
void kgr_vault_close(struct kgr_vault *vault);
/*
 * kgr_vault_erase removes the counter from the TPM, unless another stands in its place, and then the file: last thing of a wipe, in
 * a session. KGR_OK when there is none.
 */
KGR_MUST_CHECK enum kgr_error kgr_vault_erase(struct kgr_tpm *tpm, const char *folder,
                                              struct kgr_diag *diag);
