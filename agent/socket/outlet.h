/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/diag.h"
#include "agent/wire/ipc.h"

/*
 * The way out of a connection, for every thread: who has worked out an answer sends it himself, and the client has it
 * before the loop has woken up. What the socket does not take at once stays with the caller; the loop sends it later.
 *
 * Counted: the connection holds it, and whoever was given it. All functions are thread-safe.
 */
struct kgr_outlet;

/* kgr_outlet_new: fd is borrowed until kgr_outlet_close. */
KGR_MUST_CHECK enum kgr_error kgr_outlet_new(struct kgr_outlet **out, int fd);
/* kgr_outlet_hold returns outlet, held once more. */
struct kgr_outlet *kgr_outlet_hold(struct kgr_outlet *outlet);
/* kgr_outlet_release accepts NULL. */
void kgr_outlet_release(struct kgr_outlet *outlet);
/* kgr_outlet_close: nothing more is sent, and nobody is within kgr_outlet_send when it returns. */
void kgr_outlet_close(struct kgr_outlet *outlet);

enum kgr_outlet_result {
    KGR_OUTLET_SENT,
    KGR_OUTLET_FULL,   /* not now */
    KGR_OUTLET_BROKEN, /* never */
};
/* kgr_outlet_send sends one packet, header and body, without waiting. */
enum kgr_outlet_result kgr_outlet_send(struct kgr_outlet *outlet,
                                       const struct kgr_ipc_header *header, struct kgr_slice body);
