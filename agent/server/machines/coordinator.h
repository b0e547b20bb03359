/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/buf.h"
#include "agent/base/suite.h"
#include "agent/base/text.h"
#include "agent/server/machines/grant.h"

/*
 * The exchanges of one pair as the KS, their coordinator, sees them (docs/protocol.md, section 6.1). Pure:
 * an event goes in, actions come out; no clock, socket, TPM or disk, and no key: the owner keeps the
 * duplicates that a birth made, and erases them as the actions say.
 *
 * The owner runs the actions of one step in their order. PERSIST means: write the persistent part, and
 * what KEEP and ERASE of this step say about duplicates, in one transaction with the window of the
 * frame, before any SEND or BIRTH of the step. A restarted process continues from the last persisted
 * copy by kgr_coordinator_restart.
 *
 * Ends of a pair are sides: side 0 is the node with the bytewise smaller N_ID (role 1), side 1 the other.
 */
#define KGR_COORDINATOR_XID_LEN 16
#define KGR_COORDINATOR_ROWS    6
#define KGR_COORDINATOR_SENT    16 /* sequences remembered for nacks */
/* Generations are numbers of a database: the last one is never reached by honest ends. */
#define KGR_COORDINATOR_GENERATION_MAX UINT64_C(0x3fffffffffffffff)

enum kgr_coordinator_phase {
    KGR_COORDINATOR_FREE = 0,       /* no exchange in this row */
    KGR_COORDINATOR_BIRTH = 1,      /* generation allotted, keys not born or not stored */
    KGR_COORDINATOR_ADVERTISED = 2, /* both ends are offered the keys */
    KGR_COORDINATOR_COMMITTED = 3,  /* the destined node holds them */
    KGR_COORDINATOR_CONFIRMED = 4,  /* both hold them, a tombstone */
    KGR_COORDINATOR_ABORTED = 5,    /* a tombstone, for the requester */
};

/* One exchange. Holds no secret. */
struct kgr_coordinator_row {
    enum kgr_coordinator_phase phase;
    uint8_t requester; /* side */
    uint8_t suite;
    uint8_t custody;
    uint8_t reason;      /* ABORTED: why, as numbered in nack */
    bool destined_knows; /* CONFIRMED: the destined node showed that it needs nothing more */
    uint64_t generation;
    uint32_t lifetime_s;
    uint64_t begun_s;                        /* KS time */
    uint8_t xid[2][KGR_COORDINATOR_XID_LEN]; /* of the leg to the requester, to the destined */
    uint8_t pxid[KGR_COORDINATOR_XID_LEN];
    uint8_t iv[KGR_IV_LEN];        /* from ADVERTISED on */
    uint8_t topic3[KGR_TOPIC_LEN]; /* where the requester listens */
    uint8_t topic4[KGR_TOPIC_LEN]; /* where the destined listens, from COMMITTED on */
    uint8_t kc[2][KGR_HASH_MAX];   /* of the requester, of the destined */
    uint64_t request_sequence;     /* of the requester's last key_req */
};

struct kgr_coordinator {
    struct kgr_coordinator_state {
        struct kgr_nid nids[2];
        uint64_t highest;      /* generation ever allotted, or known to an end */
        uint64_t seen[2];      /* highest sequence of a frame of this pair, by side */
        uint64_t current[2];   /* generation in force at each side, as it said last */
        uint64_t generation;   /* last confirmed; 0 none */
        uint64_t generation_s; /* KS time of its birth */
        uint32_t generation_lifetime_s;
        uint8_t generation_suite;
        uint8_t generation_custody;
        struct kgr_coordinator_row rows[KGR_COORDINATOR_ROWS];
    } s;
    /* From here on not persistent. */
    struct kgr_coordinator_state persisted; /* what the owner was told last */
    uint32_t advert_keep_s;
    bool job;             /* a birth is under way */
    uint32_t attempts;    /* of the open exchange's present step */
    uint64_t deadline_ms; /* when a TIMER event is due; UINT64_MAX: never */
    uint64_t sent[KGR_COORDINATOR_SENT];
    size_t num_sent;
};

enum kgr_coordinator_event_type {
    KGR_COORDINATOR_KEY_REQ, /* frames, their tags verified */
    KGR_COORDINATOR_ADV_ANS,
    KGR_COORDINATOR_CONF_ANS,
    KGR_COORDINATOR_NACK,
    KGR_COORDINATOR_BORN, /* results of a birth */
    KGR_COORDINATOR_BIRTH_FAILED,
    KGR_COORDINATOR_SYNC, /* what a node said of this pair in sync_req */
    KGR_COORDINATOR_TIMER,
    KGR_COORDINATOR_RESUME, /* connected: send now what is due */
    KGR_COORDINATOR_HEARD,  /* the node of `side` is there: send it now what it waits for */
    KGR_COORDINATOR_DENIED, /* the AC took the permission */
    KGR_COORDINATOR_REVOKED, /* side is a node no more: what the pair had ends, but for the generations spent */
};

/* Only the fields named beside a type of event are read. All pointers are borrowed for the step. */
struct kgr_coordinator_event {
    enum kgr_coordinator_event_type type;
    uint64_t now_ms; /* all: CLOCK_BOOTTIME */
    uint64_t now_s;  /* all: KS time, which goes on over restarts and never back */
    uint32_t jitter; /* all: random bits */

