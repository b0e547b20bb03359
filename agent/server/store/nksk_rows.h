/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/text.h"
#include "agent/keys/blobs.h"
#include "agent/server/machines/nksk_renewal.h"
#include "agent/server/store/store.h"
#include "agent/tpm/types.h"

/* The table of NKSKs: of each registered node how old its NKSK is, and its renewal. */
struct kgr_ks_nksk_row {
    struct kgr_nid nid;
    uint64_t born_s; /* KS time, of the NKSK in force */
    uint8_t wanted;  /* KGR_REKEY_*: what the AC ordered */
    struct kgr_ks_nksk_state state;
    /* Of the NKSK that is to come; CHALLENGED only. */
    uint8_t topic1[KGR_TOPIC_LEN];
    uint8_t topic2[KGR_TOPIC_LEN];
    struct kgr_tpm_public storage; /* len 0: that in force */
    uint8_t key_id[KGR_KS_KEY_ID_LEN];
    struct kgr_key_blobs blobs;
};

/* kgr_ks_nksk_save keeps the body that stands beside the row; body NULL leaves it as it is. */
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_save(struct kgr_db *db, const struct kgr_ks_nksk_row *row,
                                               const struct kgr_slice *body, struct kgr_diag *diag);
/* KGR_ERR_NO_KEY when the node has none. */
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_load(struct kgr_db *db, struct kgr_ks_nksk_row *out,
                                               const struct kgr_nid *nid, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_erase(struct kgr_db *db, const struct kgr_nid *nid,
                                                struct kgr_diag *diag);
/* The body of the nksk_chal or nksk_done that stands; *out is allocated for the caller. KGR_ERR_NO_KEY: none. */
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_body(struct kgr_db *db, const struct kgr_nid *nid,
                                               uint8_t **out, size_t *out_len,
                                               struct kgr_diag *diag);
