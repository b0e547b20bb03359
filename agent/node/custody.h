/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/template.h"
#include "agent/tpm/types.h"

/*
 * Where this node keeps its keys, and in which suites: what the operator wants, of what the TPM can. Pure. A node has
 * one custody; keys that it holds from another time are used where they are.
 */
enum kgr_custody_wish { KGR_CUSTODY_AUTO, KGR_CUSTODY_WANT_RESIDENT, KGR_CUSTODY_WANT_SEALED };

struct kgr_custody_choice {
    bool sealed;    /* else resident */
    uint8_t wanted; /* mask, bit (suite - 1): what the operator accepts and the TPM can */
    uint8_t suites; /* mask: what the present storage key protects of these */
};

/*
 * kgr_custody_choose: KGR_ERR_CONFIG, with the remedy, when the TPM cannot what is wished. suites is the mask of those
 * that the operator accepts, 0 for the default, suite 1 alone. storage is the node's storage key, which bounds the suites;
 * NULL before there is one.
 */
KGR_MUST_CHECK enum kgr_error kgr_custody_choose(struct kgr_custody_choice *out,
                                                 enum kgr_custody_wish wish, uint8_t suites,
                                                 const struct kgr_tpm_capability *capability,
                                                 const struct kgr_tpm_public *storage,
                                                 struct kgr_diag *diag);
/* kgr_custody_below is what a storage key protects of the suites wanted. */
uint8_t kgr_custody_below(const struct kgr_custody_choice *choice,
                          const struct kgr_tpm_public *storage);
/* kgr_custody_best is the highest suite of a mask: the one that the storage key is made for. */
enum kgr_suite kgr_custody_best(uint8_t suites);
/* kgr_custody_mask is the choice as reg_req says it (docs/protocol.md, section 4). */
uint8_t kgr_custody_mask(const struct kgr_custody_choice *choice);
/*
 * kgr_custody_form is the form that both objects of an offer must have here; custody is that of the pair. false when
 * this node cannot take part in such a pair.
 */
KGR_MUST_CHECK bool kgr_custody_form(const struct kgr_custody_choice *choice, uint8_t custody,
                                     enum kgr_tpm_form *out);
