/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"

struct kgr_tpm;

/* What a TPM holds at this moment, and how much of that is ours: what is not was left by another program, or is in its use. */
struct kgr_tpm_usage {
    bool in_lockout;
    uint32_t lockout_counter; /* wrong authorisation values that count */
    uint32_t lockout_max;     /* at so many the lockout begins */
    uint32_t objects;         /* transient, as far as the way to the TPM shows those of others */
    uint32_t own_objects;
    uint32_t sessions; /* loaded */
    uint32_t own_sessions;
    uint32_t sessions_free; /* that may still be started, loaded or saved */
    uint32_t persistent_free;
};

/* kgr_tpm_look_at_usage asks the TPM; nothing is changed in it. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_look_at_usage(struct kgr_tpm *tpm, struct kgr_tpm_usage *out,
                                                    struct kgr_diag *diag);
