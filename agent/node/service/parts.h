/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/clock.h"
#include "agent/base/diag.h"
#include "agent/node/machines/event_queue.h"
#include "agent/node/machines/mailbox.h"
#include "agent/node/node.h"
#include "agent/node/service/views.h"
#include "agent/node/machines/pin.h"
#include "agent/node/machines/routes.h"
#include "agent/node/service/warning.h"
#include "agent/socket/server.h"
#include "agent/wire/ipc.h"
#include "agent/wire/ipc_status.h"

struct kgr_keyset;
struct kgr_tpm;
struct kgr_workers;

/* Between the files service*.c only. */

struct kgr_fast_scratch;
struct kgr_hold;
struct kgr_wait;
struct kgr_mac_stream;
struct kgr_rekey_wait;
struct kgr_receiver;
struct kgr_subscription;

struct kgr_service {
    struct kgr_node *node;     /* borrowed */
    struct kgr_server *server; /* owned */
    struct kgr_pin pin;
    struct kgr_wait *waits; /* owned list */
    size_t num_waits;
    struct kgr_hold *holds; /* owned list, oldest first */
    size_t num_holds;
    struct kgr_hold *rerun;         /* handled again now; NULL: none */
    bool plain;                     /* the request in hand became a plain job */
    bool holds_due;                 /* something changed that they may have waited for */
    struct kgr_rekey_wait *rekeys;  /* owned list */
    struct kgr_mac_stream *streams; /* owned list */
    uint32_t next_stream;
    /* Messages. */
    struct kgr_routes routes;
    struct kgr_mailbox_pool pool;
    struct kgr_receiver *receivers; /* owned list, who waits longest first */
    size_t num_receivers;
    unsigned num_opening;      /* at the TPM */
    bool more_to_open;         /* a mailbox had to wait for the others */
    uint64_t opening_retry_ms; /* the TPM's queue was full */
    uint64_t messages_sent;
    uint64_t messages_accepted;
    uint64_t messages_refused[KGR_REFUSAL_COUNT];
    struct kgr_bucket refusal_log;
    struct kgr_bucket access_log;
    /* Events. */
    struct kgr_subscription *subscriptions; /* owned list */
    size_t num_subscriptions;
    struct kgr_clock_look looked;  /* at warnings */
    int64_t clock_jump_s;          /* the last one of the wall clock; 0: none */
    bool warned[KGR_NUM_WARNINGS]; /* what was wrong then */
    uint64_t saved_ms;             /* the metrics, to their file */
    bool save_failed;
    bool ks_lost;             /* and told */
    uint64_t silent_since_ms; /* with ks_lost: whichever broker is tried meanwhile */
    /* Beside the loop. */
    struct kgr_views views;
    struct kgr_fast_scratch *scratch;      /* the loop's own; owned, in the arena */
    struct kgr_workers *workers;           /* owned; NULL: there are none, and no rings */
    uint8_t reply[KGR_IPC_PACKET_MAX];     /* room for one reply */
    uint8_t tpm_reply[KGR_IPC_PACKET_MAX]; /* likewise, of the TPM's worker alone */
    char alarms[KGR_IPC_ALARMS_MAX];       /* likewise, of status */
    char reload[KGR_IPC_RELOAD_TEXT_MAX + 1];
};

/* A handler answers its request, now or later. */
typedef void kgr_service_fn(struct kgr_service *service, const struct kgr_server_request *request);
kgr_service_fn kgr_service_status;
kgr_service_fn kgr_service_peers;
kgr_service_fn kgr_service_keys;
kgr_service_fn kgr_service_pin;
kgr_service_fn kgr_service_key;
kgr_service_fn kgr_service_handle;
kgr_service_fn kgr_service_resolve;
kgr_service_fn kgr_service_request;
kgr_service_fn kgr_service_wait;
kgr_service_fn kgr_service_cipher;
kgr_service_fn kgr_service_mac;
kgr_service_fn kgr_service_mac_start;
kgr_service_fn kgr_service_mac_update;
kgr_service_fn kgr_service_mac_final;
kgr_service_fn kgr_service_mac_abort;
kgr_service_fn kgr_service_seal;
kgr_service_fn kgr_service_open;
kgr_service_fn kgr_service_seal_batch;
kgr_service_fn kgr_service_open_batch;
kgr_service_fn kgr_service_etm;
kgr_service_fn kgr_service_etm_open;
kgr_service_fn kgr_service_random;
kgr_service_fn kgr_service_stir;
kgr_service_fn kgr_service_rekey;
kgr_service_fn kgr_service_mirror_add;
kgr_service_fn kgr_service_mirror_list;
kgr_service_fn kgr_service_mirror_remove;
kgr_service_fn kgr_service_send;
kgr_service_fn kgr_service_recv;
kgr_service_fn kgr_service_subscribe;
kgr_service_fn kgr_service_next_event;
kgr_service_fn kgr_service_reload;
kgr_service_fn kgr_service_audit;
kgr_service_fn kgr_service_metrics;
kgr_service_fn kgr_service_diagnosis;

