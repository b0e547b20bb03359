/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/text.h"

/* Numbers that every program of a node finds for itself. No protection against anybody. Pure. */

/* kgr_fnv1a continues the 64-bit FNV-1a hash; start with KGR_FNV_START. */
#define KGR_FNV_START 0xcbf29ce484222325ULL
uint64_t kgr_fnv1a(uint64_t hash, const void *p, size_t len);

/* kgr_object_id writes the CKA_ID of a key as a PKCS#11 object, behind whichever door: mac tells NNSKsign from NNSK. */
#define KGR_OBJECT_ID_LEN 8
void kgr_object_id(uint8_t out[KGR_OBJECT_ID_LEN], const char *node, const char *peer,
                   uint64_t generation, bool mac);
