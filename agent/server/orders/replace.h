/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/diag.h"

struct kgr_tpm;

/*
 * kgr_ks_replace_ac makes the AC of the identity file ac (bytes of ac.pub) the one that the KS of folder obeys, while the
 * service is stopped (docs/protocol.md, section 9.4). KGR_ERR_CORRUPT when ac is damaged; errors of kgr_ks_identity_open.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_replace_ac(struct kgr_tpm *tpm, const char *folder,
                                                struct kgr_slice ac, struct kgr_diag *diag);
