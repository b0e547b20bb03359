/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/diag.h"
#include "agent/wire/window.h"
#include "agent/wire/frame.h"

struct kgr_db;
struct kgr_keyset;
struct kgr_software_key;
struct kgr_tpm_worker;

/*
 * Frames on their way in and out (docs/protocol.md, section 3). What needs a key is a job of the TPM's worker,
 * control priority, for NTAG too: so frames leave in the order of their sequence. One thread, the loop's.
 */

/* The sets of keys that a node can have; NEXT is the NKSK that is to come (docs/protocol.md, section 5.2). */
enum kgr_frame_set { KGR_FRAME_NTAG, KGR_FRAME_NKSK, KGR_FRAME_NEXT, KGR_FRAME_NUM_SETS };

/* Why a frame was refused (docs/protocol.md, section 3.1). */
enum kgr_frame_cause {
    KGR_REFUSED_SIZE,
    KGR_REFUSED_VERSION,
    KGR_REFUSED_KEY,
    KGR_REFUSED_TYPE,
    KGR_REFUSED_RATE,
    KGR_REFUSED_REPLAY,
    KGR_REFUSED_TAG,
    KGR_REFUSED_BODY,
    KGR_REFUSED_NUM_CAUSES
};

/* A frame that is authentic and new. Borrowed for the call. */
struct kgr_frame_in {
    enum kgr_frame_set set;
    const struct kgr_frame_header *header;
    uint64_t sequence;
    struct kgr_slice body; /* decrypted */
};

struct kgr_frames_owner {
    struct kgr_tpm_worker *worker; /* borrowed */
    struct kgr_db *db;             /* borrowed */
    uint32_t epoch;
    /* publish hands a finished frame to the broker; its loss is mended by retries. */
    enum kgr_error (*publish)(void *arg, const uint8_t topic[KGR_TOPIC_LEN],
                              struct kgr_slice frame);
    /* on_frame: KGR_ERR_CORRUPT when the body is malformed; other errors are its own business. */
    enum kgr_error (*on_frame)(void *arg, const struct kgr_frame_in *frame);
    void *arg;
};

struct kgr_frame_key; /* keys of one key_id, counted by the jobs that use them */

struct kgr_frames {
    struct kgr_frames_owner owner;
    struct kgr_frame_key *sets[KGR_FRAME_NUM_SETS];
    uint64_t refused[KGR_REFUSED_NUM_CAUSES];
    size_t num_jobs; /* of frames that came in */
    struct kgr_bucket log_bucket;
    /* The window of the frame that is being handled. */
    struct kgr_frame_key *pending_key;
    struct kgr_window pending;
    bool pending_saved;
};

void kgr_frames_init(struct kgr_frames *out, const struct kgr_frames_owner *owner, uint64_t now_ms);
/* kgr_frames_deinit after kgr_tpm_worker_stop, which ends every job. */
void kgr_frames_deinit(struct kgr_frames *frames);

/*
 * kgr_frames_set_keys and kgr_frames_set_software take over the key of a set when they succeed, and replace the
 * one before; the window of key_id is read from the database.
 */
KGR_MUST_CHECK enum kgr_error kgr_frames_set_keys(struct kgr_frames *frames, enum kgr_frame_set set,
                                                  const uint8_t key_id[KGR_KEY_ID_LEN],
                                                  struct kgr_keyset *key, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_frames_set_software(struct kgr_frames *frames,
                                                      enum kgr_frame_set set, uint8_t suite,
                                                      const uint8_t key_id[KGR_KEY_ID_LEN],
                                                      struct kgr_software_key *key,
                                                      struct kgr_diag *diag);
/* kgr_frames_drop forgets a set; jobs that use it end first. */
void kgr_frames_drop(struct kgr_frames *frames, enum kgr_frame_set set);

/* kgr_frames_promote makes NEXT the NKSK; the one before leaves the TPM when the jobs that use it have ended. */
void kgr_frames_promote(struct kgr_frames *frames);
/* kgr_frames_count is the number of frames sent under a set in this epoch; 0 without it. */
uint32_t kgr_frames_count(const struct kgr_frames *frames, enum kgr_frame_set set);

/* kgr_frames_receive takes what arrived from the broker, from any topic. Every failure is silence and a count. */
void kgr_frames_receive(struct kgr_frames *frames, struct kgr_slice payload, uint64_t now_ms);

/*
 * kgr_frames_save_window writes the window of the frame being handled, if there is one: first thing in the
 * transaction of whoever handles it. kgr_frames_window_saved after its commit.
 */
KGR_MUST_CHECK enum kgr_error kgr_frames_save_window(struct kgr_frames *frames,
                                                     struct kgr_diag *diag);
void kgr_frames_window_saved(struct kgr_frames *frames);

/*
 * kgr_frames_send seals body with a fresh IV and the next sequence, and publishes it. *out_sequence may be NULL.
 * KGR_ERR_STATE without that set of keys, KGR_ERR_BUSY when too much is under way, KGR_ERR_QUOTA when
 * the counter of this epoch is spent.
 */
KGR_MUST_CHECK enum kgr_error kgr_frames_send(struct kgr_frames *frames, enum kgr_frame_set set,
                                              const uint8_t topic[KGR_TOPIC_LEN], uint8_t type,
                                              const uint8_t xid[KGR_XID_LEN], struct kgr_slice body,
                                              uint64_t *out_sequence);

/* kgr_frames_refused is the sum over all causes. */
uint64_t kgr_frames_refused(const struct kgr_frames *frames);
