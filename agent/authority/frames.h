/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/authority/state.h"
#include "agent/base/diag.h"
#include "agent/wire/frame.h"

struct kgr_ac;
struct kgr_keyset;

/*
 * Frames of the AC: orders out, results in (docs/protocol.md, section 9.2). Begin with a zeroed struct; kgr_ac_frames_close on
 * every path.
 */
struct kgr_ac_frames {
    struct kgr_ac *ac; /* borrowed */
    struct kgr_ac_nksk *nksk;
    struct kgr_keyset *key;
    uint32_t counter; /* of the last frame of this run */
};

/* kgr_ac_frames_open: KGR_ERR_STATE when this AC has no keys for frames. */
KGR_MUST_CHECK enum kgr_error kgr_ac_frames_open(struct kgr_ac_frames *out, struct kgr_ac *ac,
                                                 struct kgr_diag *diag);
void kgr_ac_frames_close(struct kgr_ac_frames *frames);
/* kgr_ac_frames_seal makes a new frame of an order in wr, which has room for KGR_FRAME_MAX bytes. */
KGR_MUST_CHECK enum kgr_error kgr_ac_frames_seal(struct kgr_ac_frames *frames, struct kgr_wr *wr,
                                                 const uint8_t xid[KGR_XID_LEN],
                                                 struct kgr_slice order, struct kgr_diag *diag);
/*
 * kgr_ac_frames_unseal checks a frame of this exchange and writes its body into out, which has room for KGR_FRAME_MAX bytes;
 * *out_type is KGR_FRAME_RESULT or KGR_FRAME_NACK. The window that it passed is stored. KGR_ERR_CORRUPT: it is none, or forged; KGR_ERR_REPLAY.
 */
KGR_MUST_CHECK enum kgr_error kgr_ac_frames_unseal(struct kgr_ac_frames *frames, uint8_t *out,
                                                   size_t *out_len, uint8_t *out_type,
                                                   const uint8_t xid[KGR_XID_LEN],
                                                   struct kgr_slice frame, struct kgr_diag *diag);
