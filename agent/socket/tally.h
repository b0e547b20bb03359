/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdint.h>

#include "agent/base/buf.h"

/*
 * Requests by door, operation and result. Any thread adds: relaxed atomics, a few nanoseconds. A door is what a client calls
 * itself in hello: a hint for operators, which no right hangs on.
 */
enum kgr_door {
    KGR_DOOR_OTHER,
    KGR_DOOR_LIBKGR,
    KGR_DOOR_OPENSSL, /* kgr.so */
    KGR_DOOR_PKCS11,
    KGR_DOOR_KGRCTL,
    KGR_NUM_DOORS
};

#define KGR_TALLY_OPS     48 /* operations below; all others are counted as 0 */
#define KGR_TALLY_RESULTS 32 /* enum kgr_error */

struct kgr_tally {
    atomic_uint_fast64_t num[KGR_NUM_DOORS][KGR_TALLY_OPS][KGR_TALLY_RESULTS];
};

enum kgr_door kgr_door_of(struct kgr_slice name);
const char *kgr_door_name(enum kgr_door door);
/* kgr_op_name is the name of docs/protocol.md, section 11, or `other`. */
const char *kgr_op_name(uint16_t op);
void kgr_tally_add(struct kgr_tally *tally, enum kgr_door door, uint16_t op, uint32_t status);
