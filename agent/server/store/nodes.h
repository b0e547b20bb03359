/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/diag.h"
#include "agent/base/text.h"
#include "agent/keys/blobs.h"
#include "agent/server/machines/registry.h"
#include "agent/server/store/store.h"
#include "agent/tpm/types.h"

/* What the KS keeps of a node. The table is the truth; copies in memory are saved before they count. */
struct kgr_ks_record {
    struct kgr_nid nid;
    struct kgr_registry_state reg;
    uint64_t added_s; /* Unix time */
    uint64_t heard_s; /* 0: never */
    uint8_t suites;   /* masks, as the node said */
    uint8_t custodies;
    struct kgr_tpm_public ek;      /* len 0 before the first reg_req */
    struct kgr_tpm_public storage; /* likewise */
    bool has_topics;               /* from the challenge on */
    uint8_t topic1[KGR_TOPIC_LEN];
    uint8_t topic2[KGR_TOPIC_LEN];
    bool has_ntag; /* the credential is not spent */
    uint8_t ntag_key_id[KGR_KS_KEY_ID_LEN];
    struct kgr_tpm_blob ntag;      /* sealed by the KS's TPM */
    uint8_t topic0[KGR_TOPIC_LEN]; /* that the credential names */
    bool has_nksk;                 /* from the challenge on */
    uint8_t nksk_key_id[KGR_KS_KEY_ID_LEN];
    struct kgr_key_blobs nksk;
};

KGR_MUST_CHECK enum kgr_error
kgr_ks_nodes_save(struct kgr_db *db, const struct kgr_ks_record *record, struct kgr_diag *diag);
/* kgr_ks_nodes_each calls fn with every record, in the order of N_IDs, until fn or the database fails. */
typedef enum kgr_error kgr_ks_nodes_fn(void *arg, const struct kgr_ks_record *record);
KGR_MUST_CHECK enum kgr_error kgr_ks_nodes_each(struct kgr_db *db, kgr_ks_nodes_fn *fn, void *arg,
                                                struct kgr_diag *diag);

/* The body of the reg_chal that stands. kgr_ks_chal_load allocates *out for the caller; KGR_ERR_NO_KEY: none. */
KGR_MUST_CHECK enum kgr_error kgr_ks_chal_save(struct kgr_db *db, const struct kgr_nid *nid,
                                               struct kgr_slice body, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_ks_chal_load(struct kgr_db *db, const struct kgr_nid *nid,
                                               uint8_t **out, size_t *out_len,
                                               struct kgr_diag *diag);
