/* SPDX-License-Identifier: BSD-2-Clause */
#include "pkcs11/key_table.h"

#include "pkcs11/module.h"

#include <stdlib.h>
#include <string.h>
#include <time.h>

/* A handle is uses | index | kind; uses starts at 1, so that no handle is CK_INVALID_HANDLE. */
#define INDEX_BITS  22
#define MAX_ENTRIES ((size_t)1 << INDEX_BITS)

void kgr_p11_key_table_init(struct kgr_p11_key_table *table)
{
    memset(table, 0, sizeof(*table));
    (void)pthread_mutex_init(&table->lock, NULL);
}

void kgr_p11_key_table_deinit(struct kgr_p11_key_table *table)
{
    free(table->entries);
    free(table->order);
    (void)pthread_mutex_destroy(&table->lock);
    memset(table, 0, sizeof(*table));
}

static int64_t now_ms(void)
{
    struct timespec now = {0};

    (void)clock_gettime(CLOCK_MONOTONIC, &now);
    return (int64_t)now.tv_sec * 1000 + now.tv_nsec / 1000000;
}

static int64_t now_s(void)
{
    struct timespec now = {0, 0};

    (void)clock_gettime(CLOCK_REALTIME, &now);
    return (int64_t)now.tv_sec;
}

static int entry_cmp(const struct kgr_p11_key_entry *entry, const char *peer, uint64_t generation)
{
    int cmp = strcmp(entry->info.peer, peer);

    if (cmp != 0) {
        return cmp;
    }
    return (entry->info.generation > generation) - (entry->info.generation < generation);
}

/* The place in order of the first entry that is not before (peer, generation). */
static size_t lower_bound(const struct kgr_p11_key_table *table, const char *peer,
                          uint64_t generation)
{
    size_t low = 0;
    size_t high = table->num_order;

    while (low < high) {
        size_t mid = low + (high - low) / 2;

        if (entry_cmp(&table->entries[table->order[mid]], peer, generation) < 0) {
            low = mid + 1;
        } else {
            high = mid;
        }
    }
    return low;
}

static struct kgr_p11_key_entry *find(const struct kgr_p11_key_table *table, const char *peer,
                                      uint64_t generation)
{
    size_t at = lower_bound(table, peer, generation);

    if (at == table->num_order) {
        return NULL;
    }
    struct kgr_p11_key_entry *entry = &table->entries[table->order[at]];

    return entry_cmp(entry, peer, generation) == 0 ? entry : NULL;
}

static enum kgr_error grow(struct kgr_p11_key_table *table)
{
    size_t cap = table->cap_entries == 0 ? 16 : table->cap_entries * 2;
    struct kgr_p11_key_entry *entries;
    uint32_t *order;

