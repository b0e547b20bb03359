/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/buf.h"

/* A key on its way from TPM to TPM (docs/protocol.md, "Registration": `object`). */

#define KGR_OBJECT_PUBLIC_MAX    256
#define KGR_OBJECT_DUPLICATE_MAX 512
#define KGR_OBJECT_SEED_MAX      512

struct kgr_object {
    struct kgr_slice public_area; /* TPMT_PUBLIC */
    struct kgr_slice duplicate;   /* TPM2B_PRIVATE without its size */
    struct kgr_slice seed;        /* TPM2B_ENCRYPTED_SECRET without its size */
};

/* Part of other messages: the writer fails on slices above their limits. */
void kgr_rd_object(struct kgr_rd *rd, struct kgr_object *out);
void kgr_wr_object(struct kgr_wr *wr, const struct kgr_object *object);
bool kgr_object_fits(const struct kgr_object *object);
