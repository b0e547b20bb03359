/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/suite.h"
#include "agent/node/machines/retry.h"

/*
 * Registration as the node sees it (docs/protocol.md, section 4). Pure: an event in, at most one action
 * out. The owner holds NTAG, the bodies and the keys; the machine holds what binds them together.
 */
#define KGR_REG_ID_LEN    16
#define KGR_REG_NONCE_LEN 32
#define KGR_REG_HASH_LEN  32

enum kgr_registration_phase {
    KGR_REGISTRATION_NONE = 0,     /* no credential was read */
    KGR_REGISTRATION_ENROLLED = 1, /* credential read, nothing sent; then asking with reg_req */
    KGR_REGISTRATION_ASKING = 2,
    KGR_REGISTRATION_PROVING = 3,    /* NKSK stored, reg_proof under way */
    KGR_REGISTRATION_REGISTERED = 4, /* reg_done verified, NTAG erased */
};

struct kgr_registration {
    /* Persistent. */
    struct kgr_registration_state {
        enum kgr_registration_phase phase;
        uint8_t exchange[KGR_REG_ID_LEN];
        uint8_t nonce_n[KGR_REG_NONCE_LEN];
        uint8_t req_hash[KGR_REG_HASH_LEN]; /* of the body of reg_req */
        /* From PROVING on. */
        uint8_t nonce_ks[KGR_REG_NONCE_LEN];
        uint8_t key_id[KGR_REG_ID_LEN];
        uint8_t suite;
        uint8_t custody;
        uint8_t proof[KGR_REG_HASH_LEN]; /* transcript in reg_proof */
        uint8_t done[KGR_REG_HASH_LEN];  /* transcript that reg_done must have */
    } s;
    /* Not persistent. */
    bool busy; /* a challenge is being worked on */
    struct kgr_retry retry;
    uint64_t deadline_ms; /* when a TIMER event is due; UINT64_MAX: never */
};

enum kgr_registration_event_type {
    KGR_REGISTRATION_START, /* connected: begin, or go on */
    KGR_REGISTRATION_TIMER,
    KGR_REGISTRATION_CHALLENGE, /* reg_chal, its tag verified */
    KGR_REGISTRATION_ACCEPTED,  /* the TPM did all that the challenge asked; keys in hand */
    KGR_REGISTRATION_REFUSED,   /* it did not */
    KGR_REGISTRATION_DONE,      /* reg_done, its tag verified */
};

struct kgr_registration_event {
    enum kgr_registration_event_type type;
    uint64_t now_ms;
    uint32_t jitter;
    const uint8_t *exchange; /* frames: in the header */
    const uint8_t *nonce_n;  /* CHALLENGE, DONE */
    /* ACCEPTED: what follows from the challenge that was worked on. */
    const uint8_t *nonce_ks;
    const uint8_t *key_id;
    uint8_t suite;
    uint8_t custody;
    const uint8_t *proof;
    const uint8_t *done;
    const uint8_t *transcript; /* DONE */
};

enum kgr_registration_action {
    KGR_REGISTRATION_DO_NOTHING,
    KGR_REGISTRATION_DO_SEND_REQ, /* persist, then send reg_req */
    KGR_REGISTRATION_DO_WORK, /* verify the signature, activate, import; answer ACCEPTED or REFUSED */
    KGR_REGISTRATION_DO_SEND_PROOF, /* persist with the keys, then send reg_proof */
    KGR_REGISTRATION_DO_FINISH,     /* persist, and erase NTAG and the bodies */
    KGR_REGISTRATION_DO_IGNORE,
};

/* kgr_registration_restart continues from a persisted state. */
void kgr_registration_restart(struct kgr_registration *out,
                              const struct kgr_registration_state *state);
enum kgr_registration_action kgr_registration_step(struct kgr_registration *reg,
                                                   const struct kgr_registration_event *event);
