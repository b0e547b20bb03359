/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/node/machines/exchange.h"
#include "agent/node/machines/renewal.h"
#include "agent/node/machines/sync.h"
#include "agent/server/machines/coordinator.h"
#include "agent/wire/window.h"

/*
 * A world of one pair: the exchange machines of both nodes, the coordinator of the KS, their disks, their
 * TPM queues, and a broker that loses, doubles, delays and replays frames. Time is simulated and every choice
 * comes from the seed, so a run can be repeated exactly. Keys are numbers: each birth gives a new one.
 *
 * The first statement of docs/protocol.md that does not hold ends the run; sim_failed tells which.
 */
#define SIM_NODES       2
#define SIM_KS          2 /* an end besides the nodes 0 and 1, which are the sides */
#define SIM_ENDS        3
#define SIM_GENERATIONS 2048
#define SIM_FLIGHTS     512
#define SIM_ARCHIVE     128
#define SIM_JOBS        8

struct sim_key {
    uint64_t generation; /* 0: none */
    uint32_t number;
};

/* A frame after decryption; which members count depends on the type. */
struct sim_frame {
    uint8_t type;
    uint8_t from, to;  /* ends */
    uint8_t requester; /* side */
    uint64_t sequence;
    uint8_t xid[KGR_XID_LEN];
    uint8_t pxid[KGR_XID_LEN];
    uint64_t generation, highest, current;
    uint32_t lifetime_s;
    uint8_t suite, custody, cause;
    uint8_t iv[KGR_IV_LEN];
    uint8_t topic[KGR_TOPIC_LEN];
    uint8_t kc[KGR_HASH_MAX];
    uint32_t key;
    uint8_t refused_type, reason;
    uint64_t refused_sequence;
    uint32_t retry_after_s;
    uint8_t nonce[KGR_SYNC_NONCE_LEN];
    uint32_t epoch;
    bool has_open;
    uint8_t open_xid[KGR_XID_LEN];
    uint8_t outcome;
    uint64_t peer_generation, age_s;
    uint64_t sent_ms; /* of a record */
};

/* Beside the frames: something that one node sealed for the other. */
#define SIM_RECORD 0xff

struct sim_flight {
    struct sim_frame frame;
    uint64_t due_ms; /* UINT64_MAX: a free place */
};

enum sim_work { SIM_IMPORT, SIM_CONFIRM, SIM_BIRTH };

/* A job of a TPM; jobs of one end are done in their order. */
struct sim_job {
    enum sim_work work;
    uint64_t due_ms;
    struct sim_key key;
    uint8_t kc[2][KGR_HASH_MAX];
    bool lost; /* nothing to work on */
};

struct sim_end {
    bool up, online;
    uint64_t start_ms, online_ms; /* when it comes back */
    uint32_t epoch;
    uint32_t counter[SIM_NODES]; /* of frames sent; a node has one */
    struct sim_job jobs[SIM_JOBS];
    size_t num_jobs;
    uint32_t points; /* places passed where a crash can happen */
};

struct sim_ring {
    struct sim_key candidate, current, previous;
};

struct sim_node {
    struct {
        struct kgr_exchange_state s;
        struct sim_ring ring;
        struct kgr_window window;
    } disk;
    struct kgr_exchange ex;
    struct sim_ring ring;
    struct sim_key staged;
    struct kgr_window window;
    bool synced;
    bool refuses; /* cannot hold such keys for a time */
    struct kgr_sync sync;
    struct sim_frame sync_req; /* fixed when a synchronisation begins */
    uint32_t alarms;
    struct kgr_renewal renewal;
    uint64_t born_ms[SIM_GENERATIONS]; /* as far as it knows */
    uint64_t peer_generation, confirmed;
    uint64_t before; /* for the checks: what was current before the current one */
};

struct sim_ks {
    struct {
        struct kgr_coordinator_state s;
        struct sim_key duplicates[SIM_NODES];
        struct kgr_window windows[SIM_NODES];
    } disk;
    struct kgr_coordinator co;
    bool loaded; /* the pair's machine is in memory */
    bool denied;
    bool twists; /* gives the two ends different keys under one name: a KS gone wrong */
    uint64_t sweep_ms;
    uint64_t offset_s; /* KS time less simulated time */
};

enum sim_decision { SIM_UNDECIDED, SIM_COMMIT, SIM_ABORT, SIM_VOID };

/* What the checks remember of a generation. */
struct sim_birth {
    bool allotted; /* a birth under it was started */
    bool done_sent;
    enum sim_decision decision;
    uint32_t key; /* 0: not known yet */
    uint32_t lifetime_s;
    uint64_t end_s;
};

