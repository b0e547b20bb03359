/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/* What a TPM says it can (TPM2_GetCapability); nothing is found out by trial. */
struct kgr_tpm_capability {
    bool can_resident; /* AES in the TPM with CBC, and HMAC, commands and algorithms */
    bool can_hmac_sequence;
    bool can_seal; /* TPM2_Import and TPM2_Unseal of data objects: sealed custody */
    bool
        can_bear; /* AES and HMAC keys made and duplicated under a policy: resident pairs of others */
    uint8_t suites;      /* mask of suites that a storage key of its can protect: bit (suite - 1) */
    uint8_t modes;       /* mask of cipher modes: bit (enum kgr_tpm_mode - 1) */
    uint8_t slots;       /* transient objects loaded at once (TPM2_PT_HR_TRANSIENT_MIN) */
    uint16_t max_buffer; /* bytes in one TPM2_EncryptDecrypt2 or TPM2_HMAC */
    uint32_t persistent_free;
    bool in_lockout; /* against dictionary attacks: our keys are noDA, and work */
    char manufacturer[5];
    char vendor[17];
    uint32_t firmware[2];
    char lacks
        [144]; /* of what resident and sealed keys, births and both suites need: words, comma between; or empty */
};

/* kgr_tpm_capability borrows what kgr_tpm_open found. */
const struct kgr_tpm_capability *kgr_tpm_capability(const struct kgr_tpm *tpm);

/* kgr_tpm_ping asks the TPM for its maker, to see whether it is there; one that came back is opened again. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_ping(struct kgr_tpm *tpm, struct kgr_diag *diag);

#define KGR_TPM_SUMMARY_MAX 256
/* kgr_tpm_summary writes one line for people: maker, firmware, what it can and lacks. Returns out. */
char *kgr_tpm_summary(const struct kgr_tpm *tpm, char out[KGR_TPM_SUMMARY_MAX]);
