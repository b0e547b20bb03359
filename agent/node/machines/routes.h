/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"
#include "agent/base/text.h"

/* Which pair and generation receives on which topic (docs/protocol.md, section 8.1). Data only. */
struct kgr_route {
    struct kgr_route *next; /* of the same bucket */
    char topic[KGR_TOPIC_TEXT_LEN + 1];
    struct kgr_nid peer;
    uint64_t generation;
};

struct kgr_routes {
    struct kgr_route **buckets; /* owned */
    size_t num_buckets;         /* a power of two, or 0 */
    size_t num;
};

void kgr_routes_deinit(struct kgr_routes *routes);
/* kgr_routes_add: KGR_ERR_EXISTS when the topic has a route already, KGR_ERR_NO_MEMORY. */
KGR_MUST_CHECK enum kgr_error kgr_routes_add(struct kgr_routes *routes, const char *topic,
                                             const struct kgr_nid *peer, uint64_t generation);
/* kgr_routes_remove does nothing if there is no such route. */
void kgr_routes_remove(struct kgr_routes *routes, const char *topic);
/* kgr_routes_find borrows; NULL when there is none. */
const struct kgr_route *kgr_routes_find(const struct kgr_routes *routes, const char *topic);
