/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/diag.h"
#include "agent/base/suite.h"
#include "agent/node/service/views.h"
#include "agent/seal/software.h"
#include "agent/socket/principal.h"
#include "agent/wire/ipc_batch.h"
#include "agent/wire/record.h"

/*
 * The operations of docs/protocol.md, section 11, that need nothing but keys in memory: cipher, mac, seal, open and their batches
 * under keys in sealed custody. On any thread, without waiting, a lock or an allocation. Whatever is not plain (no key
 * yet, expired, refused, forged, a count to be stored first) is left to the loop, which answers it as if nobody had tried.
 */
#define KGR_FAST_IVS 64u

/* What a thread keeps from one request to the next; zeroed guarded memory at first. */
struct kgr_fast_scratch {
    size_t num_ivs; /* left, fresh from the kernel */
    uint8_t ivs[KGR_FAST_IVS][KGR_IV_LEN];
    struct kgr_ipc_batch_item items[KGR_IPC_BATCH_MAX];
    struct kgr_software_message messages[KGR_IPC_BATCH_MAX];
};

struct kgr_fast_request {
    uint16_t op;
    struct kgr_slice body; /* nobody changes it meanwhile */
    struct kgr_fast_scratch *scratch;
    struct kgr_principal *principal; /* who asks; NULL: he is gone */
};

/* kgr_fast_handle: true when reply, of this process alone, is the answer (status OK); false: it is the loop's, and reply is as it was. */
KGR_MUST_CHECK bool kgr_fast_handle(struct kgr_views *views, const struct kgr_fast_request *request,
                                    struct kgr_wr *reply);

/* Between fast.c, fast_record.c and fast_batch.c. One request under way. */
struct kgr_fast {
    struct kgr_views *views;
    const struct kgr_snapshot *snapshot;
    const struct kgr_fast_request *request;
    uint64_t now_ms;
};

/* kgr_fast_may: the caller has the right; else the loop refuses him, and tells the log. */
KGR_MUST_CHECK bool kgr_fast_may(const struct kgr_fast *fast, const struct kgr_nid *peer,
                                 enum kgr_right right);
/* kgr_fast_sending: the key to send with; NULL: ask the loop. */
const struct kgr_view_key *kgr_fast_sending(const struct kgr_fast *fast,
                                            const struct kgr_nid *peer);
/* kgr_fast_receiving: the key of a generation (0: the latest), to receive with; NULL: ask the loop. */
const struct kgr_view_key *kgr_fast_receiving(const struct kgr_fast *fast,
                                              const struct kgr_nid *peer, uint64_t generation);
/* kgr_fast_spend counts blocks; false: the loop shall. */
KGR_MUST_CHECK bool kgr_fast_spend(const struct kgr_fast *fast, const struct kgr_view_key *key,
                                   uint64_t blocks, bool sends);
/* kgr_fast_iv writes fresh random bytes. */
void kgr_fast_iv(struct kgr_fast_scratch *scratch, uint8_t out[KGR_IV_LEN]);
/* kgr_fast_note tells the loop, where it must know, what a request did to the counts. */
void kgr_fast_note(const struct kgr_fast *fast, const struct kgr_view_key *key, bool opened);

/* Records under way: take the numbers and the budget of num, add each to the reply, run once. False: the loop shall. */
struct kgr_fast_seal {
    const struct kgr_fast *fast;
    const struct kgr_view_key *key;
    bool stored;
    uint64_t sequence; /* of the next */
    size_t num;        /* added */
};
KGR_MUST_CHECK bool kgr_fast_seal_take(struct kgr_fast_seal *seal, uint32_t num, uint64_t blocks);
/* kgr_fast_seal_add lays out a record in room of kgr_record_len bytes. */
KGR_MUST_CHECK bool kgr_fast_seal_add(struct kgr_fast_seal *seal, uint8_t *room,
                                      struct kgr_slice aad, struct kgr_slice data);
KGR_MUST_CHECK bool kgr_fast_seal_run(const struct kgr_fast_seal *seal);

/* A record that is opened. */
struct kgr_fast_open {
    const struct kgr_view_key *key;
    struct kgr_record record;
    bool window;        /* the sequence counts */
    enum kgr_error err; /* its own flaw */
    const char *text;
};
/* kgr_fast_open_find parses it and finds its key, or its flaw. False: the loop shall. */
KGR_MUST_CHECK bool kgr_fast_open_find(const struct kgr_fast *fast, struct kgr_fast_open *out,
                                       const struct kgr_nid *peer, bool stored,
                                       struct kgr_slice record);
/* kgr_fast_open_decrypt verifies and decrypts to out (the length of the record's body). */
void kgr_fast_open_decrypt(struct kgr_fast_open *open, struct kgr_slice aad, uint8_t *out,
                           size_t *out_len);
/* kgr_fast_open_accept marks its sequence. Its budget was spent before. */
void kgr_fast_open_accept(struct kgr_fast_open *open);

bool kgr_fast_seal_batch(const struct kgr_fast *fast, struct kgr_wr *reply);
bool kgr_fast_open_batch(const struct kgr_fast *fast, struct kgr_wr *reply);
