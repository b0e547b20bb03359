/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/* What a program put into the TPM for good, as its database pins it: a persistent key or an NV index. */
struct kgr_tpm_remains {
    uint32_t handle; /* 0: nothing */
    struct kgr_tpm_name name;
};

/*
 * kgr_tpm_remove evicts the key or undefines the index. KGR_OK too when nothing stands there, or something of another
 * Name: the TPM was cleared or is another one, and that is not ours (a warning says so). Needs a session and the
 * owner's authorisation. A counter that is defined again after this goes on above the highest value that any had
 * in this TPM (TPM 2.0 Part 1, "NV counters"), also after TPM2_Clear: an epoch never comes twice.
 */
KGR_MUST_CHECK enum kgr_error
kgr_tpm_remove(struct kgr_tpm *tpm, const struct kgr_tpm_remains *remains, struct kgr_diag *diag);
/* kgr_tpm_remove_all does it for all of them, in a session salted by the SRK. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_remove_all(struct kgr_tpm *tpm,
                                                 const struct kgr_tpm_remains *remains, size_t num,
                                                 struct kgr_diag *diag);
