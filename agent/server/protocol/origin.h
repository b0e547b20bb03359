/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/ks.h"

/*
 * Where an order came from, and where its answer goes: a call over the local socket, or a frame of the AC. Each origin is
 * answered exactly once, by one of the functions here.
 */
struct kgr_ks_origin {
    struct kgr_call call;
    struct kgr_ks_key *key; /* of the frame, a reference; NULL: over the socket */
    uint8_t xid[16];
    uint64_t sequence; /* of the frame */
};

/* kgr_ks_origin_answer sends a signed result. Outside of a transaction. */
void kgr_ks_origin_answer(struct kgr_ks *ks, struct kgr_ks_origin *origin, struct kgr_slice result);
/* kgr_ks_origin_refuse answers without a result: an error with its text, or a nack. Outside of a transaction. */
void kgr_ks_origin_refuse(struct kgr_ks *ks, struct kgr_ks_origin *origin, enum kgr_error err,
                          const char *text);