/* Chances are in 1/1000. */
struct sim_faults {
    uint32_t lose, twice, replay, crash, offline, job, write, refuse, deny, request, record;
    uint32_t delay_ms, job_ms; /* longest */
    /* Of scripts: the frame with this number, counted from 1, is lost, doubled or late; and a crash. */
    uint32_t lose_nth, twice_nth, late_nth;
    uint32_t crash_point; /* of crash_end, counted from 1 */
    uint8_t crash_end;
};

struct sim {
    uint64_t rng;
    uint64_t now_ms;
    struct sim_faults faults;
    uint32_t lifetime_s, advert_keep_s, lease_s;
    bool renews;                    /* nodes renew and end overlaps by themselves */
    struct kgr_renewal_rules rules; /* of both */
    uint32_t records, renewals, destroyed;
    struct kgr_nid nids[SIM_NODES];
    struct sim_end ends[SIM_ENDS];
    struct sim_node nodes[SIM_NODES];
    struct sim_ks ks;
    struct sim_flight flights[SIM_FLIGHTS];
    size_t num_flights; /* places in use lie below */
    struct sim_frame archive[SIM_ARCHIVE];
    uint32_t frames, births, replays;
    struct sim_birth generations[SIM_GENERATIONS];
    uint64_t seen_current[SIM_NODES];
    uint64_t seen_highest;
    bool trace;
    bool failed;
    char why[160];
};

/* sim_new makes a world in which nothing has happened yet; free with free. */
struct sim *sim_new(uint64_t seed, const struct sim_faults *faults);
/* sim_step lets the next thing happen, and checks the statements; false when nothing will ever happen. */
bool sim_step(struct sim *sim);
/* sim_chaos does, perhaps, one of the things that the faults allow between two steps. */
void sim_chaos(struct sim *sim);
/* sim_calm ends all faults: what is down comes back, what is under way arrives. */
void sim_calm(struct sim *sim);
/* sim_settle runs until both ends agree and rest; fails the run unless they do in the given time. */
void sim_settle(struct sim *sim, uint64_t limit_ms);
void sim_request(struct sim *sim, size_t node, bool renew);
void sim_deny(struct sim *sim, bool denied);

/* The parts; only they and the checks use what follows. */
uint32_t sim_below(struct sim *sim, uint32_t n);
bool sim_chance(struct sim *sim, uint32_t thousandths);
void sim_random(struct sim *sim, void *out, size_t len);
uint64_t sim_now_s(const struct sim *sim);
void sim_trace(const struct sim *sim, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
void sim_fail(struct sim *sim, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* sim_crash_point tells whether the end crashed here; the caller then stops at once. */
bool sim_crash_point(struct sim *sim, uint8_t end);
void sim_crash(struct sim *sim, uint8_t end);
void sim_post(struct sim *sim, struct sim_frame *frame);
struct sim_job *sim_job_add(struct sim *sim, uint8_t end, enum sim_work work);

void sim_node_init(struct sim *sim, size_t n);
void sim_node_start(struct sim *sim, size_t n);
void sim_node_connected(struct sim *sim, size_t n);
void sim_node_receive(struct sim *sim, size_t n, const struct sim_frame *frame);
void sim_node_job(struct sim *sim, size_t n, const struct sim_job *job);
void sim_node_timer(struct sim *sim, size_t n);
void sim_node_sync_timer(struct sim *sim, size_t n);
void sim_node_renewal(struct sim *sim, size_t n);
/* sim_node_record seals something for the peer, if the node may send. */
void sim_node_record(struct sim *sim, size_t n);

void sim_ks_init(struct sim *sim);
void sim_ks_start(struct sim *sim);
void sim_ks_receive(struct sim *sim, const struct sim_frame *frame);
void sim_ks_job(struct sim *sim, const struct sim_job *job);
void sim_ks_event(struct sim *sim, enum kgr_coordinator_event_type type);

/* Checks that belong to one act, and those of the whole world after each step. */
bool sim_expired(const struct sim *sim, uint64_t generation);
struct sim_birth *sim_generation(struct sim *sim, uint64_t generation);
void sim_check_birth(struct sim *sim, const struct kgr_coordinator_row *row);
void sim_check_drop(struct sim *sim, size_t node, uint64_t generation, bool mismatch);
void sim_check_report(struct sim *sim, const struct kgr_coordinator_action *action);
void sim_check_told(struct sim *sim, const struct sim_frame *frame);
void sim_check(struct sim *sim);
bool sim_agreed(const struct sim *sim);
