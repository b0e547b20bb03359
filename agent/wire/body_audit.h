/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/wire/common.h"

/* Records of an audit log, and what asks for them: docs/protocol.md, section 9.3. */
#define KGR_LABEL_AUDIT       "KGR audit 1"
#define KGR_AUDIT_SUBJECT_MAX (2u * KGR_NID_MAX + 1u)
#define KGR_AUDIT_TEXT_MAX    120u

enum kgr_audit_what {
    KGR_AUDIT_ACCEPTED = 1, /* an order, whatever its result */
    KGR_AUDIT_REFUSED = 2,  /* an order */
    KGR_AUDIT_NODE = 3,     /* registration, takeover, revocation, ... */
    KGR_AUDIT_SERVICE = 4,  /* the KS or the agent itself */
    KGR_AUDIT_HEAD = 5,     /* a signature over a record before it */
    KGR_AUDIT_EXCHANGE = 6, /* a generation of a pair */
    KGR_AUDIT_ACCESS = 7,   /* a local request that the access policy refused */
    KGR_AUDIT_RELOAD = 8,   /* of the configuration */
    KGR_AUDIT_RENEWAL = 9,  /* of NKSK */
    KGR_AUDIT_MIRROR = 10,  /* of another token */
};

struct kgr_audit_entry {
    uint64_t id;     /* from 1 */
    uint64_t time_s; /* KS time, Unix s */
    uint8_t what;    /* enum kgr_audit_what */
    uint8_t kind;    /* of the order; 0: none */
    uint64_t number; /* of the order */
    uint32_t status; /* enum kgr_error */
    uint32_t count;  /* events that it stands for */
    struct kgr_slice subject;
    struct kgr_slice text;
    struct kgr_slice covered; /* reader: what hash is over, after the label and the hash before */
    uint8_t hash[KGR_DIGEST_LEN];
};
#define KGR_AUDIT_ENTRY_MAX                                                                        \
    (34u + 1u + KGR_AUDIT_SUBJECT_MAX + 1u + KGR_AUDIT_TEXT_MAX + KGR_DIGEST_LEN)

/* Reader and writer of one entry; kgr_audit_entry_write writes all before the hash, which the caller appends. */
void kgr_audit_entry_read(struct kgr_rd *rd, struct kgr_audit_entry *out);
void kgr_audit_entry_write(struct kgr_wr *wr, const struct kgr_audit_entry *in);

struct kgr_audit_query {
    uint64_t from;    /* lowest record */
    uint64_t since_s; /* Unix time */
};
KGR_MUST_CHECK enum kgr_error kgr_audit_query_decode(struct kgr_audit_query *out,
                                                     struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_audit_query_encode(struct kgr_wr *wr,
                                                     const struct kgr_audit_query *in);

/* The head of a result; num entries follow it. */
struct kgr_audit_head {
    uint64_t newest; /* record; 0: none */
    uint8_t before[KGR_DIGEST_LEN];
    uint16_t num;
};
#define KGR_AUDIT_HEAD_LEN (8u + KGR_DIGEST_LEN + 2u)
void kgr_audit_head_read(struct kgr_rd *rd, struct kgr_audit_head *out);
void kgr_audit_head_write(struct kgr_wr *wr, const struct kgr_audit_head *in);
