/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/text.h"
#include "agent/wire/field.h"

/*
 * Bodies of orders and of their results (docs/protocol.md, "Orders"). For encoders and decoders see
 * agent/wire/body_registration.h.
 */

#define KGR_NODE_ADD_PEERS_MAX 200
#define KGR_EK_HASH_LEN        32
#define KGR_EK_NAME_MAX        66

/* About 13 kB: for the heap. */
struct kgr_node_add {
    struct kgr_nid nid;
    bool has_ek_hash;
    uint8_t ek_hash[KGR_EK_HASH_LEN];
    uint32_t validity_s;
    char broker_host[KGR_HOST_MAX + 1];
    uint16_t broker_port; /* not 0 */
    uint8_t num_peers;    /* all different, none of them nid */
    struct kgr_nid peers[KGR_NODE_ADD_PEERS_MAX];
};

KGR_MUST_CHECK enum kgr_error kgr_node_add_encode(struct kgr_wr *wr, const struct kgr_node_add *m);
KGR_MUST_CHECK enum kgr_error kgr_node_add_decode(struct kgr_node_add *out, struct kgr_slice body);

/* node_list and pair_list: the number of entries to skip. */
KGR_MUST_CHECK enum kgr_error kgr_list_order_encode(struct kgr_wr *wr, uint16_t offset);
KGR_MUST_CHECK enum kgr_error kgr_list_order_decode(uint16_t *out_offset, struct kgr_slice body);

/* node_show. */
KGR_MUST_CHECK enum kgr_error kgr_nid_order_encode(struct kgr_wr *wr, const struct kgr_nid *nid);
KGR_MUST_CHECK enum kgr_error kgr_nid_order_decode(struct kgr_nid *out, struct kgr_slice body);

/* pair_allow has the least suite and custody, pair_deny only the two nodes, which differ. */
struct kgr_pair_allow {
    struct kgr_nid a;
    struct kgr_nid b;
    uint8_t min_suite;   /* 0 any */
    uint8_t min_custody; /* 0 any, 1 resident, 2 mixed */
};

KGR_MUST_CHECK enum kgr_error kgr_pair_allow_encode(struct kgr_wr *wr,
                                                    const struct kgr_pair_allow *m);
KGR_MUST_CHECK enum kgr_error kgr_pair_allow_decode(struct kgr_pair_allow *out,
                                                    struct kgr_slice body);

struct kgr_pair_deny {
    struct kgr_nid a;
    struct kgr_nid b;
};

KGR_MUST_CHECK enum kgr_error kgr_pair_deny_encode(struct kgr_wr *wr,
                                                   const struct kgr_pair_deny *m);
KGR_MUST_CHECK enum kgr_error kgr_pair_deny_decode(struct kgr_pair_deny *out,
                                                   struct kgr_slice body);

enum kgr_node_state {
    KGR_NODE_ISSUED = 1,
    KGR_NODE_CHALLENGED = 2,
    KGR_NODE_REGISTERED = 3,
    KGR_NODE_REVOKED = 4,
    KGR_NODE_EXPIRED = 5,
};

struct kgr_node_entry {
    struct kgr_nid nid;
    uint8_t state; /* enum kgr_node_state */
    bool ek_hash_given;
    bool ek_proven;
    uint8_t ek_name_len; /* 0 before the first reg_req */
    uint8_t ek_name[KGR_EK_NAME_MAX];
    uint64_t added;      /* Unix time in s */
    uint64_t last_heard; /* Unix time in s; 0 never */
    uint8_t suites;      /* masks */
    uint8_t custodies;
};

/* One entry alone: the result of node_show. */
KGR_MUST_CHECK enum kgr_error kgr_node_entry_encode(struct kgr_wr *wr,
                                                    const struct kgr_node_entry *m);
KGR_MUST_CHECK enum kgr_error kgr_node_entry_decode(struct kgr_node_entry *out,
                                                    struct kgr_slice body);

struct kgr_pair_entry {
    struct kgr_nid a;
    struct kgr_nid b;
    uint8_t min_suite;
    uint8_t min_custody;
    uint8_t status;      /* enum kgr_sync_status */
    uint64_t generation; /* last committed; 0 none */
};

/*
 * Results of node_list and pair_list, written entry by entry: begin, add while there is room, end.
 * kgr_list_add_* returns false, with nothing written, when the entry does not fit; it then belongs
 * to the next page.
 */
struct kgr_list_writer {
    struct kgr_wr *wr; /* borrowed */
    size_t mark;
    uint16_t num;
};

void kgr_list_begin(struct kgr_list_writer *w, struct kgr_wr *wr, uint16_t total);
KGR_MUST_CHECK bool kgr_list_add_node(struct kgr_list_writer *w, const struct kgr_node_entry *m);
KGR_MUST_CHECK bool kgr_list_add_pair(struct kgr_list_writer *w, const struct kgr_pair_entry *m);
KGR_MUST_CHECK enum kgr_error kgr_list_end(struct kgr_list_writer *w);

/* A result as read: verified as a whole by decode, then handed out by next until it says false. */
struct kgr_list {
    uint16_t total;
    uint16_t num;
    struct kgr_rd rest; /* of the entries */
};

KGR_MUST_CHECK enum kgr_error kgr_node_list_decode(struct kgr_list *out, struct kgr_slice body);
bool kgr_node_list_next(struct kgr_list *list, struct kgr_node_entry *out);
KGR_MUST_CHECK enum kgr_error kgr_pair_list_decode(struct kgr_list *out, struct kgr_slice body);
bool kgr_pair_list_next(struct kgr_list *list, struct kgr_pair_entry *out);

/* The body of a failed result and of a failed reply of the local protocol: one line of text. */
#define KGR_REASON_MAX 255
KGR_MUST_CHECK enum kgr_error kgr_reason_encode(struct kgr_wr *wr, const char *text);
KGR_MUST_CHECK enum kgr_error kgr_reason_decode(char out[KGR_REASON_MAX + 1],
                                                struct kgr_slice body);
