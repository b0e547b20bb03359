/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"

struct kgr_tpm;

/* How a TPM is reached and used, as the group `tpm` of each configuration says it. All is borrowed, for the call alone. */
struct kgr_tpm_access {
    const char *tcti;
    /* Files (agent/base/secret_file.h) with the password of a hierarchy, 1 to 32 bytes and at most a newline; NULL: none is set. */
    const char *owner_auth_file;
    const char *endorsement_auth_file;
    /* "FIRST-LAST" in hexadecimal, both within 0x81000000-0x817fffff: where persistent keys may stand; NULL: KGR_TPM_FIRST_HANDLE and on. */
    const char *handles;
};

/*
 * kgr_tpm_open_as is kgr_tpm_open with the rest. The passwords go into the arena, and with tpm. KGR_ERR_CONFIG
 * for a file that is not there, empty, too long or open to others, and for a range that is none.
 */
KGR_MUST_CHECK enum kgr_error
kgr_tpm_open_as(struct kgr_tpm **out, const struct kgr_tpm_access *access, struct kgr_diag *diag);
