/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/client/mac_table.h"

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdlib.h>

/* An id is the index of its slot and, above, how often the slot was used. */
#define INDEX_BITS 12
#define INDEX_MASK ((UINT32_C(1) << INDEX_BITS) - 1)
#define FIRST_CAP  16

_Static_assert(KGR_MACS_MAX == 1 << INDEX_BITS, "an index fits its bits");

struct slot {
    struct kgr_mac_place place;
    uint32_t uses; /* INDEX_BITS fewer than 32 are seen in the id */
    bool taken;
};

struct kgr_mac_table {
    pthread_mutex_t lock;
    struct slot *slots; /* owned */
    size_t num_slots;
};

enum kgr_error kgr_mac_table_new(struct kgr_mac_table **out)
{
    struct kgr_mac_table *table = calloc(1, sizeof(*table));

    if (table == NULL)
        return KGR_ERR_NO_MEMORY;
    if (pthread_mutex_init(&table->lock, NULL) != 0) {
        free(table);
        return KGR_ERR_NO_MEMORY;
    }
    *out = table;
    return KGR_OK;
}

void kgr_mac_table_free(struct kgr_mac_table *table)
{
    if (table == NULL)
        return;
    /* Held when the process was forked, by a thread that is not here: the slots may be half-moved. */
    if (pthread_mutex_trylock(&table->lock) != 0)
        return;
    (void)pthread_mutex_unlock(&table->lock);
    free(table->slots);
    free(table);
}

static enum kgr_error grow(struct kgr_mac_table *table)
{
    size_t num = table->num_slots == 0 ? FIRST_CAP : 2 * table->num_slots;
    struct slot *slots;

    if (table->num_slots == KGR_MACS_MAX)
        return KGR_ERR_QUOTA;
    slots = realloc(table->slots, num * sizeof(*slots));
    if (slots == NULL)
        return KGR_ERR_NO_MEMORY;
    for (size_t i = table->num_slots; i < num; i++)
        slots[i] = (struct slot){.taken = false};
    table->slots = slots;
    table->num_slots = num;
    return KGR_OK;
}

enum kgr_error kgr_mac_table_add(struct kgr_mac_table *table, uint32_t *out_id,
                                 struct kgr_mac_place place)
{
    enum kgr_error err = KGR_OK;
    struct slot *slot;
    size_t i = 0;

    (void)pthread_mutex_lock(&table->lock);
    while (i < table->num_slots && table->slots[i].taken)
        i++;
    if (i == table->num_slots)
        err = grow(table);
    if (err == KGR_OK) {
        slot = &table->slots[i];
        slot->place = place;
        slot->taken = true;
        slot->uses++;
        *out_id = slot->uses << INDEX_BITS | (uint32_t)i;
    }
    (void)pthread_mutex_unlock(&table->lock);
    return err;
}

static enum kgr_error look_up(struct kgr_mac_table *table, struct kgr_mac_place *out, uint32_t id,
                              bool remove)
{
    enum kgr_error err = KGR_ERR_STATE;
    size_t i = id & INDEX_MASK;

    (void)pthread_mutex_lock(&table->lock);
    if (i < table->num_slots) {
        struct slot *slot = &table->slots[i];

        if (slot->taken && slot->uses << INDEX_BITS == (id & ~INDEX_MASK)) {
            *out = slot->place;
            slot->taken = !remove;
            err = KGR_OK;
        }
    }
    (void)pthread_mutex_unlock(&table->lock);
    return err;
}

enum kgr_error kgr_mac_table_find(struct kgr_mac_table *table, struct kgr_mac_place *out,
                                  uint32_t id)
{
    return look_up(table, out, id, false);
}

enum kgr_error kgr_mac_table_remove(struct kgr_mac_table *table, struct kgr_mac_place *out,
                                    uint32_t id)
{
    return look_up(table, out, id, true);
}
