/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/keys/blobs.h"
#include "agent/server/store/identity.h"
#include "agent/server/machines/orders.h"
#include "agent/store/db.h"
#include "agent/tpm/types.h"
#include "agent/wire/ac_grant.h"
#include "agent/wire/order.h"

struct kgr_ks;
struct kgr_tpm;

/*
 * The AC at the KS (docs/protocol.md, sections 9.2, 9.4 and 10): its signing key, its NKSK, and, from ac_rekey to the first
 * order under them, the keys that come next; and the signing keys that it had before.
 */
enum kgr_ks_ac_slot { KGR_KS_AC_PRESENT, KGR_KS_AC_NEXT };

/* What the TPM makes for an AC: NKSK and NKSKsign, kept by the KS and granted to the AC. */
struct kgr_ks_ac_keys {
    /* In: kgr_ks_ac_read and, at random, kgr_ks_ac_prepare. */
    struct kgr_tpm_public signing;
    struct kgr_tpm_public storage;
    struct kgr_tpm_public ek;
    uint8_t key_id[16];
    uint8_t topic1[KGR_TOPIC_LEN];
    uint8_t topic2[KGR_TOPIC_LEN];
    /* Out. */
    struct kgr_key_blobs nksk;
    uint8_t grant[KGR_AC_GRANT_MAX]; /* encoded */
    size_t grant_len;
};

/* kgr_ks_ac_read takes the publics out of the bytes of an ac.pub; KGR_ERR_CORRUPT. */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_read(struct kgr_ks_ac_keys *out, struct kgr_slice file,
                                             struct kgr_diag *diag);
/* kgr_ks_ac_prepare allots key_id and topics. */
void kgr_ks_ac_prepare(struct kgr_ks_ac_keys *keys);
/* kgr_ks_ac_make lets the TPM bear and grant the keys; on the worker where there is one. */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_make(struct kgr_ks_ac_keys *keys,
                                             const struct kgr_ks_identity *id, struct kgr_tpm *tpm,
                                             struct kgr_diag *diag);
/* kgr_ks_ac_save writes them and the ac.pub that they are for, within a transaction. */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_save(struct kgr_db *db, enum kgr_ks_ac_slot slot,
                                             struct kgr_slice file,
                                             const struct kgr_ks_ac_keys *keys,
                                             struct kgr_diag *diag);
/* kgr_ks_ac_grant copies the present AC's grant into out, which has room for KGR_AC_GRANT_MAX bytes. */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_grant(struct kgr_db *db, uint8_t *out, size_t *out_len,
                                              struct kgr_diag *diag);
/* kgr_ks_ac_public reads where the present AC's TPM is to be addressed. */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_public(struct kgr_db *db,
                                               struct kgr_tpm_public *out_storage,
                                               struct kgr_tpm_public *out_ek,
                                               struct kgr_diag *diag);
/*
 * kgr_ks_ac_replace puts an AC in the place of the present one, within a transaction: that one's key is a former one from
 * now on, and numbers begin anew.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_replace(struct kgr_db *db, struct kgr_slice file,
                                                const struct kgr_ks_ac_keys *keys,
                                                struct kgr_diag *diag);

/*
 * kgr_ks_ac_load makes the keys of the AC known to the running KS, which listens on their topics from then on. Within a transaction, or
 * at the start.
 */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_load(struct kgr_ks *ks, struct kgr_diag *diag);
/* kgr_ks_ac_promote makes the next keys the present ones, within a transaction; what was there is a former key. */
KGR_MUST_CHECK enum kgr_error kgr_ks_ac_promote(struct kgr_ks *ks, struct kgr_diag *diag);
/*
 * kgr_ks_ac_signer tells whose an order is, by its signature: KGR_ORDERS_FINE for the AC's present or next key (*out_slot),
 * KGR_ORDERS_FORMER_KEY, KGR_ORDERS_FORGED.
 */
KGR_MUST_CHECK enum kgr_orders_reason
kgr_ks_ac_signer(struct kgr_ks *ks, enum kgr_ks_ac_slot *out_slot, const struct kgr_order *order);
