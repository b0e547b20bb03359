/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/text.h"
#include "agent/daemon/metrics.h"
#include "agent/node/store/anchor.h"
#include "agent/node/protocol/frames.h"
#include "agent/node/machines/nksk_renewal.h"
#include "agent/node/pairs.h"
#include "agent/node/machines/registration.h"
#include "agent/node/settings.h"
#include "agent/node/machines/sync.h"
#include "agent/tpm/capability.h"

struct kgr_loop;
struct kgr_mirrors;
struct kgr_mqtt;
struct kgr_node_audit;
struct kgr_service;
struct kgr_supervisor;
struct kgr_sync_lists;
struct kgr_timer;
struct kgr_wakeup;

/*
 * What a running kgr-agent is made of. One thread, the loop's, owns it; the files *_glue.c, enrol.c and service_*.c
 * are its parts.
 */
#define KGR_NODE_ALARMS    8
#define KGR_NODE_ALARM_MAX 120

#define KGR_NODE_DISK_FAILED                                                                       \
    "the state cannot be written (disk full or failed, see the log): nothing changes until it can"

/* What happened since the start, for metrics. */
struct kgr_node_stats {
    uint64_t started_ms;
    uint64_t exchanges_done;                  /* a new generation in force */
    uint64_t exchanges_failed[KGR_ERR_COUNT]; /* by error */
    struct kgr_histogram durations;           /* of those that this node asked for */
    uint64_t nksk_renewals;
};

struct kgr_node {
    const struct kgr_settings *settings; /* borrowed, or `live` */
    struct kgr_settings
        live; /* what counts since a reload: borrows from the first and from the last */
    struct kgr_settings reloaded; /* the last ones read; owned */
    struct kgr_loop *loop;        /* owned, as all that follows */
    struct kgr_timer *timer;
    struct kgr_wakeup *tpm_wakeup;
    struct kgr_wakeup *mqtt_wakeup;
    struct kgr_anchor anchor;
    struct kgr_db *db;   /* of the anchor */
    struct kgr_tpm *tpm; /* until the worker takes it */
    struct kgr_tpm_worker *worker;
    struct kgr_mqtt *mqtt;
    struct kgr_node_audit *audit;      /* NULL before the node has its state */
    struct kgr_mirrors *mirrors;       /* NULL while enrolling */
    struct kgr_service *service;       /* NULL while enrolling */
    struct kgr_supervisor *supervisor; /* while serving */

    /* What the TPM can. */
    bool tpm_resident;
    struct kgr_custody_choice custody;
    uint32_t tpm_modes; /* 1 << mode */
    char tpm_summary[KGR_TPM_SUMMARY_MAX];

    struct kgr_nid self;
    uint32_t epoch;
    bool rolled_back;
    uint8_t topic0[KGR_TOPIC_LEN];
    uint8_t topic1[KGR_TOPIC_LEN];
    uint8_t topic2[KGR_TOPIC_LEN];
    struct kgr_tpm_public ks_public;
    char broker_host[256]; /* as the credential says, unless the configuration does */
    struct kgr_brokers brokers;
    uint64_t lost_ms; /* since when the broker is away; 0: it is there */
    char lost_reason[200];
    uint64_t heard_ms; /* when the KS was heard last on this connection, or it began; 0: not yet */

    uint64_t next_key_id; /* of NKSK, for the slot cache; those of pairs begin elsewhere */
    uint64_t give_up_ms;  /* enrolling: when the caller's patience ends */
    uint64_t asked;       /* enrolling: sequence of the last reg_req of this start */
    struct kgr_frames frames;
    struct kgr_registration reg;
    struct kgr_nksk_renewal renewal;
    uint64_t nksk_due_ms; /* when NKSK is old enough to be renewed; UINT64_MAX: not known */
    struct kgr_sync sync;
    struct kgr_sync_lists *lists;
    bool synced;          /* once since the start: other frames may be sent */
    uint64_t revoked;     /* the word that ended this node; 0: it lives */
    uint64_t farewell_ms; /* revoked: until then the KS is answered; UINT64_MAX: never again */
    struct kgr_pairs pairs;
    struct kgr_ring_key **graves; /* keys that wait to be taken out of the TPM */
    size_t num_graves;

