/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/clock.h"
#include "agent/base/diag.h"
#include "agent/keys/auth.h"
#include "agent/keys/keyset.h"
#include "agent/seal/seal.h"
#include "agent/seal/software.h"
#include "agent/wire/window.h"
#include "agent/server/store/store.h"

/*
 * The keys of frames, found by key_id: those that follow from NTAG, in software and only while they are used,
 * and NKSK with NKSKsign, in the TPM. Counted, because jobs of the worker outlive a removal. All functions but
 * kgr_ks_crypt_open and _close belong to the loop's thread.
 */
struct kgr_ks_node;

struct kgr_ks_key {
    struct kgr_ks_key *next; /* of the table */
    uint8_t key_id[KGR_KS_KEY_ID_LEN];
    struct kgr_ks_node *node; /* borrowed; nodes live as long as the service */
    enum kgr_suite suite;
    bool is_ntag;
    struct kgr_window window;
    struct kgr_bucket bucket;
    uint32_t counter;         /* of the last frame sent */
    struct kgr_keyset *keys;  /* NKSK */
    struct kgr_tpm_blob ntag; /* NTAG, sealed */
    unsigned int refs;
};

#define KGR_KS_KEYS_BUCKETS 1024

struct kgr_ks_keys {
    struct kgr_ks_key *buckets[KGR_KS_KEYS_BUCKETS];
};

/* A new key has one reference, the table's. KGR_ERR_NO_MEMORY. */
KGR_MUST_CHECK enum kgr_error kgr_ks_key_new_ntag(struct kgr_ks_key **out,
                                                  const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                                                  const struct kgr_tpm_blob *ntag, uint64_t now_ms);
/* kgr_ks_key_new_nksk derives the authorisation values from root. storage is borrowed for ever. */
KGR_MUST_CHECK enum kgr_error
kgr_ks_key_new_nksk(struct kgr_ks_key **out, const uint8_t key_id[KGR_KS_KEY_ID_LEN],
                    enum kgr_suite suite, const struct kgr_key_blobs *blobs,
                    const struct kgr_tpm_object *storage, const struct kgr_auth_root *root,
                    uint64_t first_slot_id, uint64_t now_ms);
void kgr_ks_key_ref(struct kgr_ks_key *key);
/*
 * kgr_ks_key_unref tells whether that was the last reference: then the caller unloads the key on the worker
 * and frees it.
 */
KGR_MUST_CHECK bool kgr_ks_key_unref(struct kgr_ks_key *key);
void kgr_ks_key_free(struct kgr_ks_key *key);

/* kgr_ks_nksk_auth derives the authorisation values of the NKSK objects, for their birth and use. */
KGR_MUST_CHECK enum kgr_error kgr_ks_nksk_auth(const struct kgr_auth_root *root,
                                               struct kgr_tpm_auth **out_enc,
                                               struct kgr_tpm_auth **out_mac,
                                               const uint8_t key_id[KGR_KS_KEY_ID_LEN]);
KGR_MUST_CHECK enum kgr_error kgr_ks_ntag_auth(const struct kgr_auth_root *root,
                                               struct kgr_tpm_auth **out,
                                               const uint8_t key_id[KGR_KS_KEY_ID_LEN]);

/* The table owns a reference to each of its keys. */
void kgr_ks_keys_add(struct kgr_ks_keys *keys, struct kgr_ks_key *key);
/* kgr_ks_keys_take removes the key from the table and hands its reference to the caller. */
void kgr_ks_keys_take(struct kgr_ks_keys *keys, struct kgr_ks_key *key);
struct kgr_ks_key *kgr_ks_keys_find(struct kgr_ks_keys *keys,
                                    const uint8_t key_id[KGR_KS_KEY_ID_LEN]);

/* A key ready for one use on the worker. */
struct kgr_ks_crypt {
    struct kgr_seal_key seal;
    struct kgr_keyset_use use;
    struct kgr_software_key *software;
};
KGR_MUST_CHECK enum kgr_error kgr_ks_crypt_open(struct kgr_ks_crypt *out, struct kgr_ks_key *key,
                                                const struct kgr_tpm_object *storage,
                                                const struct kgr_auth_root *root,
                                                struct kgr_tpm *tpm, struct kgr_diag *diag);
void kgr_ks_crypt_close(struct kgr_ks_crypt *crypt);
