/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/session_table.h"

#include "pkcs11/module.h"

#include <stdlib.h>
#include <string.h>

/* A handle is uses | index; uses starts at 1, so that no handle is CK_INVALID_HANDLE. */
#define INDEX_BITS 16
#define INDEX_MASK ((1UL << INDEX_BITS) - 1)

void kgr_p11_session_table_init(struct kgr_p11_session_table *table)
{
    memset(table, 0, sizeof(*table));
    (void)pthread_mutex_init(&table->lock, NULL);
}

void kgr_p11_session_table_deinit(struct kgr_p11_session_table *table)
{
    kgr_p11_session_close_all(table);
    free(table->slots);
    (void)pthread_mutex_destroy(&table->lock);
    memset(table, 0, sizeof(*table));
}

static CK_RV free_slot(size_t *out, struct kgr_p11_session_table *table)
{
    struct kgr_p11_session_slot *slots;
    size_t num = table->num_slots == 0 ? 8 : table->num_slots * 2;

    if (table->num_open < table->num_slots) {
        for (size_t i = 0; i < table->num_slots; i++) {
            if (table->slots[i].session == NULL) {
                *out = i;
                return CKR_OK;
            }
        }
    }
    if (num > KGR_P11_MAX_SESSIONS + 1) {
        return CKR_SESSION_COUNT;
    }
    slots = realloc(table->slots, num * sizeof(*slots));
    if (slots == NULL) {
        return CKR_HOST_MEMORY;
    }
    memset(slots + table->num_slots, 0, (num - table->num_slots) * sizeof(*slots));
    *out = table->num_slots;
    table->slots = slots;
    table->num_slots = num;
    return CKR_OK;
}

static void session_free(struct kgr_p11_session *session)
{
    kgr_p11_session_end(session);
    (void)pthread_mutex_destroy(&session->lock);
    free(session);
}

static struct kgr_p11_session *find(const struct kgr_p11_session_table *table,
                                    CK_SESSION_HANDLE handle)
{
    size_t index = handle & INDEX_MASK;

    if (index >= table->num_slots || table->slots[index].session == NULL ||
        table->slots[index].uses != handle >> INDEX_BITS) {
        return NULL;
    }
    return table->slots[index].session;
}

static void unref(struct kgr_p11_session_table *table, struct kgr_p11_session *session)
{
    bool last;

    (void)pthread_mutex_lock(&table->lock);
    last = --session->refs == 0;
    (void)pthread_mutex_unlock(&table->lock);
    if (last) {
        session_free(session);
    }
}

CK_RV kgr_p11_session_open(CK_SESSION_HANDLE *out, struct kgr_p11_module *module, CK_FLAGS flags)
{
    struct kgr_p11_session_table *table = &module->sessions;
    struct kgr_p11_session *session = calloc(1, sizeof(*session));
    size_t index = 0;
    CK_RV rv;

    if (session == NULL) {
        return CKR_HOST_MEMORY;
    }
    session->module = module;
    session->flags = flags;
    session->era = atomic_load(&module->login.era);
    session->refs = 1; /* the table's */
    (void)pthread_mutex_init(&session->lock, NULL);
    (void)pthread_mutex_lock(&table->lock);
    rv = free_slot(&index, table);
    if (rv == CKR_OK) {
        struct kgr_p11_session_slot *slot = &table->slots[index];

        slot->session = session;
        slot->uses++;
        session->handle = ((CK_SESSION_HANDLE)slot->uses << INDEX_BITS) | index;
        table->num_open++;
        table->num_rw += (flags & CKF_RW_SESSION) != 0;
        *out = session->handle;
    }
    (void)pthread_mutex_unlock(&table->lock);
    if (rv != CKR_OK) {
        session_free(session);
    }
    return rv;
}

/* Takes the session out of the table; the table's reference becomes the caller's. */
static struct kgr_p11_session *detach(struct kgr_p11_session_table *table, size_t index)
{
    struct kgr_p11_session *session = table->slots[index].session;

    table->slots[index].session = NULL;
    table->num_open--;
    table->num_rw -= (session->flags & CKF_RW_SESSION) != 0;
    atomic_store(&session->closed, true);
    return session;
}

CK_RV kgr_p11_session_close(struct kgr_p11_session_table *table, CK_SESSION_HANDLE handle)
{
    struct kgr_p11_session *session;

    (void)pthread_mutex_lock(&table->lock);
    session = find(table, handle);
    if (session != NULL) {
        session = detach(table, handle & INDEX_MASK);
    }
    (void)pthread_mutex_unlock(&table->lock);
    if (session == NULL) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    unref(table, session);
    return CKR_OK;
}

void kgr_p11_session_close_all(struct kgr_p11_session_table *table)
{
    (void)pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->num_slots; i++) {
        if (table->slots[i].session != NULL) {
            struct kgr_p11_session *session = detach(table, i);

            /* Ending an operation may take a request: not under the lock. */
            (void)pthread_mutex_unlock(&table->lock);
            unref(table, session);
            (void)pthread_mutex_lock(&table->lock);
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
}

void kgr_p11_session_count(struct kgr_p11_session_table *table, size_t *out_open, size_t *out_rw)
{
    (void)pthread_mutex_lock(&table->lock);
    *out_open = table->num_open;
    *out_rw = table->num_rw;
    (void)pthread_mutex_unlock(&table->lock);
}

CK_RV kgr_p11_session_take(struct kgr_p11_session **out, struct kgr_p11_session_table *table,
                           CK_SESSION_HANDLE handle)
{
    struct kgr_p11_session *session;

    (void)pthread_mutex_lock(&table->lock);
    session = find(table, handle);
    if (session != NULL) {
        session->refs++;
    }
    (void)pthread_mutex_unlock(&table->lock);
    if (session == NULL) {
        return CKR_SESSION_HANDLE_INVALID;
    }
    (void)pthread_mutex_lock(&session->lock);
    if (atomic_load(&session->closed)) {
        kgr_p11_session_give(session);
        return CKR_SESSION_HANDLE_INVALID;
    }
    *out = session;
    return CKR_OK;
}

void kgr_p11_session_give(struct kgr_p11_session *session)
{
    (void)pthread_mutex_unlock(&session->lock);
    unref(&session->module->sessions, session);
}

void kgr_p11_session_end(struct kgr_p11_session *session)
{
    switch (session->op) {
    case KGR_P11_OP_FIND:
        free(session->u.find.handles);
        break;
    case KGR_P11_OP_ENCRYPT:
    case KGR_P11_OP_DECRYPT:
        kgr_p11_cipher_deinit(&session->u.cipher);
        break;
    case KGR_P11_OP_SIGN:
    case KGR_P11_OP_VERIFY:
        kgr_p11_mac_deinit(&session->u.mac);
        break;
    case KGR_P11_OP_MESSAGE_ENCRYPT:
    case KGR_P11_OP_MESSAGE_DECRYPT:
    case KGR_P11_OP_NONE:
        break;
    }
    session->op = KGR_P11_OP_NONE;
    session->in_parts = false;
}
