/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/base/object_id.h"

#include <string.h>

uint64_t kgr_fnv1a(uint64_t hash, const void *p, size_t len)
{
    const uint8_t *bytes = p;

    for (size_t i = 0; i < len; i++)
        hash = (hash ^ bytes[i]) * 0x100000001b3ULL;
    return hash;
}

void kgr_object_id(uint8_t out[KGR_OBJECT_ID_LEN], const char *node, const char *peer,
                   uint64_t generation, bool mac)
{
    uint64_t hash = kgr_fnv1a(KGR_FNV_START, node, strlen(node) + 1);
    uint8_t number[8];

    for (unsigned i = 0; i < sizeof(number); i++)
        number[i] = (uint8_t)(generation >> (56 - 8 * i));
    hash = kgr_fnv1a(hash, peer, strlen(peer) + 1);
    hash = kgr_fnv1a(hash, number, sizeof(number));
    hash = kgr_fnv1a(hash, mac ? "s" : "e", 1);
    /* FNV hardly spreads its last bytes; people tell identifiers apart by their looks. */
    hash = (hash ^ hash >> 33) * 0xff51afd7ed558ccdULL;
    hash = (hash ^ hash >> 33) * 0xc4ceb9fe1a85ec53ULL;
    hash ^= hash >> 33;
    for (unsigned i = 0; i < KGR_OBJECT_ID_LEN; i++)
        out[i] = (uint8_t)(hash >> (56 - 8 * i));
}
