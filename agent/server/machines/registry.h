/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/text.h"

/*
 * The registration of one node as the KS sees it (docs/protocol.md, section 4). Pure, like
 * agent/server/machines/coordinator.h: an event goes in, actions come out; PERSIST comes first and means one
 * transaction with the window of the frame and what ERASE_NTAG says, before anything is sent.
 */
#define KGR_REGISTRY_ID_LEN   16
#define KGR_REGISTRY_HASH_LEN 32

/* Numbered as a node entry of an order's result (section 9). */
enum kgr_registry_phase {
    KGR_REGISTRY_ISSUED = 1,
    KGR_REGISTRY_CHALLENGED = 2,
    KGR_REGISTRY_REGISTERED = 3,
    KGR_REGISTRY_REVOKED = 4,
    KGR_REGISTRY_EXPIRED = 5,
    KGR_REGISTRY_REMOVED = 6,
};

struct kgr_registry {
    struct kgr_registry_state {
        enum kgr_registry_phase phase;
        uint64_t expires_s; /* of the credential; KS time */
        bool has_ek_hash;   /* which EK it must be is known: the AC said so, or pinned */
        bool pinned;        /* it is that of a node of this N_ID that was revoked, not removed */
        bool proven; /* the EK is that of the AC's word, or of a TPM whose maker the KS trusts */
        bool bound;  /* a valid reg_req came: ek and storage are the only ones from now on */
        uint8_t ek_hash[KGR_REGISTRY_HASH_LEN]; /* of the AC */
        uint8_t ek[KGR_REGISTRY_HASH_LEN];      /* H(EK public) */
        uint8_t storage[KGR_REGISTRY_HASH_LEN]; /* H(storage key public) */
        uint8_t xid[KGR_REGISTRY_ID_LEN];
        uint8_t request[KGR_REGISTRY_HASH_LEN]; /* H(reg_req body) */
        uint8_t nonce_ks[32];                   /* of the challenge that stands */
        uint8_t proof[KGR_REGISTRY_HASH_LEN];   /* transcript that reg_proof must have */
        uint8_t suite;
        uint8_t custody;
    } s;
    bool job; /* a challenge is being made; not persistent */
};

enum kgr_registry_event_type {
    KGR_REGISTRY_REQ, /* frames, their tags verified */
    KGR_REGISTRY_PROOF,
    KGR_REGISTRY_MADE, /* results of CHALLENGE */
    KGR_REGISTRY_FAILED,
    KGR_REGISTRY_TIMER,
};

/* Only the fields named beside a type of event are read. All pointers are borrowed for the step. */
struct kgr_registry_event {
    enum kgr_registry_event_type type;
    uint64_t now_s;            /* all: KS time */
    const uint8_t *xid;        /* frames */
    const uint8_t *request;    /* REQ, MADE: H(reg_req body), of MADE the one it answers */
    const uint8_t *ek;         /* REQ: H(EK public) */
    const uint8_t *storage;    /* REQ: H(storage key public) */
    bool wellformed;           /* REQ: both publics are exactly the templates, topic2 is new */
    bool certified;            /* REQ: a maker that the KS trusts certified the EK */
    bool only_proven;          /* REQ: an EK that nobody vouches for is refused */
    uint8_t suites;            /* REQ: masks of what the node can do */
    uint8_t custodies;         /* REQ */
    uint8_t own_suites;        /* REQ: masks of what the KS can do */
    uint8_t own_custodies;     /* REQ: mask of where it can keep its own end */
    const uint8_t *nonce_ks;   /* MADE; PROOF: as the body has it */
    const uint8_t *transcript; /* MADE: what the proof must have; PROOF: as the body has it */
};

enum kgr_registry_action_type {
    KGR_REGISTRY_DO_PERSIST,
    KGR_REGISTRY_DO_CHALLENGE, /* make and store a reg_chal body for this request; answer MADE, FAILED */
    KGR_REGISTRY_DO_SEND_CHAL, /* the stored body */
    KGR_REGISTRY_DO_SEND_DONE,
    KGR_REGISTRY_DO_SEND_NACK,  /* in answer to this frame */
    KGR_REGISTRY_DO_KEEP,       /* MADE: store what was made */
    KGR_REGISTRY_DO_ERASE_NTAG, /* and the stored body: the credential is spent or over */
    KGR_REGISTRY_DO_ALARM,      /* another TPM used the credential of this node */
    KGR_REGISTRY_DO_UNPROVEN,   /* likewise, a TPM that nobody vouches for */
    KGR_REGISTRY_DO_REPORT,     /* the phase changed; for the log */
    KGR_REGISTRY_DO_IGNORED,    /* the frame was not for this state; for the log */
};

#define KGR_REGISTRY_MAX_ACTIONS 6

struct kgr_registry_actions {
    struct {
        enum kgr_registry_action_type type;
        uint8_t reason; /* SEND_NACK: as docs/protocol.md section 7 numbers them */
    } list[KGR_REGISTRY_MAX_ACTIONS];
    size_t num;
};

/*
 * kgr_registry_choose fills the suite of an NKSK, the best of suites, and its custody, that of both ends together, or returns the
 * reason of a nack. suites is the mask that both ends can do, the other masks say what each can do with its end.
 */
KGR_MUST_CHECK uint8_t kgr_registry_choose(uint8_t *out_suite, uint8_t *out_custody, uint8_t suites,
                                           uint8_t custodies, uint8_t own_custodies);
/* kgr_registry_init makes the machine of a new credential; ek_hash of 32 bytes or NULL. */
void kgr_registry_init(struct kgr_registry *out, uint64_t expires_s, const uint8_t *ek_hash);
/*
 * kgr_registry_renew is kgr_registry_init for an N_ID that was there before: the EK of a node that was revoked and not
 * removed stays the only one. false when ek_hash names another.
 */
KGR_MUST_CHECK bool kgr_registry_renew(struct kgr_registry *out,
                                       const struct kgr_registry_state *before, uint64_t expires_s,
                                       const uint8_t *ek_hash);
/* kgr_registry_end is the AC's word: revoked, or removed. */
void kgr_registry_end(struct kgr_registry *reg, bool removed);
/* kgr_registry_restart continues from a persisted state: a challenge under way is lost. */
void kgr_registry_restart(struct kgr_registry *out, const struct kgr_registry_state *state);
/* kgr_registry_step runs one event; out is overwritten. */
void kgr_registry_step(struct kgr_registry *reg, const struct kgr_registry_event *event,
                       struct kgr_registry_actions *out);
