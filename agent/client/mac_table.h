/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdint.h>

#include "agent/base/attr.h"

/*
 * The MACs that are under way. The agent numbers them per connection and may use a number again on the next
 * one, so callers get numbers of ours: one that outlived its connection is never taken for another's.
 * Thread-safe within a process; a child of a fork starts with a table of its own.
 */
struct kgr_mac_table;

#define KGR_MACS_MAX 4096

/* Where a MAC lives: the connection and the agent's number. */
struct kgr_mac_place {
    uint32_t serial;
    uint32_t remote_id;
};

KGR_MUST_CHECK enum kgr_error kgr_mac_table_new(struct kgr_mac_table **out);
/* kgr_mac_table_free accepts NULL, also in a child of the process that made the table. */
void kgr_mac_table_free(struct kgr_mac_table *table);

/* kgr_mac_table_add: KGR_ERR_QUOTA beyond KGR_MACS_MAX, KGR_ERR_NO_MEMORY. */
KGR_MUST_CHECK enum kgr_error kgr_mac_table_add(struct kgr_mac_table *table, uint32_t *out_id,
                                                struct kgr_mac_place place);
/* kgr_mac_table_find: KGR_ERR_STATE for an id that is none or was removed. */
KGR_MUST_CHECK enum kgr_error kgr_mac_table_find(struct kgr_mac_table *table,
                                                 struct kgr_mac_place *out, uint32_t id);
/* kgr_mac_table_remove finds and removes; of several threads one succeeds. */
KGR_MUST_CHECK enum kgr_error kgr_mac_table_remove(struct kgr_mac_table *table,
                                                   struct kgr_mac_place *out, uint32_t id);