    if (cap > MAX_ENTRIES) {
        return KGR_ERR_NO_MEMORY;
    }
    entries = realloc(table->entries, cap * sizeof(*entries));
    if (entries == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    table->entries = entries;
    order = realloc(table->order, cap * sizeof(*order));
    if (order == NULL) {
        return KGR_ERR_NO_MEMORY;
    }
    table->order = order;
    table->cap_entries = cap;
    return KGR_OK;
}

/* Returns a free entry's index; a former one is found again only when there are many of them. */
static enum kgr_error claim(size_t *out, struct kgr_p11_key_table *table)
{
    if (table->num_order < table->num_entries) {
        for (size_t i = 0; i < table->num_entries; i++) {
            if (!table->entries[i].used) {
                *out = i;
                return KGR_OK;
            }
        }
    }
    if (table->num_entries == table->cap_entries) {
        enum kgr_error err = grow(table);

        if (err != KGR_OK) {
            return err;
        }
    }
    *out = table->num_entries++;
    table->entries[*out].uses = 0;
    return KGR_OK;
}

static enum kgr_error put(struct kgr_p11_key_table *table, const char *node,
                          const struct kgr_peer *info, uint64_t refresh)
{
    struct kgr_p11_key_entry *entry = find(table, info->peer, info->generation);

    if (entry == NULL) {
        size_t index = 0;
        size_t at;
        enum kgr_error err = claim(&index, table);

        if (err != KGR_OK) {
            return err;
        }
        entry = &table->entries[index];
        at = lower_bound(table, info->peer, info->generation);
        memmove(&table->order[at + 1], &table->order[at],
                (table->num_order - at) * sizeof(*table->order));
        table->order[at] = (uint32_t)index;
        table->num_order++;
        entry->used = true;
        entry->uses++;
        entry->listed = 0;
        entry->asked_ms = 0;
        kgr_object_id(entry->id[KGR_P11_CIPHER_KEY], node, info->peer, info->generation, false);
        kgr_object_id(entry->id[KGR_P11_MAC_KEY], node, info->peer, info->generation, true);
    }
    entry->info = *info;
    entry->read_at = now_s();
    if (entry->listed < refresh) {
        entry->listed = refresh;
    }
    return KGR_OK;
}

static void drop(struct kgr_p11_key_table *table, const char *peer, uint64_t generation)
{
    struct kgr_p11_key_entry *entry = find(table, peer, generation);

    if (entry != NULL) {
        size_t at = lower_bound(table, peer, generation);

        entry->used = false;
        table->num_order--;
        memmove(&table->order[at], &table->order[at + 1],
                (table->num_order - at) * sizeof(*table->order));
    }
}

/* Does this error say that the generation is no more, and not only that asking failed? */
static bool says_gone(enum kgr_error err)
{
    return err == KGR_ERR_UNKNOWN_PEER || err == KGR_ERR_NO_KEY || err == KGR_ERR_EXPIRED ||
           err == KGR_ERR_REVOKED || err == KGR_ERR_NOT_AUTHORIZED;
}

static bool has_key(const struct kgr_peer *info)
{
    return info->generation != 0 && info->suite != KGR_SUITE_NONE &&
           info->state != KGR_STATE_REVOKED && memchr(info->peer, 0, sizeof(info->peer)) != NULL;
}

/* Asks about one generation and brings its entry up to date. */
static enum kgr_error recheck(struct kgr_p11_module *module, const char *node,
                              const struct kgr_key *key)
{
    struct kgr_p11_key_table *table = &module->keys;
    int64_t asked_ms = now_ms();
    struct kgr_peer info;
    enum kgr_error err = kgr_get_key(module->client, key, &info);

    if (err == KGR_OK && (!has_key(&info) || strcmp(info.peer, key->peer) != 0 ||
                          (key->generation != 0 && info.generation != key->generation))) {
        err = KGR_ERR_NO_KEY;
    }
    (void)pthread_mutex_lock(&table->lock);
    if (err == KGR_OK) {
        err = put(table, node, &info, table->num_refreshes);
        if (err == KGR_OK) {
            find(table, info.peer, info.generation)->asked_ms = asked_ms;
        }
    } else if (says_gone(err) && key->generation != 0) {
        drop(table, key->peer, key->generation);
    }
    (void)pthread_mutex_unlock(&table->lock);
    return err;
}

/*
 * Copies the names of the entries that the refresh did not list (of peer, or of all if NULL) into a
 * new array: keys that are gone, or went to another page of the list while it was read.
 */
static enum kgr_error collect_unlisted(struct kgr_key **out, size_t *out_num,
                                       struct kgr_p11_key_table *table, const char *peer,
                                       uint64_t refresh)
{
    size_t at = peer != NULL ? lower_bound(table, peer, 0) : 0;
    struct kgr_key *keys = NULL;
    size_t num = 0;
    size_t cap = 0;

    for (; at < table->num_order; at++) {
        const struct kgr_p11_key_entry *entry = &table->entries[table->order[at]];

        if (peer != NULL && strcmp(entry->info.peer, peer) != 0) {
            break;
        }
        if (entry->listed >= refresh) {
            continue;
        }
        if (num == cap) {
            struct kgr_key *more;

            cap = cap == 0 ? 8 : cap * 2;
            more = realloc(keys, cap * sizeof(*keys));
            if (more == NULL) {
                free(keys);
                return KGR_ERR_NO_MEMORY;
            }
            keys = more;
        }
        memcpy(keys[num].peer, entry->info.peer, sizeof(keys[num].peer));
        keys[num].generation = entry->info.generation;
        num++;
    }
    *out = keys;
    *out_num = num;
    return KGR_OK;
}

/* Rechecks what the refresh left unlisted. */
static enum kgr_error sweep(struct kgr_p11_module *module, const char *node, const char *peer,
                            uint64_t refresh)
{
    struct kgr_key *keys = NULL;
    size_t num = 0;
    enum kgr_error err;

    (void)pthread_mutex_lock(&module->keys.lock);
    err = collect_unlisted(&keys, &num, &module->keys, peer, refresh);
    (void)pthread_mutex_unlock(&module->keys.lock);
    for (size_t i = 0; i < num && err == KGR_OK; i++) {
        enum kgr_error one = recheck(module, node, &keys[i]);

        err = says_gone(one) ? KGR_OK : one;
    }
    free(keys);
    return err;
}

/* Brings in what the agent lists of peer, or of all if NULL. *out_sends: one of them may send. */
static enum kgr_error put_listed(struct kgr_p11_module *module, const char *node, const char *peer,
                                 uint64_t *out_refresh, bool *out_sends)
{
    struct kgr_p11_key_table *table = &module->keys;
    struct kgr_peer *list = NULL;
    size_t num = 0;
    enum kgr_error err = kgr_list_keys(module->client, peer, &list, &num);

    if (err != KGR_OK) {
        return err;
    }
    *out_sends = false;
    (void)pthread_mutex_lock(&table->lock);
    *out_refresh = ++table->num_refreshes;
    for (size_t i = 0; i < num && err == KGR_OK; i++) {
        if (has_key(&list[i])) {
            err = put(table, node, &list[i], *out_refresh);
            *out_sends = *out_sends || list[i].may_send;
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
    free(list);
    return err;
}

enum kgr_error kgr_p11_keys_refresh(struct kgr_p11_module *module)
{
    struct kgr_p11_token token;
    uint64_t refresh = 0;
    bool sends;
    enum kgr_error err = kgr_p11_token_peek(module, &token);

    if (err == KGR_OK) {
        err = put_listed(module, token.node, NULL, &refresh, &sends);
    }
    return err == KGR_OK ? sweep(module, token.node, NULL, refresh) : err;
}

enum kgr_error kgr_p11_keys_refresh_peer(struct kgr_p11_module *module, const char *peer)
{
    struct kgr_p11_token token;
    struct kgr_key key = {.generation = 0};
    size_t len = strlen(peer);
    uint64_t refresh = 0;
    bool sends = false;
    enum kgr_error err = kgr_p11_token_peek(module, &token);

    if (err != KGR_OK) {
        return err;
    }
    if (len == 0 || len > KGR_PEER_MAX) {
        return KGR_ERR_UNKNOWN_PEER;
    }
    memcpy(key.peer, peer, len + 1);
    err = put_listed(module, token.node, peer, &refresh, &sends);
    if (err == KGR_OK && !sends) {
        /* The first use of a peer: the agent asks the KS for a key. */
        err = recheck(module, token.node, &key);
    }
    return err == KGR_OK || says_gone(err) ? sweep(module, token.node, peer, refresh) : err;
}

static void copy_out(struct kgr_p11_object *out, const struct kgr_p11_key_table *table,
                     size_t index, enum kgr_p11_kind kind, bool is_private)
{
    const struct kgr_p11_key_entry *entry = &table->entries[index];

    memset(out, 0, sizeof(*out));
    out->handle = ((CK_OBJECT_HANDLE)entry->uses << (INDEX_BITS + 1)) |
                  ((CK_OBJECT_HANDLE)index << 1) | (CK_OBJECT_HANDLE)kind;
    out->kind = kind;
    out->is_private = is_private;
    memcpy(out->id, entry->id[kind], sizeof(out->id));
    out->info = entry->info;
    out->read_at = entry->read_at;
}

enum kgr_error kgr_p11_key_get(struct kgr_p11_module *module, CK_OBJECT_HANDLE handle,
                               struct kgr_p11_object *out)
{
    struct kgr_p11_key_table *table = &module->keys;
    size_t index = (handle >> 1) & (MAX_ENTRIES - 1);
    enum kgr_error err = KGR_ERR_UNKNOWN_PEER;
    bool is_private = kgr_p11_login_needed(module);

    if (!kgr_p11_login_allows(module)) {
        return err;
    }
    (void)pthread_mutex_lock(&table->lock);
    if (index < table->num_entries && table->entries[index].used &&
        table->entries[index].uses == handle >> (INDEX_BITS + 1)) {
        copy_out(out, table, index, (handle & 1) != 0 ? KGR_P11_MAC_KEY : KGR_P11_CIPHER_KEY,
                 is_private);
        err = KGR_OK;
    }
    (void)pthread_mutex_unlock(&table->lock);
    return err;
}

enum kgr_error kgr_p11_key_get_fresh(struct kgr_p11_module *module, CK_OBJECT_HANDLE handle,
                                     struct kgr_p11_object *out)
{
    struct kgr_p11_token token;
    struct kgr_p11_object object;
    struct kgr_key key;
    enum kgr_error err = kgr_p11_key_get(module, handle, &object);

    if (err == KGR_OK) {
        err = kgr_p11_token_peek(module, &token);
    }
    if (err != KGR_OK) {
        return err;
    }
    memcpy(key.peer, object.info.peer, sizeof(key.peer));
    key.generation = object.info.generation;
    err = recheck(module, token.node, &key);
    return err == KGR_OK ? kgr_p11_key_get(module, handle, out) : err;
}

static bool is_recent(struct kgr_p11_module *module, const struct kgr_p11_object *object)
{
    struct kgr_p11_key_table *table = &module->keys;
    const struct kgr_p11_key_entry *entry;
    bool recent;

    (void)pthread_mutex_lock(&table->lock);
    entry = find(table, object->info.peer, object->info.generation);
    recent = entry != NULL && now_ms() - entry->asked_ms < KGR_P11_RECENT_MS;
    (void)pthread_mutex_unlock(&table->lock);
    return recent;
}

enum kgr_error kgr_p11_key_get_recent(struct kgr_p11_module *module, CK_OBJECT_HANDLE handle,
                                      struct kgr_p11_object *out)
{
    enum kgr_error err = kgr_p11_key_get(module, handle, out);

    return err == KGR_OK && is_recent(module, out) ? KGR_OK
                                                   : kgr_p11_key_get_fresh(module, handle, out);
}

void kgr_p11_keys_forget(struct kgr_p11_module *module)
{
    struct kgr_p11_key_table *table = &module->keys;

    (void)pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->num_entries; i++) {
        table->entries[i].used = false;
    }
    table->num_order = 0;
    (void)pthread_mutex_unlock(&table->lock);
}

bool kgr_p11_keys_find_id(struct kgr_p11_module *module, const void *id, size_t id_len,
                          char out_peer[KGR_PEER_MAX + 1])
{
    struct kgr_p11_key_table *table = &module->keys;
    bool found = false;

    if (id_len != KGR_P11_ID_LEN) {
        return false;
    }
    (void)pthread_mutex_lock(&table->lock);
    for (size_t i = 0; i < table->num_order && !found; i++) {
        const struct kgr_p11_key_entry *entry = &table->entries[table->order[i]];

        if (memcmp(entry->id[0], id, id_len) == 0 || memcmp(entry->id[1], id, id_len) == 0) {
            memcpy(out_peer, entry->info.peer, sizeof(entry->info.peer));
            found = true;
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
    return found;
}

void kgr_p11_keys_each(struct kgr_p11_module *module, const char *peer, kgr_p11_key_fn fn,
                       void *ctx)
{
    struct kgr_p11_key_table *table = &module->keys;
    struct kgr_p11_object object;
    bool is_private = kgr_p11_login_needed(module);
    bool more = true;
    size_t at;

    (void)pthread_mutex_lock(&table->lock);
    at = peer != NULL ? lower_bound(table, peer, 0) : 0;
    for (; at < table->num_order && more; at++) {
        if (peer != NULL && strcmp(table->entries[table->order[at]].info.peer, peer) != 0) {
            break;
        }
        copy_out(&object, table, table->order[at], KGR_P11_CIPHER_KEY, is_private);
        more = fn(ctx, &object);
        if (more) {
            copy_out(&object, table, table->order[at], KGR_P11_MAC_KEY, is_private);
            more = fn(ctx, &object);
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
}
