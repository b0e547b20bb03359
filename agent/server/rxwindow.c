/* SPDX-License-Identifier: BSD-2-Clause */
#include "agent/server/rxwindow.h"

bool kgr_rxwindow_fresh(const struct kgr_rxwindow *window, uint64_t sequence)
{
    uint32_t epoch = (uint32_t)(sequence >> 32), counter = (uint32_t)sequence;

    if (epoch == 0 || counter == 0 || epoch < window->epoch)
        return false;
    if (epoch > window->epoch || counter > window->counter)
        return true;
    if (window->counter - counter >= KGR_RXWINDOW_LEN)
        return false;
    return (window->seen >> (window->counter - counter) & 1u) == 0;
}

bool kgr_rxwindow_take(struct kgr_rxwindow *window, uint64_t sequence)
{
    uint32_t epoch = (uint32_t)(sequence >> 32), counter = (uint32_t)sequence;

    if (!kgr_rxwindow_fresh(window, sequence))
        return false;
    if (epoch > window->epoch) {
        *window = (struct kgr_rxwindow){.epoch = epoch, .counter = counter, .seen = 1};
    } else if (counter > window->counter) {
        uint32_t shift = counter - window->counter;

        window->seen = shift < KGR_RXWINDOW_LEN ? window->seen << shift | 1u : 1u;
        window->counter = counter;
    } else {
        window->seen |= UINT64_C(1) << (window->counter - counter);
    }
    return true;
}