    char alarms[KGR_NODE_ALARMS][KGR_NODE_ALARM_MAX];
    size_t num_alarms;
    bool disk_failed; /* the state could not be written the last time; part of status */

    bool due;         /* kgr_node_served must set the timer anew */
    size_t num_plain; /* jobs of applications that ended, of those drained now */
    struct kgr_node_stats stats;
    bool stopping;
    enum kgr_error result;              /* of the loop */
    struct kgr_diag diag;               /* why */
    void (*progress)(const char *text); /* enrolling: a line for people; may be NULL */
};

/*
 * kgr_node_open opens TPM, state and database, and takes an epoch; with registered it does the latter only for a node that is
 * (KGR_ERR_NOT_REGISTERED). diag has the reason of a failure. Deinit with kgr_node_close in any case.
 */
KGR_MUST_CHECK enum kgr_error kgr_node_open(struct kgr_node *node,
                                            const struct kgr_settings *settings, bool registered,
                                            struct kgr_diag *diag);
/* kgr_node_enrolment reads who the node is, and whether its registration is over; an empty name: not enrolled. */
KGR_MUST_CHECK enum kgr_error kgr_node_enrolment(struct kgr_db *db, char out_node[KGR_NID_MAX + 1],
                                                 bool *out_registered, struct kgr_diag *diag);
/* kgr_node_connect starts the worker, the broker's connection and the timer. The node knows its N_ID and topics then. */
KGR_MUST_CHECK enum kgr_error kgr_node_connect(struct kgr_node *node, struct kgr_diag *diag);
/* kgr_node_open_loop makes the loop and its timer alone: for a node that has nothing left to say. */
KGR_MUST_CHECK enum kgr_error kgr_node_open_loop(struct kgr_node *node);
/* kgr_node_run serves until kgr_node_stop, and returns the result given there. */
KGR_MUST_CHECK enum kgr_error kgr_node_run(struct kgr_node *node, struct kgr_diag *diag);
void kgr_node_stop(struct kgr_node *node, enum kgr_error result);
void kgr_node_close(struct kgr_node *node);

/* kgr_node_load_identity reads N_ID, topics, the KS's key and the broker. KGR_ERR_NOT_REGISTERED when there is none. */
KGR_MUST_CHECK enum kgr_error kgr_node_load_identity(struct kgr_node *node, struct kgr_diag *diag);
/* kgr_node_nksk_auths derives the values of NKSK and NKSKsign; the caller frees both (kgr_secret_free). */
KGR_MUST_CHECK enum kgr_error kgr_node_nksk_auths(const struct kgr_node *node,
                                                  const uint8_t key_id[KGR_KEY_ID_LEN],
                                                  struct kgr_tpm_auth **out_enc,
                                                  struct kgr_tpm_auth **out_mac);
KGR_MUST_CHECK enum kgr_error kgr_node_make_nksk(struct kgr_node *node, struct kgr_keyset **out,
                                                 const struct kgr_nksk_row *row,
                                                 const struct kgr_tpm_object *parent);
/* kgr_node_load_nksk puts the node's NKSK in place. */
KGR_MUST_CHECK enum kgr_error kgr_node_load_nksk(struct kgr_node *node, struct kgr_diag *diag);

/*
 * A transaction; it begins with the window of the frame being handled. After a failed commit nothing stands, and the
 * caller goes back to what he had in memory. Failures are logged here.
 */
KGR_MUST_CHECK enum kgr_error kgr_node_begin(struct kgr_node *node);
KGR_MUST_CHECK enum kgr_error kgr_node_commit(struct kgr_node *node);
void kgr_node_rollback(struct kgr_node *node, const char *what, enum kgr_error err,
                       const struct kgr_diag *diag);

/*
 * kgr_node_reschedule sets the timer to the earliest deadline; after every event. It looks at every pair, which
 * kgr_node_served spares the requests of applications: plain ones change no deadline, unless node->due says so.
 */
