/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/node/machines/retry.h"

/*
 * Renewal of NKSK as the node sees it (docs/protocol.md, section 5.2). Pure: an event in, at most one action out. The
 * owner holds bodies, keys and storage keys; the machine holds what binds them together. The owner writes the
 * persistent part, with what the action names, in one transaction before it sends anything.
 */
#define KGR_NKSK_ID_LEN    16
#define KGR_NKSK_NONCE_LEN 32
#define KGR_NKSK_HASH_LEN  32
#define KGR_NKSK_TOPIC_LEN 32

enum kgr_nksk_phase {
    KGR_NKSK_IDLE = 0,    /* wanted tells whether one is due */
    KGR_NKSK_ASKING = 1,  /* request stored, nksk_req under way */
    KGR_NKSK_PROVING = 2, /* new NKSK stored beside the old, nksk_proof under way */
};

struct kgr_nksk_renewal {
    /* Persistent. */
    struct kgr_nksk_state {
        enum kgr_nksk_phase phase;
        uint8_t wanted; /* KGR_REKEY_*: not begun yet */
        bool storage;   /* the one under way brings a new storage key */
        uint8_t exchange[KGR_NKSK_ID_LEN];
        uint8_t nonce_n[KGR_NKSK_NONCE_LEN];
        uint8_t topic2[KGR_NKSK_TOPIC_LEN];  /* new */
        uint8_t req_hash[KGR_NKSK_HASH_LEN]; /* of the body of nksk_req */
        /* From PROVING on. */
        uint8_t nonce_ks[KGR_NKSK_NONCE_LEN];
        uint8_t topic1[KGR_NKSK_TOPIC_LEN]; /* new */
        uint8_t key_id[KGR_NKSK_ID_LEN];
        uint8_t proof[KGR_NKSK_HASH_LEN]; /* transcript in nksk_proof */
        uint8_t done[KGR_NKSK_HASH_LEN];  /* transcript that nksk_done must have */
    } s;
    /* Not persistent. */
    bool connected;
    bool synced; /* over the present connection: all frames may go */
    bool busy;   /* the owner works on PREPARE, PLACE or WORK */
    struct kgr_retry retry;
    uint64_t deadline_ms; /* when a TIMER event is due; UINT64_MAX: never */
};

enum kgr_nksk_event_type {
    KGR_NKSK_WANT, /* by age, demand or order */
    /* The KS may not know the old NKSK any more, so that a proof must not wait for a synchronisation. */
    KGR_NKSK_CONNECTED,
    KGR_NKSK_SYNCED, /* begin, or go on */
    KGR_NKSK_LOST,   /* no connection */
    KGR_NKSK_TIMER,
    KGR_NKSK_PREPARED,  /* results of PREPARE: the request is made */
    KGR_NKSK_PLACED,    /* of PLACE: the new storage key is persistent in the TPM */
    KGR_NKSK_FAILED,    /* of PREPARE and PLACE */
    KGR_NKSK_CHALLENGE, /* nksk_chal, its tag verified */
    KGR_NKSK_ACCEPTED,  /* results of WORK */
    KGR_NKSK_REFUSED,
    KGR_NKSK_DONE,  /* nksk_done, its tag verified */
    KGR_NKSK_HEARD, /* any other frame under the new NKSK */
    KGR_NKSK_NACK,  /* of nksk_req, in this exchange */
};

/* Only the fields named beside a type of event are read. All pointers are borrowed for the step. */
struct kgr_nksk_event {
    enum kgr_nksk_event_type type;
    uint64_t now_ms;           /* all: CLOCK_BOOTTIME */
    uint32_t jitter;           /* all: random bits */
    uint8_t wanted;            /* WANT: KGR_REKEY_*; PREPARED: what the request satisfies */
    const uint8_t *exchange;   /* PREPARED; frames: in the header */
    const uint8_t *nonce_n;    /* PREPARED, CHALLENGE, DONE */
    const uint8_t *topic2;     /* PREPARED: new */
    const uint8_t *req_hash;   /* PREPARED */
    const uint8_t *nonce_ks;   /* ACCEPTED, as all that follow */
    const uint8_t *topic1;     /* new */
    const uint8_t *key_id;     /* new */
    const uint8_t *proof;      /* transcript for nksk_proof */
    const uint8_t *done;       /* transcript that nksk_done must have */
    const uint8_t *transcript; /* DONE */
};

enum kgr_nksk_action {
    KGR_NKSK_DO_NOTHING,
    KGR_NKSK_DO_PERSIST, /* the wish */
    /* make the request, and the storage key if s.wanted says so; answer PREPARED or FAILED. The wish is persisted. */
    KGR_NKSK_DO_PREPARE,
    /* persist with the request and the new storage key's public, then make it persistent; answer PLACED or FAILED */
    KGR_NKSK_DO_PLACE,
    KGR_NKSK_DO_STORE,    /* persist with the request, then send nksk_req */
    KGR_NKSK_DO_SEND_REQ, /* the stored body */
    KGR_NKSK_DO_WORK,     /* verify, activate, import; answer ACCEPTED or REFUSED */
    KGR_NKSK_DO_ACCEPT,   /* persist with the keys, receive under both, then send nksk_proof */
    KGR_NKSK_DO_SEND_PROOF,
    KGR_NKSK_DO_FINISH,  /* persist: the new in force, all that is old erased */
    KGR_NKSK_DO_ABANDON, /* persist: request and new storage key erased */
    KGR_NKSK_DO_IGNORE,  /* the frame was not for this state; for the log */
};

/* kgr_nksk_restart continues from a persisted state. placed: the new storage key of a request is in the TPM. */
void kgr_nksk_restart(struct kgr_nksk_renewal *out, const struct kgr_nksk_state *state,
                      bool placed);
enum kgr_nksk_action kgr_nksk_step(struct kgr_nksk_renewal *renewal,
                                   const struct kgr_nksk_event *event);

/* kgr_nksk_due_s: the age at which NKSK of key_id is renewed, between 75 % and 95 % of lifetime_s. */
uint64_t kgr_nksk_due_s(const uint8_t key_id[KGR_NKSK_ID_LEN], uint64_t lifetime_s);

#define KGR_NKSK_STATE_BYTES_MAX 320
/* The persistent state as bytes of the database; a decoder refuses what no encoder wrote (KGR_ERR_CORRUPT). */
void kgr_nksk_state_encode(struct kgr_wr *wr, const struct kgr_nksk_state *state);
KGR_MUST_CHECK enum kgr_error kgr_nksk_state_decode(struct kgr_nksk_state *out,
                                                    struct kgr_slice bytes);
