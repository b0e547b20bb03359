/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/node/service/parts.h"
#include "agent/wire/record.h"

/* Records, for the operations seal and open and for messages (docs/protocol.md, section 8). */

/* What is wrong with one. */
#define KGR_RECORD_NONE        "not a record"
#define KGR_RECORD_IS_MESSAGE  "a message: the agent opens it when it arrives, recv fetches it"
#define KGR_RECORD_OWN         "the record was sealed by this node itself"
#define KGR_RECORD_OTHER_SUITE "the record names another suite than its key"
#define KGR_RECORD_SEEN        "the record was seen before"
#define KGR_RECORD_FORGED      "the record is damaged, forged or for another peer"

#define KGR_RECORD_AAD_MAX (KGR_RECORD_HEADER_LEN + KGR_IPC_AAD_MAX)

/* The pair may be revoked and the key destroyed while a job runs: what a job needs later it finds again. */
struct kgr_record_job {
    struct kgr_service_job job;
    struct kgr_keyset *key; /* borrowed: buried after this job */
    enum kgr_suite suite;
    struct kgr_nid peer;
    struct kgr_record_header header;
    bool window;                  /* open: the sequence counts */
    uint8_t topic[KGR_TOPIC_LEN]; /* of a message that is sent */
    uint64_t arrival;             /* of a message that came: which one of the mailbox */
    enum kgr_refusal cause;       /* likewise: why it is refused, unless it was accepted */
    bool accepted;                /* likewise */
    struct kgr_batch *batch;      /* whose next message it is; NULL: of none */
    size_t aad_len;
    uint8_t aad[KGR_RECORD_AAD_MAX]; /* header of the record, then the application's own */
    uint8_t iv[KGR_IV_LEN];
    uint8_t tag[KGR_TAG_MAX];
    size_t in_len;
    size_t out_len;
    uint8_t *in;
    uint8_t *out;
    uint8_t bytes[];
};

/*
 * kgr_record_set_seal fills a job of kgr_record_seal_size bytes that makes a record, and takes its sequence number; run and
 * finish are those of the operation seal.
 */
size_t kgr_record_seal_size(size_t plaintext_len);
KGR_MUST_CHECK enum kgr_error kgr_record_set_seal(struct kgr_record_job *job, struct kgr_pair *pair,
                                                  struct kgr_ring_key *key,
                                                  const struct kgr_ipc_seal *asked, bool message);
/* kgr_record_write writes the record that such a job made. */
KGR_MUST_CHECK enum kgr_error kgr_record_write(const struct kgr_record_job *job, struct kgr_wr *wr);

/* kgr_record_parse and kgr_record_find_key: what a record is, and under which key it would open; diag says what is wrong. */
KGR_MUST_CHECK enum kgr_error kgr_record_parse(struct kgr_record *out, struct kgr_slice bytes,
                                               struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error
kgr_record_find_key(struct kgr_service *service, struct kgr_pair **out_pair,
                    struct kgr_ring_key **out_key, const struct kgr_ipc_seal *asked,
                    const struct kgr_record *record, struct kgr_diag *diag);
/* kgr_record_set_open fills a job of kgr_record_open_size bytes that opens one, likewise. */
size_t kgr_record_open_size(const struct kgr_record *record);
void kgr_record_set_open(struct kgr_record_job *job, const struct kgr_pair *pair,
                         const struct kgr_ring_key *key, const struct kgr_ipc_seal *asked,
                         const struct kgr_record *record);
/*
 * kgr_record_accept notes the sequence of a record that was verified, on disk first where a new block begins. KGR_ERR_REPLAY
 * when a copy came first, KGR_ERR_NO_KEY when the generation was destroyed meanwhile.
 */
KGR_MUST_CHECK enum kgr_error kgr_record_accept(const struct kgr_record_job *job,
                                                struct kgr_diag *diag);

/* kgr_record_count: kgr_record_accept, or only its budget where the sequence does not count. */
KGR_MUST_CHECK enum kgr_error kgr_record_count(const struct kgr_record_job *job,
                                               struct kgr_diag *diag);
/* kgr_record_refill reserves ahead what workers use up, and notes whom they heard. */
void kgr_record_refill(struct kgr_service *service, struct kgr_pair *pair,
                       struct kgr_pair_records *records);

/* On the worker. */
enum kgr_error kgr_record_run_seal(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                   struct kgr_diag *diag);
enum kgr_error kgr_record_run_open(struct kgr_service_job *base, struct kgr_tpm *tpm,
                                   struct kgr_diag *diag);
