/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * How many blocks of 16 bytes one generation has processed (docs/protocol.md, section 6.3). Pure. Nothing is
 * written per block: a count is reserved on disk in steps, and not exceeded before the next one is stored. After
 * a crash all that was reserved counts as used. Thread-safe but for restart: any thread uses what is reserved, and the one that owns
 * the disk reserves more.
 */
#define KGR_BUDGET_STEPS 64u /* reserved at once at most */

struct kgr_budget {
    _Atomic uint64_t used;
    _Atomic uint64_t reserved; /* as stored */
    _Atomic uint64_t low;      /* from here on more shall be reserved */
};

/* kgr_budget_restart continues from the stored count; 0 for a new key. */
void kgr_budget_restart(struct kgr_budget *out, uint64_t stored);
/* kgr_budget_blocks_sealed counts a message of len bytes with padding, or the input of a MAC. */
uint64_t kgr_budget_blocks_sealed(size_t len);
/* kgr_budget_blocks_raw counts a cipher call without padding. */
uint64_t kgr_budget_blocks_raw(size_t len);
/* kgr_budget_is_spent tells whether a budget of limit has no room for blocks more. */
bool kgr_budget_is_spent(const struct kgr_budget *budget, uint64_t limit, uint64_t blocks);
/*
 * kgr_budget_need tells whether a count must be stored before blocks more are used, and which one, with so many steps: store it,
 * then kgr_budget_raise.
 */
bool kgr_budget_need(const struct kgr_budget *budget, uint64_t limit, uint64_t blocks,
                     uint32_t steps, uint64_t *out_reserved);
/* kgr_budget_is_low: more than half of what was reserved last is used. kgr_budget_more is the count to store then. */
bool kgr_budget_is_low(const struct kgr_budget *budget);
uint64_t kgr_budget_more(const struct kgr_budget *budget, uint64_t limit, uint32_t steps);
void kgr_budget_raise(struct kgr_budget *budget, uint64_t reserved);
/* kgr_budget_use counts; false, and nothing, when that would be above what is reserved, or above limit. */
KGR_MUST_CHECK bool kgr_budget_use(struct kgr_budget *budget, uint64_t limit, uint64_t blocks);
/* kgr_budget_return takes back a part of what was counted, before anything was done with it. */
void kgr_budget_return(struct kgr_budget *budget, uint64_t blocks);
