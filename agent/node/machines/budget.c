/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/node/machines/budget.h"

#include "agent/base/suite.h"

#include <assert.h>

/* A crash costs at most this part of the budget. */
#define STEPS 4096u

static uint64_t sum(uint64_t a, uint64_t b)
{
    return a > UINT64_MAX - b ? UINT64_MAX : a + b;
}

void kgr_budget_restart(struct kgr_budget *out, uint64_t stored)
{
    *out = (struct kgr_budget){.used = stored, .reserved = stored};
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
    return sum(budget->used, blocks) > limit;
}

bool kgr_budget_need(const struct kgr_budget *budget, uint64_t limit, uint64_t blocks,
                     uint64_t *out_reserved)
{
    uint64_t step = limit / STEPS > 0 ? limit / STEPS : 1;
    uint64_t wanted = sum(budget->used, blocks);

    if (wanted <= budget->reserved)
        return false;
    *out_reserved = sum(wanted, step - 1);
    return true;
}

void kgr_budget_raise(struct kgr_budget *budget, uint64_t reserved)
{
    if (reserved > budget->reserved)
        budget->reserved = reserved;
}

void kgr_budget_use(struct kgr_budget *budget, uint64_t blocks)
{
    budget->used = sum(budget->used, blocks);
    assert(budget->used <= budget->reserved);
}
