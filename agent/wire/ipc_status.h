/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include <kgr/client.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"

/*
 * What the agent tells of peers and of itself, and the KS of itself. The structs are libkgr's own,
 * so that the client hands out what it decoded. Texts are cleaned of control characters and cut to
 * their fields. For encoders and decoders see agent/wire/body_registration.h.
 */

/* One peer entry alone: replies of key and wait. */
KGR_MUST_CHECK enum kgr_error kgr_ipc_peer_encode(struct kgr_wr *wr, const struct kgr_peer *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_peer_decode(struct kgr_peer *out, struct kgr_slice body);

/*
 * The reply of peers, written entry by entry: begin, add while there is room, end. add returns
 * false, with nothing written, when the entry does not fit any more.
 */
struct kgr_ipc_peers_writer {
    struct kgr_wr *wr; /* borrowed */
    size_t mark;
    uint16_t num;
};

void kgr_ipc_peers_begin(struct kgr_ipc_peers_writer *w, struct kgr_wr *wr, uint32_t total);
KGR_MUST_CHECK bool kgr_ipc_peers_add(struct kgr_ipc_peers_writer *w, const struct kgr_peer *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_peers_end(struct kgr_ipc_peers_writer *w);

/* The reply as read: verified as a whole by decode, then handed out by next until it says false. */
struct kgr_ipc_peers {
    uint32_t total;
    uint16_t num;
    struct kgr_rd rest; /* of the entries */
};

KGR_MUST_CHECK enum kgr_error kgr_ipc_peers_decode(struct kgr_ipc_peers *out,
                                                   struct kgr_slice body);
bool kgr_ipc_peers_next(struct kgr_ipc_peers *peers, struct kgr_peer *out);

KGR_MUST_CHECK enum kgr_error kgr_ipc_status_encode(struct kgr_wr *wr, const struct kgr_status *m);
KGR_MUST_CHECK enum kgr_error kgr_ipc_status_decode(struct kgr_status *out, struct kgr_slice body);

struct kgr_ks_status {
    char version[32];
    uint32_t epoch;
    bool broker_connected;
    char broker[280];
    uint32_t num_nodes;
    uint32_t num_registered;
    uint32_t num_open;         /* exchanges */
    uint32_t num_with_objects; /* exchanges that hold duplicates */
    uint32_t frames_refused;
    char tpm[128];
    uint8_t topic0[KGR_TOPIC_LEN];
    char alarms[1024];
};

KGR_MUST_CHECK enum kgr_error kgr_ks_status_encode(struct kgr_wr *wr,
                                                   const struct kgr_ks_status *m);
KGR_MUST_CHECK enum kgr_error kgr_ks_status_decode(struct kgr_ks_status *out,
                                                   struct kgr_slice body);
