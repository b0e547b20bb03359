/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/buf.h"
#include "agent/base/diag.h"

/*
 * A store of tpm2-pkcs11 (tpm2_pkcs11.sqlite3 in a folder), of schema 8 or 9, beside that library: under its lock file for as long
 * as it is open. One thread.
 *
 * Errors, beside those of agent/store/db.h: KGR_ERR_IO when the folder or the file cannot be written, KGR_ERR_BUSY when another
 * program holds the lock, KGR_ERR_VERSION for another schema, KGR_ERR_CORRUPT for a file that is damaged or was being
 * replaced when a program died. In all these cases nothing was written.
 */
#define KGR_TOKEN_STORE_FILE "tpm2_pkcs11.sqlite3"
#define KGR_TOKEN_LABEL_MAX  32
#define KGR_TOKEN_SALT_LEN   64 /* characters */

struct kgr_token_store;

/*
 * kgr_token_store_open: a lock of another program is waited for wait_ms. A folder without a store is KGR_ERR_NO_KEY, unless create:
 * then the first commit makes one, for the group of the folder.
 */
KGR_MUST_CHECK enum kgr_error kgr_token_store_open(struct kgr_token_store **out, const char *folder,
                                                   unsigned int wait_ms, bool create,
                                                   struct kgr_diag *diag);
/* kgr_token_store_close drops what was not committed, and a file that it made and nobody wrote; accepts NULL. */
void kgr_token_store_close(struct kgr_token_store *store);

/* All that changes a store stands between these two. */
KGR_MUST_CHECK enum kgr_error kgr_token_store_begin(struct kgr_token_store *store,
                                                    struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_token_store_commit(struct kgr_token_store *store,
                                                     struct kgr_diag *diag);

/* A primary object that stands in the TPM: its reference as ESYS writes it, and its authorisation value as text. */
struct kgr_token_primary {
    struct kgr_slice esys_tr;
    const char *auth;
};

struct kgr_token {
    int64_t id;
    bool ours; /* its primary object is the one that the caller names */
};
/* kgr_token_store_find: KGR_ERR_NO_KEY when no token has this label. */
KGR_MUST_CHECK enum kgr_error kgr_token_store_find(struct kgr_token_store *store,
                                                   struct kgr_token *out, const char *label,
                                                   const struct kgr_token_primary *primary,
                                                   struct kgr_diag *diag);

/* A seal object: both areas with the size in front, and the salt of the PIN. */
struct kgr_token_seal {
    struct kgr_slice pub;
    struct kgr_slice priv;
    const char *salt;
};
KGR_MUST_CHECK enum kgr_error
kgr_token_store_add(struct kgr_token_store *store, int64_t *out_id, const char *label,
                    const struct kgr_token_primary *primary, const struct kgr_token_seal *user,
                    const struct kgr_token_seal *so, struct kgr_diag *diag);
/*
 * kgr_token_store_user_seal gives fn the seal object of the token's user, borrowed for the call. KGR_ERR_STATE when the token has
 * no PIN of a user.
 */
KGR_MUST_CHECK enum kgr_error kgr_token_store_user_seal(
    struct kgr_token_store *store, int64_t id,
    enum kgr_error (*fn)(void *arg, const struct kgr_token_seal *seal, struct kgr_diag *diag),
    void *arg, struct kgr_diag *diag);
/* kgr_token_store_remove removes a token with all that is in it, and its primary object if nothing else is below that. */
KGR_MUST_CHECK enum kgr_error kgr_token_store_remove(struct kgr_token_store *store, int64_t id,
                                                     struct kgr_diag *diag);

/* The objects of a token: attributes as text (agent/store/token_attrs.h), borrowed for the call. */
KGR_MUST_CHECK enum kgr_error kgr_token_store_each(struct kgr_token_store *store, int64_t token,
                                                   enum kgr_error (*fn)(void *arg, int64_t row,
                                                                        const char *attrs,
                                                                        struct kgr_diag *diag),
                                                   void *arg, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_token_store_put(struct kgr_token_store *store, int64_t token,
                                                  const char *attrs, struct kgr_diag *diag);
KGR_MUST_CHECK enum kgr_error kgr_token_store_erase(struct kgr_token_store *store, int64_t token,
                                                    int64_t row, struct kgr_diag *diag);
