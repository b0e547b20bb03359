/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/slots.h"

#include <stdlib.h>
#include <string.h>

#include <tss2/tss2_mu.h>

#include "agent/base/log.h"
#include "agent/tpm/command.h"
#include "agent/tpm/context.h"
#include "agent/tpm/load.h"
#include "agent/tpm/template.h"

/* Keys whose context is remembered; beyond that the least recently used is loaded from its blob. */
#define ENTRIES_MAX 64

struct entry {
    uint64_t id; /* 0: unused */
    uint64_t used;
    TPM2_HANDLE handle; /* 0: not loaded */
    struct kgr_tpm_name name;
    struct kgr_tpm_context context; /* context.bytes owned, NULL: none */
};

struct kgr_tpm_slots {
    struct entry entries[ENTRIES_MAX];
    uint64_t clock;
    uint64_t next_id;
};

enum kgr_error kgr_tpm_slots_new(struct kgr_tpm_slots **out)
{
    struct kgr_tpm_slots *slots = calloc(1, sizeof(*slots));

    if (slots == NULL)
        return KGR_ERR_NO_MEMORY;
    slots->next_id = 1;
    *out = slots;
    return KGR_OK;
}

void kgr_tpm_slots_free(struct kgr_tpm_slots *slots)
{
    if (slots == NULL)
        return;
    for (size_t i = 0; i < ENTRIES_MAX; i++)
        kgr_tpm_context_clear(&slots->entries[i].context);
    free(slots);
}

uint64_t kgr_tpm_new_key_id(struct kgr_tpm *tpm)
{
    return tpm->slots->next_id++;
}

size_t kgr_tpm_num_loaded(const struct kgr_tpm *tpm)
{
    size_t num = 0;

    for (size_t i = 0; i < ENTRIES_MAX; i++)
        num += tpm->slots->entries[i].handle != 0;
    return num;
}

void kgr_tpm_slots_lost(struct kgr_tpm *tpm)
{
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        struct entry *entry = &tpm->slots->entries[i];

        /* Not everything need be lost: what is still there would fill the TPM. */
        if (entry->handle != 0)
            kgr_tpm_flush(tpm, entry->handle);
        entry->handle = 0;
    }
}

/* Leaves the slot; the context stays, so that the way back is short. */
static void unload(struct kgr_tpm *tpm, struct entry *entry)
{
    TPM2_HANDLE handle = entry->handle;

    if (handle == 0)
        return;
    entry->handle = 0;
    if (entry->context.bytes == NULL && tpm->connected &&
        kgr_tpm_context_save(tpm, &entry->context, handle, NULL) != KGR_OK)
        kgr_debug("tpm_context_not_saved", "handle=0x%x", handle);
    kgr_tpm_flush(tpm, handle);
}

static bool is_kept(TPM2_HANDLE handle, const TPM2_HANDLE *keep, size_t num_keep)
{
    for (size_t i = 0; i < num_keep; i++) {
        if (keep[i] == handle)
            return true;
    }
    return false;
}

bool kgr_tpm_slots_evict_one(struct kgr_tpm *tpm, const TPM2_HANDLE *keep, size_t num_keep)
{
    struct entry *oldest = NULL;

    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        struct entry *entry = &tpm->slots->entries[i];

        if (entry->handle != 0 && !is_kept(entry->handle, keep, num_keep) &&
            (oldest == NULL || entry->used < oldest->used))
            oldest = entry;
    }
    if (oldest == NULL)
        return false;
    unload(tpm, oldest);
    return true;
}

void kgr_tpm_slots_limit(struct kgr_tpm *tpm, size_t max)
{
    while (kgr_tpm_num_loaded(tpm) > max)
        (void)kgr_tpm_slots_evict_one(tpm, NULL, 0); /* there is one: the count says so */
}

void kgr_tpm_flush_keys(struct kgr_tpm *tpm)
{
    kgr_tpm_slots_limit(tpm, 0);
}

static struct entry *find(struct kgr_tpm_slots *slots, uint64_t id)
{
    for (size_t i = 0; i < ENTRIES_MAX; i++) {
        if (slots->entries[i].id == id)
            return &slots->entries[i];
    }
    return NULL;
}

static void forget(struct kgr_tpm *tpm, struct entry *entry)
{
    if (entry->handle != 0)
        kgr_tpm_flush(tpm, entry->handle);
    kgr_tpm_context_clear(&entry->context);
    memset(entry, 0, sizeof(*entry));
}

void kgr_tpm_forget_key(struct kgr_tpm *tpm, uint64_t id)
{
    struct entry *entry = id == 0 ? NULL : find(tpm->slots, id);

    if (entry != NULL)
        forget(tpm, entry);
}

/* The entry of key, made in the least recently used place if there was none. */
static enum kgr_error entry_of(struct kgr_tpm *tpm, struct entry **out,
                               const struct kgr_tpm_loadable *key)
{
    struct entry *entry = find(tpm->slots, key->id);
    struct kgr_tpm_name name;
    enum kgr_error err;

    if (entry == NULL) {
        err = kgr_tpm_public_name(&name, &key->blob->pub);
        if (err != KGR_OK)
            return err;
        entry = &tpm->slots->entries[0];
        for (size_t i = 1; i < ENTRIES_MAX; i++) {
            if (tpm->slots->entries[i].used < entry->used)
                entry = &tpm->slots->entries[i];
        }
        forget(tpm, entry);
        entry->id = key->id;
        entry->name = name;
    }
    entry->used = ++tpm->slots->clock;
    *out = entry;
    return KGR_OK;
}

static enum kgr_error ensure_loaded(struct kgr_tpm *tpm, struct entry *entry,
                                    const struct kgr_tpm_loadable *key, struct kgr_diag *diag)
{
    struct kgr_tpm_object object;
    enum kgr_error err;

    if (entry->handle != 0)
        return KGR_OK;
    /* One slot for the key, one for a persistent parent or what the command itself needs. */
    kgr_tpm_slots_limit(tpm, (size_t)tpm->capability.slots - 2);
    if (entry->context.bytes != NULL) {
        if (kgr_tpm_context_load(tpm, &entry->handle, &entry->context, NULL) == KGR_OK)
            return KGR_OK;
        kgr_tpm_context_clear(&entry->context); /* from before a reset */
    }
    err = kgr_tpm_load(tpm, &object, key->parent, key->blob, key->auth, diag);
    if (err == KGR_OK)
        entry->handle = object.handle;
    return err;
}

enum kgr_error kgr_tpm_use_key(struct kgr_tpm *tpm, const struct kgr_tpm_loadable *key,
                               kgr_tpm_key_op *op, void *arg, struct kgr_diag *diag)
{
    struct kgr_diag own;
    struct entry *entry;
    enum kgr_error err = KGR_ERR_FAILED;

    if (key->id == 0)
        return KGR_ERR_INVALID;
    for (int i = 0; i < 2; i++) {
        unsigned int resets = tpm->resets;

        memset(&own, 0, sizeof(own)); /* what is mended is not worth a word */
        err = entry_of(tpm, &entry, key);
        if (err == KGR_OK)
            err = ensure_loaded(tpm, entry, key, &own);
        if (err == KGR_OK) {
            struct kgr_tpm_object object = {
                .handle = entry->handle, .name = entry->name, .auth = key->auth};

            err = op(tpm, &object, arg, &own);
        }
        if (err == KGR_OK || tpm->resets == resets)
            break;
    }
    if (err != KGR_OK)
        return kgr_diag_set(diag, err, "%s", kgr_diag_text(&own, err));
    return KGR_OK;
}
