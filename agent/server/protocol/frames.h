/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/server/ks.h"

/* Frames in and out of the KS: docs/protocol.md, section 3. */

/* A frame whose tag was verified; everything is borrowed for the call. */
struct kgr_ks_frame {
    struct kgr_ks_key *key;
    struct kgr_ks_node *node;
    uint8_t type;
    const uint8_t *xid;
    uint64_t sequence;
    struct kgr_slice body;
};

/* kgr_ks_frames_receive takes what came over MQTT through the checks of section 3.1. */
void kgr_ks_frames_receive(struct kgr_ks *ks, struct kgr_slice payload);

/*
 * kgr_ks_frames_send queues a frame for the node of key, within a transaction: it is sealed and published after
 * the commit, and may be lost. *out_sequence (may be NULL) is the sequence it will carry.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_frames_send(struct kgr_ks *ks, struct kgr_ks_key *key,
                                                 uint8_t type, const uint8_t *xid,
                                                 struct kgr_slice body, uint64_t *out_sequence);
/* kgr_ks_frames_nack refuses a frame. */
KGR_MUST_CHECK enum kgr_error kgr_ks_frames_nack(struct kgr_ks *ks,
                                                 const struct kgr_ks_frame *frame, uint8_t reason,
                                                 uint32_t retry_after_s);
