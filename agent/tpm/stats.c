/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/tpm/stats.h"

#include <string.h>

void kgr_tpm_stats_add(struct kgr_tpm_stats *stats, const char *name, bool ok, uint64_t ns)
{
    for (size_t i = 0; i < KGR_TPM_STATS_MAX; i++) {
        struct kgr_tpm_stat *stat = &stats->list[i];
        const char *its = atomic_load_explicit(&stat->name, memory_order_relaxed);

        if (its != NULL && its != name && strcmp(its, name) != 0)
            continue;
        atomic_fetch_add_explicit(&stat->num, 1, memory_order_relaxed);
        atomic_fetch_add_explicit(&stat->ns, ns, memory_order_relaxed);
        if (!ok)
            atomic_fetch_add_explicit(&stat->failed, 1, memory_order_relaxed);
        if (its == NULL)
            atomic_store_explicit(&stat->name, name, memory_order_release);
        return;
    }
}

bool kgr_tpm_stats_read(const struct kgr_tpm_stats *stats, size_t index, struct kgr_tpm_times *out)
{
    const struct kgr_tpm_stat *stat;

    if (index >= KGR_TPM_STATS_MAX)
        return false;
    stat = &stats->list[index];
    out->name = atomic_load_explicit(&stat->name, memory_order_acquire);
    out->num = atomic_load_explicit(&stat->num, memory_order_relaxed);
    out->failed = atomic_load_explicit(&stat->failed, memory_order_relaxed);
    out->ns = atomic_load_explicit(&stat->ns, memory_order_relaxed);
    return out->name != NULL;
}
