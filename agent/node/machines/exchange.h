/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/suite.h"
#include "agent/base/text.h"
#include "agent/node/machines/retry.h"
#include "agent/wire/body_exchange.h"
#include "agent/wire/body_sync.h"
#include "agent/wire/frame.h"

/*
 * The exchange of one pair as a node sees it, in both roles: N1 that requests and N2 that is destined
 * (docs/protocol.md, sections 6.2 and 7). Pure: an event goes in, actions come out; no clock, socket, TPM
 * or disk. Keys never pass through here: the owner holds the objects of an import under way and of the
 * candidate, and moves them as the actions say.
 *
 * The owner runs the actions of one step in their order. PERSIST means: write the persistent part of the
 * state, and what STORE, PROMOTE and DROP of this step say about keys, in one transaction, before any SEND
 * of the step. A restarted process continues from the last persisted copy by kgr_exchange_restart.
 */
#define KGR_EXCHANGE_SENT 16 /* sequences remembered for nacks */

enum kgr_exchange_phase {
    KGR_EXCHANGE_IDLE = 0,       /* nothing under way */
    KGR_EXCHANGE_REQUESTING = 1, /* N1: asks the KS */
    KGR_EXCHANGE_WAITING = 2,    /* N1: holds a candidate, not yet confirmed */
    KGR_EXCHANGE_CANDIDATE = 3,  /* N2: holds a candidate, not yet confirmed */
    KGR_EXCHANGE_SUPERSEDED = 4, /* N1: another exchange came first; asks anew if none arrives */
    KGR_EXCHANGE_FAILED = 5,     /* the last exchange ended in error; as idle otherwise */
};

enum kgr_exchange_job { KGR_EXCHANGE_JOB_NONE, KGR_EXCHANGE_JOB_IMPORT, KGR_EXCHANGE_JOB_KC };

/* What an exchange of keys is about: of the candidate, or being imported. */
struct kgr_exchange_offer {
    uint8_t xid[KGR_XID_LEN];  /* exchange id of this node's leg */
    uint8_t pxid[KGR_XID_LEN]; /* of the pair's exchange */
    uint64_t generation;
    uint32_t lifetime_s;
    uint8_t suite;
    uint8_t custody;
    bool requester; /* this node is N1 */
    uint8_t iv[KGR_IV_LEN];
    uint8_t topic_own[KGR_TOPIC_LEN];  /* where this node listens */
    uint8_t topic_peer[KGR_TOPIC_LEN]; /* where the peer listens; N1 learns it by conf_req */
    uint8_t kc_own[KGR_HASH_MAX];
    uint8_t kc_peer[KGR_HASH_MAX]; /* as received */
    uint8_t kc_len;                /* of each of them; 0 before */
};

/* Zeroed, then kgr_exchange_init. The persistent part holds no secret. */
struct kgr_exchange {
    struct kgr_exchange_state {
        struct kgr_nid self;
        struct kgr_nid peer;
        enum kgr_exchange_phase phase;
        uint8_t request_xid[KGR_XID_LEN]; /* REQUESTING: of the request */
        uint8_t request_topic[KGR_TOPIC_LEN];
        uint8_t request_cause;               /* 0 first, 1 renewal, 2 on demand */
        uint64_t request_highest;            /* a retry says what the first frame said */
        struct kgr_exchange_offer candidate; /* WAITING and CANDIDATE */
        struct kgr_exchange_offer current;   /* generation 0: no key in force */
        uint64_t highest;                    /* generation ever seen */
        enum kgr_error error;                /* why the last exchange failed */
    } s;
    /* From here on not persistent. */
    enum kgr_exchange_job job;       /* at most one is under way */
    bool job_over;                   /* nobody wants its result any more */
    struct kgr_exchange_offer offer; /* that of the job */
    struct kgr_retry retry;
    uint64_t deadline_ms;  /* when a TIMER event is due; UINT64_MAX: never */
    uint64_t candidate_ms; /* when the candidate's lifetime ends */
    uint64_t sent[KGR_EXCHANGE_SENT];
    size_t num_sent;
};

enum kgr_exchange_event_type {
    KGR_EXCHANGE_REQUEST, /* a local wish for a key */
    KGR_EXCHANGE_KEY_ANS, /* frames, their tags verified */
    KGR_EXCHANGE_ADV_REQ,
    KGR_EXCHANGE_CONF_REQ,
    KGR_EXCHANGE_DONE,
    KGR_EXCHANGE_NACK,
    KGR_EXCHANGE_IMPORTED, /* results of jobs */
    KGR_EXCHANGE_IMPORT_FAILED,
    KGR_EXCHANGE_KC,
    KGR_EXCHANGE_KC_FAILED,
    KGR_EXCHANGE_TIMER,
    KGR_EXCHANGE_OUTCOME, /* of the open exchange, from sync_ans */
    KGR_EXCHANGE_RESUME,  /* connected and synchronised: send now what is due */
    KGR_EXCHANGE_REVOKED, /* every generation up to `generation` is to be destroyed */
};

/* Only the fields named beside a type of event are read. All pointers are borrowed for the step. */
struct kgr_exchange_event {
    enum kgr_exchange_event_type type;
    uint64_t now_ms;            /* all: CLOCK_BOOTTIME */
    uint32_t jitter;            /* all: random bits */
    const uint8_t *fresh_xid;   /* REQUEST, TIMER: 16 random bytes */
    const uint8_t *fresh_topic; /* REQUEST, TIMER, ADV_REQ: 32 random bytes */
    uint8_t cause;              /* REQUEST */
    bool renew;                 /* REQUEST: also when a key is in force */

