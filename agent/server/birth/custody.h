/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/template.h"

/*
 * What the KS can do for others, and where it keeps its own ends of NKSK. Numbers and masks are those of the wire
 * (docs/protocol.md, section 1). Pure.
 */
struct kgr_ks_custody {
    bool bears;     /* its TPM bears keys and duplicates them: resident pairs */
    bool sealed;    /* its own ends are data objects, else AES and HMAC keys of its TPM */
    uint8_t suites; /* mask */
};

/* Where the operator wants the KS's own ends: as in the node's configuration. */
enum kgr_ks_custody_wish { KGR_KS_CUSTODY_AUTO, KGR_KS_CUSTODY_RESIDENT, KGR_KS_CUSTODY_SEALED };

/*
 * kgr_ks_custody_choose: of what the operator wants (suites a mask, 0 for all), what the TPM can; storage, the KS's
 * storage key, or NULL before there is one, bounds the suites. KGR_ERR_CONFIG, with the remedy, when nothing is left.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_custody_choose(struct kgr_ks_custody *out,
                                                    enum kgr_ks_custody_wish wish, uint8_t suites,
                                                    const struct kgr_tpm_capability *capability,
                                                    const struct kgr_tpm_public *storage,
                                                    struct kgr_diag *diag);
/* kgr_ks_custody_pairs is the mask of custodies that pairs of nodes can have. */
uint8_t kgr_ks_custody_pairs(const struct kgr_ks_custody *custody);
/* kgr_ks_custody_own is the mask of custodies of its own ends, as a node would say it in reg_req. */
uint8_t kgr_ks_custody_own(const struct kgr_ks_custody *custody);
/*
 * kgr_ks_form is the form in which an end gets its keys: the custody of both ends together, and the mask of what this
 * end can do.
 */
enum kgr_tpm_form kgr_ks_form(uint8_t custody, uint8_t custodies);
