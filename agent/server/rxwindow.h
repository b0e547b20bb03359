/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"

/* Which sequences of a key were received (docs/protocol.md, section 3.2). Pure. All zero: none yet. */
#define KGR_RXWINDOW_LEN 64

struct kgr_rxwindow {
    uint32_t epoch;   /* highest authenticated */
    uint32_t counter; /* highest in that epoch */
    uint64_t seen;    /* bit i: counter - i was received */
};

/* kgr_rxwindow_fresh tells whether a frame may still be new: before its tag is verified. */
KGR_MUST_CHECK bool kgr_rxwindow_fresh(const struct kgr_rxwindow *window, uint64_t sequence);
/* kgr_rxwindow_take marks the sequence of an authentic frame; false, unchanged, when it is not fresh. */
KGR_MUST_CHECK bool kgr_rxwindow_take(struct kgr_rxwindow *window, uint64_t sequence);
