/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "agent/base/object_id.h"
#include "pkcs11/cryptoki.h"

#include <kgr/client.h>

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kgr_p11_module;

#define KGR_P11_ID_LEN     KGR_OBJECT_ID_LEN
#define KGR_P11_SIGN_LABEL " (sign)" /* follows the peer's N_ID in the label of a MAC key */

enum kgr_p11_kind { KGR_P11_CIPHER_KEY = 0, KGR_P11_MAC_KEY = 1 };

/* An object, copied out of the table: one of the two keys of one generation of a pair. */
struct kgr_p11_object {
    CK_OBJECT_HANDLE handle;
    enum kgr_p11_kind kind;
    bool is_private; /* seen after a login only */
    uint8_t id[KGR_P11_ID_LEN];
    struct kgr_peer info;
    int64_t read_at; /* CLOCK_REALTIME seconds when info was true */
};

struct kgr_p11_key_entry {
    bool used;
    uint32_t uses;   /* goes into the handles, so that old handles stay invalid */
    uint64_t listed; /* the refresh that last saw it */
    uint8_t id[2][KGR_P11_ID_LEN];
    int64_t read_at;
    int64_t asked_ms; /* CLOCK_MONOTONIC, before the agent told info */
    struct kgr_peer info;
};

/*
 * The generations that this process has seen and that still exist, each with two handles. A key
 * keeps its handles as long as it exists; they are never given to another.
 */
struct kgr_p11_key_table {
    pthread_mutex_t lock;
    struct kgr_p11_key_entry *entries; /* owned */
    size_t num_entries;
    size_t cap_entries;
    uint32_t *order; /* owned; used entries by peer and generation */
    size_t num_order;
    uint64_t num_refreshes;
};

void kgr_p11_key_table_init(struct kgr_p11_key_table *table);
void kgr_p11_key_table_deinit(struct kgr_p11_key_table *table);

/* kgr_p11_keys_refresh makes the table what the agent says: the keys that it lists. */
enum kgr_error kgr_p11_keys_refresh(struct kgr_p11_module *module);
/*
 * kgr_p11_keys_refresh_peer does so for one peer, with a constant number of requests. Where none of its
 * keys may send, this asks for one.
 */
enum kgr_error kgr_p11_keys_refresh_peer(struct kgr_p11_module *module, const char *peer);

/*
 * kgr_p11_key_get copies out the object with this handle; KGR_ERR_UNKNOWN_PEER, also
 * where a login is missing. No request.
 */
enum kgr_error kgr_p11_key_get(struct kgr_p11_module *module, CK_OBJECT_HANDLE handle,
                               struct kgr_p11_object *out);
/*
 * kgr_p11_key_get_fresh does so after asking the agent about this generation; forgets it and
 * returns the agent's error if it is gone.
 */
enum kgr_error kgr_p11_key_get_fresh(struct kgr_p11_module *module, CK_OBJECT_HANDLE handle,
                                     struct kgr_p11_object *out);
/*
 * kgr_p11_key_get_recent is kgr_p11_key_get_fresh, but takes what the agent told of the key within the last
 * KGR_P11_RECENT_MS: for operations, which the agent refuses itself when that has changed meanwhile.
 */
#define KGR_P11_RECENT_MS 20
enum kgr_error kgr_p11_key_get_recent(struct kgr_p11_module *module, CK_OBJECT_HANDLE handle,
                                      struct kgr_p11_object *out);
/* kgr_p11_keys_forget makes every handle invalid, for good. */
void kgr_p11_keys_forget(struct kgr_p11_module *module);
/* kgr_p11_keys_find_id copies the peer's name of the key with this CKA_ID, if it is known. */
bool kgr_p11_keys_find_id(struct kgr_p11_module *module, const void *id, size_t id_len,
                          char out_peer[KGR_PEER_MAX + 1]);
/*
 * kgr_p11_keys_each calls fn for every object of peer (NULL: of all peers) until it returns false.
 * The table is locked meanwhile: fn must not use it.
 */
typedef bool (*kgr_p11_key_fn)(void *ctx, const struct kgr_p11_object *object);
void kgr_p11_keys_each(struct kgr_p11_module *module, const char *peer, kgr_p11_key_fn fn,
                       void *ctx);