void kgr_node_reschedule(struct kgr_node *node);
void kgr_node_served(struct kgr_node *node, bool plain);
/* kgr_node_drain_tpm takes back what the worker has ended, of which some comes without a wakeup. */
void kgr_node_drain_tpm(struct kgr_node *node);
/* kgr_node_alarm logs, and keeps a line for status; the oldest is forgotten. */
void kgr_node_alarm(struct kgr_node *node, const char *fmt, ...) KGR_PRINTF(2, 3);

/* Parts of the node, each in its own file. */

/* enrol.c */
enum kgr_error kgr_enrol_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame);
enum kgr_error kgr_enrol_on_nack(struct kgr_node *node, const struct kgr_frame_in *frame);
void kgr_enrol_on_ready(struct kgr_node *node);
void kgr_enrol_on_timer(struct kgr_node *node, uint64_t now_ms);

/* sync_glue.c */
void kgr_sync_on_ready(struct kgr_node *node);
void kgr_sync_on_lost(struct kgr_node *node);
void kgr_sync_on_timer(struct kgr_node *node, uint64_t now_ms);
enum kgr_error kgr_sync_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame);
void kgr_sync_lists_free(struct kgr_sync_lists *lists);

/* nksk_glue.c */
/* kgr_nksk_open continues a renewal of NKSK from the state, before kgr_node_connect. */
KGR_MUST_CHECK enum kgr_error kgr_nksk_open(struct kgr_node *node, struct kgr_diag *diag);
/* kgr_nksk_want begins a renewal of NKSK, or keeps the wish until it may begin. */
enum kgr_error kgr_nksk_want(struct kgr_node *node, bool storage);
void kgr_nksk_on_ready(struct kgr_node *node);
void kgr_nksk_on_lost(struct kgr_node *node);
/* kgr_nksk_on_synced: the KS said how old NKSK is, and what the AC ordered (KGR_REKEY_*). */
void kgr_nksk_on_synced(struct kgr_node *node, uint32_t age_s, uint8_t ordered);
void kgr_nksk_on_timer(struct kgr_node *node, uint64_t now_ms);
uint64_t kgr_nksk_deadline(const struct kgr_node *node);
enum kgr_error kgr_nksk_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame);
/* kgr_nksk_on_nack: false when the nack is not of a renewal of NKSK. */
bool kgr_nksk_on_nack(struct kgr_node *node, const struct kgr_frame_in *frame);
/* kgr_nksk_heard: a frame came under the NKSK that is to come. */
void kgr_nksk_heard(struct kgr_node *node);

/* renewal_glue.c */
/* kgr_renewal_look: a fact of the pair changed, and its machine decides anew. */
void kgr_renewal_look(struct kgr_pair *pair);
void kgr_renewal_on_timer(struct kgr_node *node, uint64_t now_ms);
/* kgr_renewal_peer_sends: the peer, or the KS, showed that the peer sends under this generation or a later one. */
void kgr_renewal_peer_sends(struct kgr_pair *pair, uint64_t generation);

/* exchange_glue.c */
enum kgr_error kgr_exchange_on_frame(struct kgr_node *node, const struct kgr_frame_in *frame);
void kgr_exchange_on_timer(struct kgr_node *node, uint64_t now_ms);
/* kgr_exchange_resume after a synchronisation: everything open is sent again. */
void kgr_exchange_resume(struct kgr_node *node);
/* kgr_exchange_forget_idle makes room: pairs that were only asked for, in vain, are forgotten. */
void kgr_exchange_forget_idle(struct kgr_node *node);
void kgr_exchange_on_outcome(struct kgr_node *node, const struct kgr_sync_result *result);
/* kgr_exchange_request asks the KS for a key; KGR_OK also when that is not needed or under way. */
KGR_MUST_CHECK enum kgr_error kgr_exchange_request(struct kgr_node *node, struct kgr_pair *pair,
                                                   uint8_t cause, bool renew);
