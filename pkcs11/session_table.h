/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include "pkcs11/cipher.h"
#include "pkcs11/cryptoki.h"
#include "pkcs11/mac.h"

#include <pthread.h>
#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct kgr_p11_module;

#define KGR_P11_MAX_SESSIONS 65535U

enum kgr_p11_op {
    KGR_P11_OP_NONE,
    KGR_P11_OP_FIND,
    KGR_P11_OP_ENCRYPT,
    KGR_P11_OP_DECRYPT,
    KGR_P11_OP_SIGN,
    KGR_P11_OP_VERIFY,
    KGR_P11_OP_MESSAGE_ENCRYPT,
    KGR_P11_OP_MESSAGE_DECRYPT
};

/* A search under way: the handles that matched when it began. */
struct kgr_p11_find {
    CK_OBJECT_HANDLE *handles; /* owned */
    size_t num;
    size_t next;
};

/*
 * A session and its one operation: the token does no dual operations (no
 * CKF_DUAL_CRYPTO_OPERATIONS), so an active one excludes every other.
 */
struct kgr_p11_session {
    struct kgr_p11_module *module; /* borrowed */
    CK_SESSION_HANDLE handle;
    CK_FLAGS flags;
    unsigned refs; /* guarded by the table's lock */
    atomic_bool closed;
    pthread_mutex_t lock; /* guards what follows */
    unsigned era;         /* of the login under which op was begun */
    enum kgr_p11_op op;
    bool in_parts; /* an Update was called */
    union {
        struct kgr_p11_find find;
        struct kgr_p11_cipher cipher;
        struct kgr_p11_mac mac;
        struct kgr_key peer; /* whose messages these are; its generation is the agent's choice */
    } u;
};

struct kgr_p11_session_slot {
    struct kgr_p11_session *session; /* owned; NULL: free */
    uint32_t uses;                   /* goes into the handle, so that old handles stay invalid */
};

struct kgr_p11_session_table {
    pthread_mutex_t lock;
    struct kgr_p11_session_slot *slots; /* owned */
    size_t num_slots;
    size_t num_open;
    size_t num_rw;
};

void kgr_p11_session_table_init(struct kgr_p11_session_table *table);
/* kgr_p11_session_table_deinit closes what is open; nothing may be under way. */
void kgr_p11_session_table_deinit(struct kgr_p11_session_table *table);

/* kgr_p11_session_open: CKR_SESSION_COUNT, CKR_HOST_MEMORY. */
CK_RV kgr_p11_session_open(CK_SESSION_HANDLE *out, struct kgr_p11_module *module, CK_FLAGS flags);
/*
 * kgr_p11_session_close takes the session out of the table; a call of another thread in it ends as
 * usual, and the last to leave frees it. CKR_SESSION_HANDLE_INVALID.
 */
CK_RV kgr_p11_session_close(struct kgr_p11_session_table *table, CK_SESSION_HANDLE handle);
void kgr_p11_session_close_all(struct kgr_p11_session_table *table);
void kgr_p11_session_count(struct kgr_p11_session_table *table, size_t *out_open, size_t *out_rw);

/* kgr_p11_session_take references and locks; kgr_p11_session_give undoes both. */
CK_RV kgr_p11_session_take(struct kgr_p11_session **out, struct kgr_p11_session_table *table,
                           CK_SESSION_HANDLE handle);
void kgr_p11_session_give(struct kgr_p11_session *session);

/* kgr_p11_session_end ends the operation, if any, and wipes what it held. */
void kgr_p11_session_end(struct kgr_p11_session *session);