/* kgr_service_handle_request gives a request to its handler. */
void kgr_service_handle_request(struct kgr_service *service,
                                const struct kgr_server_request *request);
/*
 * beside.c: what needs only keys in memory. kgr_service_begin_beside before the server is made, kgr_service_end_beside after it is freed.
 * kgr_service_at_once answers as a worker would; false: the handlers shall.
 */
KGR_MUST_CHECK enum kgr_error kgr_service_begin_beside(struct kgr_service *service,
                                                       struct kgr_diag *diag);
void kgr_service_end_beside(struct kgr_service *service);
KGR_MUST_CHECK bool kgr_service_at_once(struct kgr_service *service,
                                        const struct kgr_server_request *request);
/* kgr_service_malformed answers a body that does not decode. */
void kgr_service_malformed(struct kgr_service *service, const struct kgr_server_request *request);
void kgr_service_ok(struct kgr_service *service, struct kgr_call call, struct kgr_slice body);

/*
 * A request that needs the TPM. Embedded first in a struct of the operation, made by malloc or calloc; wiped and freed
 * when it is answered.
 */
struct kgr_service_job {
    struct kgr_service *service;
    struct kgr_call call;
    size_t size; /* of the whole struct */
    bool plain; /* neither its start nor its end changes a deadline of the node, but by node->due */
    bool ready; /* run needs no TPM (tpm is NULL then) and not long: it runs at once, on the loop */
    bool unseals; /* run brings a key into memory: the workers shall see it */
    /* On the worker, unless it is ready. */
    enum kgr_error (*run)(struct kgr_service_job *job, struct kgr_tpm *tpm, struct kgr_diag *diag);
    /*
     * The body of the answer, when run succeeded and nothing but the answer is left to do: wherever run was, so that the
     * worker sends it. Else NULL, and finish answers on the loop, or returns an error to be answered.
     */
    enum kgr_error (*write)(const struct kgr_service_job *job, struct kgr_wr *wr);
    enum kgr_error (*finish)(struct kgr_service_job *job, struct kgr_diag *diag);
    struct kgr_ticket ticket; /* none: the loop answers */
    bool sent;                /* by the worker */
    /* On the loop, in any case, before the job is freed; may be NULL. */
    void (*release)(struct kgr_service_job *job);
};

/* kgr_service_job_new allocates size bytes, zeroed, or answers that there is no memory and returns NULL. */
void *kgr_service_job_new(struct kgr_service *service, struct kgr_call call, size_t size);
/* kgr_service_job_uses says which key the job uses: ready or not. */
void kgr_service_job_uses(struct kgr_service_job *job, const struct kgr_keyset *key);
/* kgr_service_job_start hands the job to the worker, or answers why not, and frees it. */
void kgr_service_job_start(struct kgr_service_job *job);
/* kgr_service_job_try is the same for a job that answers nobody; its turn is that of for_whom (NULL: messages). False, and freed without release, when it was not taken. */
KGR_MUST_CHECK bool kgr_service_job_try(struct kgr_service_job *job,
                                        const struct kgr_call *for_whom);
/* kgr_service_job_fail answers and frees a job that was not started. */
void kgr_service_job_fail(struct kgr_service_job *job, enum kgr_error err,
                          const struct kgr_diag *diag);

/*
 * What the user of a request may do, as the policy of now says; peer NULL: with the node. kgr_service_may answers by
 * KGR_ERR_ACCESS and returns false when he lacks the right; every handler begins with it, so that nobody learns more from a
 * refusal than that. kgr_service_allows asks in silence, and is false when the client is gone.
 */