    uint8_t side;              /* frames, SYNC: of the sender; REVOKED: of the node */
    const uint8_t *xid;        /* frames: exchange id in the header */
    uint64_t sequence;         /* frames, SYNC */
    const uint8_t *pxid;       /* ADV_ANS, CONF_ANS; KEY_REQ: 16 fresh random bytes */
    const uint8_t *fresh_xid;  /* KEY_REQ: 16 fresh random bytes */
    uint64_t generation;       /* ADV_ANS, CONF_ANS, NACK; BORN, BIRTH_FAILED: the job's */
    uint64_t highest;          /* KEY_REQ, SYNC: highest that the sender knows */
    uint64_t current;          /* SYNC: generation in force at the sender; 0 none */
    const uint8_t *topic;      /* KEY_REQ: topic3; ADV_ANS: topic4 */
    bool topic_known;          /* the KS knows these bytes already */
    struct kgr_grant grant;    /* KEY_REQ */
    struct kgr_slice kc;       /* ADV_ANS, CONF_ANS */
    const uint8_t *iv;         /* BORN */
    bool final;                /* BIRTH_FAILED: another attempt would fail as well */
    uint8_t refused_type;      /* NACK */
    uint64_t refused_sequence; /* NACK */
    uint8_t reason;            /* NACK, DENIED */
    uint32_t retry_after_s;    /* NACK */
    bool complete;             /* SYNC: open_xids are all that the sender has */
    const uint8_t *open_xids;  /* SYNC: num_open times 16 bytes */
    size_t num_open;
};

enum kgr_coordinator_action_type {
    KGR_COORDINATOR_DO_PERSIST,
    KGR_COORDINATOR_DO_BIRTH,   /* of the row's keys; answer BORN or BIRTH_FAILED */
    KGR_COORDINATOR_DO_KEEP,    /* store what this birth made, for both sides */
    KGR_COORDINATOR_DO_ERASE,   /* erase the duplicates of `generation` for `side` */
    KGR_COORDINATOR_DO_SEND,    /* a frame of type `frame` to `side` with exchange id `xid` */
    KGR_COORDINATOR_DO_REPORT,  /* an exchange came into `phase`; for the log */
    KGR_COORDINATOR_DO_IGNORED, /* the frame was not for this state; for the log */
};

struct kgr_coordinator_action {
    enum kgr_coordinator_action_type type;
    uint8_t frame;                    /* SEND: 8, 9, 11, 13 or 14 */
    uint8_t side;                     /* SEND, ERASE; REPORT: the requester */
    enum kgr_coordinator_phase phase; /* REPORT */
    uint8_t xid[KGR_COORDINATOR_XID_LEN];
    uint64_t generation; /* ERASE, REPORT; SEND 14 */
    /* SEND 8, 9, 11 and 13, BIRTH, KEEP; borrowed from the machine until its next step. */
    const struct kgr_coordinator_row *row;
    uint8_t refused_type; /* 14 */
    uint64_t refused_sequence;
    uint8_t reason; /* 14; REPORT of ABORTED */
    uint32_t retry_after_s;
};

#define KGR_COORDINATOR_MAX_ACTIONS 24

struct kgr_coordinator_actions {
    struct kgr_coordinator_action list[KGR_COORDINATOR_MAX_ACTIONS];
    size_t num;
};

/* kgr_coordinator_init makes the machine of a pair without exchanges; KGR_ERR_INVALID for one node twice. */
KGR_MUST_CHECK enum kgr_error kgr_coordinator_init(struct kgr_coordinator *out,
                                                   const struct kgr_nid *a, const struct kgr_nid *b,
                                                   uint32_t advert_keep_s);
/* kgr_coordinator_restart continues from a persisted state: the birth under way is lost, all is due. */
void kgr_coordinator_restart(struct kgr_coordinator *out, const struct kgr_coordinator_state *state,
                             uint32_t advert_keep_s, uint64_t now_ms);
/* kgr_coordinator_step runs one event; out is overwritten, with 0 actions when nothing is to be done. */
void kgr_coordinator_step(struct kgr_coordinator *co, const struct kgr_coordinator_event *event,
                          struct kgr_coordinator_actions *out);
/*
 * kgr_coordinator_rekeyed: the node of a side sends under another key_id from now on, and numbers its frames from 1; what it sent
 * under the one before comes no more. The owner writes the same to its rows.
 */
void kgr_coordinator_rekeyed(struct kgr_coordinator *co, uint8_t side);
/* kgr_coordinator_sent tells the sequence that a SEND of 8, 9 or 11 got: only these can be nacked. */
void kgr_coordinator_sent(struct kgr_coordinator *co, uint64_t sequence);

/* kgr_coordinator_side returns the side of a node of the pair. */
uint8_t kgr_coordinator_side(const struct kgr_coordinator_state *state, const struct kgr_nid *nid);
/* kgr_coordinator_open is the exchange in BIRTH, ADVERTISED or COMMITTED, or NULL. */
const struct kgr_coordinator_row *kgr_coordinator_open(const struct kgr_coordinator_state *state);

/* Outcomes as sync_ans numbers them. */
enum kgr_coordinator_outcome {
    KGR_COORDINATOR_OUTCOME_UNKNOWN = 0,
    KGR_COORDINATOR_OUTCOME_OPEN = 1,
    KGR_COORDINATOR_OUTCOME_COMMITTED = 2,
    KGR_COORDINATOR_OUTCOME_ABORTED = 3,
};
/* kgr_coordinator_outcome tells what became of the exchange with this id on the leg to side. */
enum kgr_coordinator_outcome kgr_coordinator_outcome(const struct kgr_coordinator_state *state,
                                                     uint8_t side,
                                                     const uint8_t xid[KGR_COORDINATOR_XID_LEN],
                                                     uint64_t *out_generation);
