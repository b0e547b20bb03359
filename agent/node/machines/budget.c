/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/budget.h"

#include "agent/base/suite.h"

/* A crash costs at most this part of the budget. */
#define STEPS 4096u

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void kgr_budget_restart(struct kgr_budget *out, uint64_t stored)
{
    atomic_init(&out->used, stored);
    atomic_init(&out->reserved, stored);
    atomic_init(&out->low, stored);
}

uint64_t kgr_budget_blocks_sealed(size_t len)
{
    return len / KGR_BLOCK_LEN + 1;
}

uint64_t kgr_budget_blocks_raw(size_t len)
{
    return len / KGR_BLOCK_LEN + (len % KGR_BLOCK_LEN != 0);
}

bool kgr_budget_is_spent(const struct kgr_budget *budget, uint64_t limit, uint64_t blocks)
{
    return sum(atomic_load_explicit(&budget->used, memory_order_relaxed), blocks) > limit;
}

static uint64_t step_of(uint64_t limit)
{
    return limit / STEPS > 0 ? limit / STEPS : 1;
}

bool kgr_budget_need(const struct kgr_budget *budget, uint64_t limit, uint64_t blocks,
                     uint32_t steps, uint64_t *out_reserved)
{
    uint64_t wanted = sum(atomic_load_explicit(&budget->used, memory_order_relaxed), blocks);

    if (wanted <= atomic_load_explicit(&budget->reserved, memory_order_relaxed))
        return false;
    *out_reserved = sum(wanted, steps * step_of(limit) - 1);
    return true;
}

bool kgr_budget_is_low(const struct kgr_budget *budget)
{
    return atomic_load_explicit(&budget->used, memory_order_relaxed) >
           atomic_load_explicit(&budget->low, memory_order_relaxed);
}

uint64_t kgr_budget_more(const struct kgr_budget *budget, uint64_t limit, uint32_t steps)
{
    return sum(atomic_load_explicit(&budget->reserved, memory_order_relaxed),
               steps * step_of(limit));
}

void kgr_budget_raise(struct kgr_budget *budget, uint64_t reserved)
{
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);

    if (reserved <= atomic_load_explicit(&budget->reserved, memory_order_relaxed))
        return;
    atomic_store_explicit(&budget->low, used >= reserved ? reserved : used + (reserved - used) / 2,
                          memory_order_relaxed);
    atomic_store_explicit(&budget->reserved, reserved, memory_order_release);
}

bool kgr_budget_use(struct kgr_budget *budget, uint64_t limit, uint64_t blocks)
{
    uint64_t used = atomic_load_explicit(&budget->used, memory_order_relaxed);
    uint64_t after;

    do {
        after = sum(used, blocks);
        if (after > limit || after > atomic_load_explicit(&budget->reserved, memory_order_acquire))
            return false;
    } while (!atomic_compare_exchange_weak_explicit(&budget->used, &used, after,
                                                    memory_order_relaxed, memory_order_relaxed));
    return true;
}

void kgr_budget_return(struct kgr_budget *budget, uint64_t blocks)
{
    (void)atomic_fetch_sub_explicit(&budget->used, blocks, memory_order_relaxed);
}