KGR_MUST_CHECK bool kgr_service_may(struct kgr_service *service,
                                    const struct kgr_server_request *request,
                                    const struct kgr_nid *peer, enum kgr_right right);
KGR_MUST_CHECK bool kgr_service_allows(const struct kgr_service *service, struct kgr_call call,
                                       const struct kgr_nid *peer, enum kgr_right right);
/* kgr_service_may_use: he may do more with the peer than look. */
KGR_MUST_CHECK bool kgr_service_may_use(const struct kgr_service *service, struct kgr_call call,
                                        const struct kgr_nid *peer);
/* kgr_service_cipher_right: what a request for a cipher call needs. */
enum kgr_right kgr_service_cipher_right(const struct kgr_ipc_cipher *asked);
/* kgr_service_deny is the answer when kgr_service_allows said no to a request that waited. */
void kgr_service_deny(struct kgr_service *service, struct kgr_call call, uint16_t op,
                      const struct kgr_nid *peer, enum kgr_right right);

/*
 * kgr_service_is_fair: of the places that all users share nobody takes more than three quarters, so that there is room for
 * others. mine: those that the caller has.
 */
bool kgr_service_is_fair(size_t mine, size_t all);
/* kgr_service_same_user: both connections stand and are of one uid. */
bool kgr_service_same_user(const struct kgr_service *service, struct kgr_call a, struct kgr_call b);

/* What a key is wanted for. */
enum kgr_use { KGR_USE_SEND, KGR_USE_RECEIVE };
/*
 * kgr_service_mac_use: to make and to check a MAC is the same operation. Who names no generation means to
 * make one, under a key that the peer holds; who checks one of another generation names it.
 */
static inline enum kgr_use kgr_service_mac_use(uint64_t generation)
{
    return generation == 0 ? KGR_USE_SEND : KGR_USE_RECEIVE;
}

/*
 * kgr_service_find_key finds the key that a request names (generation 0: the latest that may be used so). Errors with diag:
 * UNKNOWN_PEER, REVOKED, LEASE, NOT_AUTHORIZED, NO_KEY (and the key is asked for), STATE (this generation only
 * receives), EXPIRED.
 */
KGR_MUST_CHECK enum kgr_error kgr_service_find_key(struct kgr_service *service,
                                                   struct kgr_pair **out_pair,
                                                   struct kgr_ring_key **out_key,
                                                   const struct kgr_nid *peer, uint64_t generation,
                                                   enum kgr_use use, struct kgr_diag *diag);

/*
 * kgr_service_hold keeps a request that found no key with peer, of err, while one is on its way; false when the
 * handler must answer now, and then diag says what was waited for.
 */
KGR_MUST_CHECK bool kgr_service_hold(struct kgr_service *service,
                                     const struct kgr_server_request *request,
                                     const struct kgr_nid *peer, enum kgr_error err,
                                     struct kgr_diag *diag);
/* kgr_service_refuse answers by an error, unless the request can be kept so. */
void kgr_service_refuse(struct kgr_service *service, const struct kgr_server_request *request,
                        const struct kgr_nid *peer, enum kgr_error err, struct kgr_diag *diag);
/* kgr_service_look_at_holds: a pair changed. They are handled by kgr_service_rerun_holds, when that is due. */
void kgr_service_look_at_holds(struct kgr_service *service);
void kgr_service_rerun_holds(struct kgr_service *service, uint64_t now_ms);
uint64_t kgr_service_holds_deadline(const struct kgr_service *service);

/*
 * kgr_service_spend counts blocks under a generation, on disk first where a step of the budget begins. Errors with
 * diag: BUDGET (to send, when there is no room for them), those of the database. A generation that was destroyed
 * meanwhile counts nothing.
 */
KGR_MUST_CHECK enum kgr_error kgr_service_spend(struct kgr_service *service,
                                                const struct kgr_nid *peer, uint64_t generation,
                                                uint64_t blocks, enum kgr_use use,
                                                struct kgr_diag *diag);

/* kgr_service_refill_budget reserves ahead what workers use up. */
void kgr_service_refill_budget(struct kgr_service *service, struct kgr_pair *pair,
                               struct kgr_pair_records *records);

