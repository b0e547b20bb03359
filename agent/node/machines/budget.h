/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How many blocks of 16 bytes one generation has processed (docs/protocol.md, section 6.3). Pure. Nothing is
 * written per block: a count is reserved on disk in steps, and not exceeded before the next one is stored. After
 * a crash all that was reserved counts as used.
 */
struct kgr_budget {
    uint64_t used;
    uint64_t reserved; /* as stored */
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
 * kgr_budget_need tells whether a count must be stored before blocks more are used, and which one: store it, then
 * kgr_budget_raise.
 */
bool kgr_budget_need(const struct kgr_budget *budget, uint64_t limit, uint64_t blocks,
                     uint64_t *out_reserved);
void kgr_budget_raise(struct kgr_budget *budget, uint64_t reserved);
/* kgr_budget_use counts; never above what is reserved. */
void kgr_budget_use(struct kgr_budget *budget, uint64_t blocks);
