/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/*
 * How often and how long a TPM was asked, by command. The thread that owns the TPM adds, any thread reads: numbers of one command
 * may be of different moments.
 */
#define KGR_TPM_STATS_MAX 40 /* different commands; there are no more in agent/tpm */

struct kgr_tpm_stat {
    _Atomic(const char *) name; /* as the specification has it; NULL: the end of the list */
    atomic_uint_fast64_t num;
    atomic_uint_fast64_t failed; /* of those: an answer that is no success, or none */
    atomic_uint_fast64_t ns;
};

struct kgr_tpm_stats {
    struct kgr_tpm_stat list[KGR_TPM_STATS_MAX];
};

/* kgr_tpm_stats_add: name is a literal, compared by its characters. */
void kgr_tpm_stats_add(struct kgr_tpm_stats *stats, const char *name, bool ok, uint64_t ns);

struct kgr_tpm_times {
    const char *name;
    uint64_t num, failed, ns;
};
/* kgr_tpm_stats_read: false when there are fewer commands than index + 1. */
bool kgr_tpm_stats_read(const struct kgr_tpm_stats *stats, size_t index, struct kgr_tpm_times *out);
