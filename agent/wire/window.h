/* SPDX-License-Identifier: BSD-2-Clause */
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "agent/base/attr.h"

/*
 * The receiver's window over the sequences of one key_id (docs/protocol.md, "Sequence"). All zero is
 * the window that has seen nothing. Its three numbers are what a store keeps.
 */
struct kgr_window {
    uint32_t epoch;   /* highest authenticated */
    uint32_t highest; /* counter in that epoch */
    uint64_t seen;    /* bit i: counter highest - i */
};

/*
 * kgr_window_fresh tells whether a frame with this sequence may still be accepted; asked before the
 * tag is verified, it changes nothing.
 */
KGR_MUST_CHECK bool kgr_window_fresh(const struct kgr_window *w, uint64_t sequence);
/* kgr_window_accept marks the sequence of an authentic frame; false, unchanged, if it was not fresh. */
KGR_MUST_CHECK bool kgr_window_accept(struct kgr_window *w, uint64_t sequence);
