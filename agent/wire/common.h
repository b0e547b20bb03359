/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/buf.h"
#include "agent/base/suite.h"
#include "agent/base/text.h"

/*
 * Pieces that several messages share (docs/protocol.md, section 1). Decoded slices borrow the input.
 * Every decoder returns KGR_ERR_CORRUPT for anything but exactly one well-formed message, and every
 * encoder KGR_ERR_TOO_LARGE when wr is full or a value does not fit its field.
 * Pure and thread-safe, all of them.
 */
#define KGR_KEY_ID_LEN    16
#define KGR_XID_LEN       16
#define KGR_NONCE_LEN     32
#define KGR_DIGEST_LEN    32
#define KGR_SIGNATURE_LEN 64

#define KGR_WIRE_PUBLIC_MAX     256
#define KGR_WIRE_EK_MAX         512
#define KGR_WIRE_EK_CERT_MAX    4096
#define KGR_WIRE_CREDENTIAL_MAX 256
#define KGR_WIRE_PRIVATE_MAX    512
#define KGR_WIRE_SECRET_MAX     512

/* Custody on the wire. */
enum kgr_wire_custody { KGR_WIRE_RESIDENT = 1, KGR_WIRE_MIXED = 2, KGR_WIRE_SEALED = 3 };
#define KGR_MASK(value)    (1u << ((unsigned int)(value)-1u)) /* of a suite or custody in a mask */
#define KGR_SUITES_MASK    (KGR_MASK(1) | KGR_MASK(2))
#define KGR_CUSTODIES_MASK (KGR_MASK(KGR_WIRE_RESIDENT) | KGR_MASK(KGR_WIRE_SEALED))

/* A key on its way from TPM to TPM: TPMT_PUBLIC, TPM2B_PRIVATE and TPM2B_ENCRYPTED_SECRET without sizes. */
struct kgr_wire_object {
    struct kgr_slice pub;
    struct kgr_slice duplicate;
    struct kgr_slice seed;
};

void kgr_wire_read_nid(struct kgr_rd *rd, struct kgr_nid *out);
void kgr_wire_write_nid(struct kgr_wr *wr, const struct kgr_nid *nid);
/* kgr_wire_read_two_nids reads two N_IDs and fails if they are equal: a pair has two nodes. */
void kgr_wire_read_two_nids(struct kgr_rd *rd, struct kgr_nid *first, struct kgr_nid *second);
/* kgr_wire_read_opt_nid reads a vec8 that is empty or an N_ID, and borrows it. */
struct kgr_slice kgr_wire_read_opt_nid(struct kgr_rd *rd);
void kgr_wire_read_object(struct kgr_rd *rd, struct kgr_wire_object *out);
void kgr_wire_write_object(struct kgr_wr *wr, const struct kgr_wire_object *object);
/* kgr_wire_read_range reads a u8 and fails unless lowest <= value <= highest. */
uint8_t kgr_wire_read_range(struct kgr_rd *rd, uint8_t lowest, uint8_t highest);
/* kgr_wire_read_mask reads a u8 and fails if a bit outside allowed is set. */
uint8_t kgr_wire_read_mask(struct kgr_rd *rd, unsigned int allowed);
/* kgr_wire_write_vec8 and _vec16 fail when s is longer than max: what a reader would refuse. */
void kgr_wire_write_vec8(struct kgr_wr *wr, struct kgr_slice s, size_t max);
void kgr_wire_write_vec16(struct kgr_wr *wr, struct kgr_slice s, size_t max);
/*
 * Text for people. Readers fail on control characters (but a line feed in a vec16) and writers write '?'
 * for them, so that whoever prints it cannot be made to steer a terminal or to forge a line.
 */
struct kgr_slice kgr_wire_read_text8(struct kgr_rd *rd, size_t max);
struct kgr_slice kgr_wire_read_text16(struct kgr_rd *rd, size_t max);
void kgr_wire_write_text8(struct kgr_wr *wr, struct kgr_slice text, size_t max);
void kgr_wire_write_text16(struct kgr_wr *wr, struct kgr_slice text, size_t max);
/* Renewal of NKSK: ordered, with a new storage key. The second is never without the first. */
#define KGR_REKEY_WANTED  0x01u
#define KGR_REKEY_STORAGE 0x02u
uint8_t kgr_wire_read_rekey(struct kgr_rd *rd);
/* kgr_wire_read_flag reads a u8 that is 0 or 1. */
bool kgr_wire_read_flag(struct kgr_rd *rd);
/* A body that is one N_ID and nothing else: the reply to resolve, the order node_show. */
KGR_MUST_CHECK enum kgr_error kgr_wire_nid_decode(struct kgr_nid *out, struct kgr_slice body);
KGR_MUST_CHECK enum kgr_error kgr_wire_nid_encode(struct kgr_wr *wr, const struct kgr_nid *in);
/* kgr_wire_read_result and kgr_wire_write_result end every codec. */
KGR_MUST_CHECK enum kgr_error kgr_wire_read_result(const struct kgr_rd *rd);
KGR_MUST_CHECK enum kgr_error kgr_wire_write_result(const struct kgr_wr *wr);
