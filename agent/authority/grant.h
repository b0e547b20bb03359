/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/authority/state.h"
#include "agent/base/diag.h"
#include "agent/tpm/types.h"
#include "agent/wire/ac_grant.h"

struct kgr_ac;

/*
 * kgr_ac_import_grant brings the keys of a grant into the AC's TPM, below its storage key. KGR_ERR_CORRUPT: the grant is for another AC,
 * or was damaged.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_import_grant(struct kgr_ac *ac, struct kgr_ac_nksk *out,
                                                  const struct kgr_ac_grant *grant,
                                                  struct kgr_diag *diag);
/* kgr_ac_nksk_auths derives the authorisation values of those keys; both are the caller's to free. */
KGR_MUST_CHECK enum kgr_error kgr_ac_nksk_auths(const struct kgr_ac *ac, const uint8_t key_id[16],
                                                struct kgr_tpm_auth **out_enc,
                                                struct kgr_tpm_auth **out_mac,
                                                struct kgr_diag *diag);
