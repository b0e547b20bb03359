/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/wire/credential.h"

/*
 * The files ac.pub and ks.pub by which AC and KS pin each other (docs/protocol.md, "Files"). For encoders and
 * decoders see agent/wire/body_registration.h.
 */

enum kgr_identity_kind {
    KGR_IDENTITY_AC = 1,
    KGR_IDENTITY_KS = 2,
};

#define KGR_IDENTITY_MAX 1100

struct kgr_identity {
    enum kgr_identity_kind kind;
    struct kgr_slice sign_public;
    struct kgr_slice storage_public;
    struct kgr_slice ek_public;
};

/* Both handle the whole file, the hash at its end included; a failure of hash is passed on. */
KGR_MUST_CHECK enum kgr_error kgr_identity_encode(struct kgr_wr *wr, const struct kgr_identity *m,
                                                  kgr_hash_fn *hash);
KGR_MUST_CHECK enum kgr_error kgr_identity_decode(struct kgr_identity *out, struct kgr_slice file,
                                                  kgr_hash_fn *hash);
