/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/* Where KGR looks for a free NV index, unless the configuration says otherwise. */
#define KGR_TPM_FIRST_NV UINT32_C(0x01804b00)

/*
 * A counter that only goes up, whatever happens to the disk: the epoch (docs/protocol.md,
 * section 3.2). An object of it has the index as handle and the NV Name as name; pin that.
 */

/*
 * kgr_tpm_counter_define defines a counter, noDA, under auth at a free index from first_index
 * on, and increments it once, so that it can be read. Needs the owner's authorisation.
 */
KGR_MUST_CHECK enum kgr_error
kgr_tpm_counter_define(struct kgr_tpm *tpm, struct kgr_tpm_object *out, uint32_t first_index,
                       const struct kgr_tpm_auth *auth, struct kgr_diag *diag);
/*
 * kgr_tpm_counter_open: KGR_ERR_NO_KEY when nothing is defined there, KGR_ERR_CORRUPT when the
 * Name is another.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_counter_open(struct kgr_tpm *tpm, struct kgr_tpm_object *out,
                                                   uint32_t index,
                                                   const struct kgr_tpm_name *pinned,
                                                   const struct kgr_tpm_auth *auth,
                                                   struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_tpm_counter_read(struct kgr_tpm *tpm, uint64_t *out,
                                                   const struct kgr_tpm_object *counter,
                                                   struct kgr_diag *diag);
/* kgr_tpm_counter_increment adds one and returns the new value. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_counter_increment(struct kgr_tpm *tpm, uint64_t *out,
                                                        const struct kgr_tpm_object *counter,
                                                        struct kgr_diag *diag);
/*
 * kgr_tpm_counter_undefine: KGR_OK when nothing is defined there. Needs the owner's
 * authorisation.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_counter_undefine(struct kgr_tpm *tpm, uint32_t index,
                                                       struct kgr_diag *diag);
