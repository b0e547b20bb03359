/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/*
 * kgr_tpm_random fills out from the TPM's generator, encrypted and authenticated on the bus when
 * the session is salted.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_random(struct kgr_tpm *tpm, uint8_t *out, size_t len,
                                             struct kgr_diag *diag);
/* kgr_tpm_stir mixes data of any length into the generator's state. */
KGR_MUST_CHECK enum kgr_error kgr_tpm_stir(struct kgr_tpm *tpm, struct kgr_slice data,
                                           struct kgr_diag *diag);
