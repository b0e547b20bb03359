/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/server/store/identity.h"
#include "agent/tpm/types.h"

struct kgr_tpm;

/* The birth of a pair's keys, as one job of the worker: nothing stays loaded, nothing is written. */
#define KGR_KS_OBJECTS_MAX 2600 /* two objects as a frame carries them */

struct kgr_ks_birth {
    /* In; targets by side. */
    enum kgr_suite suite;
    uint8_t custody; /* of the pair */
    struct kgr_tpm_public targets[2];
    uint8_t custodies[2]; /* masks of what the ends can do */
    /* Out. */
    uint8_t iv[KGR_IV_LEN];
    uint8_t objects[2][KGR_KS_OBJECTS_MAX]; /* NNSK and NNSKsign, duplicated for each side */
    size_t objects_len[2];
};

KGR_MUST_CHECK enum kgr_error kgr_ks_birth_run(struct kgr_ks_birth *birth,
                                               const struct kgr_ks_identity *id,
                                               struct kgr_tpm *tpm, struct kgr_diag *diag);
