/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "agent/base/attr.h"

/* Sleeping on words, in memory that processes share or not. Thread-safe, all of them. */
#define KGR_FUTEX_MANY 72

/* Sleep while *word is value. */
struct kgr_futex_wait {
    _Atomic uint32_t *word;
    uint32_t value;
};

/*
 * kgr_futex_wait sleeps while *word is value, for at most timeout_ms, until it is woken, or for no reason;
 * the caller looks.
 */
void kgr_futex_wait(_Atomic uint32_t *word, uint32_t value, uint32_t timeout_ms);
/*
 * kgr_futex_wait_many sleeps on up to KGR_FUTEX_MANY words at once and without a time limit. false: it cannot, for a
 * reason that will not pass by itself.
 */
KGR_MUST_CHECK bool kgr_futex_wait_many(const struct kgr_futex_wait *waits, size_t num);
/* kgr_futex_can_wait_many: this kernel has it (Linux 5.16), and no filter of ours forbids it. */
KGR_MUST_CHECK bool kgr_futex_can_wait_many(void);
/* kgr_futex_wake wakes one that sleeps on word. */
void kgr_futex_wake(_Atomic uint32_t *word);