/* Peer entries. Texts stand in the room. */
struct kgr_peer_room {
    struct kgr_ipc_peer entry;
    char receive_topic[KGR_TOPIC_TEXT_LEN + 1];
    char send_topic[KGR_TOPIC_TEXT_LEN + 1];
    char reason[240];
};
/* kgr_service_describe fills room for a pair; key NULL: none. */
void kgr_service_describe(const struct kgr_service *service, struct kgr_peer_room *room,
                          const struct kgr_pair *pair, const struct kgr_ring_key *key);
/* kgr_service_reply_peer answers with one entry. */
void kgr_service_reply_peer(struct kgr_service *service, struct kgr_call call,
                            enum kgr_error status, const struct kgr_ipc_peer *entry);

/* service_keys.c and service_mac.c: what is pending, by client or in all. */
void kgr_service_forget_waits(struct kgr_service *service, uint32_t slot, uint32_t generation);
void kgr_service_free_waits(struct kgr_service *service);
void kgr_service_look_at_waits(struct kgr_service *service);
void kgr_service_forget_holds(struct kgr_service *service, uint32_t slot, uint32_t generation);
void kgr_service_free_holds(struct kgr_service *service);
void kgr_service_forget_streams(struct kgr_service *service, uint32_t slot, uint32_t generation);
/* kgr_service_end_streams: no MAC with peer that was begun is finished any more. */
void kgr_service_end_streams(struct kgr_service *service, const struct kgr_nid *peer);
void kgr_service_free_streams(struct kgr_service *service);
/* service_rekey.c: who waits for a renewal of NKSK. */
uint64_t kgr_service_rekey_deadline(const struct kgr_service *service);
void kgr_service_rekey_on_timer(struct kgr_service *service, uint64_t now_ms);
void kgr_service_forget_rekeys(struct kgr_service *service, uint32_t slot, uint32_t generation);
void kgr_service_free_rekeys(struct kgr_service *service);
/* service_message.c */
void kgr_service_init_messages(struct kgr_service *service);
/* kgr_service_limit_messages: what is in the inbox stays. */
void kgr_service_limit_messages(struct kgr_service *service);
void kgr_service_free_messages(struct kgr_service *service);
uint64_t kgr_service_message_deadline(const struct kgr_service *service);
void kgr_service_message_timer(struct kgr_service *service, uint64_t now_ms);
uint64_t kgr_service_num_refused(const struct kgr_service *service, enum kgr_refusal cause);

/* service_receiver.c: who waits for messages. kgr_service_wake_receivers serves and refuses those who can be. */
void kgr_service_wake_receivers(struct kgr_service *service);
void kgr_service_forget_receivers(struct kgr_service *service, uint32_t slot, uint32_t generation);
void kgr_service_free_receivers(struct kgr_service *service);
uint64_t kgr_service_receiver_deadline(const struct kgr_service *service);

/* service_event.c */
void kgr_service_emit(struct kgr_service *service, const struct kgr_node_event *event);
void kgr_service_init_events(struct kgr_service *service);
void kgr_service_free_events(struct kgr_service *service);
void kgr_service_forget_subscription(struct kgr_service *service, uint32_t slot,
                                     uint32_t generation);
uint64_t kgr_service_event_deadline(const struct kgr_service *service);
void kgr_service_event_timer(struct kgr_service *service, uint64_t now_ms);
/* kgr_service_tell_pair tells what changed with a pair since it was last told. */
void kgr_service_tell_pair(struct kgr_service *service, struct kgr_pair *pair);
void kgr_service_tell_ks(struct kgr_service *service);

/* metrics.c: kgr_service_metrics_timer writes the file for node_exporter. */
uint64_t kgr_service_metrics_deadline(const struct kgr_service *service);
void kgr_service_metrics_timer(struct kgr_service *service, uint64_t now_ms);

/* service_record.c: kgr_service_store_records at a clean stop. */
void kgr_service_store_records(struct kgr_service *service);

/* kgr_service_is_reserved: data that begins so is never MACed for an application (docs/protocol.md, section 8). */
#define KGR_RESERVED_LEN 8
bool kgr_service_is_reserved(struct kgr_slice data);
