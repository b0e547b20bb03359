/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * Sequences of frames (docs/protocol.md, section 3.2): epoch in the upper 32 bits, counter in the lower. What a
 * receiver remembers of one key_id: the highest epoch, its highest counter, and the 64 counters up to it.
 * Pure.
 */
struct kgr_window {
    uint32_t epoch;
    uint32_t highest; /* 0: none in this epoch */
    uint64_t seen;    /* bit i: counter highest - i */
};

/* kgr_window_check: KGR_ERR_REPLAY when seen, below the window or of an epoch that is over. Changes nothing. */
KGR_MUST_CHECK enum kgr_error kgr_window_check(const struct kgr_window *window, uint64_t sequence);
/* kgr_window_accept marks a sequence whose frame was verified; errors as check. */
KGR_MUST_CHECK enum kgr_error kgr_window_accept(struct kgr_window *window, uint64_t sequence);
