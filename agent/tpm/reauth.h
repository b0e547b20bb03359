/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/tpm/types.h"

/* Internal to agent/tpm. */
struct kgr_tpm;

/*
 * kgr_tpm_change_auth returns the private area of a loaded object under another authorisation
 * value; the handle keeps the old one. The new value crosses encrypted.
 */
KGR_MUST_CHECK enum kgr_error kgr_tpm_change_auth(struct kgr_tpm *tpm, struct kgr_tpm_private *out,
                                                  const struct kgr_tpm_object *object,
                                                  const struct kgr_tpm_object *parent,
                                                  const struct kgr_tpm_auth *auth,
                                                  struct kgr_diag *diag);
