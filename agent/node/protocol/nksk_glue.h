/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/node/protocol/challenge.h"
#include "agent/wire/body_nksk.h"
#include "agent/node/node.h"
#include "agent/node/machines/nksk_renewal.h"

/* Between the files nksk_*.c only. */

/* A request being made: with a new storage key, its blob, which reaches no disk. */
struct kgr_nksk_making {
    struct kgr_node *node;
    bool storage;
    uint32_t handle; /* where the new storage key will stand */
    struct kgr_tpm_blob blob;
    struct kgr_tpm_object object; /* when it was placed */
    size_t body_len;
    uint8_t body[KGR_NKSK_REQ_MAX];
};

/* What a step is about; NULL where the event has none. */
struct kgr_nksk_source {
    struct kgr_nksk_making *making; /* PREPARED: owned by whoever acts when the step succeeds */
    const struct kgr_frame_in *frame;
    const struct kgr_challenge *challenge;
};

/* kgr_nksk_run steps the machine and does what it says; time and jitter are added to event. On failure it is as if not happened. */
enum kgr_error kgr_nksk_run(struct kgr_node *node, struct kgr_nksk_event *event,
                            const struct kgr_nksk_source *source);
/* kgr_nksk_fail tells the machine, and people, that a job failed. */
void kgr_nksk_fail(struct kgr_node *node, enum kgr_error err, const struct kgr_diag *diag);

/* nksk_jobs.c: PREPARE, PLACE and the eviction of a dead storage key; the first two end in an event. */
void kgr_nksk_prepare(struct kgr_node *node, bool storage);
void kgr_nksk_place(struct kgr_nksk_making *making);
void kgr_nksk_evict(struct kgr_node *node);

/* nksk_switch.c: the new NKSK, topics and storage key come in force, first on disk, then in memory. */
KGR_MUST_CHECK enum kgr_error kgr_nksk_save_switch(struct kgr_node *node,
                                                   const struct kgr_nksk_state *state,
                                                   struct kgr_diag *diag);
void kgr_nksk_switch(struct kgr_node *node, const struct kgr_nksk_state *state);
