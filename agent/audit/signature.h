/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/wire/body_audit.h"

/* Hashes of records and signatures of heads (docs/protocol.md, section 9.3). Pure and thread-safe. */
#define KGR_AUDIT_HEAD_REACH     32u /* a head signs one of so many records before it */
#define KGR_AUDIT_SIGNATURE_TEXT 86u /* characters of base64url */

/* What signs a log: id is the hash of its public area; the point is on P-256. */
struct kgr_audit_key {
    uint8_t id[KGR_DIGEST_LEN];
    uint8_t x[32], y[32];
};

/* kgr_audit_key_read takes a marshalled public area; KGR_ERR_CORRUPT unless it is an ECC key on P-256. */
KGR_MUST_CHECK enum kgr_error kgr_audit_key_read(struct kgr_audit_key *out, struct kgr_slice pub);

/* kgr_audit_hash is the hash of a record: covered are all its fields before the hash. */
KGR_MUST_CHECK enum kgr_error kgr_audit_hash(uint8_t out[KGR_DIGEST_LEN],
                                             const uint8_t before[KGR_DIGEST_LEN],
                                             struct kgr_slice covered);
/* kgr_audit_head_digest is what the key signs, to say that record id has this hash. */
KGR_MUST_CHECK enum kgr_error kgr_audit_head_digest(uint8_t out[KGR_DIGEST_LEN],
                                                    const uint8_t log[KGR_DIGEST_LEN], uint64_t id,
                                                    const uint8_t hash[KGR_DIGEST_LEN]);
/* kgr_audit_signature_text writes the text of a head. Returns out. */
char *kgr_audit_signature_text(char out[KGR_AUDIT_SIGNATURE_TEXT + 1],
                               const uint8_t signature[KGR_SIGNATURE_LEN]);
/* kgr_audit_signature_verify: KGR_ERR_CORRUPT unless text is key's signature of record id with this hash. */
KGR_MUST_CHECK enum kgr_error kgr_audit_signature_verify(const struct kgr_audit_key *key,
                                                         uint64_t id,
                                                         const uint8_t hash[KGR_DIGEST_LEN],
                                                         struct kgr_slice text);