    uint8_t xid[KGR_XID_LEN];   /* frames: exchange id in the header. OUTCOME: the one asked */
    uint64_t sequence;          /* KEY_ANS, ADV_REQ, CONF_REQ: of the frame, for a nack */
    const struct kgr_nid *nid1; /* frames but NACK: as the body has them */
    const struct kgr_nid *nid2;
    const uint8_t *pxid; /* frames but NACK */
    uint64_t
        generation; /* frames; NACK: the field of the nack; IMPORTED, KC and their failures: the job's; REVOKED */
    uint8_t suite; /* KEY_ANS, ADV_REQ */
    uint8_t custody;
    uint32_t lifetime_s;
    const uint8_t *iv;
    const uint8_t *topic; /* ADV_REQ: topic3; CONF_REQ: topic4 */
    struct kgr_slice kc;  /* CONF_REQ, DONE */
    uint8_t
        refuse; /* KEY_ANS, ADV_REQ: enum kgr_nack_reason if this node cannot hold such keys, else 0 */
    uint8_t refused_type;       /* NACK */
    uint64_t refused_sequence;  /* NACK */
    uint8_t reason;             /* NACK: enum kgr_nack_reason */
    uint32_t retry_after_s;     /* NACK */
    uint8_t outcome;            /* OUTCOME: enum kgr_sync_outcome */
    const uint8_t *kc_own;      /* KC: kc_len bytes each, as this node's TPM computed them */
    const uint8_t *kc_expected; /* KC: what the peer must have sent */
    size_t kc_len;              /* KC */
    enum kgr_error error;       /* IMPORT_FAILED, KC_FAILED */
};

enum kgr_exchange_action_type {
    KGR_EXCHANGE_DO_PERSIST,
    KGR_EXCHANGE_DO_SEND,   /* a frame of type `frame` with exchange id `xid` */
    KGR_EXCHANGE_DO_IMPORT, /* the objects of this event's frame; answer IMPORTED or IMPORT_FAILED */
    KGR_EXCHANGE_DO_KC,     /* kc of both ends for `offer`; answer KC or KC_FAILED */
    KGR_EXCHANGE_DO_STORE,  /* what was imported is the candidate now */
    KGR_EXCHANGE_DO_PROMOTE, /* the candidate is the current key, the former one only receives */
    KGR_EXCHANGE_DO_DROP,    /* destroy the candidate */
    KGR_EXCHANGE_DO_DISCARD, /* destroy what was imported and is no candidate */
    KGR_EXCHANGE_DO_DESTROY, /* every key of a generation up to `generation` */
    KGR_EXCHANGE_DO_NOTIFY,  /* the state that people see changed */
    KGR_EXCHANGE_DO_ALARM,   /* a key confirmation did not fit */
    KGR_EXCHANGE_DO_IGNORED, /* the frame was not for this state; for the log */
};

struct kgr_exchange_action {
    enum kgr_exchange_action_type type;
    uint8_t frame; /* SEND: enum kgr_frame_type, one of key_req, adv_ans, conf_ans and nack */
    uint8_t xid[KGR_XID_LEN];
    /* The body of SEND; nid1 and nid2 follow from requester. */
    bool requester;
    const struct kgr_exchange_offer
        *offer;           /* 10, 12, and DO_KC: borrowed from the machine until its next step */
    uint64_t highest;     /* 7 */
    uint8_t cause;        /* 7 */
    const uint8_t *topic; /* 7: topic3; borrowed likewise */
    uint8_t refused_type; /* 14 */
    uint64_t refused_sequence; /* 14 */
    uint8_t reason;            /* 14 */
    uint64_t generation;       /* 14; DESTROY */
};

#define KGR_EXCHANGE_MAX_ACTIONS 8

struct kgr_exchange_actions {
    struct kgr_exchange_action list[KGR_EXCHANGE_MAX_ACTIONS];
    size_t num;
};

/* kgr_exchange_init makes the idle machine of a pair; KGR_ERR_INVALID when both are one node. */
KGR_MUST_CHECK enum kgr_error
kgr_exchange_init(struct kgr_exchange *out, const struct kgr_nid *self, const struct kgr_nid *peer);
/* kgr_exchange_restart continues from a persisted state: jobs are gone, and what is open is due at once. */
void kgr_exchange_restart(struct kgr_exchange *out, const struct kgr_exchange_state *state,
                          uint64_t now_ms);
/* kgr_exchange_step runs one event; out is overwritten, with 0 actions when nothing is to be done. */
void kgr_exchange_step(struct kgr_exchange *ex, const struct kgr_exchange_event *event,
                       struct kgr_exchange_actions *out);
/* kgr_exchange_sent tells the sequence that a SEND of this machine got: only these can be nacked. */
void kgr_exchange_sent(struct kgr_exchange *ex, uint64_t sequence);

/* kgr_exchange_phase_name is the word for the log. */
const char *kgr_exchange_phase_name(enum kgr_exchange_phase phase);
/* kgr_exchange_role is 1 for the bytewise smaller N_ID of the pair, 2 for the other. */
uint8_t kgr_exchange_role(const struct kgr_exchange_state *state);
/* kgr_exchange_open_xid: the exchange id that sync asks about, or NULL when no candidate is held. */
const uint8_t *kgr_exchange_open_xid(const struct kgr_exchange *ex);
/* kgr_exchange_has_xid tells whether a frame with this exchange id is for this machine. */
bool kgr_exchange_has_xid(const struct kgr_exchange *ex, const uint8_t xid[KGR_XID_LEN]);
