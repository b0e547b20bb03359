/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/diag.h"
#include "agent/daemon/loop.h"
#include "agent/daemon/metrics.h"
#include "agent/mqtt/mqtt.h"
#include "agent/server/machines/age.h"
#include "agent/audit/gate.h"
#include "agent/audit/schedule.h"
#include "agent/server/machines/coordinator.h"
#include "agent/server/birth/custody.h"
#include "agent/server/birth/entropy_pool.h"
#include "agent/server/ek_ca.h"
#include "agent/server/store/framekey.h"
#include "agent/server/store/identity.h"
#include "agent/server/machines/nksk_renewal.h"
#include "agent/server/store/nodes.h"
#include "agent/server/machines/notices.h"
#include "agent/server/machines/orders.h"
#include "agent/server/store/pairs.h"
#include "agent/server/machines/registry.h"
#include "agent/socket/server.h"
#include "agent/store/db.h"
#include "agent/tpm/capability.h"
#include "agent/tpm/worker.h"

struct kgr_config;
struct kgr_supervisor;

/*
 * The state of a running KS, shared by the files that drive its machines. All of it belongs to the loop's thread;
 * jobs of the TPM worker get copies, or what never changes (identity).
 *
 * Every change goes through one transaction: kgr_ks_begin, the step of a machine with its writes, kgr_ks_end. What
 * the step wants done afterwards (frames, births) is queued and starts only when the commit stands on the disk.
 * If the database fails, the service ends: its memory may be ahead of the disk, and a restart resumes
 * from the rows.
 */
struct kgr_ks_settings {
    const struct kgr_config *config; /* borrowed */
    int listening;                   /* the socket that a service manager opened; 0: none */
    const char *socket;
    struct kgr_brokers brokers; /* 1 or more; the first is what credentials name */
    uint32_t lifetime_s;
    uint32_t lease_s;
    uint32_t advert_keep_s;
    enum kgr_ks_custody_wish custody;
    uint8_t suites; /* mask; 0: all */
    size_t num_entropy;
    bool entropy_required;
    struct kgr_entropy_source_options entropy[KGR_ENTROPY_SOURCES_MAX];
    const char *ek_ca;        /* folder of the makers of TPMs; NULL: none is trusted */
    const char *metrics_file; /* for node_exporter; empty: none */
    uint32_t metrics_interval_s;
    bool only_proven; /* no node whose EK nobody vouches for */
};

struct kgr_ks_node {
    bool is_ac;               /* none of the nodes, but what stands for the AC among frame keys */
    struct kgr_ks_node *next; /* in the order of N_IDs */
    struct kgr_ks_record r;
    struct kgr_registry reg;
    struct kgr_ks_key *ntag; /* borrowed from the table of keys; NULL: none */
    struct kgr_ks_key *nksk;
    struct kgr_ks_nksk renewal;   /* of NKSK */
    struct kgr_ks_key *next_nksk; /* that is to come; likewise borrowed */
    uint8_t next_topic1[KGR_TOPIC_LEN];
    uint64_t nksk_born_s;       /* KS time */
    uint8_t rekey;              /* KGR_REKEY_*: what the AC ordered */
    struct kgr_notices notices; /* that wait for it */
};

/* The AC, or the AC as it will be under its next keys. */
struct kgr_ks_ac {
    struct kgr_ks_node node; /* its frame keys and topics */
    struct kgr_tpm_public signing;
    bool there;
};

struct kgr_ks_pair {
    struct kgr_ks_pair *next;
    struct kgr_coordinator co;
    unsigned int births; /* jobs under way */
};

/* Why frames were refused (docs/protocol.md, section 3.1). */
enum kgr_ks_cause {
    KGR_KS_SIZE,
    KGR_KS_VERSION,
    KGR_KS_KEY,
    KGR_KS_TYPE,
    KGR_KS_RATE,
    KGR_KS_REPLAY,
    KGR_KS_TAG,
    KGR_KS_BODY,
    KGR_KS_QUEUE, /* the TPM's queue is full */
    KGR_KS_NUM_CAUSES
};

struct kgr_ks;

/* Something to be started after a commit; the first member of a larger struct. */
struct kgr_ks_after {
    struct kgr_ks_after *next;
    void (*start)(struct kgr_ks *ks, struct kgr_ks_after *self); /* owns self */
    void (*drop)(struct kgr_ks_after *self);
};

#define KGR_KS_ALARMS 8

/* What happened since the start, for metrics. */
struct kgr_ks_stats {
    uint64_t started_ms;
    uint64_t exchanges[KGR_COORDINATOR_ABORTED + 1]; /* that reached a phase */
    struct kgr_histogram births;
    uint64_t births_failed;
    uint64_t orders[KGR_ERR_COUNT]; /* carried out, by status */
    uint64_t orders_refused;
    uint64_t nksk_renewals;
    struct kgr_clock_look looked;
    bool clock_jumped;
    uint64_t saved_ms; /* the metrics, to their file */
    bool save_failed;
};

