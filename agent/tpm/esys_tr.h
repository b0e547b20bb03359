/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/tpm/types.h"

/*
 * How the ESYS library of tpm2-tss writes a persistent key to a file (Esys_TR_Serialize, iesys_types.h of tpm2-tss 3 and 4), which
 * is how tpm2-tools and tpm2-pkcs11 name one: u32 handle, TPM2B_NAME, u32 kind of resource (1, a key), TPM2B_PUBLIC.
 */
#define KGR_TPM_ESYS_TR_MAX (4 + 2 + KGR_TPM_NAME_MAX + 4 + 2 + KGR_TPM_PUBLIC_MAX)

/* kgr_tpm_esys_tr writes it of key, whose public area is pub. KGR_ERR_INVALID when out, of KGR_TPM_ESYS_TR_MAX bytes, is too small. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_esys_tr(struct kgr_wr *out, const struct kgr_tpm_object *key,
                                              const struct kgr_tpm_public *pub);
