/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * Renewal of one registered node's NKSK as the KS sees it (docs/protocol.md, section 5.2). Pure, like
 * agent/server/machines/registry.h: an event goes in, at most one action comes out, and what it writes is one transaction with the
 * window of the frame, before anything is sent.
 */
#define KGR_KS_NKSK_ID_LEN   16
#define KGR_KS_NKSK_HASH_LEN 32

enum kgr_ks_nksk_phase {
    KGR_KS_NKSK_QUIET = 0,      /* none was ever asked for */
    KGR_KS_NKSK_CHALLENGED = 1, /* another NKSK stands beside the one in force */
    KGR_KS_NKSK_DONE = 2,       /* it is in force; nksk_proof is still answered */
};

/* What a request asks for, and what was chosen for it. */
struct kgr_ks_nksk_request {
    uint8_t xid[KGR_KS_NKSK_ID_LEN];
    uint8_t hash[KGR_KS_NKSK_HASH_LEN]; /* H(nksk_req body) */
    uint64_t sequence;                  /* of the frame, under the NKSK in force */
    bool storage;                       /* it brings a new storage key */
    uint8_t suites;                     /* masks of what the node can do */
    uint8_t custodies;
    uint8_t suite; /* chosen */
    uint8_t custody;
};

struct kgr_ks_nksk {
    struct kgr_ks_nksk_state {
        enum kgr_ks_nksk_phase phase;
        struct kgr_ks_nksk_request request;  /* the one that stands */
        uint8_t nonce_ks[32];                /* of its challenge */
        uint8_t proof[KGR_KS_NKSK_HASH_LEN]; /* transcript that nksk_proof must have */
    } s;
    /* Not persistent. */
    bool job; /* a challenge is being made, for: */
    struct kgr_ks_nksk_request making;
};

enum kgr_ks_nksk_event_type {
    KGR_KS_NKSK_REQ, /* frames, their tags verified; REQ under the NKSK in force */
    KGR_KS_NKSK_PROOF,
    KGR_KS_NKSK_MADE, /* results of CHALLENGE */
    KGR_KS_NKSK_FAILED,
};

/* Only the fields named beside a type of event are read. All pointers are borrowed for the step. */
struct kgr_ks_nksk_event {
    enum kgr_ks_nksk_event_type type;
    const struct kgr_ks_nksk_request
        *request;              /* REQ: without what is chosen; MADE, FAILED: that of the job */
    bool wellformed;           /* REQ: the public is exactly the template, topic2 is new */
    uint8_t own_suites;        /* REQ: masks of what the KS can do */
    uint8_t own_custodies;     /* REQ */
    const uint8_t *xid;        /* PROOF */
    const uint8_t *nonce_ks;   /* MADE; PROOF: as the body has it */
    const uint8_t *transcript; /* MADE: what the proof must have; PROOF: as the body has it */
};

enum kgr_ks_nksk_action {
    KGR_KS_NKSK_DO_NOTHING,
    KGR_KS_NKSK_DO_CHALLENGE, /* make an NKSK and a body for `making`; answer MADE or FAILED */
    /* store what was made in the place of what stood, receive under it too, and send the body */
    KGR_KS_NKSK_DO_KEEP,
    KGR_KS_NKSK_DO_SEND_CHAL, /* the stored body */
    /* what was made is in force, what was before is erased; store the body of nksk_done and send it */
    KGR_KS_NKSK_DO_PROMOTE,
    KGR_KS_NKSK_DO_SEND_DONE, /* the stored body */
    KGR_KS_NKSK_DO_NACK,      /* in answer to this frame, with *out_reason */
    KGR_KS_NKSK_DO_IGNORE,    /* the frame was not for this state; for the log */
};

/* kgr_ks_nksk_restart continues from a persisted state: a challenge being made is lost. */
void kgr_ks_nksk_restart(struct kgr_ks_nksk *out, const struct kgr_ks_nksk_state *state);
enum kgr_ks_nksk_action kgr_ks_nksk_step(struct kgr_ks_nksk *renewal,
                                         const struct kgr_ks_nksk_event *event,
                                         uint8_t *out_reason);