struct kgr_ks {
    struct kgr_ks_settings settings;
    struct kgr_ks_identity id;
    struct kgr_ks_custody custody;
    uint32_t epoch;
    char tpm_summary[KGR_TPM_SUMMARY_MAX];
    struct kgr_db *db; /* of id */
    struct kgr_loop *loop;
    struct kgr_tpm_worker *worker;
    struct kgr_entropy_pool *entropy; /* the TPM's thread stirs from it */
    struct kgr_wakeup *tpm_wakeup;
    struct kgr_mqtt *mqtt;
    uint64_t lost_ms; /* since when there is no broker; 0: there is one */
    struct kgr_wakeup *mqtt_wakeup;
    struct kgr_timer *mqtt_timer;
    struct kgr_timer *timer; /* of the machines */
    struct kgr_server *server;
    struct kgr_supervisor *supervisor; /* while serving */
    struct kgr_ks_node *nodes;
    struct kgr_ks_keys keys;
    struct kgr_ks_pair *pairs; /* those that have exchanges */
    struct kgr_ks_ac ac[2];    /* by enum kgr_ks_ac_slot */
    struct kgr_ek_ca *ek_ca;   /* NULL: no maker is trusted */
    struct kgr_orders orders;
    struct kgr_audit_gate audit_gates[KGR_ORDERS_NUM_REASONS];
    struct kgr_audit_gate node_gate;
    struct kgr_audit_gate pair_gates[KGR_AUDIT_GATES_LOCAL]; /* of exchanges */
    struct kgr_audit_schedule audit;
    uint32_t words;      /* given in this epoch */
    uint64_t notices_ms; /* when the first notice is due */
    uint64_t next_slot_id;
    struct kgr_ks_age age;
    uint64_t time_kept; /* KS time as stored */
    struct kgr_ks_after *after, **after_end;
    bool erased;            /* rows with keys went in this transaction */
    bool failed;            /* the database failed; the loop is stopping */
    enum kgr_error why;     /* it failed */
    unsigned int receiving; /* frames at the worker */
    uint64_t refused[KGR_KS_NUM_CAUSES];
    struct kgr_bucket log_bucket;
    struct kgr_ks_stats stats;
    char alarms[KGR_KS_ALARMS][128];
    size_t num_alarms;
};

/* kgr_ks_time_load goes on from the KS time that the database holds. */
KGR_MUST_CHECK enum kgr_error kgr_ks_time_load(struct kgr_ks *ks, struct kgr_diag *diag);
/* KS time in s (agent/server/machines/age.h). */
uint64_t kgr_ks_now_s(struct kgr_ks *ks);
uint32_t kgr_ks_jitter(void);
/* kgr_ks_alarm logs, and keeps the line for ks_status. */
void kgr_ks_alarm(struct kgr_ks *ks, const char *fmt, ...) KGR_PRINTF(2, 3);

KGR_MUST_CHECK enum kgr_error kgr_ks_begin(struct kgr_ks *ks);
/*
 * kgr_ks_end commits when err is KGR_OK and starts what was queued; otherwise it rolls back and drops that.
 * KGR_ERR_CORRUPT as err is an answer to bad input, any other error of the step stops the service.
 */
void kgr_ks_end(struct kgr_ks *ks, enum kgr_error err, const struct kgr_diag *diag);
/* kgr_ks_later queues what follows the commit, within a transaction. */
void kgr_ks_later(struct kgr_ks *ks, struct kgr_ks_after *after);

/* Nodes. kgr_ks_node_find returns NULL for a stranger. */
struct kgr_ks_node *kgr_ks_node_find(struct kgr_ks *ks, const struct kgr_nid *nid);
/* kgr_ks_node_add makes the node of a record known, with the keys that it has. */
KGR_MUST_CHECK enum kgr_error kgr_ks_node_add(struct kgr_ks *ks,
                                              const struct kgr_ks_record *record);
/* kgr_ks_node_save writes the record with the present state of its machine. */
KGR_MUST_CHECK enum kgr_error kgr_ks_node_save(struct kgr_ks *ks, struct kgr_ks_node *node,
                                               struct kgr_diag *diag);
/* kgr_ks_node_rekey makes the keys in the table those of the record. */
KGR_MUST_CHECK enum kgr_error kgr_ks_node_rekey(struct kgr_ks *ks, struct kgr_ks_node *node);
/* kgr_ks_node_drop_next forgets the NKSK that is to come, if there is one, and its topic. */
void kgr_ks_node_drop_next(struct kgr_ks *ks, struct kgr_ks_node *node);
bool kgr_ks_node_ready(const struct kgr_ks_node *node);

/* kgr_ks_key_release gives a reference back; the last one unloads the key from the TPM. */
void kgr_ks_key_release(struct kgr_ks *ks, struct kgr_ks_key *key);
/* kgr_ks_arm sets the timer of the machines to the next deadline. */
void kgr_ks_arm(struct kgr_ks *ks);
